# Code of a table's owner never runs in a parallel worker, which has neither
# the limits nor the hooks of a pull.  Each function here runs SHOW.  A pull
# refuses that, a parallel worker of the server would not.

use strict;
use warnings;
use PgTunsync;
use PostgreSQL::Test::Utils;
use Test::More;

my $w = PgTunsync->new(empty => 1, local_conf => "max_parallel_workers = 8\nparallel_leader_participation = off
min_parallel_table_scan_size = 0\nparallel_setup_cost = 0\nparallel_tuple_cost = 0
log_min_messages = debug1\n");
my @tables = qw(by_index by_predicate by_query by_statistics plain);
my $eager = join ' ', map { "SET $_" } 'max_parallel_workers_per_gather = 4', 'max_parallel_workers = 8',
	'min_parallel_table_scan_size = 0', 'parallel_setup_cost = 0', 'parallel_tuple_cost = 0',
	'parallel_leader_participation = off';

$w->both_sql(join '', map { "CREATE TABLE $_ (id int, t text) WITH (parallel_workers = 2);" } @tables);
$w->source_sql("INSERT INTO $_ SELECT i, 'row ' || i FROM generate_series(1, 5000) i") foreach @tables;
$w->local_sql(qq{
	CREATE ROLE mallory LOGIN; GRANT CREATE ON SCHEMA public TO mallory;
	CREATE TABLE many WITH (parallel_workers = 2) AS SELECT i FROM generate_series(1, 50) i; ALTER TABLE many OWNER TO mallory;
	SET ROLE mallory;
	CREATE FUNCTION show() RETURNS void PARALLEL SAFE LANGUAGE plpgsql AS 'BEGIN EXECUTE ''SHOW lock_timeout''; END';
	CREATE FUNCTION shown(int) RETURNS int IMMUTABLE PARALLEL SAFE LANGUAGE plpgsql
		AS 'BEGIN PERFORM public.show(); RETURN \$1; END';
	CREATE FUNCTION queried(int) RETURNS bool LANGUAGE plpgsql $eager
		AS 'BEGIN PERFORM count(*) FROM public.many WHERE public.shown(i) > 0; RETURN true; END';
	RESET ROLE;
	CREATE INDEX ON by_index (shown(id));
	CREATE INDEX ON by_predicate (id) WHERE shown(id) > 3;
	ALTER TABLE by_query ADD CHECK (queried(id));
	CREATE STATISTICS of_code ON (shown(id)), t FROM by_statistics;
	CREATE INDEX ON plain (id);
} . join '', map { "ALTER TABLE $_ OWNER TO mallory;" } @tables);
$w->local_sql('ALTER SYSTEM SET max_parallel_maintenance_workers = 4; SELECT pg_reload_conf()');

# in a session of their own, parallel workers run such code
like($w->local_sql("SET parallel_leader_participation = off; EXPLAIN (ANALYZE, COSTS off, TIMING off, SUMMARY off)
	SELECT count(*) FROM many WHERE shown(i) > 0"), qr/Workers Launched: [1-9]/, 'the server runs the code in parallel workers');

my $statement = "SHOW is not allowed in code that a pull runs";
foreach my $table (qw(by_index by_predicate by_query))
{
	my $run = $w->pull("'$table', jobs => 1");
	is($run->{sqlstate}, '42501', "$table: a pull runs it under its own limits") or diag($run->{err});
	like($run->{err}, qr/WARNING:  42501: table "$table" could not be pulled: \Q$statement\E/, "$table: and says what is not allowed");
}
my $run = $w->pull("'by_statistics', jobs => 1");
like($run->{err}, qr/WARNING:  42501: .*: \Q$statement\E/, 'by_statistics: ANALYZE after the commit has the same limits');
is($w->pull("'plain', jobs => 1")->{rc}, 0, 'a table without code is pulled');
$w->both_equal('plain');
$w->nothing_left;

# the server's log says how it builds indexes
my $log_size = -s $w->local_node->logfile;
$w->local_sql(q{CREATE OR REPLACE FUNCTION shown(int) RETURNS int IMMUTABLE PARALLEL SAFE LANGUAGE plpgsql
	AS 'BEGIN RETURN $1; END'});
$w->pulls("'" . join(',', @tables) . "', jobs => 1", 'code that only computes', \@tables);
my @builds = substr(slurp_file($w->local_node->logfile), $log_size) =~
	/building index "index_\w+" on table "\w+" (serially|with request for \d parallel worker)/g;
is(scalar @builds, 3, 'three indexes were built');
is(scalar(grep { $_ eq 'serially' } @builds), 2, 'those with code serially');

done_testing();
