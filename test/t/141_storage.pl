# What a swap replaces besides the rows: visibility maps of more than one page,
# the ages of heap and toast table, and the statistics of an inheritance tree.
# The final state of the audit is part of the same commit.

use strict;
use warnings;
use PgTunsync;
use Test::More;

my $w = PgTunsync->new(empty => 1,
	local_conf => "max_worker_processes = 24\nmax_wal_size = 8GB\ntrack_commit_timestamp = on");

# ---- ages ----

my $schema = 'CREATE TABLE aged (id int PRIMARY KEY, body text);';
$w->source_sql("$schema INSERT INTO aged SELECT i, repeat(md5(i::text), 300) FROM generate_series(1, 50) i;
	ALTER TABLE aged ALTER body SET STORAGE EXTERNAL; UPDATE aged SET body = body || 'x'");
$w->local_sql($schema);
my $ages = q{
	SELECT age(c.relfrozenxid), age(t.relfrozenxid), mxid_age(c.relminmxid), mxid_age(t.relminmxid)
	FROM pg_class c JOIN pg_class t ON t.oid = c.reltoastrelid WHERE c.oid = 'aged'::regclass};
$w->local_sql(q{DO $$ BEGIN FOR i IN 1 .. 3000 LOOP BEGIN PERFORM pg_current_xact_id(); CREATE TEMP TABLE x ();
	DROP TABLE x; EXCEPTION WHEN division_by_zero THEN NULL; END; END LOOP; END $$});
# a row locked by a transaction and changed by its subtransaction needs a
# multixact
$w->local_sql(q{CREATE TABLE multis (id int PRIMARY KEY, n int);
	INSERT INTO multis SELECT i, 0 FROM generate_series(1, 300) i;
	DO $$ BEGIN FOR i IN 1 .. 300 LOOP PERFORM FROM multis WHERE id = i FOR KEY SHARE;
		BEGIN UPDATE multis SET n = 1 WHERE id = i; EXCEPTION WHEN division_by_zero THEN NULL; END; END LOOP; END $$});
my @old = split /\|/, $w->local_sql($ages);
cmp_ok($old[0], '>', 2000, "an old table, $old[0] transactions of age");
cmp_ok($old[2], '>', 250, "and $old[2] multixacts");
is($w->pull("'aged'")->{rc}, 0, 'it is pulled');
my @new = split /\|/, $w->local_sql($ages);
cmp_ok($new[0], '<', 100, "the heap is young: $new[0]");
cmp_ok($new[1], '<', 100, "so is its toast table: $new[1]");
cmp_ok($new[2], '<', 50, "the heap's multixacts are young: $new[2]");
cmp_ok($new[3], '<', 50, "and those of its toast table: $new[3]");
is($w->local_sql(q{SELECT count(*) FROM pg_class WHERE relkind IN ('r', 't')
	AND relfrozenxid::text::bigint < (SELECT datfrozenxid::text::bigint FROM pg_database WHERE datname = 'dev')}),
	0, 'no table is older than its database');

# ---- the audit is part of the commit ----

is($w->local_sql(q{
		SELECT count(*), count(DISTINCT pg_xact_commit_timestamp(xmin)) FROM (
			SELECT xmin FROM pg_class WHERE oid = 'aged'::regclass
			UNION ALL SELECT xmin FROM pgtunsync_internal.runs WHERE id = (SELECT max(id) FROM pgtunsync.runs)
			UNION ALL SELECT xmin FROM pgtunsync_internal.run_tables WHERE run_id = (SELECT max(id) FROM pgtunsync.runs)) t}),
	'3|1', 'the table, its run and the row of the run for the table were written by one transaction (and its '
		. 'subtransactions)');
$w->source_sql('INSERT INTO aged VALUES (1000, $$new$$)');
my $before = $w->snapshot;
$w->local_sql(q{
	CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no final state today'; END $$;
	CREATE TRIGGER refuse BEFORE UPDATE ON pgtunsync_internal.runs FOR EACH ROW WHEN (NEW.status = 'succeeded')
		EXECUTE FUNCTION refuse()});
my $run = $w->pull("'aged'");
is($run->{rc}, 3, 'a final state that cannot be written');
like($run->{err}, qr/no final state today/, 'fails the pull');
$w->local_sql('DROP TRIGGER refuse ON pgtunsync_internal.runs; DROP FUNCTION refuse()');
$w->unchanged($before);
is($w->last_run('status'), 'failed', 'the audit says so');

# ---- statistics over an inheritance tree ----

$schema = q{
	CREATE TABLE parent (id int, kind text);
	CREATE TABLE child (extra int) INHERITS (parent);
};
$w->source_sql($schema . q{
	INSERT INTO parent SELECT i, 'p' || i % 3 FROM generate_series(1, 300) i;
	INSERT INTO child SELECT i, 'c' || i % 5, i FROM generate_series(1, 700) i;
});
$w->local_sql("$schema INSERT INTO parent VALUES (1, 'old'); INSERT INTO child VALUES (2, 'old', 3);
	ANALYZE parent, child");
my $inherited = q{SELECT attname, n_distinct FROM pg_stats WHERE tablename = 'parent' AND inherited ORDER BY 1};
isnt($w->local_sql($inherited), '', 'there are statistics over the tree');
is($w->pull("'parent,child'")->{rc}, 0, 'parent and child are pulled');
like($w->local_sql($inherited), qr/^id\|.*\nkind\|8$/, 'the statistics over the tree are those of the new rows');

$w->source_sql("UPDATE parent SET kind = 'same'");
is($w->pull("'parent', exclude => '{child}'")->{rc}, 0, 'the parent alone is pulled');
like($w->local_sql($inherited), qr/^id\|.*\nkind\|6$/,
	'its statistics over the tree are those of its new rows and of the child');

my $holder = $w->call("BEGIN; LOCK TABLE child; SELECT 'locked';", more => 1);
$holder->wait_message(qr/locked/, 'out');
$run = $w->pull("'parent', exclude => '{child}'", options => '-c pgtunsync.lock_timeout=1s');
is($run->{rc}, 0, 'the parent is pulled while its child is locked');
like($run->{err}, qr/WARNING/, 'the tree could not be analyzed') or diag($run->{err});
isnt($w->local_sql($inherited), '', 'its statistics over the tree are still there');
$holder->say('COMMIT;');
$holder->finish;

# ---- a heap whose visibility map has more than one page ----

# a page of the map covers 8168 * 4 pages of the heap
my $pages = 32_672;
$schema = 'CREATE TABLE big (id int, body text); CREATE INDEX big_id ON big (id);';
$w->source_sql("$schema ALTER TABLE big ALTER body SET STORAGE PLAIN");
$w->local_sql("$schema ALTER TABLE big ALTER body SET STORAGE PLAIN");
$w->source_sql("INSERT INTO big SELECT i, repeat('x', 7900) FROM generate_series(1, $pages + 300) i");
is($w->pull("'big', jobs => 1")->{rc}, 0, 'a heap of more pages than one page of the map stands for');
cmp_ok($w->local_sql("SELECT pg_relation_size('big') / 8192"), '>', $pages, 'it is that large');
SKIP: {
	skip 'pg_visibility is not installed', 2
	  unless $w->local_sql("SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_visibility'");
	$w->local_sql('CREATE EXTENSION pg_visibility');
	is($w->local_sql("SELECT all_visible, all_frozen FROM pg_visibility_map_summary('big')"),
		join('|', ($w->local_sql("SELECT pg_relation_size('big') / 8192")) x 2),
			'the map marks every page as visible and frozen');
	is($w->local_sql("SELECT count(*) FROM pg_check_visible('big')"), 0, 'and is right');
}
$w->local_sql("INSERT INTO big SELECT i, 'tail' FROM generate_series(100000, 100009) i;
	DELETE FROM big WHERE id = 32700");
is($w->local_sql('SET enable_seqscan = off; SET enable_bitmapscan = off; SELECT count(*) FROM big WHERE id > 0'),
	$pages + 300 + 10 - 1, 'an index-only count sees later writes at the end');
$w->nothing_left;

done_testing();
