# Messages that name who or what is in the way, with the statement that helps:
# each is taken out of the message and run.

use strict;
use warnings;
use PgTunsync;
use Test::More;

my $w = PgTunsync->new(empty => 1, local_conf => "max_prepared_transactions = 5\n");

# The last match in what the call has printed.
sub statement
{
	my ($run, $pattern) = @_;
	my @found = $run->{err} =~ /$pattern/g;
	ok(@found, "there is a statement: $pattern") or diag($run->{err});
	return $found[-1] || 'SELECT 1/0';
}

# ---- locks ----

$w->both_sql('CREATE TABLE users (id int PRIMARY KEY);
	CREATE TABLE orders (id int PRIMARY KEY, u int REFERENCES users)');
$w->source_sql('INSERT INTO users VALUES (1)');
$w->local_sql(q{CREATE ROLE alice LOGIN; CREATE ROLE seer LOGIN; GRANT pg_read_all_stats TO seer;
	GRANT INSERT, TRUNCATE ON users TO alice, seer; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pgtunsync TO alice, seer;
	GRANT USAGE ON SCHEMA pgtunsync TO alice, seer;
	ALTER DATABASE dev SET pgtunsync.lock_timeout = '1s'});

# A session that keeps a lock.
sub holder
{
	my ($sql) = @_;
	my $holder = $w->call("SET application_name = 'night shift'; BEGIN; $sql; SELECT 'locked ' || pg_backend_pid();",
		more => 1);
	$holder->wait_message(qr/locked/, 'out');
	my ($pid) = $holder->text('out') =~ /locked (\d+)/;
	return ($holder, $pid);
}

my ($holder, $pid) = holder('SELECT count(*) FROM users WHERE id > 41');
my $user = $w->local_sql('SELECT current_user');
my $who = qr/Process $pid \(application 'night shift', role $user/;
my $run = $w->refused("'users'", 'a reader holds the table', sqlstate => '55P03', message => [
	qr/ERROR:  55P03: could not lock the pulled tables within 1000 ms/,
	PgTunsync::pattern(qr/DETAIL:  Other transactions are using them; no table was changed\.\n$who, idle in/,
		qr/ transaction since 20.*, in a transaction since 20.*\) has locked public\.users; its/,
		qr/ last query: SELECT 'locked '/),
	qr/HINT:  End it by SELECT pg_terminate_backend\($pid\); if nobody needs it/ ]);
foreach my $role (qw(alice seer))
{
	$run = $w->pull("'users'", user => $role);
	like($run->{err}, $role eq 'alice' ? qr/\n$who\) has locked public\.users\.\n/ :
		qr/\n$who, idle in.*; its last query: /,
		"what $role may see of it");
}
$w->local_sql(statement($run, qr/End it by (SELECT pg_terminate_backend\(\d+\);)/));
is($w->pull("'users'")->{rc}, 0, 'then the pull works');
$holder->finish;

($holder, $pid) = holder('LOCK TABLE orders IN ACCESS EXCLUSIVE MODE');
$run = $w->pull("'users'");
is($run->{sqlstate}, '55P03', 'a table that a key leads to is locked');
$w->local_sql(statement($run, PgTunsync::pattern(qr/has locked public\.orders.*\n(?:.*\n)*HINT:  End it by/,
		qr/ (SELECT pg_terminate_backend\(\d+\);)/)));
is($w->pull("'users'")->{rc}, 0, 'then the pull works');
$holder->finish;

$w->local_sql(q{BEGIN; DELETE FROM users; PREPARE TRANSACTION 'it''s old'});
$run = $w->pull("'users'");
like($run->{err}, PgTunsync::pattern(qr/Prepared transaction 'it''s old' of role \w+, prepared at 20.*, has locked/,
		qr/ public\.users\./), 'a prepared transaction');
$w->local_sql(statement($run, qr/End it by (ROLLBACK PREPARED '.*?';) if/));
is($w->pull("'users'")->{rc}, 0, 'then the pull works');

