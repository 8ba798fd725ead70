# A role that may pull cannot use up the worker slots of the server.  A
# superuser limits the loaders of one pull and the workers of all pulls.

use strict;
use warnings;
use PgTunsync;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $w = PgTunsync->new(users => 100, source_conf => "max_connections = 200\n", local_conf => "max_connections = 200\n");
$w->write_env(PGSYNC_LOCAL_PORT => 0);
$w->local_sql(q{CREATE ROLE caller LOGIN; GRANT USAGE ON SCHEMA pgtunsync TO caller;
	GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pgtunsync TO caller;
	GRANT INSERT, TRUNCATE, SELECT ON ALL TABLES IN SCHEMA public TO caller});

# ---- one pull ----

my $run = $w->pulls("'users,orders', jobs => 64", 'jobs beyond the limit', [qw(users orders)], user => 'caller');
like($run->{err},
	qr/NOTICE:  00000: going on with 8 of 64 loaders\nDETAIL:  The setting "pgtunsync.max_jobs" allows no more\.\n/,
	'are limited, with a NOTICE');
is($w->last_run("options->>'jobs'"), '8', 'the audit has the number in force');
$run = $w->pulls("'users'", 'a setting beyond the limit', ['users'], user => 'caller',
	options => '-c pgtunsync.jobs=64');
unlike($run->{err}, qr/loaders/, 'is limited in silence');
is($w->last_run("options->>'jobs'"), '8', 'as well');
like($w->pull("'users'", options => '-c pgtunsync.jobs=9 -c client_min_messages=debug1')->{err},
	qr/DEBUG:  00000: going on with 8 of 9 loaders/, 'but for DEBUG1');
unlike($w->pull("'users', jobs => 8")->{err}, qr/going on/, 'the limit itself may be had');
foreach my $setting (qw(max_jobs max_workers))
{
	$run = $w->call("SELECT * FROM pgtunsync.progress; SET pgtunsync.$setting = 64", user => 'caller')->finish;
	is($run->{sqlstate}, '42501', "a caller cannot raise $setting");
}
$run = $w->call("SET pgtunsync.max_jobs = 64; SELECT pgtunsync.pull('users', jobs => 64)", user => 'caller')->finish;
is($run->{sqlstate}, '42501', 'nor in a session that has not used the extension yet');
$w->local_sql('ALTER ROLE caller SET pgtunsync.max_jobs = 11');
$run = $w->pull("'users', jobs => 64", user => 'caller');
like($run->{err}, qr/going on with 11 of 64/, 'a superuser can, for a role');
$w->local_sql('ALTER ROLE caller RESET pgtunsync.max_jobs');
is($w->call('SELECT * FROM pgtunsync.progress; SET pgtunsync.max_workers = 2')->finish->{sqlstate}, '22023',
	'a pull needs three workers');
$run = $w->pulls("'users,orders,reviews', jobs => 4", 'fewer workers than jobs', [qw(users orders reviews)],
	options => '-c pgtunsync.max_workers=4');
like($run->{err}, qr/NOTICE:  00000: going on with 2 of 3 loaders\nHINT:  Raise .*"pgtunsync\.max_workers"/,
	'goes on with what there is');

# ---- many pulls ----

is($w->local_sql('SELECT * FROM pgtunsync.progress; SHOW pgtunsync.max_workers'), 18,
	'a quarter of the slots is for others');

# Returns the current workers of the extension.
sub workers { return $w->local_sql("SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'pgtunsync%'"); }

# Starts calls that wait for a lock on the source, all at once.  Returns the
# largest number of workers seen.
my $lock = $w->call('BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE; SELECT 1;',
	node => $w->source, database => 'production', more => 1);
$lock->wait_message(qr/1/, 'out');
my $most = 0;
my @calls = map {
	$w->start_pull(($_ % 2 ? "'users'" : "'users', wait => false") . ', jobs => 4', user => 'caller',
		options => '-c pgtunsync.lock_timeout=100s -c pgtunsync.source_lock_timeout=100s')
} 1 .. 16;
my $end = time() + 6;
while (time() < $end)
{
	my $now = workers();
	$most = $now if $now > $most;
	sleep 0.05;
}
cmp_ok($most, '<=', 18, 'never more workers than allowed');
cmp_ok($most, '>=', 12, 'but several pulls at a time');
diag("most workers at one time: $most");

# other extensions get their slots
my $plan = $w->local_sql('SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0;
	SET min_parallel_table_scan_size = 0;
	EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off) SELECT count(*) FROM order_items');
like($plan, qr/Workers Launched: 1/, 'a parallel query has its workers meanwhile');
$run = $w->pull("'reviews'", user => 'caller');
is($run->{sqlstate}, '53400', 'one more pull is refused');
like($run->{err},
	qr/too many workers of pgtunsync run on this server\n.*"pgtunsync\.max_workers" allows 18, and a pull needs 3\./s,
	'with the reason');
$run = $w->call('SELECT * FROM pgtunsync.check()', user => 'caller')->finish;
is($run->{sqlstate}, '53400', 'so is check()');
$run = $w->pull("'reviews', jobs => 1", options => '-c pgtunsync.max_workers=24');
is($run->{rc}, 0, 'a superuser may go beyond') or diag($run->{err});

# one after the other, as fast as they can
$most = 0;
my @busy = map { $w->call(join('', map { "SELECT pgtunsync.pull('reviews', jobs => 1);\n" } 1 .. 6),
	user => 'caller', go_on => 1) } 1 .. 8;
while (grep { $_->running } @busy)
{
	my $now = workers();
	$most = $now if $now > $most;
	last if time() > $end + 60;
	sleep 0.01;
}
cmp_ok($most, '<=', 18, 'calls without end take no more');
$_->finish foreach @busy;

$lock->finish;
my %states = map { ($_->finish->{sqlstate} || 'none') => 1 } @calls;
is(join(' ', sort keys %states), '53400 none', 'each call succeeded or was refused for want of workers');
PgTunsync::Process::wait_until('the last pull', sub { return !workers(); });
$w->nothing_left;
$w->pulls("'users,reviews'", 'then all is as before', [qw(users reviews)], user => 'caller');

done_testing();
