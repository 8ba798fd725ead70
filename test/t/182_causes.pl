# The error of a call is the cause: that of the only table that failed, with
# its SQLSTATE, DETAIL and HINT; of several, the first one.  The server log has
# each failure once.

use strict;
use warnings;
use PgTunsync;
use PostgreSQL::Test::Utils;
use Test::More;

my $w = PgTunsync->new(empty => 1);

# One pattern of several, which follow each other.
sub pattern
{
	my $whole = join('', @_);
	return qr/$whole/;
}

$w->source_sql(q{
	CREATE TABLE good (id int PRIMARY KEY, t text); INSERT INTO good VALUES (1, 'source');
	CREATE TABLE payments (id int PRIMARY KEY, t text);
	INSERT INTO payments SELECT i, repeat('x', i) FROM generate_series(1, 20) i;
	CREATE TABLE "T" (id int PRIMARY KEY, n int); INSERT INTO "T" VALUES (1, 1), (2, -2);
	CREATE TABLE no_right (id int);
	CREATE TABLE made (a int GENERATED ALWAYS AS (1 + 1) STORED, b int);
	CREATE TABLE lists (id int) PARTITION BY LIST (id);
	CREATE TABLE lists_1 PARTITION OF lists FOR VALUES IN (1);
	CREATE TABLE lists_2 PARTITION OF lists FOR VALUES IN (2);
	INSERT INTO lists VALUES (1), (2);
	REVOKE pg_read_all_data FROM reader; GRANT SELECT ON good, payments, "T", made, lists_1, lists_2 TO reader});
$w->local_sql(q{
	CREATE TABLE good (id int PRIMARY KEY, t text); INSERT INTO good VALUES (1, 'local');
	CREATE TABLE payments (id int PRIMARY KEY, t varchar(10)); INSERT INTO payments VALUES (1, 'local');
	CREATE TABLE "T" (id int PRIMARY KEY, n int CONSTRAINT positive CHECK (n > 0));
	CREATE TABLE no_right (id int);
	CREATE TABLE made (a int GENERATED ALWAYS AS (1 + 1) STORED, c int);
	CREATE TABLE lists (id int) PARTITION BY LIST (id);
	CREATE TABLE lists_1 PARTITION OF lists FOR VALUES IN (1);
	CREATE TABLE lists_2 PARTITION OF lists (CONSTRAINT not_two CHECK (id <> 2)) FOR VALUES IN (2)});

my $log_at = 0;

# Returns the lines that the server has logged since the last call.
sub logged
{
	my $log = slurp_file($w->local_node->logfile, $log_at);
	$log_at = -s $w->local_node->logfile;
	return $log;
}

# Counts the lines of the log with the failure.
sub count_logged
{
	my ($pattern) = @_;
	return scalar grep { /$pattern/ } split /\n/, logged();
}

my $cause = qr/value too long for type character varying\(10\) \(COPY payments, line 11, column t\)/;

# ---- the only table ----

