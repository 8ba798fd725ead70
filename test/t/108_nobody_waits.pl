# While the leader locks the targets for the swap, it does not wait for locks
# that others hold, such as one on the run's audit row, nor for a standby that
# is down.

use strict;
use warnings;
use PgTunsync;
use PostgreSQL::Test::Cluster;
use Test::More;
use Time::HiRes qw(sleep time);

my $w = PgTunsync->new(
	users      => 300,
	local_conf => "wal_level = logical\nmax_wal_senders = 4\nmax_replication_slots = 4\n",
	local_init => { allows_streaming => 1 });
my $relay = $w->relay;

sub stalled_call
{
	my ($arguments, @more) = @_;
	$relay->set(stall_after => 20_000);
	my $call = $w->start_pull($arguments, @more);
	$relay->wait_stalled;
	return $call;
}

# Reads and writes a table until the call has ended; returns the longest wait.
sub longest_wait
{
	my ($call, $seconds) = @_;
	my $longest = 0;
	my $end = time() + $seconds;

	while ($call->running && time() < $end)
	{
		foreach my $sql ('SELECT count(*) FROM users', 'UPDATE users SET name = name WHERE id = 1')
		{
			my $start = time();
			$w->local_node->psql('dev', "SET synchronous_commit = local; SET statement_timeout = '20s'; $sql");
			$longest = time() - $start if time() - $start > $longest;
		}
		sleep 0.05;
	}
	return $longest;
}

# ---- the audit ----

foreach my $case (
	[ 'the run\'s row', 'SELECT 1 FROM pgtunsync_internal.runs WHERE status = \'running\' FOR UPDATE' ],
	[ 'table runs', 'LOCK TABLE pgtunsync_internal.runs IN SHARE MODE' ],
	[ 'table run_tables', 'LOCK TABLE pgtunsync_internal.run_tables IN EXCLUSIVE MODE' ])
{
	my ($title, $sql) = @$case;
	my $before = $w->snapshot;
	my $call = stalled_call("'users'", options => '-c pgtunsync.lock_timeout=3s');
	my $holder = $w->call("BEGIN; $sql; SELECT 'locked';", more => 1);
	$holder->wait_message(qr/locked/, 'out');
	$relay->set;
	cmp_ok(longest_wait($call, 20), '<', 1.5, "$title is locked: nobody waits");
	$holder->say('COMMIT;');
	$holder->finish;
	$call->finish;
	is($call->{sqlstate}, '55P03', 'the run gives up after lock_timeout') or diag($call->{err});
	like($call->{err}, qr/could not lock the row of run \d+ in pgtunsync_internal\.runs within 3000 ms/,
		'and says why');
	$w->unchanged($before);
	$w->pull("'categories'");	# marks the run that could not write its end
	$w->nothing_left;
}
my $call = stalled_call("'users'");
my $holder = $w->call("BEGIN; SELECT 1 FROM pgtunsync_internal.runs FOR UPDATE; SELECT 'locked';", more => 1);
$holder->wait_message(qr/locked/, 'out');
$relay->set;
sleep 1.5;
$holder->say('COMMIT;');
$holder->finish;
is($call->finish->{rc}, 0, 'a lock that is given back in time does no harm') or diag($call->{err});
$w->both_equal('users');

# ---- an ALTER TABLE that waits for somebody else ----

$call = stalled_call("'users'");
my $start = time();
is($w->call("SET lock_timeout = '5s'; ALTER TABLE users ALTER name SET DEFAULT 'none';")->finish->{rc}, 0,
	'ALTER TABLE during the load');
is($w->call("SET lock_timeout = '5s'; SELECT count(*) FROM users;")->finish->{rc}, 0, 'and a reader behind it');
cmp_ok(time() - $start, '<', 4, 'wait for nobody');
ok($call->running, 'while the pull goes on');
$relay->set;
is($call->finish->{rc}, 0, 'which succeeds: a default does not matter') or diag($call->{err});

# ---- rows that are replaced one by one, for a subscriber: readers go on ----

$w->local_sql("CREATE PUBLICATION published FOR TABLE users;
	SELECT pg_create_logical_replication_slot('slot', 'pgoutput')");
$w->source_sql("UPDATE users SET name = 'anew'");
my $reader = $w->call("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM users; SELECT 'read';", more => 1);
$reader->wait_message(qr/read/, 'out');
$call = $w->pull("'users'");
is($call->{rc}, 0, 'a published table does not wait for its readers') or diag($call->{err});
like($call->{err}, qr/table "users" was replaced row by row/, 'which are shown the old rows');
$reader->say("SELECT 'anew rows: ' || count(*) FROM users WHERE name = 'anew'; COMMIT;");
like($reader->finish->{out}, qr/anew rows: 0/, 'as their snapshot says');
$w->both_equal('users');
$w->local_sql("SELECT pg_drop_replication_slot('slot'); DROP PUBLICATION published");

# ---- a synchronous standby that is down ----

my $backup = $w->local_node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($w->local_node, 'base', has_streaming => 1);
$standby->append_conf('postgresql.conf',
	"primary_conninfo = '" . $w->local_node->connstr . " application_name=standby'");
$standby->start;
$w->local_node->append_conf('postgresql.conf', "synchronous_standby_names = 'standby'");
$w->local_node->reload;
$w->local_node->poll_query_until('postgres',
	"SELECT count(*) = 1 FROM pg_stat_replication WHERE sync_state = 'sync'") or die 'no standby';
is($w->pull("'users'")->{rc}, 0, 'a pull with a synchronous standby');
$w->source_sql("UPDATE users SET name = 'confirmed late'");

$relay->set(stall_after => 20_000);
$call = $w->start_pull("'users'");
$relay->wait_stalled;
$standby->stop('immediate');
$relay->set;
$w->local_node->poll_query_until('dev', "SELECT count(*) > 0 FROM users WHERE name = 'confirmed late'", 't')
  or diag('the rows do not show up');
cmp_ok(longest_wait($call, 3), '<', 1.5, 'readers and writers go on while the commit is not confirmed');
ok($call->running, 'for which the pull waits');
$w->local_sql("SET synchronous_commit = local;
	SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE backend_type = 'pgtunsync leader'");
$call->finish;
is($call->{rc}, 0, 'a cancel ends the waiting, not the run') or diag($call->{err});
like($call->{err}, qr/WARNING:.*canceling wait for synchronous replication/, 'with a WARNING');
$w->both_equal('users');

$standby->start;
$relay->set(stall_after => 20_000);
$call = $w->start_pull("'users'");
$relay->wait_stalled;
$standby->stop('immediate');
$relay->set;
sleep 2;
ok($call->running, 'the pull waits again');
$standby->start;
is($call->finish->{rc}, 0, 'until the standby is back') or diag($call->{err});
unlike($call->{err}, qr/WARNING/, 'without a WARNING');
$w->local_node->append_conf('postgresql.conf', "synchronous_standby_names = ''");
$w->local_node->reload;
$standby->stop;
$w->nothing_left;

done_testing();
