# Modes that keep local rows, with concurrent readers, writers and pulls of the
# same tables, cancels and killed processes.  At any moment each table is as
# before or as after the run.

use strict;
use warnings;
use PgTunsync;
use PgTunsync::Agreement;
use Test::More;
use Time::HiRes qw(sleep);

my $rounds = $ENV{KILL_ROUNDS} || 8;
my $seed = $ENV{KILL_SEED} || time() % 100000;
srand($seed);
note "seed $seed";

my $w = PgTunsync->new(empty => 1);
my $size = 4000;

$w->both_sql(q{
	CREATE TABLE parent (id int PRIMARY KEY, generation int NOT NULL, code text UNIQUE);
	CREATE TABLE child (id int PRIMARY KEY, parent_id int NOT NULL REFERENCES parent, generation int NOT NULL, v text);
	CREATE INDEX ON child (generation)});
$w->local_sql("INSERT INTO parent SELECT -i, 0, 'local ' || i FROM generate_series(1, 100) i;
	INSERT INTO child SELECT -i, -i, 0, 'local' FROM generate_series(1, 100) i");

# A generation updates all rows and adds some.
my $generation = 0;
sub next_generation
{
	$generation++;
	$w->source_sql("INSERT INTO parent SELECT i, 0, 'c' || i FROM generate_series(1, $size + $generation) i
		ON CONFLICT DO NOTHING;
		UPDATE parent SET generation = $generation;
		INSERT INTO child SELECT i, i, 0, repeat(md5(i::text), 3) FROM generate_series(1, $size + $generation) i
			ON CONFLICT DO NOTHING;
		UPDATE child SET generation = $generation");
	return;
}

# Returns the generation that both tables have completely, besides the local
# rows, or a description of the error.
sub whole
{
	return $w->local_sql("SELECT CASE WHEN p.low = p.high AND c.low = p.low AND c.high = p.high
		AND p.n = $size + p.low AND c.n = p.n
			AND (SELECT count(*) FROM child WHERE id < 0 AND generation = 0) = 100 THEN p.low::text
		ELSE format('torn: %s %s', p, c) END
		FROM (SELECT min(generation) low, max(generation) high, count(*) n FROM parent WHERE id > 0) p,
			(SELECT min(generation) low, max(generation) high, count(*) n FROM child WHERE id > 0) c");
}

next_generation();
my $call = "'{parent,child}', mode => 'overwrite'";
is($w->pull($call)->{rc}, 0, 'the first generation');
is(whole(), 1, 'is there');

# ---- readers and writers ----

next_generation();
my $reader = $w->call("BEGIN ISOLATION LEVEL REPEATABLE READ;\nSELECT 'saw', min(generation) FROM child
	WHERE id > 0;\n", more => 1);
$reader->wait_message(qr/saw\|1/, 'out');
is($w->pull($call)->{rc}, 0, 'a transaction that has read is not in the way');
is(whole(), 2, 'of the next generation');
$reader->say("SELECT 'sees', min(generation) FROM child WHERE id > 0;\nCOMMIT;\n");
like($reader->finish->{out}, qr/sees\|1/, 'it sees what it saw');

next_generation();
my $writer = $w->call("BEGIN;\nUPDATE child SET v = 'mine' WHERE id IN (1, -1);\nSELECT 'wrote';\n", more => 1);
$writer->wait_message(qr/wrote/, 'out');
my $pull = $w->start_pull($call);
sleep 0.1 until $w->local_sql("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%checking and swapping%'
	AND pid <> pg_backend_pid()") || !$pull->running;
is(whole(), 2, 'while a writer has the table, nothing changes');
is($w->local_sql("SET statement_timeout = '5s'; SELECT count(*) FROM child WHERE id < 0"), 100, 'and readers go on');
$writer->say("COMMIT;\n");
$writer->finish;
is($pull->finish->{rc}, 0, 'the pull follows the writer') or diag($pull->{err});
is(whole(), 3, 'the rows of the source');
is($w->local_sql("SELECT (SELECT v = 'mine' FROM child WHERE id = -1), (SELECT v <> 'mine' FROM child WHERE id = 1)"),
	't|t', 'the local row has what was written, the other one what was pulled');

my $script = $w->dir . '/writes.sql';
PostgreSQL::Test::Utils::append_to_file($script,
	"\\set n random(1, 100)\nUPDATE child SET v = v || '.' WHERE id = -:n;\nUPDATE child SET v = 'w' WHERE id = :n;\n"
		. "BEGIN;\nSELECT count(*) FROM parent;\nINSERT INTO child VALUES (100000 + nextval('written'), -:n, 0, "
		. "'new');\nCOMMIT;\n");
$w->local_sql('CREATE SEQUENCE written');
my $writers = PgTunsync::Process->start($w->dir . '/writes.log', $w->local_node->installed_command('pgbench'), '-n',
	'-c', 3, '-T', 100, '-f', $script, '-h', $w->local_node->host, '-p', $w->local_node->port, 'dev');
foreach (1 .. 3)
{
	next_generation();
	my $run = $w->pull($call);
	is($run->{rc}, 0, 'with writers alongside') or diag($run->{err});
}
$writers->stop('INT');
open(my $log, '<', $w->dir . '/writes.log') or die;
my $said = do { local $/ = undef; <$log> };
unlike($said, qr/ERROR|aborted|deadlock/, 'no writer met an error');
# up to three were interrupted between sequence number and commit
is($w->local_sql('SELECT last_value - (SELECT count(*) FROM child WHERE id > 100000) BETWEEN 0 AND 3 FROM written'),
	't', 'each has kept its row');
$w->local_sql('DELETE FROM child WHERE id > 100000');
is(whole(), $generation, 'and the generation is whole');

# ---- two at once ----

next_generation();
$w->write_env(PGSYNC_LOCAL_PORT => 0);
my @calls = map { $w->start_pull($call) } 1 .. 2;
is($_->finish->{rc}, 0, 'two pulls of the same tables') or diag($_->{err}) foreach @calls;
$w->write_env;
is(whole(), $generation, 'one after the other');
is($w->local_sql('SELECT string_agg(rows_updated::text, $$ $$ ORDER BY run_id, table_name) FROM pgtunsync.run_tables
	WHERE run_id > (SELECT max(id) - 2 FROM pgtunsync.runs)') =~ /^(?:\d{4} \d{4} 0 0|0 0 \d{4} \d{4})$/, 1,
	'the second had nothing to write');

# ---- the end at any instant ----

foreach my $round (1 .. $rounds)
{
	my $before = whole();
	next_generation();
	$pull = $w->start_pull($call);
	sleep rand(1.2);
	my $how = (qw(cancel leader loader leader))[ $round % 4 ];
	if ($how eq 'cancel')
	{
		$w->local_sql('SELECT pgtunsync.cancel(max(id)) FROM pgtunsync.runs');
	}
	else
	{
		my $pid = $w->local_sql("SELECT pid FROM pg_stat_activity WHERE backend_type LIKE 'pgtunsync $how%' LIMIT 1");
		if ($pid) { $round % 2 ? kill 'TERM', $pid : $w->kill_hard($pid); }
	}
	$pull->finish;
	$w->server_is_up;
	my $after = whole();
	my $status = $w->last_run('status');
	like($after, qr/^(?:$before|$generation)$/, "round $round, $how: as before or as after");
	is($after == $generation ? $status eq 'succeeded' || $after == $before : $status ne 'succeeded', 1,
		"and the audit does not lie: $status");
}
is($w->pull($call)->{rc}, 0, 'a run after all that');
is(whole(), $generation, 'brings the last generation');
is($w->local_sql("SELECT count(*) FROM pgtunsync.runs WHERE status = 'running'"), 0,
	'every run has ended in the audit');
$w->nothing_left;
$w->healthy;
done_testing();
