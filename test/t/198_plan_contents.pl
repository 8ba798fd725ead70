# What plan() foresees: tables whose rows cannot land, how many rows come, how
# many local rows go, sequences, and the statement that the source runs.

use strict;
use warnings;
use PgTunsync;
use PgTunsync::Agreement;
use PostgreSQL::Test::Utils;
use Test::More;

my $w = PgTunsync->new(empty => 1, source_conf => "log_statement = 'all'\nautovacuum = off\n");

# One value of the plan of a table.
sub plan_value
{
	my ($column, $arguments, %params) = @_;
	my $call = $w->call("SELECT $column FROM pgtunsync.plan($arguments);", %params)->finish;
	chomp $call->{out};
	diag($call->{err}) if $call->{rc} ne '0';
	return $call->{out};
}

# ---- sizes ----

$w->both_sql('CREATE TABLE sized (id serial PRIMARY KEY, kind int, x text)');
$w->source_sql("INSERT INTO sized (kind, x) SELECT i % 10, repeat('x', 50) FROM generate_series(1, 20000) i");
is(plan_value('source_rows IS NULL, source_bytes IS NULL, rows_expected IS NULL', "'sized'"), 't|t|t',
	'a table that was never analyzed has no known size');
$w->source_sql('ANALYZE sized');
is(plan_value('source_rows, source_bytes > 1000000, rows_expected', "'sized'"), '20000|t|20000', 'an analyzed one has');
$w->both_sql('CREATE TABLE years (id int) PARTITION BY LIST (id);
	CREATE TABLE year_1 PARTITION OF years FOR VALUES IN (1)');
is(plan_value('source_rows IS NULL, source_bytes IS NULL', "'years'"), 't|t', 'so for a partition');
$w->source_sql('ANALYZE');
is(plan_value('source_rows, source_bytes', "'years'"), '0|0', 'zero is a number');

# ---- estimates under a filter ----

my ($rows, $whole) = split /\|/, plan_value('rows_expected, source_rows', "'sized', filter => 'kind = 3'");
cmp_ok($rows, '>', 1000, 'rows that a filter chooses') and cmp_ok($rows, '<', 4000, 'about a tenth');
is($whole, 20000, 'of the whole table');
is(plan_value('rows_expected', "'sized', filter => 'false'"), 1, 'the least that the planner expects')
  if plan_value('rows_expected', "'sized', filter => 'false'") ne '0';
my $source = $w->source;
my $watch = $w->source_sql("SELECT count(*) FROM pg_locks WHERE relation = 'sized'::regclass");
is($watch, 0, 'no lock is left');
$w->write_config("empty: [sized]\n");
is(plan_value('status, rows_expected', "'sized'"), 'emptied|0', 'an emptied table expects none');
$w->write_config('');

# ---- local rows that are lost ----

is(plan_value('local_rows IS NULL, rows_lost', "'sized'"), 't|0', 'nothing is lost of an empty table');
$w->local_sql("INSERT INTO sized (kind, x) SELECT 1, 'mine' FROM generate_series(1, 321)");
is(plan_value('rows_lost', "'sized'"), 321, 'a small table is counted');
$w->local_sql("DELETE FROM sized WHERE id <= 21");
is(plan_value('rows_lost', "'sized'"), 300, 'without its dead rows');
is(plan_value('rows_lost', "'sized', mode => 'preserve'"), 0, 'rows that stay are not lost');
$w->local_sql("INSERT INTO sized (kind, x) SELECT 1, repeat('y', 200) FROM generate_series(1, 50000)");
my $lost = plan_value('rows_lost', "'sized'");
cmp_ok(abs($lost - 50300), '<', 10000, 'a large one is estimated') or diag($lost);
$w->local_sql('ANALYZE sized');
is(plan_value('rows_lost, local_rows', "'sized'"), '50300|50300', 'or known');
is(plan_value('rows_lost', "'sized', mode => 'overwrite'"), 20000, 'no more are overwritten than come');

# ---- sequences ----

$w->source_sql("SELECT setval('sized_id_seq', 777)");
is(plan_value('sequences', "'sized'"), '{"sized_id_seq: 777"}', 'sequences with their value');
is(plan_value('sequences IS NULL', "'sized', sequences => false"), 't', 'unless they stay');

# ---- the statement ----

my $sql = plan_value('source_sql', "'sized'");
like($sql, qr/^COPY "public"\."sized" \("id", "kind", "x"\) TO STDOUT/, 'the COPY of the source');
$sql = plan_value('source_sql', "'sized', filter => 'kind = 3', mode => 'replace'");
$w->pull("'sized', filter => 'kind = 3', mode => 'replace'");
ok(index(slurp_file($w->source->logfile), $sql) >= 0, 'is the one that is run') or diag($sql);
is(plan_value("source_sql ~ 'FETCH FIRST 10 ROWS WITH TIES'", "'sized', mode => 'append', batch_size => 10"), 't',
	'that of an append');
$w->write_config("data_rules: {x: unique_secret}\n");
$w->write_env(PGSYNC_MASK_KEY => 'the-key-of-all-masks-0123456789abcdef');
push @{ $w->{secrets} }, 'the-key-of-all-masks-0123456789abcdef';
$sql = plan_value('source_sql', "'sized'");
unlike($sql, qr/the-key-of-all-masks/, 'never the key of the masks');
like($sql, qr/^COPY \(SELECT/, 'but the mask') or diag($sql);
$w->write_env;
$w->write_config('');
$w->local_sql('CREATE ROLE alice LOGIN; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pgtunsync TO alice');
is(plan_value('status, source_sql IS NULL, rows_lost IS NULL', "'sized'", user => 'alice'), 'refused|t|t',
	'nothing of a table that the caller may not pull');

# ---- a column that needs a value ----

$w->both_sql('CREATE TABLE strict (id int); CREATE TABLE strict_empty (id int)');
$w->local_sql('ALTER TABLE strict ADD COLUMN needed int NOT NULL;
	ALTER TABLE strict_empty ADD COLUMN needed int NOT NULL');
$w->source_sql('INSERT INTO strict VALUES (1)');
is(plan_value('status, reason', "'strict'") =~ s/\n/ /r,
	'refused|table strict has columns that are NOT NULL, have no default, and are not on the source Columns: needed.',
	'a table with rows is refused, also if it was never analyzed');
is($w->refused("'strict'", 'as the pull does', sqlstate => '23502')->{sqlstate}, '23502', 'for that reason');
is(plan_value('status', "'strict_empty'"), 'pulled', 'an empty one can be pulled');
$w->pulls("'strict_empty'", 'and is', ['strict_empty']);
is(plan_value('status', "'strict', filter => 'id > 5', mode => 'replace'"), 'pulled',
	'or one whose filter leaves no row');
$w->source_sql('ANALYZE strict_empty; INSERT INTO strict_empty VALUES (1)');
is(plan_value('status', "'strict_empty'"), 'refused', 'rows that ANALYZE has not seen count');
$w->write_config("empty: [strict]\n");
is(plan_value('status', "'strict'"), 'emptied', 'no row, no value');
$w->pulls("'strict'", 'and it is emptied', []);
$w->write_config('');

# ---- labels of enum types ----

$w->both_sql("CREATE TYPE state AS ENUM ('new', 'done'); CREATE TABLE jobs (id int PRIMARY KEY, s state)");
$w->source_sql("ALTER TYPE state ADD VALUE 'lost'; ALTER TYPE state ADD VALUE 'it''s';
	INSERT INTO jobs VALUES (1, 'new')");
is(plan_value('status', "'jobs'"), 'pulled', 'labels that no row has do not matter');
$w->pulls("'jobs'", 'as the pull says', ['jobs']);
$w->source_sql("INSERT INTO jobs VALUES (2, 'lost'), (3, 'it''s')");
is(plan_value('status, reason', "'jobs'"),
	q{refused|column s of table jobs has labels on the source that its type lacks here: it's, lost},
	'labels that are missing here');
$w->refused("'jobs'", 'stop the pull', sqlstate => '22P02');
is(plan_value('status', "'jobs', filter => 'id < 2', mode => 'replace'"), 'pulled', 'a filter may leave them out');
$w->local_sql(plan_value("substring(hint FROM 'Use (.*)')", "'jobs'"));
is(plan_value('status', "'jobs'"), 'pulled', 'the hint is what helps');
$w->pulls("'jobs'", 'and the pull agrees', ['jobs']);

done_testing();