($holder, $pid) = holder('LOCK TABLE users IN ACCESS EXCLUSIVE MODE');
$run = $w->pull("'users'");
is($run->{sqlstate}, '55P03', 'a table that is locked from the beginning') or diag($run->{err});
like($run->{err}, PgTunsync::pattern(
		qr/ERROR:  55P03: table users cannot be pulled: it could not be locked within 1000 ms\n/,
		qr/DETAIL:  Process $pid \(application 'night shift', .*has locked public\.users/), 'fails by name');
like($run->{err}, qr/HINT:  End it by SELECT pg_terminate_backend\($pid\);/, 'with what ends that');
$w->local_sql("SELECT pg_terminate_backend($pid)");
$holder->finish;

# ---- rights ----

$w->source_sql(q{CREATE SCHEMA "App"; CREATE TABLE "App"."T 1" (id serial PRIMARY KEY, secret text);
	INSERT INTO "App"."T 1" (secret) VALUES ('x'); CREATE TABLE "App".plain (id serial PRIMARY KEY);
	INSERT INTO "App".plain VALUES (DEFAULT); REVOKE pg_read_all_data FROM reader; GRANT SELECT ON users TO reader});
$w->local_sql(q{CREATE SCHEMA "App"; CREATE TABLE "App"."T 1" (id serial PRIMARY KEY, secret text);
	CREATE TABLE "App".plain (id serial PRIMARY KEY); REVOKE TRUNCATE ON users FROM alice});
$run = $w->refused("'users'", 'a right is missing here', user => 'alice', sqlstate => '42501', message => [
	qr/HINT:  Let the table's owner run here: GRANT TRUNCATE ON public\.users TO alice;\n/ ]);
$w->local_sql(statement($run, qr/run here: (GRANT .*;)/));
is($w->pull("'users'", user => 'alice')->{rc}, 0, 'then the pull works');

$run = $w->refused(q{'"App"."T 1","App".plain'}, 'both sides, a schema, tables', user => 'alice', sqlstate => '42501',
	message => [
	PgTunsync::pattern(qr/ERROR: .*\n(?:.*\n)*HINT:  Let the table's owner run here: GRANT INSERT, TRUNCATE ON/,
		qr/ "App"\."T 1" TO alice;\nOn the source, run: GRANT USAGE ON SCHEMA "App" TO reader;/,
		qr/ GRANT SELECT ON "App"\."T 1" TO reader; GRANT SELECT ON SEQUENCE "App"\."T/,
		qr/ 1_id_seq" TO reader;\n/) ]);
my ($hints) = $run->{err} =~ /ERROR: .*HINT:  (.*)\z/s;
$w->local_sql($_) foreach $hints =~ /run here: (GRANT .*)/g;
$w->source_sql($_) foreach $hints =~ /source, run: (GRANT .*)/g;
$run = $w->pull(q{'"App"."T 1","App".plain'}, user => 'alice');
is($run->{rc}, 0, 'after these statements, both tables come') or diag($run->{err});
$w->source_sql('REVOKE SELECT ON "App".plain FROM reader; GRANT SELECT (id) ON "App".plain TO reader');
is($w->pull(q{'"App".plain'})->{rc}, 0, 'a grant of the columns is enough');

$w->source_sql('REVOKE SELECT ON ALL TABLES IN SCHEMA "App" FROM reader;
	REVOKE SELECT ON ALL SEQUENCES IN SCHEMA "App" FROM reader; REVOKE SELECT (id) ON "App".plain FROM reader');
$run = $w->refused(q{'"App".plain'}, 'a sequence, too', sqlstate => '42501',
	message => [qr/GRANT SELECT ON "App"\.plain TO reader; GRANT SELECT ON SEQUENCE "App"\.plain_id_seq TO reader;/]);
$w->source_sql(statement($run, qr/source, run: (GRANT .*)/));
is($w->pull(q{'"App".plain'})->{rc}, 0, 'then the pull works');

$run = $w->refused("'users', filter => 'id IN (SELECT u FROM orders)'", 'a clause reads another table',
	sqlstate => '42501',
	message => [qr/HINT:  On the source, run: GRANT SELECT ON public.orders TO reader;/]);
$w->source_sql(statement($run, qr/source, run: (GRANT .*)/));
is($w->pull("'users', filter => 'id IN (SELECT u FROM orders)'")->{rc}, 0, 'then the pull works');
$w->source_sql('GRANT pg_read_all_data TO reader');

# ---- definitions that differ ----

$w->source_sql(q{CREATE TABLE lacks (id int); INSERT INTO lacks VALUES (1); ANALYZE lacks;
	CREATE TYPE "Mood" AS ENUM ('sad', 'ok', 'it''s fine'); CREATE TABLE felt (id int, "M" "Mood");
	INSERT INTO felt VALUES (1, 'it''s fine');
	CREATE TABLE wider (id int, t text, n text); INSERT INTO wider VALUES (1, repeat('x', 20), 'seven');
	CREATE TABLE nulls (id int, "N" int); INSERT INTO nulls VALUES (1, NULL)});
$w->local_sql(q{CREATE TABLE lacks (id int, "A" int NOT NULL, b int NOT NULL);
	CREATE TYPE "Mood" AS ENUM ('sad', 'ok'); CREATE TABLE felt (id int, "M" "Mood");
	CREATE TABLE wider (id int, t varchar(10), n int); CREATE TABLE nulls (id int, "N" int NOT NULL)});

# Tests: the table fails so, and the statement of the HINT lets it come.
sub mended
{
	my ($table, $times, $sqlstate, @message) = @_;
	my $failed = $w->refused("'$table'", $table, sqlstate => $sqlstate, message => [ shift @message ]);
	for (1 .. $times)
	{
		$w->local_sql(statement($failed, qr/(ALTER (?:TABLE|TYPE) .*;)\n/));
		$failed = $w->pull("'$table'");
	}
	is($failed->{rc}, 0, "$table: after the statement of the HINT, it comes") or diag($failed->{err});
	return;
}

mended('lacks', 1, '23502',
	PgTunsync::pattern(qr/DETAIL:  Columns: "A", b\.\nHINT:  Give them a default, or run here: ALTER TABLE/,
		qr/ public\.lacks ALTER COLUMN "A" DROP NOT NULL, ALTER COLUMN b DROP NOT NULL;\n/));
mended('felt', 1, '22P02', PgTunsync::pattern(
		qr/DETAIL:  Column "M" of the source has the label 'it''s fine', which type/,
		qr/ public\."Mood" of this database lacks\.\n(?:.*\n)*HINT:  Run here: ALTER TYPE/,
		qr/ public\."Mood" ADD VALUE 'it''s fine';\n/));
mended('wider', 2, '22001|22P02', PgTunsync::pattern(qr/DETAIL:  Column/,
		qr/ [tn] has type text on the source and type (?:character varying\(10\)|integer)/,
		qr/ here\.\n/));
mended('nulls', 1, '23502', qr/DETAIL:  Column "N" has a null on the source, and is NOT NULL here\.\n/);
$w->both_equal(qw(lacks felt wider nulls));

done_testing();
