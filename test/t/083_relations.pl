# Relations and indexes of every kind: partitions, inheritance, unlogged and
# typed tables, tablespaces, empty tables.  What cannot be replaced is refused
# by name.

use strict;
use warnings;
use PgTunsync;
use PgTunsync::Agreement;
use PgTunsync::Compare;
use PostgreSQL::Test::Utils;
use Test::More;

my $w = PgTunsync->new(empty => 1);

my $available = $w->local_sql("SELECT string_agg(name, ' ') FROM pg_available_extensions
	WHERE name IN ('btree_gist', 'btree_gin', 'pg_trgm', 'bloom')");
my $full = (grep { $available =~ /\b$_\b/ } 'btree_gist', 'btree_gin', 'pg_trgm', 'bloom') == 4;
my $version = $w->local_sql('SHOW server_version_num');

# ---- partitions ----

$w->both_sql(q{
	CREATE SCHEMA parts;
	CREATE TABLE by_range (id int, at date NOT NULL, v text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
	CREATE TABLE by_range_2023 PARTITION OF by_range FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
	CREATE TABLE parts.by_range_2024 PARTITION OF by_range FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')
		PARTITION BY LIST (id);
	CREATE TABLE parts.by_range_2024_a PARTITION OF parts.by_range_2024 FOR VALUES IN (80, 81, 82);
	CREATE TABLE parts."by_range 2024 rest" PARTITION OF parts.by_range_2024 DEFAULT;
	CREATE TABLE by_range_rest PARTITION OF by_range DEFAULT;
	CREATE INDEX by_range_v ON by_range (v, (id % 3));
	CREATE TABLE by_hash (id bigint PRIMARY KEY, v text) PARTITION BY HASH (id);
	CREATE TABLE by_hash_0 PARTITION OF by_hash FOR VALUES WITH (MODULUS 3, REMAINDER 0);
	CREATE TABLE by_hash_1 PARTITION OF by_hash FOR VALUES WITH (MODULUS 3, REMAINDER 1);
	CREATE TABLE by_hash_2 (v text, gone int, id bigint NOT NULL);
	ALTER TABLE by_hash_2 DROP COLUMN gone;
	ALTER TABLE by_hash ATTACH PARTITION by_hash_2 FOR VALUES WITH (MODULUS 3, REMAINDER 2);
	CREATE TABLE by_expression (id int, v text) PARTITION BY LIST (lower(v));
	CREATE TABLE by_expression_x PARTITION OF by_expression FOR VALUES IN ('x', 'y');
	CREATE TABLE no_partitions (id int) PARTITION BY RANGE (id);
	CREATE TABLE refers_to_parts (id int, at date, FOREIGN KEY (id, at) REFERENCES by_range);
	CREATE TABLE part_refers (id int, h bigint REFERENCES by_hash) PARTITION BY LIST (id);
	CREATE TABLE part_refers_1 PARTITION OF part_refers FOR VALUES IN (1, 2, 3);
});
my $fill_parts = q{
	INSERT INTO by_range SELECT i, '2022-12-15'::date + i * 5,
		CASE WHEN i % 4 = 0 THEN 'a' WHEN i % 4 = 1 THEN NULL ELSE 'b' || i END FROM generate_series(%d, %d) i;
	INSERT INTO by_hash SELECT i, 'v' || i FROM generate_series(%1$d, %2$d) i;
	INSERT INTO by_expression SELECT i, CASE WHEN i % 2 = 0 THEN 'X' ELSE 'y' END FROM generate_series(%1$d, %2$d) i;
	INSERT INTO refers_to_parts SELECT id, at FROM by_range;
	INSERT INTO part_refers SELECT 1 + id % 3, id FROM by_hash;
};
$w->source_sql(sprintf($fill_parts, 1, 300));
$w->local_sql(sprintf($fill_parts, 290, 310));
my $run = PgTunsync::Compare::pulls_everything($w, '', 'partitioned tables');
is($w->local_sql('SELECT count(*), count(DISTINCT tableoid) FROM by_range'), '300|4', 'rows lie in their partitions');
$w->source_sql("UPDATE by_hash SET v = 'root'");
PgTunsync::Compare::pulls_everything($w, "'by_hash'", 'a root by its name', quick => 1);
$w->source_sql("UPDATE parts.by_range_2024 SET v = 'c'");
PgTunsync::Compare::pulls_everything($w, "'parts.by_range_2024'", 'a root that is a partition itself', quick => 1);
$w->source_sql("UPDATE by_range_2023 SET v = 'leaf'");
PgTunsync::Compare::pulls_everything($w, "'by_range_2023'", 'a leaf by its name', quick => 1);

# ---- partitions that differ: refused by name, or right ----

sub right_or_refused
{
	my ($table, $title) = @_;
	my $before = $w->snapshot;
	my $call = $w->pull("'$table'");
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	subtest $title => sub {
		if ($call->{rc} eq '0')
		{
			PgTunsync::Compare::all_equal($w, tables => ["public.$table"]);
			$w->catalog_unchanged($before);
			$w->healthy;
			$w->nothing_left;
		}
		else
		{
			$w->check_refused($call, $before, message => [qr/\b$table/]);
		}
	};
	note(($call->{rc} eq '0' ? 'done: ' : 'refused: ') . ($call->{message} || ''));
	return;
}
$w->source_sql(q{CREATE TABLE bounds (id int, v text) PARTITION BY RANGE (id);
	CREATE TABLE bounds_a PARTITION OF bounds FOR VALUES FROM (0) TO (50);
	CREATE TABLE bounds_b PARTITION OF bounds FOR VALUES FROM (50) TO (100);
	CREATE TABLE fewer (LIKE bounds) PARTITION BY RANGE (id);
	CREATE TABLE fewer_a PARTITION OF fewer FOR VALUES FROM (0) TO (100);
	CREATE TABLE root_there (LIKE bounds) PARTITION BY RANGE (id);
	CREATE TABLE root_there_a PARTITION OF root_there FOR VALUES FROM (0) TO (50);
	CREATE TABLE root_there_b PARTITION OF root_there DEFAULT;
	CREATE TABLE root_here (LIKE bounds); CREATE TABLE strategy (LIKE bounds) PARTITION BY HASH (id);
	CREATE TABLE strategy_a PARTITION OF strategy FOR VALUES WITH (MODULUS 2, REMAINDER 0);
	CREATE TABLE strategy_b PARTITION OF strategy FOR VALUES WITH (MODULUS 2, REMAINDER 1)});
$w->local_sql(q{CREATE TABLE bounds (id int, v text) PARTITION BY RANGE (id);
	CREATE TABLE bounds_a PARTITION OF bounds FOR VALUES FROM (0) TO (30);
	CREATE TABLE bounds_b PARTITION OF bounds FOR VALUES FROM (30) TO (100);
	CREATE TABLE fewer (LIKE bounds) PARTITION BY RANGE (id);
	CREATE TABLE fewer_a PARTITION OF fewer FOR VALUES FROM (0) TO (50);
	CREATE TABLE fewer_b PARTITION OF fewer FOR VALUES FROM (50) TO (100);
	CREATE TABLE root_there (LIKE bounds); CREATE TABLE root_here (LIKE bounds) PARTITION BY RANGE (id);
	CREATE TABLE root_here_a PARTITION OF root_here FOR VALUES FROM (0) TO (100);
	CREATE TABLE strategy (LIKE bounds) PARTITION BY RANGE (id);
	CREATE TABLE strategy_a PARTITION OF strategy FOR VALUES FROM (0) TO (50);
	CREATE TABLE strategy_b PARTITION OF strategy FOR VALUES FROM (50) TO (100)});
foreach my $table ('bounds', 'fewer', 'root_there', 'root_here', 'strategy')
{
	$w->source_sql("INSERT INTO $table SELECT i, 'new ' || i FROM generate_series(0, 99) i");
	$w->local_sql("INSERT INTO $table VALUES (1, 'stale')");
	right_or_refused($table, "partitions that differ: $table");
}
$w->$_->safe_psql($w->database($_ eq 'source' ? 'source' : 'local'), 'SET client_min_messages = warning;
	DROP TABLE bounds, fewer, root_there, root_here, strategy') foreach 'source', 'local_node';

# ---- inheritance, unlogged, typed, empty, tablespaces, options ----

$w->both_sql(q{
	CREATE TABLE mother (id int PRIMARY KEY, v text);
	CREATE TABLE child (w int) INHERITS (mother);
	CREATE TABLE father (f int);
	CREATE TABLE grandchild (x int) INHERITS (child, father);
	CREATE UNLOGGED TABLE unlogged_both (id int PRIMARY KEY, v text);
	CREATE TYPE shape AS (id int, v text);
	CREATE TABLE typed OF shape (PRIMARY KEY (id));
	CREATE TABLE becomes_empty (id int PRIMARY KEY, v text);
	CREATE TABLE was_empty (id int PRIMARY KEY, v text);
	CREATE TABLE always_empty (id int PRIMARY KEY, v text);
	CREATE TABLE options (id int PRIMARY KEY, v text, u int UNIQUE, w int) WITH (fillfactor = 60,
		autovacuum_enabled = off, toast.autovacuum_enabled = off, parallel_workers = 3, toast_tuple_target = 256);
	CREATE INDEX options_v ON options (v) WITH (fillfactor = 50, deduplicate_items = off);
	CREATE INDEX options_e ON options ((w + u), id);
	ALTER INDEX options_e ALTER COLUMN 1 SET STATISTICS 700;
	CLUSTER options USING options_v;
	ALTER TABLE options ALTER w SET STATISTICS 33, ALTER v SET STORAGE EXTERNAL, ALTER u SET (n_distinct = -0.5);
	ALTER TABLE options ALTER u SET NOT NULL;
	ALTER TABLE options REPLICA IDENTITY USING INDEX options_u_key;
	CREATE STATISTICS options_stats (dependencies, ndistinct, mcv) ON u, w FROM options;
	ALTER STATISTICS options_stats SET STATISTICS 50;
	COMMENT ON TABLE options IS 'a table'; COMMENT ON COLUMN options.v IS 'a column';
	COMMENT ON INDEX options_e IS 'an index'; COMMENT ON CONSTRAINT options_pkey ON options IS 'a key';
	GRANT SELECT (v), UPDATE (u) ON options TO PUBLIC; GRANT INSERT ON options TO pg_monitor WITH GRANT OPTION;
});
$w->local_sql('CREATE UNLOGGED TABLE unlogged_here (id int PRIMARY KEY, v text);
	CREATE TABLE unlogged_there (id int PRIMARY KEY, v text)');
$w->source_sql('CREATE TABLE unlogged_here (id int PRIMARY KEY, v text);
	CREATE UNLOGGED TABLE unlogged_there (id int PRIMARY KEY, v text)');
my @plain = ('mother', 'unlogged_both', 'typed', 'was_empty', 'unlogged_here', 'unlogged_there');
$w->source_sql(join '', map { "INSERT INTO $_ SELECT i, repeat(md5(i::text), i)
	FROM generate_series(1, 200) i;" } @plain);
$w->source_sql(q{INSERT INTO child SELECT i, 'child', i FROM generate_series(201, 300) i;
	INSERT INTO grandchild SELECT i, 'grandchild', i, i, i FROM generate_series(301, 350) i;
	INSERT INTO options SELECT i, repeat('v', i * 5), i, i % 10 FROM generate_series(1, 500) i});
$w->local_sql(join '', map { "INSERT INTO $_ VALUES (1, 'stale');" } 'mother', 'unlogged_both', 'typed',
	'becomes_empty', 'unlogged_here', 'unlogged_there');
$w->local_sql("INSERT INTO grandchild VALUES (7, 'stale', 1, 2, 3); INSERT INTO options VALUES (1, 'stale', 1, 1)");

# a tablespace of the local server
my $dir = $w->dir . '/space';
mkdir $dir or die;
$w->local_sql("CREATE TABLESPACE space LOCATION '$dir'");
$w->local_sql('CREATE TABLE in_space (id int PRIMARY KEY USING INDEX TABLESPACE space, v text) TABLESPACE space;
	CREATE INDEX in_default ON in_space (v) TABLESPACE pg_default;
	CREATE TABLE index_in_space (id int PRIMARY KEY USING INDEX TABLESPACE space, v text)');
$w->source_sql('CREATE TABLE in_space (id int PRIMARY KEY, v text); CREATE TABLE index_in_space (LIKE in_space)');
$w->source_sql("INSERT INTO $_ SELECT i, repeat(md5(i::text), i) FROM generate_series(1, 200) i")
  foreach 'in_space', 'index_in_space';

PgTunsync::Compare::pulls_everything($w, '', 'inheritance, unlogged, typed, empty, tablespaces, options');
like($w->local_sql("SELECT pg_relation_filepath('$_->[0]')"), $_->[1] ? qr/^pg_tblspc/ : qr/^base/,
	"$_->[0] lies where it did")
  foreach [ 'in_space', 1 ], [ 'in_space_pkey', 1 ], [ 'in_default', 0 ], [ 'index_in_space', 0 ],
  	[ 'index_in_space_pkey', 1 ];
like($w->local_sql("SELECT pg_relation_filepath(reltoastrelid) FROM pg_class WHERE relname = 'in_space'"),
	qr/^pg_tblspc/, 'and so does its toast table');
is($w->local_sql("SELECT count(*) FROM pg_stats_ext WHERE statistics_name = 'options_stats'"), 1,
	'statistics objects have data');
is($w->local_sql("SELECT count(*) > 2 FROM pg_stats WHERE tablename = 'options'"), 't', 'and columns have statistics');
is($w->local_sql("SELECT count(*) FROM pg_stats WHERE tablename = 'options_e'"), 1, 'expressions of indexes too');
is($w->local_sql("SELECT reltuples FROM pg_class WHERE relname = 'options'"), 500, 'and the table its number of rows');

# ANALYZE ran on the staging heap.  Only statistics objects and settings need
# it again.
my $counts = "SELECT relname, analyze_count FROM pg_stat_user_tables WHERE relname IN ('typed', 'options')";
my %analyzed = map { split /\|/ } split /\n/, $w->local_sql($counts);
$w->pull("'{typed,options}'");
ok($w->local_node->poll_query_until('dev',
	"SELECT max(analyze_count) FILTER (WHERE relname = 'options') = $analyzed{options} + 2 FROM ($counts) c"),
	'a table with a statistics object is analyzed again');
is($w->local_sql("SELECT max(analyze_count) FILTER (WHERE relname = 'typed') - $analyzed{typed} FROM ($counts) c"), 1,
	'one without is not');

# unlogged tables survive a clean restart, and a crash empties them as usual
$w->local_node->restart;
PgTunsync::Compare::all_equal($w, title => 'after a restart too');
$w->local_node->stop('immediate');
$w->local_node->start;
is($w->local_sql('SELECT (SELECT count(*) FROM unlogged_both), (SELECT count(*) FROM unlogged_here),
	(SELECT count(*) FROM unlogged_there)'), '0|0|200', 'a crash empties unlogged tables only');
is($w->local_sql('SET enable_seqscan = off; SELECT count(*) FROM unlogged_both WHERE id > 0'), 0, 'and their indexes');
$w->local_sql("INSERT INTO unlogged_both VALUES (1, repeat('x', 100000)), (2, 'y')");
PgTunsync::Compare::pulls_everything($w, "'unlogged*'", 'and they can be pulled again');

# ---- indexes of every kind ----

SKIP:
{
	skip 'no contrib', 1 unless $full;
	$w->both_sql(q{CREATE EXTENSION btree_gist; CREATE EXTENSION btree_gin; CREATE EXTENSION pg_trgm;
		CREATE EXTENSION bloom;
		CREATE FUNCTION twice(i int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT i * 2';
		CREATE TABLE indexed (gone int, id int PRIMARY KEY, a int, b text, c tsvector, d int4range, p point, j jsonb,
			xs int[], t timestamptz, i inet, u uuid, n numeric, e text COLLATE "C");
		ALTER TABLE indexed DROP COLUMN gone;
		CREATE INDEX ON indexed (a DESC NULLS LAST, b text_pattern_ops);
		CREATE INDEX ON indexed (a) WHERE a % 2 = 0;
		CREATE INDEX ON indexed (lower(b), twice(a)) INCLUDE (id, t) WHERE b IS NOT NULL;
		CREATE UNIQUE INDEX ON indexed (id) INCLUDE (b);
		CREATE INDEX ON indexed USING hash (b);
		CREATE INDEX ON indexed USING gin (c);
		CREATE INDEX ON indexed USING gin (j jsonb_path_ops, a) WITH (fastupdate = off, gin_pending_list_limit = 100);
		CREATE INDEX ON indexed USING gin (b gin_trgm_ops);
		CREATE INDEX ON indexed USING gin (xs);
		CREATE INDEX ON indexed USING gist (d, a) INCLUDE (b);
		CREATE INDEX ON indexed USING gist (p) WITH (buffering = on);
		CREATE INDEX ON indexed USING gist (b gist_trgm_ops (siglen = 32));
		CREATE INDEX ON indexed USING spgist (p kd_point_ops);
		CREATE INDEX ON indexed USING spgist (i) INCLUDE (id);
		CREATE INDEX ON indexed USING brin (t) WITH (pages_per_range = 2, autosummarize = on);
		CREATE INDEX ON indexed USING brin (a int4_minmax_multi_ops (values_per_range = 16),
			u uuid_bloom_ops (n_distinct_per_range = 100));
		CREATE INDEX ON indexed USING bloom (a, n) WITH (length = 80) WHERE false;
		CREATE INDEX ON indexed (b COLLATE "POSIX", e COLLATE "C");
		CREATE INDEX ON indexed ((j ->> 'k'), (n + 1));
		ALTER TABLE indexed ADD CONSTRAINT no_overlap EXCLUDE USING gist (d WITH &&, a WITH =) WHERE (a < 100000);
		ALTER TABLE indexed ADD CONSTRAINT late UNIQUE (u) DEFERRABLE INITIALLY DEFERRED;
		ALTER TABLE indexed ADD CONSTRAINT late_exclusion EXCLUDE USING btree (n WITH =) DEFERRABLE;
		} =~ s/USING bloom \(a, n\)/USING bloom (a)/r);
	$w->both_sql('CREATE UNIQUE INDEX one_null ON indexed (e) NULLS NOT DISTINCT;
		ALTER TABLE indexed ADD CONSTRAINT one_null_key UNIQUE NULLS NOT DISTINCT (e, a)') if $version >= 150000;
	my $insert = q{INSERT INTO indexed SELECT i, i %% 97, 'text ' || i, to_tsvector('simple', 'word' || i || ' common'),
		int4range(i * 10, i * 10 + 5), point(i %% 50, i / 50), jsonb_build_object('k', i, 'z', i %% 3), ARRAY[i,
		i %% 7], '2024-01-01'::timestamptz + i * interval '1 minute', '10.0.0.0'::inet + i, md5(i::text)::uuid, i / 7.0,
		nullif('e' || i, 'e5') FROM generate_series(%d, %d) i};
	$w->source_sql(sprintf($insert, 1, 4000));
	$w->local_sql(sprintf($insert, 3900, 4100));

	# invalid ones: of rows that are not unique, on a root whose leaf has none
	$w->local_sql('CREATE TABLE half (id int, v int); INSERT INTO half VALUES (1, 1), (2, 1), (3, 3);
		CREATE INDEX half_ok ON half (id)');
	$w->local_node->psql('dev', 'CREATE UNIQUE INDEX CONCURRENTLY half_unique ON half (v)');
	$w->local_node->psql('dev', 'CREATE INDEX CONCURRENTLY half_failing ON half ((1 / (id - 2)))');
	is($w->local_sql("SELECT count(*) FROM pg_index WHERE indrelid = 'half'::regclass AND NOT indisvalid"), 2,
		'two indexes are invalid');
	$w->source_sql('CREATE TABLE half (id int, v int);
		INSERT INTO half SELECT i, i % 10 FROM generate_series(10, 100) i');
	$w->local_sql('CREATE INDEX only_root ON ONLY by_hash (v)');

	PgTunsync::Compare::pulls_everything($w, "'indexed,half,by_hash'", 'indexes of every kind', quick => 1);
	my $health = $w->sql_file('local', "$PgTunsync::fixtures/health.sql");
	is(join(' ', sort grep { /\S/ } split /\n/, $health),
		'index half_failing is not usable index half_unique is not usable index only_root is not usable',
		'invalid ones stay so, all others are sound');

	# each index scan finds the same rows as a sequential scan
	my @questions = ('a = 5', "a = 6 AND a % 2 = 0", "lower(b) = 'text 77' AND twice(a) = 154", "b = 'text 300'",
		"c @@ 'word12'::tsquery", q{j @> '{"k": 15}'}, "b LIKE '%xt 39%'", 'xs @> ARRAY[17]',
		"d && int4range(100, 200)",
		"p <@ box '(3,3),(1,1)'", "i <<= '10.0.0.0/25'", "t < '2024-01-01 01:00+00'", "u = md5('9')::uuid",
		"n = 3 / 7.0", "e IS NULL", "e = 'e99'", "(j ->> 'k') = '8'", "b COLLATE \"POSIX\" = 'text 1'");
	foreach my $question (@questions)
	{
		my $with = $w->local_sql("SET enable_seqscan = off; SELECT count(*), sum(id) FROM indexed WHERE $question");
		my $without = $w->local_sql("SET enable_indexscan = off; SET enable_bitmapscan = off;
			SET enable_indexonlyscan = off; SELECT count(*), sum(id) FROM indexed WHERE $question");
		is($with, $without, "by index and by scan: $question");
	}

	# and the indexes stay usable
	my ($rc, $out, $err) = $w->local_node->psql('dev', "INSERT INTO indexed (id, a, d)
		VALUES (100000, 1 % 97, '[10,12)')");
	like($err, qr/no_overlap/, 'the exclusion constraint holds against the new rows');
	($rc, $out, $err) = $w->local_node->psql('dev', "BEGIN;
	INSERT INTO indexed (id, u, e) VALUES (100001, md5('9')::uuid, 'other'); SELECT 'not yet'; COMMIT");
	like("$out$err", qr/not yet.*late/s, 'a deferred unique constraint does so at the end');
	$w->local_sql("INSERT INTO indexed (id, b, c, xs, e) SELECT i, 'later', 'later', ARRAY[i], 'later' || i
		FROM generate_series(200000, 201000) i; DELETE FROM indexed WHERE id % 5 = 0; VACUUM indexed");
	$health = $w->sql_file('local', "$PgTunsync::fixtures/health.sql");
	unlike($health, qr/indexed/, 'and all are sound after writes and VACUUM');
	is($w->local_sql("SET enable_seqscan = off;
		SELECT count(*) FROM indexed WHERE c @@ 'later'::tsquery"), 800, 'with the new rows in them');
	$w->local_sql('REINDEX TABLE indexed; DROP INDEX half_unique, half_failing, only_root');
}

# ---- a table access method of its own: right or refused ----

$w->local_sql("CREATE ACCESS METHOD other_heap TYPE TABLE HANDLER heap_tableam_handler;
	CREATE TABLE of_other_am (id int PRIMARY KEY, v text) USING other_heap;
	INSERT INTO of_other_am VALUES (1, 'stale')");
$w->source_sql("CREATE TABLE of_other_am (id int PRIMARY KEY, v text);
	INSERT INTO of_other_am SELECT i, repeat('v', i * 20) FROM generate_series(1, 200) i");
right_or_refused('of_other_am', 'a table access method that is not heap');

# ---- what is refused by name ----

$w->both_sql('CREATE VIEW a_view AS SELECT 1 AS id; CREATE MATERIALIZED VIEW a_matview AS SELECT 1 AS id;
	CREATE SEQUENCE a_sequence; CREATE FOREIGN DATA WRAPPER nothing; CREATE SERVER nowhere FOREIGN DATA WRAPPER nothing;
	CREATE FOREIGN TABLE a_foreign_table (id int) SERVER nowhere; CREATE INDEX an_index ON mother (v);
	CREATE TYPE a_type AS (a int);');
$w->refused("'$_->[0]'", "$_->[0] is refused", sqlstate => $_->[1], message => [qr/\b$_->[0]\b/])
  foreach [ 'a_view', '42809' ], [ 'a_matview', '42809' ], [ 'a_sequence', '42809' ], [ 'a_foreign_table', '42809' ],
  	[ 'pg_catalog.pg_class', '42809' ], [ 'pgtunsync.runs', '42809' ], [ 'an_index', '42\w{3}' ],
  	[ 'a_type', '42\w{3}' ];
$w->call('CREATE TEMP TABLE temporary (id int); SELECT pgtunsync.pull(\'temporary\');')->finish->{err} =~ /temporary/
  and pass('a temporary table is refused');
my $before = $w->snapshot;
$w->source_sql("UPDATE mother SET v = 'more'");
$run = $w->pull("'{mother,a_view,a_matview}'");
isnt($run->{rc}, 0, 'with others: the call fails');
is($w->last_run('status'), 'partial', 'after what can be done');
PgTunsync::Compare::all_equal($w, tables => ['public.mother']);

done_testing();
