# Code of a table's owner (defaults, CHECKs, generated columns, index
# expressions and predicates, domains, partition keys, functions in keep and
# rewrite) affects only its own table.  It can make that table fail, by name
# and in bounded time.

use strict;
use warnings;
use PgTunsync;
use Test::More;
use Time::HiRes qw(sleep time);

my $w = PgTunsync->new(empty => 1);

# each has a copy of evil() somewhere
my @places = qw(in_check in_constant in_default in_domain in_generated in_index in_keep in_part_a
	in_predicate in_rewrite);
my $rows = "(id int PRIMARY KEY, t text)";

$w->source_sql(join('', map { "CREATE TABLE $_ $rows;
	INSERT INTO $_ SELECT i, 'source ' || i FROM generate_series(1, 20) i;" } grep { $_ ne 'in_part_a' } @places,
	'good', 'other')
	. 'CREATE TABLE in_part (id int, t text) PARTITION BY RANGE (id);
	CREATE TABLE in_part_a PARTITION OF in_part FOR VALUES FROM (0) TO (100);
	INSERT INTO in_part SELECT i, i FROM generate_series(1, 20) i');
$w->local_sql(q{
	CREATE ROLE mallory LOGIN; GRANT CREATE ON SCHEMA public TO mallory;
	CREATE TABLE mood (sql text); INSERT INTO mood VALUES (NULL); GRANT SELECT ON mood TO PUBLIC;
	SET ROLE mallory;
	CREATE TABLE loot (t text);
	CREATE SEQUENCE counter;
	-- does what the only row of mood says
	CREATE FUNCTION act(text) RETURNS void LANGUAGE plpgsql AS $$BEGIN
		IF $1 LIKE 'raise %' THEN
			RAISE EXCEPTION 'a made-up error' USING ERRCODE = substr($1, 7);
		ELSIF $1 = 'swallow' THEN
			LOOP BEGIN PERFORM pg_sleep(60); EXCEPTION WHEN query_canceled OR assert_failure OR others THEN NULL; END;
			END LOOP;
		ELSIF $1 = 'replace' THEN
			BEGIN PERFORM pg_sleep(60);
			EXCEPTION WHEN query_canceled THEN RAISE EXCEPTION 'not canceled' USING ERRCODE = 'XX000'; END;
		ELSIF $1 IS NOT NULL THEN
			EXECUTE $1;
		END IF; END$$;
	CREATE FUNCTION evil(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$BEGIN
		PERFORM public.act(sql) FROM public.mood; RETURN $1; END$$;
	CREATE DOMAIN trap AS text CHECK (public.evil(length(VALUE)) > 0);
	CREATE TABLE in_check (id int PRIMARY KEY, t text, CHECK (public.evil(id) > 0));
	CREATE TABLE in_constant (id int PRIMARY KEY, t text); CREATE INDEX ON in_constant ((public.evil(1) + id));
	CREATE TABLE in_default (id int PRIMARY KEY, t text, d int DEFAULT public.evil(1));
	CREATE TABLE in_domain (id int PRIMARY KEY, t trap);
	CREATE TABLE in_generated (id int PRIMARY KEY, t text, g int GENERATED ALWAYS AS (public.evil(id)) STORED);
	CREATE TABLE in_index (id int PRIMARY KEY, t text); CREATE INDEX ON in_index (public.evil(id));
	CREATE TABLE in_keep (id int PRIMARY KEY, t text);
	CREATE TABLE in_part (id int, t text) PARTITION BY RANGE ((public.evil(1) + id));
	CREATE TABLE in_part_a PARTITION OF in_part FOR VALUES FROM (0) TO (1000);
	CREATE TABLE in_predicate (id int PRIMARY KEY, t text); CREATE INDEX ON in_predicate (id) WHERE public.evil(id) > 3;
	CREATE TABLE in_rewrite (id int PRIMARY KEY, t text);
	RESET ROLE;
	CREATE TABLE good (id int PRIMARY KEY, t text);
	CREATE TABLE other (id int PRIMARY KEY, t text); GRANT ALL ON other TO mallory;
});
$w->local_sql("INSERT INTO $_ VALUES (77, 'local')") foreach @places, 'good', 'other';
$w->write_config(q{keep: {in_keep: "public.evil(id) = 77"}} . "\n" . q{rewrite: {in_rewrite.t: "public.evil(id)::text"}}
	. "\n");

sub mood
{
	my ($sql) = @_;
	return $w->local_sql('UPDATE mood SET sql = ' . (defined $sql ? "\$quoted\$$sql\$quoted\$" : 'NULL'));
}

# What is there beside the rows of "good": it must stay.
sub state_of_things
{
	return join "\n", grep { !/^rows public\.(good|mood) / } @{ $w->snapshot },
		'counter ' . $w->local_sql('SELECT last_value, is_called FROM counter'),
		'advisory ' . $w->local_sql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"),
		'objects ' . $w->local_sql('SELECT count(*) FROM pg_largeobject_metadata');
}

# ---- while it behaves, all is well ----

is($w->pull("'" . join(',', 'good', @places) . "'")->{rc}, 0, 'code that only computes runs')
  or diag($w->last_run('error'));
is($w->local_sql('SELECT count(*) FROM in_keep'), 21, 'and its answers count');
$w->healthy;
$w->nothing_left;

# ---- what it may not do ----

# A test: pulled together, each of these tables fails with that error, and the good one comes.
sub all_fail
{
	my ($sql, $sqlstate, $message, %params) = @_;
	my @tables = @{ $params{tables} || \@places };
	$w->local_sql('DELETE FROM good');
	my $before = state_of_things();
	mood($sql);
	my $start = time();
	my $run = $w->pull("'" . join(',', @tables, 'good') . "'", timeout => 120);
	my $time = time() - $start;
	mood(undef);				# our own queries would run the code, too
	subtest $params{title} || $sql => sub {
		is($run->{sqlstate}, $sqlstate, 'the call ends with its SQLSTATE') or diag($run->{err});
		is($w->local_sql("SELECT string_agg(concat_ws(' ', table_name, status, sqlstate), ', ' ORDER BY table_name)
			FROM pgtunsync.run_tables WHERE run_id = (SELECT max(id) FROM pgtunsync.runs)"),
			join(', ', sort('good succeeded', map { "$_ failed $sqlstate" } @tables)),
				'each table fails, the good one does not');
		is($w->local_sql("SELECT count(*) FROM pgtunsync.run_tables WHERE run_id = (SELECT max(id) FROM pgtunsync.runs)
			AND status = 'failed' AND error !~ \$x\$$message\$x\$"), 0, "and says $message")
		  or diag($w->local_sql("SELECT DISTINCT error FROM pgtunsync.run_tables
		  	WHERE run_id = (SELECT max(id) FROM pgtunsync.runs)"));
		$w->both_equal('good');
		is(state_of_things(), $before, 'nothing else has changed');
		cmp_ok($time, '<', $params{within} || 30, 'in bounded time');
		$w->nothing_left;
	};
	return;
}

my $statement = 'is not allowed in code that a pull runs';
all_fail('ALTER TABLE public.loot ADD u int', '42501', "ALTER TABLE $statement");
foreach my $case (
	[ 'ALTER TABLE public.other ADD u int', 'ALTER TABLE' ], [ 'CREATE TABLE public.x (a int)', 'CREATE TABLE' ],
	[ 'CREATE TEMP TABLE x (a int)', 'CREATE TABLE' ],
	[ 'DROP TABLE public.loot', 'DROP TABLE' ], [ 'TRUNCATE public.loot', 'TRUNCATE TABLE' ],
	[ 'LOCK TABLE public.other', 'LOCK TABLE' ],
	[ 'NOTIFY us', 'NOTIFY' ], [ 'LISTEN us', 'LISTEN' ], [ 'SET lock_timeout = 1', 'SET' ], [ 'RESET ALL', 'RESET' ],
	[ 'SHOW lock_timeout', 'SHOW' ],
	[ 'SET TRANSACTION READ WRITE', 'SET' ], [ 'SET ROLE mallory', 'SET' ], [ 'PREPARE p AS SELECT 1', 'PREPARE' ],
	[ 'EXPLAIN SELECT 1', 'EXPLAIN' ],
	[ 'COPY public.loot TO PROGRAM $$false$$', 'COPY' ], [ 'DO $$BEGIN END$$', 'DO' ],
	[ 'COMMENT ON TABLE public.loot IS $$x$$', 'COMMENT' ])
{
	all_fail($case->[0], '42501', "$case->[1] $statement", tables => [qw(in_check in_constant in_part_a)]);
}

my $writes = 'in a read-only transaction';
all_fail('INSERT INTO public.loot VALUES ($$x$$)', '25006', "INSERT $writes");
foreach my $sql ('UPDATE public.other SET t = $$x$$', 'DELETE FROM public.other',
	'WITH x AS (DELETE FROM public.other RETURNING *) SELECT * FROM x', 'SELECT * FROM public.other FOR UPDATE',
	q{SELECT nextval('public.counter')})
{
	all_fail($sql, '25006', $writes, tables => [qw(in_check in_keep)]);
}

foreach my $call (q{set_config('search_path', 'public', false)}, q{set_config('lock_timeout', '1', true)},
	q{set_config('transaction_read_only', 'off', false)}, q{setval('public.counter', 9)},
	q{pg_notify('us', 'x')}, 'pg_advisory_lock(1)', 'pg_advisory_xact_lock_shared(1, 2)', 'pg_try_advisory_lock(1)',
	'lo_create(0)', q{lo_from_bytea(0, '')}, q{pg_logical_emit_message(false, 'a', 'b')},
	'pg_export_snapshot()')
{
	my ($name) = $call =~ /^(\w+)/;
	all_fail("SELECT $call", '42501', "function $name\\(.*\\) $statement",
		tables => [qw(in_generated in_index in_rewrite)]);
}

# ---- errors that look like ours ----

foreach my $sqlstate (qw(55P03 57014 XX000 40P01 53200 08006 57P01 40001))
{
	all_fail("raise $sqlstate", $sqlstate, 'a made-up error', title => "an error $sqlstate");
}

# ---- time ----

my $in_time = q{code of the table's owner did not end in time};
all_fail('SELECT pg_sleep(60)', '57014', $in_time, tables => [qw(in_check)], within => 25);
all_fail('SELECT pg_sleep(60)', '57014', $in_time, tables => [qw(in_constant)],
	title => 'sleeping where constants are folded', within => 35);
all_fail('swallow', '57014', $in_time, tables => [qw(in_generated)], title => 'catching the cancel', within => 25);
all_fail('swallow', '57014', $in_time, tables => [qw(in_part_a)], title => 'catching it in the leader', within => 25);

# a real cancel gets through
foreach my $mood ('swallow', 'replace')
{
	mood($mood);
	my $call = $w->start_pull("'in_part_a,good'", timeout => 60);
	PgTunsync::Process::wait_until('the code to sleep', sub { $w->local_sql("SELECT count(*) FROM pg_stat_activity
		WHERE wait_event = 'PgSleep'") > 0; }, 20);
	my $start = time();
	$w->local_sql('SELECT pgtunsync.cancel(max(id)) FROM pgtunsync.runs');
	is($call->finish->{sqlstate}, '57014', "a cancel gets through to code that would $mood it") or diag($call->{err});
	cmp_ok(time() - $start, '<', 5, 'at once');
	is($w->last_run('status'), 'cancelled', 'and the audit says so');
	$w->nothing_left;
}

# ---- sequences, where no code of users is involved ----

mood(undef);
$w->local_sql(q{CREATE TABLE numbered (id int PRIMARY KEY, t text, n int DEFAULT nextval('counter') + 0);
	ALTER TABLE numbered OWNER TO mallory});
$w->source_sql("CREATE TABLE numbered $rows; INSERT INTO numbered SELECT i, i FROM generate_series(1, 20) i");
is($w->pull("'numbered'")->{rc}, 0, 'a default that only advances a sequence works');
is($w->local_sql('SELECT count(DISTINCT n) FROM numbered'), 20, 'for each row');

done_testing();
