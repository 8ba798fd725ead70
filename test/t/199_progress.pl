# What pgtunsync.progress shows while a pull goes on, and what refresh => true
# does with materialized views.

use strict;
use warnings;
use PgTunsync;
use Test::More;
use Time::HiRes qw(sleep);

my $w = PgTunsync->new(empty => 1);

$w->both_sql('CREATE TABLE slow (id int PRIMARY KEY, x text); CREATE TABLE other (id int PRIMARY KEY);
	CREATE TABLE bad (id int PRIMARY KEY)');
$w->source_sql("INSERT INTO slow SELECT i, repeat(md5(i::text), 32) FROM generate_series(1, 20000) i;
	INSERT INTO other SELECT generate_series(1, 10); INSERT INTO bad VALUES (1); ANALYZE");
$w->local_sql('ALTER TABLE bad ADD CHECK (id > 1)');

# The progress of one table of the run that goes on: columns as one string.
sub progress
{
	my ($columns, $table, %params) = @_;
	my $call = $w->call("SELECT $columns FROM pgtunsync.progress WHERE table_name = '$table';", %params)->finish;
	chomp $call->{out};
	return $call->{out};
}

sub wait_phase
{
	my ($table, $phase) = @_;
	return PgTunsync::Process::wait_until("$table is $phase", sub { return progress('phase', $table) eq $phase; });
}

# ---- a source that computes ----

my $call = $w->start_pull("'slow,other,bad',
	filter => 'id <= 2000 AND (SELECT pg_sleep(13)::text) IS NOT NULL', mode => 'replace', jobs => 1");
wait_phase('slow', 'querying');
is(progress('rows, bytes, bytes_per_second IS NULL, time_left IS NULL', 'slow'), '0|0|t|t',
	'a COPY without a row so far');
is(progress('phase', 'other'), 'waiting', 'tables that nobody reads wait');
my $total = progress('bytes_total', 'slow');
my $size = $w->source_sql("SELECT pg_relation_size('slow')");
cmp_ok($total, '>', 0, 'the total is an estimate');
cmp_ok($total, '<', $size / 2, 'under the filter, not of the table')
  or diag("$total of $size");
is(progress('count(*)', 'slow', user => 'postgres'), 1, 'who may read the audit sees it');
$w->local_sql('CREATE ROLE stranger LOGIN');
is(progress('count(*)', 'slow', user => 'stranger'), 0, 'others do not');
$call->wait_message(qr/slow: no row so far, the source has been computing for 1\ds*/);
pass('the caller is told after ten seconds');
my $end = $call->finish;
is($end->{rc}, 3, 'the run ends') or diag($end->{err});
is($w->local_sql('SELECT count(*) FROM pgtunsync.progress'), 0, 'and is not shown any more');

# ---- rows on their way ----

my $relay = $w->relay;
$w->source_sql("CREATE TABLE wide (id int PRIMARY KEY, x text);
	ALTER TABLE wide ALTER x SET STORAGE EXTERNAL;
	INSERT INTO wide SELECT i, repeat(md5(i::text), 3000) FROM generate_series(1, 200) i");
$w->source_sql('VACUUM ANALYZE wide');
$w->local_sql('CREATE TABLE wide (id int PRIMARY KEY, x text)');
$relay->set(stall_after => 4_000_000);
$call = $w->start_pull("'wide,other,bad', jobs => 1");
$relay->wait_stalled;
wait_phase('wide', 'copying');
PgTunsync::Process::wait_until('rows', sub { return progress('bytes > 1000000', 'wide') eq 't'; });
my ($rows, $bytes, $rest, $rate, $left) = split /\|/, progress(
	'rows, bytes, bytes_total - bytes, bytes_per_second > 0, extract(epoch FROM time_left) > 0', 'wide');
cmp_ok($rows, '>', 5, 'rows that have come') and cmp_ok($rows, '<', 200, 'and not all');
cmp_ok($bytes, '<', 4_000_000, 'their bytes');
cmp_ok(abs($bytes + $rest - 200 * 96_000), '<', 4_000_000, 'of about the size of all');
is("$rate$left", 'tt', 'a rate, and the time that is left');
my $stalled = progress('rows', 'wide');
sleep 0.5;
is(progress('rows', 'wide'), $stalled, 'the numbers stand while nothing comes');
$w->local_sql('SELECT pgtunsync.cancel(max(id)) FROM pgtunsync.runs');
is($call->finish->{sqlstate}, '57014', 'cancelled');
$relay->set;

# ---- after the rows ----

my $reader = $w->call("BEGIN; SELECT * FROM other LIMIT 1; SELECT 'ready';", more => 1);
$reader->wait_message(qr/ready/, 'out');
$call = $w->start_pull("'other,bad', jobs => 1");
wait_phase('other', 'loaded');
wait_phase('bad', 'failed');
is(progress('rows, bytes > 0, time_left IS NULL', 'other'), '10|t|t', 'a loaded table');
$reader->finish;
is($call->finish->{sqlstate}, '23514', 'beside one that failed');

# ---- materialized views ----

$w->local_sql('CREATE ROLE dev_user LOGIN; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pgtunsync TO dev_user;
	CREATE TABLE base (id int PRIMARY KEY); ALTER TABLE base OWNER TO dev_user;
	CREATE TABLE beside (id int); INSERT INTO beside VALUES (1);
	CREATE VIEW over AS SELECT id FROM base;
	CREATE MATERIALIZED VIEW a_direct AS SELECT count(*) AS n FROM base;
	CREATE MATERIALIZED VIEW b_view AS SELECT count(*) AS n FROM over;
	CREATE MATERIALIZED VIEW c_nested AS SELECT n FROM a_direct;
	CREATE MATERIALIZED VIEW d_beside AS SELECT count(*) AS n FROM beside;
	CREATE MATERIALIZED VIEW e_fails AS SELECT 1 / (11 - count(*)) AS n FROM base;
	INSERT INTO beside VALUES (2)');
$w->source_sql('CREATE TABLE base (id int PRIMARY KEY); INSERT INTO base SELECT generate_series(1, 10)');
my $counts = "SELECT concat_ws(',', (SELECT n FROM a_direct), (SELECT n FROM b_view), (SELECT n FROM c_nested),
	(SELECT n FROM d_beside))";

$end = $w->pull("'base'");
is($end->{rc}, 0, 'without refresh') or diag($end->{err});
is($w->local_sql($counts), '0,0,0,1', 'materialized views stay');
like($end->{err}, qr/materialized views still show the rows from before the pull: public\.a_direct, /,
	'a NOTICE names them');
unlike($end->{err}, qr/d_beside/, 'and no other');
$end = $w->pull("'base', refresh => true");
is($end->{rc}, 0, 'with refresh') or diag($end->{err});
is($w->local_sql($counts), '10,10,10,1', 'those over the table are refreshed, in the order of their dependencies');
is($w->local_sql('SELECT n FROM e_fails'), 1, 'also this one');
unlike($end->{err}, qr/materialized view/, 'without a word');

$w->source_sql('INSERT INTO base VALUES (11)');
$end = $w->pull("'base', refresh => true");
is($end->{rc}, 0, 'one that cannot be refreshed is no end of the run') or diag($end->{err});
is($w->local_sql($counts), '11,11,11,1', 'the others are refreshed');
is($w->local_sql('SELECT n FROM e_fails'), 1, 'it keeps its rows');
like($end->{err}, qr/WARNING:  22012: materialized view public\.e_fails could not be refreshed: division by zero/,
	'and a WARNING says why');
$w->both_equal('base');

$w->source_sql('INSERT INTO base VALUES (12)');
$end = $w->pull("'base', refresh => true", user => 'dev_user');
is($end->{rc}, 0, 'by a role that does not own them') or diag($end->{err});
is($w->local_sql($counts), '11,11,11,1', 'they stay');
like($end->{err}, qr/WARNING:  42501: materialized view public\.a_direct was not refreshed: must be its owner/,
	'with a WARNING');
$w->both_equal('base');
$w->nothing_left;

done_testing();
