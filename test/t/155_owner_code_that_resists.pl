# Code of a table's owner that resists: deep recursion that catches its cancel,
# huge values, a flood of messages, SQLSTATEs of every class.  It fails its own
# table in bounded time, and cannot hide a real cancel.

use strict;
use warnings;
use PgTunsync;
use Test::More;
use Time::HiRes qw(time);

my $w = PgTunsync->new(empty => 1);

$w->source_sql(join('', map { "CREATE TABLE $_ (id int PRIMARY KEY, t text);
	INSERT INTO $_ SELECT i, 'source ' || i FROM generate_series(1, 20) i;" } qw(in_check in_keep good))
	. 'CREATE TABLE in_part (id int, t text) PARTITION BY RANGE (id);
	CREATE TABLE in_part_a PARTITION OF in_part FOR VALUES FROM (0) TO (100);
	INSERT INTO in_part SELECT i, i FROM generate_series(1, 20) i');
$w->local_sql(q{
	CREATE ROLE mallory LOGIN; GRANT CREATE ON SCHEMA public TO mallory;
	CREATE TABLE mood (sql text); INSERT INTO mood VALUES (NULL); GRANT SELECT ON mood TO PUBLIC;
	SET ROLE mallory;
	CREATE FUNCTION deep(int) RETURNS int LANGUAGE plpgsql AS $$BEGIN RETURN public.deep($1 + 1) + 1; END$$;
	-- at the end of the stack, each level catches what it can
	CREATE FUNCTION deep_sleep(int) RETURNS int LANGUAGE plpgsql AS $$BEGIN RETURN public.deep_sleep($1 + 1) + 1;
		EXCEPTION WHEN OTHERS OR query_canceled THEN
			LOOP BEGIN PERFORM pg_sleep(60); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END$$;
	CREATE FUNCTION replaced() RETURNS void LANGUAGE plpgsql AS $$BEGIN PERFORM pg_sleep(60);
		EXCEPTION WHEN query_canceled THEN RAISE EXCEPTION 'not canceled' USING ERRCODE = '01000'; END$$;
	CREATE FUNCTION flood() RETURNS void LANGUAGE plpgsql AS $$BEGIN
		FOR i IN 1 .. 4000 LOOP RAISE NOTICE 'line % %', i, repeat('y', 100); END LOOP; END$$;
	CREATE FUNCTION act(text) RETURNS void LANGUAGE plpgsql AS $$BEGIN
		IF $1 LIKE 'raise %' THEN
			RAISE EXCEPTION 'a made-up error' USING ERRCODE = substr($1, 7);
		ELSIF $1 IS NOT NULL THEN
			EXECUTE $1;
		END IF; END$$;
	CREATE FUNCTION evil(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$BEGIN
		PERFORM public.act(sql) FROM public.mood; RETURN $1; END$$;
	CREATE TABLE in_check (id int PRIMARY KEY, t text, CHECK (public.evil(id) > 0));
	CREATE TABLE in_keep (id int PRIMARY KEY, t text);
	CREATE TABLE in_part (id int, t text) PARTITION BY RANGE ((public.evil(1) + id));
	CREATE TABLE in_part_a PARTITION OF in_part FOR VALUES FROM (0) TO (1000);
	RESET ROLE;
	CREATE TABLE good (id int PRIMARY KEY, t text);
});
$w->local_sql("INSERT INTO $_ VALUES (77, 'local')") foreach qw(in_check in_keep in_part_a good);
$w->write_config(q{keep: {in_keep: "public.evil(id) = 77"}} . "\n");

sub mood
{
	my ($sql) = @_;
	return $w->local_sql('UPDATE mood SET sql = ' . (defined $sql ? "\$quoted\$$sql\$quoted\$" : 'NULL'));
}

# Returns what became of each table: "name status SQLSTATE".
sub outcome
{
	return $w->local_sql("SELECT string_agg(concat_ws(' ', table_name, status, sqlstate), ', ' ORDER BY table_name)
		FROM pgtunsync.run_tables WHERE run_id = (SELECT max(id) FROM pgtunsync.runs)");
}

sub all_fail
{
	my ($sql, $sqlstate, $within, @tables) = @_;
	@tables = qw(in_check in_keep in_part_a) unless @tables;
	$w->local_sql('DELETE FROM good');
	mood($sql);
	my $start = time();
	my $run = $w->pull("'" . join(',', @tables, 'good') . "'");
	my $time = time() - $start;
	mood(undef);
	subtest $sql => sub {
		is($run->{sqlstate}, $sqlstate, 'the call ends with its SQLSTATE') or diag($run->{err});
		is(outcome(), join(', ', sort('good succeeded', map { "$_ failed $sqlstate" } @tables)),
			'each table fails, the good one does not');
		$w->both_equal('good');
		is($w->local_sql('SELECT string_agg(id::text, $$,$$) FROM in_check'), 77, 'the rows are as before');
		cmp_ok($time, '<', $within, 'in bounded time');
		$w->nothing_left;
	};
	return;
}

all_fail('SELECT public.deep(0)', '54001', 15);
all_fail('SELECT repeat($$x$$, 1100000000)', '54000', 15);
all_fail('SELECT pg_read_file($$/etc/passwd$$)', '42501', 10);
all_fail('SELECT lo_import($$/etc/passwd$$)', '42501', 10);
all_fail("raise $_", $_, 10) foreach qw(25P02 00001 01000 02000);
all_fail('SELECT public.deep_sleep(0)', '57014', 25, 'in_check');

mood('SELECT public.flood()');
my $run = $w->pull("'in_check'");
mood(undef);
is($run->{rc}, 0, 'a table that floods the log can be pulled') or diag($w->last_run('error'));
is(scalar(() = $run->{err} =~ /table in_check: line /g), 20, 'and little of it is shown');
like($run->{err}, qr/NOTICE:  00000: 79980 more messages were left out\n/, 'the rest is counted');

# a cancel cannot be replaced by an error that looks like a WARNING
mood('SELECT public.replaced()');
my $call = $w->start_pull("'in_part_a,good'", timeout => 60);
PgTunsync::Process::wait_until('the code to sleep', sub { $w->local_sql("SELECT count(*) FROM pg_stat_activity
	WHERE wait_event = 'PgSleep'") > 0; }, 20);
$w->local_sql('SELECT pgtunsync.cancel(max(id)) FROM pgtunsync.runs');
is($call->finish->{sqlstate}, '57014', 'a cancel gets through') or diag($call->{err});
is($w->last_run('status'), 'cancelled', 'and the audit says so');
$w->nothing_left;

done_testing();
