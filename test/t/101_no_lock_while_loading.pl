# A loader holds no lock on its table while rows flow.  ALTER TABLE gets its lock at
# once, readers behind it do not wait, and the table fails by name.

use strict;
use warnings;
use PgTunsync;
use Test::More;
use Time::HiRes qw(sleep time);

my $w = PgTunsync->new(empty => 1);
my $relay = $w->relay;

# "slow" stalls during COPY; the same loader loads "later" after it
$w->source_sql(q{
	CREATE TABLE slow (id int PRIMARY KEY, t text, n int);
	INSERT INTO slow SELECT i, repeat('x', 100), i FROM generate_series(1, 5000) i;
	CREATE TABLE later (id int PRIMARY KEY, t text);
	INSERT INTO later SELECT i, repeat('y', 100) FROM generate_series(1, 5000) i;
	CREATE TABLE kept (id int PRIMARY KEY, t text);
	INSERT INTO kept SELECT i, repeat('z', 100) FROM generate_series(1, 5000) i});
$w->local_sql(q{
	CREATE DOMAIN short AS text CHECK (length(VALUE) < 1000);
	CREATE TABLE slow (id int PRIMARY KEY, t short, n int CHECK (n > 0), d int DEFAULT 7,
		g int GENERATED ALWAYS AS (n * 2) STORED); CREATE INDEX slow_expression ON slow (lower(t)) WHERE n > 3;
	CREATE TABLE later (id int PRIMARY KEY, t text);
	CREATE TABLE kept (id int PRIMARY KEY, t text); INSERT INTO kept VALUES (-1, 'mine');
	CREATE TABLE lookup (id int); INSERT INTO lookup VALUES (1)});

# Starts a pull whose COPY stalls, with every feature that makes loaders open
# the table.
sub stalled_pull
{
	my ($tables) = @_;
	$relay->set(stall_after => 60_000);
	my $call = $w->start_pull("'$tables', jobs => 1");
	$relay->wait_stalled;
	sleep 0.5;
	return $call;
}

my $locks = "SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
	WHERE c.relname IN ('slow', 'later', 'kept', 'slow_pkey', 'slow_expression', 'later_pkey', 'kept_pkey')
	AND l.database = (SELECT oid FROM pg_database WHERE datname = 'dev') AND l.pid <> pg_backend_pid()";

# ---- plain ----

my $call = stalled_pull('slow,later');
is($w->local_sql($locks), 0, 'no process of the run holds a lock on the tables or their indexes');
my $start = time();
$w->local_sql("SET lock_timeout = '5s'; ALTER TABLE slow ADD COLUMN more int");
$w->local_sql("SET lock_timeout = '5s'; SELECT count(*) FROM slow");
$w->local_sql("SET lock_timeout = '5s'; ALTER TABLE later ALTER t TYPE varchar(200)");
$w->local_sql("SET lock_timeout = '5s'; SELECT count(*) FROM later");
cmp_ok(time() - $start, '<', 3, 'ALTER TABLE and readers behind it do not wait');
ok($call->running, 'while the pull goes on');
$relay->set;
is($call->finish->{sqlstate}, '55006', 'the tables fail') or diag($call->{err});
my $altered = 'could not be pulled: it was altered meanwhile';
like($call->{err}, qr/table slow $altered.*Column "more" was added while its rows were loaded/s,
	'saying what was altered');
like($call->{err}, qr/table later $altered.*Column "t" was changed while its rows were loaded/s,
	'also the one that was not begun yet');
is($w->local_sql('SELECT count(*) FROM slow'), 0, 'nothing has changed');
$w->healthy;
$w->nothing_left;

# ---- altered and dropped before a loader opens it ----

$call = stalled_pull('slow,later');
$w->local_sql('DROP TABLE later');
$relay->set;
$call->finish;
like($call->{err}, qr/table later could not be pulled: it was dropped meanwhile/, 'a table that is dropped meanwhile')
  or diag($call->{err});
is($w->local_sql('SELECT count(*), sum(g), min(d) FROM slow'), '5000|25005000|7',
	'the other comes, by its own defaults and expressions');
$w->local_sql('CREATE TABLE later (id int PRIMARY KEY, t text)');

# ---- rows that are kept ----

$w->write_config("keep: {kept: \"t = 'mine'\"}\n");
$call = stalled_pull('kept');
is($w->local_sql($locks), 0, 'no lock after local rows were copied');
$relay->set;
is($call->finish->{rc}, 0, 'rows that are kept come along') or diag($call->{err});
is($w->local_sql("SELECT count(*) FROM kept WHERE t = 'mine'"), 1, 'as they were');

# ---- somebody alters the table for long ----

my $holder = $w->call("BEGIN; LOCK TABLE later; SELECT 'locked';", more => 1);
$holder->wait_message(qr/locked/, 'out');
my $run = $w->pull("'slow,later'", options => '-c pgtunsync.lock_timeout=1s');
is($run->{sqlstate}, '55P03', 'a table that stays locked') or diag($run->{err});
like($run->{err}, qr/table later cannot be pulled: it could not be locked within 1000 ms/, 'fails by name');
is($w->last_run('status, tables'), 'partial|1', 'and the other comes');
$holder->finish;
$w->healthy;
$w->nothing_left;

done_testing();
