# Several loaders read a large table in parts into one staging heap, and any of
# them builds its indexes.  Every row arrives once, whatever the estimate was.
# If one part fails, the table fails.  A table is large if the source's catalog
# says so.  The test sets the pages of the toast table in the catalog; those of
# the heap are counted.

use strict;
use warnings;
use PgTunsync;
use PgTunsync::Compare;
use Test::More;
use Time::HiRes qw(sleep);

# the foreign keys are checked by parallel queries, too
my $w = PgTunsync->new(empty => 1, source_conf => "log_statement = all",
	local_conf => "min_parallel_table_scan_size = 0\nparallel_setup_cost = 0\nparallel_tuple_cost = 0\n"
		. "max_worker_processes = 16");
my $rows = 20_000;
my $schema = q{
	CREATE TABLE parent (id int PRIMARY KEY, name text);
	CREATE TABLE large (id int PRIMARY KEY, parent_id int NOT NULL REFERENCES parent, n int, body text,
		twice int GENERATED ALWAYS AS (n * 2) STORED);
	CREATE INDEX large_parent ON large (parent_id);
	CREATE INDEX large_body ON large (lower(left(body, 20))) WHERE n % 2 = 0;
	CREATE TABLE other (id int PRIMARY KEY, t text);
};
$w->source_sql($schema . qq{
	INSERT INTO parent SELECT i, 'parent ' || i FROM generate_series(1, 100) i;
	INSERT INTO large SELECT i, 1 + i % 100, i, repeat(md5(i::text), 3) FROM generate_series(1, $rows) i;
	INSERT INTO other SELECT i, md5(i::text) FROM generate_series(1, 100) i;
	UPDATE large SET body = (SELECT string_agg(md5((j * large.id)::text), '') FROM generate_series(1, 300) j)
		WHERE id % 1000 = 7;
	DELETE FROM large WHERE id % 11 = 5;
});
$w->local_sql($schema . q{
	INSERT INTO parent VALUES (1, 'local'); INSERT INTO large VALUES (1, 1, 1, 'local');
	INSERT INTO other VALUES (1, 'local');
});