logged();
my $run = $w->refused("'payments'", 'one table', sqlstate => '22001',
	message => [ pattern(qr/DETAIL:  Column t has type text on the source .*\nCOPY payments, line 11, column t\n/,
		qr/HINT:  Give it the source's type/) ],
	unlike => [qr/WARNING|1 of 1/]);
like($run->{message}, qr/^table payments could not be pulled: $cause$/, 'the error is that of the table');
like($w->last_run('error'), qr/^table payments could not be pulled: $cause$/, 'and what the audit has');
is($w->local_sql('SELECT error FROM pgtunsync.run_tables ORDER BY run_id DESC LIMIT 1') =~ /^$cause$/, 1,
	'the row of the table does not repeat its name');
is(count_logged($cause), 1, 'the server log has it once');

my ($id) = $w->call("SELECT pgtunsync.pull('payments', wait => false)")->finish->{id};
my $wait = $w->call("SELECT pgtunsync.wait($id)")->finish;
like($wait->{err}, qr/22001: run $id failed: table payments could not be pulled: $cause/, 'wait() raises the cause');
my $lines = logged();
is(scalar(() = $lines =~ /LOG:  pgtunsync run $id failed: table payments could not be pulled: $cause/g), 1,
	'without a waiting caller, the leader logs it');

# ---- one of several ----

$run = $w->pull("'{good,payments}'");
is("$run->{rc} $run->{sqlstate}", '3 22001', 'one of two tables fails');
like($run->{message}, qr/^table payments could not be pulled: $cause$/, 'with its own error');
like($run->{err}, pattern(qr/HINT:  Give it .*\nThe other tables were replaced; see pgtunsync\.run_tables for/,
		qr/ run_id \d+\./), 'the rest is told');
like($w->last_run('error'), qr/^table payments could not be pulled: $cause$/, 'the audit has the cause');
is($w->last_run('status || sqlstate'), 'partial22001', 'and its SQLSTATE');
$lines = logged();
$id = $w->last_run('id');
is(scalar(() = $lines =~ /WARNING:  table payments could not be pulled/g), 1, 'the server log has the WARNING once');
like($lines, qr/WARNING:  table payments could not be pulled.*\n(?:.*\n){2,4}.*CONTEXT:  pgtunsync run $id\n/,
	'with the run');
is(scalar(() = $run->{err} =~ /WARNING: .*table payments could not be pulled/g), 1, 'and the caller sees it once');

# ---- several of several ----

$run = $w->pull(q{'{good,payments,"T"}', jobs => 1});
like($run->{message}, qr/^2 of 3 tables could not be pulled, first \S+: (value too long|new row)/, 'two of three fail');
like($run->{err}, qr/ERROR: .*\nDETAIL:  payments: value too long.*\n"T": new row .*"positive"/, 'a line for each');
unlike($run->{err}, qr/""/, 'no name is in quotes twice');
like($run->{err}, qr/WARNING: .*table "T" could not be pulled/, 'a name that needs quotes has them once');

# the partition that fails, not the other that stays as it is because of it
$run = $w->pull("'{lists,good}'");
is($run->{sqlstate}, '23514', 'a partition fails with its table');
like($run->{message}, qr/^2 of 3 tables could not be pulled, first lists_2: .*"not_two"/, 'and is the cause');

# what the plan refuses, with what helps
$run = $w->pull("'{good,no_right}'");
like($run->{message}, qr/^permission denied on the source for table no_right$/, 'a table that the plan refuses');
like($run->{err}, qr/HINT:  .*GRANT SELECT ON .*\nThe other tables were replaced/, 'with its HINT');

# what code of a table's owner says
$w->source_sql('CREATE TABLE talks (id int); INSERT INTO talks VALUES (1)');
$w->source_sql('GRANT SELECT ON talks TO reader');
$w->local_sql(q{CREATE FUNCTION talk(int) RETURNS bool LANGUAGE plpgsql AS
	$$ BEGIN RAISE WARNING 'row %', $1; RETURN true; END $$; CREATE TABLE talks (id int CHECK (talk(id)))});
logged();
$run = $w->pull("'talks'");
like($run->{err}, qr/WARNING: .*row 1/, 'a WARNING of a CHECK reaches the caller');
is(count_logged('WARNING: .*row 1'), 1, 'and the server log once');

# ---- our statements are not shown ----

$run = $w->refused("'good', filter => '1 / (id - 1) > 0'", 'a clause that fails on a row', sqlstate => '22012',
	message => [ qr/error on the source: division by zero/, qr/DETAIL:  The clause is: 1 \/ \(id - 1\) > 0\n/ ],
	unlike => [qr/BEGIN|SNAPSHOT|source query|pg_catalog|COPY \(/]);

# ---- columns ----

$run = $w->refused("'made'", 'no column that could travel', sqlstate => '42703',
	message => [ qr/table made has no column that can be pulled/,
		qr/DETAIL:  Generated here: a\. Only on the source: b\. Only here: c\./ ]);

done_testing();
