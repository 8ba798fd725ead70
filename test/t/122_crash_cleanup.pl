# The first call of any function removes the leftovers of a crash, even if the
# audit is unusable.  It does not touch a living run.

use strict;
use warnings;
use PgTunsync;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);

my $w = PgTunsync->new(users => 1000);
my $relay = $w->relay;

$w->local_sql('CREATE ROLE caller LOGIN; CREATE ROLE nobody LOGIN;
	GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pgtunsync TO caller');

sub staged { return $w->local_sql("SELECT count(*) FROM pg_class
	WHERE relnamespace = 'pgtunsync_staging'::regnamespace"); }
sub statuses { return $w->local_sql("SELECT string_agg(status, ' ' ORDER BY id) FROM (SELECT *
	FROM pgtunsync.runs ORDER BY id DESC LIMIT 1) r"); }
sub log_size { return -s $w->local_node->logfile; }
sub log_since { return substr(slurp_file($w->local_node->logfile), $_[0]); }

# Starts a pull that comes to a stop while loaders fill staging heaps.
sub stalled_pull
{
	my (%params) = @_;
	$relay->set(stall_after => 60_000);
	my $call = $w->start_pull('jobs => 2', %params);
	$relay->wait_stalled;
	$w->wait_worker('loader');
	return $call;
}

# Leaves staging heaps and a row that says "running".
sub crash
{
	my $call = stalled_pull();
	$w->kill_hard($w->wait_worker('leader'));
	$call->finish;
	$relay->set;
	$w->server_is_up;
	cmp_ok(staged(), '>=', 2, 'a crash has left staging heaps');
	is(statuses(), 'running', 'and a row that says "running"');
	return $w->local_sql('SELECT max(id) FROM pgtunsync.runs');
}

# a crash also takes sequences to the end of what they had reserved
crash();
$w->local_sql('SELECT * FROM pgtunsync.progress');
my $before = $w->snapshot;

# ---- each function, by roles that have no right but to call it ----

my %calls = (
	wait     => [ 'caller', sub { "SELECT pgtunsync.wait($_[0])" }, '42704' ],
	cancel   => [ 'caller', sub { "SELECT pgtunsync.cancel($_[0])" }, '42704' ],
	check    => [ 'caller', sub { 'SELECT count(*) FROM pgtunsync.check()' } ],
	plan     => [ 'caller', sub { q{SELECT count(*) FROM pgtunsync.plan('users')} } ],
	pull     => [ 'caller', sub { q{SELECT pgtunsync.pull('users')} }, '42501' ],
	progress => [ 'nobody', sub { 'SELECT count(*) FROM pgtunsync.progress' } ],
	'progress in a read-only transaction' => [ 'nobody', sub {
		'BEGIN READ ONLY; SELECT count(*) FROM pgtunsync.progress; ROLLBACK' } ],
	'progress in a transaction that is rolled back' => [ 'nobody', sub {
		'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1; SELECT count(*) FROM pgtunsync.progress; ROLLBACK' } ]);
foreach my $name (sort keys %calls)
{
	my ($role, $sql, $sqlstate) = @{ $calls{$name} };
	subtest "$name cleans up" => sub {
		my $id = crash();
		my $call = $w->call($sql->($id) . ';', user => $role)->finish;
		is($call->{sqlstate} || 'none', $sqlstate || 'none', 'the call says what it would say') or diag($call->{err});
		is(staged(), 0, 'the staging heaps are gone');
		is($w->local_sql("SELECT status, error, sqlstate, finished_at IS NOT NULL FROM pgtunsync.runs WHERE id = $id"),
			'crashed|the leader of the run vanished|XX000|t', 'the run is marked');
		$w->unchanged($before);
		$w->nothing_left;
	};
}
subtest 'wait() raises what became of the run' => sub {
	my $id = crash();
	my $call = $w->call("SELECT pgtunsync.wait($id);")->finish;
	is($call->{sqlstate}, 'XX000', 'as an error');
	like($call->{err}, qr/run $id crashed: the leader of the run vanished/, 'that says it crashed');
	$w->nothing_left;
};

# ---- relrewrite is not needed ----

subtest 'without relrewrite' => sub {
	crash();
	$w->local_sql('SET allow_system_table_mods = on; UPDATE pg_class SET relrewrite = 0 WHERE relrewrite <> 0');
	$w->local_sql('SELECT * FROM pgtunsync.progress');
	is(staged(), 0, 'the staging heaps are found');
	$w->nothing_left;
};

# ---- an audit that cannot be used ----

subtest 'an audit that is renamed after a crash' => sub {
	my $id = crash();
	$w->local_sql('ALTER TABLE pgtunsync_internal.runs RENAME TO walks');
	my $call = $w->call('SELECT * FROM pgtunsync.check();')->finish;
	is($call->{rc}, 0, 'check() works without') or diag($call->{err});
	unlike($call->{out}, qr/\|f\|/, 'all its steps');
	is(staged(), 0, 'and the staging heaps are gone');
	$w->local_sql('ALTER TABLE pgtunsync_internal.walks RENAME TO runs');
	$w->local_sql('SELECT * FROM pgtunsync.progress');
	is($w->local_sql("SELECT status FROM pgtunsync.runs WHERE id = $id"), 'crashed',
		'the row is marked when it can be');
	$w->nothing_left;
};
subtest 'progress when the audit is renamed after a crash' => sub {
	crash();
	$w->local_sql('ALTER TABLE pgtunsync_internal.runs RENAME TO walks');
	my $call = $w->call('SELECT * FROM pgtunsync.progress;', user => 'nobody')->finish;
	is($call->{sqlstate}, '42P01', 'it fails');
	is(staged(), 0, 'after the staging heaps were dropped');
	$w->local_sql('ALTER TABLE pgtunsync_internal.walks RENAME TO runs');
	$w->local_sql('SELECT * FROM pgtunsync.progress');
	$w->nothing_left;
};
subtest 'an audit that is renamed while a pull runs' => sub {
	my $call = stalled_pull();
	cmp_ok(staged(), '>=', 2, 'there are staging heaps');
	$w->local_sql('ALTER TABLE pgtunsync_internal.runs RENAME TO walks');
	my $logged = log_size();
	$w->source->stop('immediate');
	$call->finish;
	$w->source->start;
	$relay->set;
	like($call->{sqlstate}, qr/^(?:08|57)/, 'the caller is told why the run failed') or diag($call->{err});
	is(staged(), 0, 'its staging heaps are gone');
	like(log_since($logged),
		qr/LOG:  pgtunsync could not clean up after a run: relation "pgtunsync_internal.runs" does not exist/,
		'the log has the rest');
	$w->local_sql('ALTER TABLE pgtunsync_internal.walks RENAME TO runs');
	is(statuses(), 'running', 'its row could not be written');
	$w->local_sql('SELECT * FROM pgtunsync.progress');
	is(statuses(), 'crashed', 'the next call does');
	$w->unchanged($before);
	$w->nothing_left;
};

# ---- what is not to be touched ----

subtest 'a run that lives' => sub {
	my $call = stalled_pull();
	my $staged = staged();
	my $id = $w->local_sql('SELECT max(id) FROM pgtunsync.runs');
	cmp_ok($staged, '>=', 2, 'has staging heaps');
	cmp_ok($w->local_sql('SELECT count(*) FROM pgtunsync.progress'), '>', 0, 'and progress');
	$w->call("$_;", user => 'caller')->finish foreach "SELECT pgtunsync.cancel($id)",
		'SELECT * FROM pgtunsync.progress';
	$w->write_env(PGSYNC_LOCAL_PORT => 0);
	$w->call('SELECT * FROM pgtunsync.check();', user => 'caller')->finish;
	is($w->pull("'nowhere'", user => 'caller')->{rc} == 0 ? 1 : 0, 0, 'another pull');
	is(staged(), $staged, 'they stay');
	is($w->local_sql("SELECT status FROM pgtunsync.runs WHERE id = $id"), 'running', 'it goes on');
	$w->relay;
	$relay->set;
	is($call->finish->{rc}, 0, 'and succeeds') or diag($call->{err});
	$w->nothing_left;
};

# the pull has changed everything
crash();
$w->local_sql('SELECT * FROM pgtunsync.progress');
$before = $w->snapshot;

subtest 'what a superuser put there' => sub {
	$w->local_sql(q{CREATE TABLE pgtunsync_staging.staging_1_2 (i int); CREATE TABLE pgtunsync_staging.mine (i int);
		CREATE TABLE public.staging_1_3 (i int)});
	crash();
	$w->local_sql('SELECT * FROM pgtunsync.progress');
	is($w->local_sql("SELECT string_agg(oid::regclass::text, ' ' ORDER BY relname) FROM pg_class
		WHERE relname IN ('mine', 'staging_1_2', 'staging_1_3')"),
		'pgtunsync_staging.mine pgtunsync_staging.staging_1_2 staging_1_3', 'is no leftover');
	is(staged(), 2, 'the leftovers are gone');
	$w->local_sql('DROP TABLE pgtunsync_staging.staging_1_2, pgtunsync_staging.mine, public.staging_1_3');
	$w->nothing_left;
};
subtest 'no other role can put a table there' => sub {
	$w->local_sql('GRANT USAGE ON SCHEMA pgtunsync_staging TO caller; CREATE TABLE theirs (i int);
		ALTER TABLE theirs OWNER TO caller');
	is($w->call($_, user => 'caller')->finish->{sqlstate}, '42501', "not by: $_")
	  foreach 'CREATE TABLE pgtunsync_staging.staging_1_2 (i int);',
		'ALTER TABLE theirs SET SCHEMA pgtunsync_staging;', 'ALTER EXTENSION pgtunsync ADD TABLE theirs;';
	$w->local_sql('REVOKE USAGE ON SCHEMA pgtunsync_staging FROM caller; DROP TABLE theirs');
};

# ---- somebody is in the way ----

subtest 'a leftover that somebody uses' => sub {
	crash();
	my $heap = $w->local_sql("SELECT min(oid::regclass::text) FROM pg_class
		WHERE relnamespace = 'pgtunsync_staging'::regnamespace AND relkind = 'r'");
	my $user = $w->call("BEGIN; SELECT count(*) FROM $heap;", more => 1);
	$user->wait_message(qr/\d/, 'out');
	my $start = time();
	$w->local_sql('SELECT * FROM pgtunsync.progress');
	cmp_ok(time() - $start, '<', 5, 'is not waited for');
	is($w->local_sql("SELECT string_agg(oid::regclass::text, ' ') FROM pg_class
		WHERE relnamespace = 'pgtunsync_staging'::regnamespace AND relkind = 'r'"), $heap, 'and stays alone');
	is(statuses(), 'crashed', 'the run is marked');
	$user->say('ROLLBACK;');
	$user->finish;
	$w->local_sql('SELECT * FROM pgtunsync.progress');
	is(staged(), 0, 'until it is free');
	$w->nothing_left;
};
subtest 'a row of the audit that somebody has locked' => sub {
	my $id = crash();
	my $user = $w->call("BEGIN; SELECT count(*) FROM (SELECT FROM pgtunsync_internal.runs WHERE id = $id
		FOR UPDATE) r;", more => 1);
	$user->wait_message(qr/1/, 'out');
	my $start = time();
	$w->local_sql('SELECT * FROM pgtunsync.progress');
	cmp_ok(time() - $start, '<', 8, 'is waited for in bounded time');
	is(staged(), 0, 'the staging heaps are gone');
	is(statuses(), 'running', 'the row is not marked');
	$user->say('ROLLBACK;');
	$user->finish;
	$w->local_sql('SELECT * FROM pgtunsync.progress');
	is(statuses(), 'crashed', 'until it is free');
	$w->nothing_left;
};

# ---- no worker is started when there is nothing to do ----

# the postmaster logs each worker
$w->local_sql("ALTER SYSTEM SET log_min_messages = debug1");
$w->local_node->reload;
crash();
my $logged = log_size();
$w->local_sql('SELECT * FROM pgtunsync.progress');
is(scalar(() = log_since($logged) =~ /DEBUG:  registering background worker "pgtunsync cleaner"/g), 1,
	'a cleaner is started once');
$logged = log_size();
$w->local_sql('SELECT * FROM pgtunsync.progress; SELECT pgtunsync.cancel(max(id)) FROM pgtunsync.runs');
unlike(log_since($logged), qr/DEBUG:  registering background worker/, 'and none when there is nothing to do');
$w->unchanged($before);
$w->pulls('', 'and pulls work', [@PgTunsync::shop]);

done_testing();