# Makes the source report this size in MB; a table is read in parts of 64 MB.
sub enlarge
{
	my ($mb) = @_;
	$w->source_sql("VACUUM ANALYZE large;
		UPDATE pg_class SET relpages = $mb * 128 WHERE oid = (SELECT reltoastrelid FROM pg_class
		WHERE oid = 'large'::regclass)");
	return;
}

# Returns the number of parts read since the last call.
my $seen = 0;

sub parts_read
{
	my @parts = PostgreSQL::Test::Utils::slurp_file($w->source->logfile) =~ /COPY \(SELECT [^;\n]*ctid >= /g;
	my $new = @parts - $seen;
	$seen = @parts;
	return $new;
}

sub pulls_large
{
	my ($arguments, $title, $parts) = @_;
	my $run = PgTunsync::Compare::pulls_everything($w, $arguments, $title);
	is(parts_read(), $parts, "$title: $parts parts");
	is($w->last_run('rows'), $w->source_sql('SELECT (SELECT count(*) FROM large) + (SELECT count(*)
		FROM parent) + (SELECT count(*) FROM other)'),
		'the audit has the sum of their rows');
	is(scalar(() = $run->{err} =~ /NOTICE:  \w+: large: /g), 1, 'the table is told of once');
	return;
}

# ---- all rows, once ----

pulls_large('', 'a small table in one piece', 0);
enlarge(500);
pulls_large('jobs => 2', 'a large table', 7);
pulls_large('jobs => 4', 'with four loaders', 7);
pulls_large('jobs => 1', 'with a single one', 0);
enlarge(40);
pulls_large('jobs => 3', 'one piece, but its indexes by all', 0);
enlarge(100_000);
pulls_large('jobs => 3', 'no more parts than there should be', 16);

$w->source_sql("INSERT INTO large SELECT i, 1, i, 'after the ANALYZE' FROM generate_series($rows + 1, 3 * $rows) i");
pulls_large('jobs => 2', 'more rows than the catalog knows of', 16);
$w->source_sql('DELETE FROM large WHERE id > 100');
pulls_large('jobs => 2', 'fewer', 16);
$w->source_sql("TRUNCATE large;
	INSERT INTO large SELECT i, 1 + i % 100, i, md5(i::text) FROM generate_series(1, $rows) i");
enlarge(500);

# a clause selects rows, so the table is not read in ranges
my $filtered = $w->pull("'large', filter => 'n > 0', mode => 'replace', jobs => 2");
is($filtered->{rc}, 0, 'with a clause') or diag($filtered->{err});
is(parts_read(), 0, 'in one piece');
$w->both_equal('large');

# ---- rows that keep the local ones company ----

$w->local_sql("UPDATE large SET body = 'changed' WHERE id < 50;
	INSERT INTO large VALUES ($rows * 10, 1, 1, 'local only');
	UPDATE pg_class SET relpages = 100000 WHERE oid = 'large'::regclass");    # so that two loaders start
my $merged = $w->pull("'large', mode => 'overwrite', jobs => 2");
is($merged->{rc}, 0, 'mode overwrite') or diag($merged->{err});
is(parts_read(), 7, 'in parts');
is($w->local_sql("SELECT count(*), count(*) FILTER (WHERE body = 'changed') FROM large"), ($rows + 1) . '|0',
	'the rows were merged');
$w->local_sql("DELETE FROM large WHERE id = $rows * 10");

# ---- a step that fails ----

sub fails
{
	my ($title, $sqlstate, @patterns) = @_;
	my $before = $w->local_sql('SELECT count(*), sum(hashtext(l::text)) FROM large l');
	$w->local_sql("UPDATE other SET t = 'local'");
	subtest $title => sub {
		my $run = $w->pull("'{other,large}', jobs => 2");
		is($run->{sqlstate}, $sqlstate, 'with the SQLSTATE');
		like($run->{err}, $_, "says $_") foreach @patterns;
		is($w->last_run('status'), 'partial', 'the other table was replaced');
		$w->both_equal('other');
		is(scalar(() = $run->{err} =~ /WARNING:  \w+: table large /g), 1, 'the failure is told once');
		is($w->local_sql('SELECT count(*), sum(hashtext(l::text)) FROM large l'), $before, 'the table is as it was');
		$w->healthy;
		$w->nothing_left;
		$w->refused("'{other,large}', jobs => 2, on_error => 'abort'", "on_error => 'abort'", sqlstate => $sqlstate);
	};
	return;
}

$w->local_sql("ALTER TABLE large ADD CONSTRAINT small CHECK (n <= $rows)");
$w->source_sql("UPDATE large SET n = $rows + 1 WHERE id = $rows");
fails('a row of the last part', '23514', qr/small/);
$w->source_sql("UPDATE large SET n = $rows + id");
enlarge(500);
fails('a row of every part', '23514', qr/small/);
$w->local_sql('ALTER TABLE large DROP CONSTRAINT small');
$w->local_sql('CREATE UNIQUE INDEX large_once ON large (n)');
$w->source_sql("UPDATE large SET n = id % ($rows - 1)");
enlarge(500);
fails('an index', '23505', qr/large_once/);
$w->local_sql('DROP INDEX large_once');

# ---- a loader that goes away in the middle ----

my $before = $w->snapshot;
my $relay = $w->relay;
$relay->set(stall_after => 400_000);
my $call = $w->start_pull("'{other,large}', jobs => 2");
$relay->wait_stalled;
kill 'TERM', $w->wait_worker('loader');
$call->finish;
$w->check_refused($call, $before, sqlstate => '57\w{3}|08\w{3}|XX000');
$relay->set;
parts_read();
pulls_large('jobs => 2', 'and the next run', 7);

done_testing();
