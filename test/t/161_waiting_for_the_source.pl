# How long a pull waits for the source, and what it says: locks that stay, what
# the role may see of who holds them, and the timeouts that the source's DBA has
# set.

use strict;
use warnings;
use PgTunsync;
use PgTunsync::Process;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $w = PgTunsync->new(empty => 1);
my $schema = 'CREATE TABLE users (id int PRIMARY KEY, t text); CREATE TABLE orders (id int PRIMARY KEY, t text);';
$w->source_sql("$schema INSERT INTO users SELECT i, 'new' FROM generate_series(1, 10) i;
	INSERT INTO orders SELECT i, 'new' FROM generate_series(1, 10) i; CREATE ROLE deploy LOGIN SUPERUSER;");
$w->local_sql("$schema INSERT INTO users VALUES (0, 'old')");

# Locks tables of the source in a session of the role deploy.
sub hold
{
	my ($tables) = @_;
	my $holder = $w->call("SET application_name = 'rails'; BEGIN; LOCK TABLE $tables; SELECT pg_backend_pid();",
		connstr => $w->source->connstr('production'), user => 'deploy', more => 1);
	$holder->wait_message(qr/^\d+$/m, 'out');
	($holder->{pid}) = $holder->text('out') =~ /^(\d+)$/m;
	return $holder;
}

# ---- a lock that stays ----

$w->setting(source_lock_timeout => '700ms');
my $before = $w->snapshot;
my $holder = hold('users');
my $start = time();
my $run = $w->pull("'users'");
my $took = time() - $start;
$w->check_refused($run, $before, sqlstate => '55P03',
	message => [
		qr/NOTICE:  00000: table users is locked on the source, it is tried again after the others\nDETAIL:/,
		qr/DETAIL:  In the way there: process $holder->{pid} \(user "deploy", application "rails"\)\.\n/,
		qr/a lock on users could not be had on the source/,
		qr/SELECT pg_terminate_backend\($holder->{pid}\)/,
		qr/raise "pgtunsync\.source_lock_timeout"/ ],
	unlike => [qr/in a transaction since/]);
cmp_ok($took, '<', 25, 'the wait is bounded');
cmp_ok($took, '>', 2.1, 'after three rounds of the timeout');
is(scalar(() = $run->{err} =~ /is locked on the source/g), 1, 'it is told once');
is($w->last_run('sqlstate'), '55P03', 'the audit has the SQLSTATE');

# a role that may see more is told more
$w->source_sql('GRANT pg_read_all_stats TO reader');
$run = $w->pull("'users'");
like($run->{err},
	qr/In the way there: process \d+ \(user "deploy", application "rails"\), idle in transaction, in a transaction since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\./,
	'state and start of the transaction, where the role may see them');

# what data rules mask cannot be in a name that a client chose
$w->write_config("data_rules: {t: null}\n");
$run = $w->pull("'users'");
like($run->{err}, qr/In the way there: process \d+ \(user "deploy"\),/, 'no application under data rules');
$w->write_config('');

# the others come; the HINT works
$run = $w->pull("'users,orders'");
is($run->{sqlstate}, '55P03', 'one of two tables is locked');
is($w->last_run('status'), 'partial', 'the other one is replaced');
is($w->local_sql(q{SELECT count(*) FROM orders WHERE t = 'new'}), 10, 'with its rows');
my ($statement) = $run->{err} =~ /(SELECT pg_terminate_backend\(\d+\))/;
is($w->source_sql($statement), 't', 'the statement of the HINT ends the other session');
$holder->finish;
$w->local_sql('TRUNCATE users');
$run = $w->pull("'users'");
is($run->{rc}, 0, 'and the next pull succeeds') or diag($run->{err});
$w->both_equal('users');

# a session that waits for a lock is in the way, too
my $reader = $w->call("BEGIN; LOCK TABLE users IN ACCESS SHARE MODE; SELECT 'has';",
	node => $w->source, database => 'production', more => 1);
$reader->wait_message(qr/has/, 'out');
my $waiting = $w->call("SET application_name = 'alter'; ALTER TABLE users ADD COLUMN more int;",
	node => $w->source, database => 'production');
PgTunsync::Process::wait_until('the ALTER waits',
	sub { $w->source_sql(q{SELECT count(*) FROM pg_locks WHERE NOT granted}) > 0 });
$run = $w->pull("'users'");
is($run->{sqlstate}, '55P03', 'a queued ALTER is not overtaken');
like($run->{err}, qr/In the way there: process \d+ \(user "[^"]+", application "alter"\)/, 'and named');
$reader->finish;
is($waiting->finish->{rc}, 0, 'it gets its lock');

# a lock that goes in time; with one loader and several
$w->setting(source_lock_timeout => '10s');
foreach my $jobs (1, 4)
{
	$holder = hold('users');
	my $pull = $w->start_pull("'users,orders', jobs => $jobs");
	$pull->wait_message(qr/table users is locked on the source/);
	$pull->wait_message(qr/NOTICE:  \w+: orders: 10 rows/);
	$holder->finish;
	is($pull->finish->{rc}, 0, "jobs => $jobs: a lock that goes in time is waited for") or diag($pull->{err});
	$w->both_equal('users', 'orders');
}

# cancel while waiting
$holder = hold('users');
my $pull = $w->start_pull("'users'", options => '-c statement_timeout=1500ms');
$start = time();
is($pull->finish->{sqlstate}, '57014', 'a wait for the source can be cancelled');
cmp_ok(time() - $start, '<', 10, 'at once');
$holder->finish;
$w->nothing_left;

# ---- timeouts that the DBA of the source has set ----

# lock_timeout: the shorter one counts
$w->setting(source_lock_timeout => undef);
$w->source_sql("ALTER ROLE reader SET lock_timeout = '50ms'; ALTER SYSTEM SET log_lock_waits = on;
	ALTER SYSTEM SET deadlock_timeout = '120ms'; ALTER SYSTEM SET log_min_duration_statement = 0; SELECT pg_reload_conf()");
$holder = hold('users');
my $log_start = -s $w->source->logfile;
$pull = $w->start_pull("'users'");
$pull->wait_message(qr/table users is locked on the source/);
sleep 3;
$holder->finish;
is($pull->finish->{rc}, 0, 'a shorter lock_timeout of the role does not fail the pull') or diag($pull->{err});
unlike(slurp_file($w->source->logfile, $log_start), qr/still waiting for AccessShareLock/, 'but is not exceeded');
$w->source_sql('ALTER ROLE reader SET lock_timeout = 0');
$holder = hold('users');
$log_start = -s $w->source->logfile;
$pull = $w->start_pull("'users'");
PgTunsync::Process::wait_until('a wait of the pull',
	sub { slurp_file($w->source->logfile, $log_start) =~ /still waiting for AccessShareLock/ });
$holder->finish;
is($pull->finish->{rc}, 0, 'none at all is lowered to ours') or diag($pull->{err});
$w->source_sql('ALTER ROLE reader RESET lock_timeout; ALTER SYSTEM RESET ALL; SELECT pg_reload_conf()');

# statement_timeout: of role and database; what was cut is said
$w->source_sql("ALTER ROLE reader SET statement_timeout = '1s'");
my $slow = q{'users', filter => 'pg_catalog.pg_sleep(0.2) IS NOT NULL', mode => 'replace'};
$before = $w->snapshot;
$w->refused($slow, 'a COPY that takes longer than the statement_timeout of the role', sqlstate => '57014',
	message => [ qr/canceling statement due to statement timeout/,
		qr/HINT:  On the source, statement_timeout is 1000 ms for this role and database\. .*options=-c%20statement_timeout%3D0/ ]);
$w->write_config("data_rules: {orders.t: null}\n");
$w->refused($slow, 'the same while data rules hide the texts of the source', sqlstate => '57014',
	message => [qr/HINT:  On the source, statement_timeout is 1000 ms/]);
$w->write_config('');
$w->write_env(PGSYNC_FROM_URL => $w->source_url . '?options=-c%20statement_timeout%3D0');
$run = $w->pull($slow);
is($run->{rc}, 0, 'what the HINT says helps') or diag($run->{err});
$w->both_equal('users');
$w->write_env;
$w->source_sql(q{ALTER ROLE reader RESET statement_timeout; ALTER DATABASE production SET statement_timeout = '1500ms'});
$run = $w->pull($slow);
like($run->{err}, qr/statement_timeout is 1500 ms/, 'that of the database counts as well');
is($w->pull("'users,orders'")->{rc}, 0, 'what is fast enough comes');
$w->source_sql('ALTER DATABASE production RESET statement_timeout');

# somebody who cancels a COPY there is not taken for a timeout
$pull = $w->start_pull($slow);
PgTunsync::Process::wait_until('the COPY',
	sub { $w->source_sql(q{SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'}) > 0 });
$w->source_sql(q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'});
$run = $pull->finish;
is($run->{sqlstate}, '57014', 'a COPY that is cancelled on the source fails');
unlike($run->{err}, qr/statement_timeout/, 'and no timeout is blamed');
$w->nothing_left;

done_testing();
