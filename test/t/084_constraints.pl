# Constraints of every kind.  Foreign keys are checked as sets and hold after
# the run.  Nothing cascades.

use strict;
use warnings;
use PgTunsync;
use PgTunsync::Agreement;
use PgTunsync::Compare;
use Test::More;

my $w = PgTunsync->new(empty => 1);

my $contrib = $w->local_sql("SELECT count(*) FROM pg_available_extensions WHERE name IN ('citext', 'btree_gist')") == 2;

# ---- keys of every shape ----

$w->both_sql(q{
	CREATE TABLE self (id int PRIMARY KEY, up int REFERENCES self, must int NOT NULL REFERENCES self);
	CREATE TABLE hen (id int PRIMARY KEY, egg int NOT NULL);
	CREATE TABLE egg (id int PRIMARY KEY, hen int NOT NULL REFERENCES hen);
	ALTER TABLE hen ADD CONSTRAINT hen_egg FOREIGN KEY (egg) REFERENCES egg DEFERRABLE;
	CREATE TABLE ring_1 (id int PRIMARY KEY, next int NOT NULL);
	CREATE TABLE ring_2 (id int PRIMARY KEY, next int NOT NULL);
	CREATE TABLE ring_3 (id int PRIMARY KEY, next int NOT NULL);
	CREATE TABLE composite (a int, b text, c date, PRIMARY KEY (c, a, b), UNIQUE (b, a));
	CREATE TABLE to_composite (x int, y date, z text, FOREIGN KEY (x, z, y) REFERENCES composite (a, b, c));
	CREATE TABLE to_unique (a int, b text, FOREIGN KEY (a, b) REFERENCES composite (a, b));
	CREATE TABLE match_full (id int, a int, b text, FOREIGN KEY (a, b) REFERENCES composite (a, b) MATCH FULL);
	CREATE TABLE match_simple (id int, a int, b text, FOREIGN KEY (a, b) REFERENCES composite (a, b));
	CREATE TABLE nullable_target (id int PRIMARY KEY, code int UNIQUE);
	CREATE TABLE to_nullable (code int REFERENCES nullable_target (code) ON DELETE SET NULL);
	CREATE TABLE to_index_include (id int, k int);
	CREATE UNIQUE INDEX to_index_include_k ON to_index_include (k) INCLUDE (id);
	CREATE TABLE uses_index (k int REFERENCES to_index_include (k) ON UPDATE CASCADE ON DELETE
		SET DEFAULT DEFERRABLE INITIALLY DEFERRED);
	CREATE TABLE bigs (id bigint PRIMARY KEY); CREATE TABLE ints (id smallint REFERENCES bigs);
	CREATE TABLE numerics (id numeric PRIMARY KEY); CREATE TABLE int_to_numeric (id int REFERENCES numerics);
	CREATE TABLE chars (id char(5) PRIMARY KEY); CREATE TABLE char_refs (id char(9) REFERENCES chars);
	CREATE TABLE names (id name PRIMARY KEY); CREATE TABLE texts (id text PRIMARY KEY);
	CREATE TABLE varchar_refs (id varchar(10) REFERENCES texts);
	CREATE TABLE dates (d date PRIMARY KEY); CREATE TABLE date_refs (d date REFERENCES dates);
	CREATE TYPE color AS ENUM ('red', 'green'); CREATE TABLE colors (c color PRIMARY KEY);
	CREATE TABLE color_refs (c color REFERENCES colors);
	CREATE DOMAIN small AS int CHECK (VALUE < 1000); CREATE TABLE domains (d small PRIMARY KEY);
	CREATE TABLE domain_refs (d int REFERENCES domains); CREATE TABLE domain_refs2 (d small REFERENCES domains);
	CREATE TABLE arrays (a int[] PRIMARY KEY); CREATE TABLE array_refs (a int[] REFERENCES arrays);
	CREATE TYPE both_ints AS (a int, b int); CREATE TABLE rows (r both_ints PRIMARY KEY);
	CREATE TABLE row_refs (r both_ints REFERENCES rows);
	CREATE TABLE ranges (r int4range PRIMARY KEY); CREATE TABLE range_refs (r int4range REFERENCES ranges);
	CREATE TYPE color_range AS RANGE (subtype = color); CREATE TABLE color_ranges (r color_range PRIMARY KEY);
	CREATE TABLE color_range_refs (r color_range REFERENCES color_ranges);
	CREATE COLLATION ignore_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
	CREATE TABLE folded (k text COLLATE ignore_case PRIMARY KEY);
	CREATE TABLE folded_refs (k text COLLATE ignore_case REFERENCES folded);
	CREATE SCHEMA "Other Schema"; CREATE TABLE "Other Schema"."Targets of ""keys""" ("The Key" int PRIMARY KEY);
	CREATE TABLE quoted_refs ("the key" int CONSTRAINT "Fk %s" REFERENCES "Other Schema"."Targets of ""keys""" );
	CREATE TABLE many_keys (a int REFERENCES bigs, b int REFERENCES bigs (id), c int, CONSTRAINT one FOREIGN KEY (c)
		REFERENCES bigs, CONSTRAINT two FOREIGN KEY (c) REFERENCES bigs);
	CREATE TABLE not_valid (id int);
	CREATE TABLE parted (id int PRIMARY KEY, v int) PARTITION BY RANGE (id);
	CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (50);
	CREATE TABLE parted_2 (v int, id int NOT NULL);
	ALTER TABLE parted ATTACH PARTITION parted_2 FOR VALUES FROM (50) TO (100);
	CREATE TABLE to_parted (id int REFERENCES parted); CREATE TABLE to_leaf (id int REFERENCES parted_1);
	CREATE TABLE parted_refs (id int, p int REFERENCES parted, b bigint REFERENCES bigs) PARTITION BY HASH (id);
	CREATE TABLE parted_refs_0 PARTITION OF parted_refs FOR VALUES WITH (MODULUS 2, REMAINDER 0);
	CREATE TABLE parted_refs_1 (p int, b bigint, id int);
	ALTER TABLE parted_refs ATTACH PARTITION parted_refs_1 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
	CREATE TABLE parted_self (id int PRIMARY KEY, up int REFERENCES parted_self) PARTITION BY RANGE (id);
	CREATE TABLE parted_self_1 PARTITION OF parted_self FOR VALUES FROM (0) TO (50);
	CREATE TABLE parted_self_2 PARTITION OF parted_self DEFAULT;
});
$w->both_sql(q{
	ALTER TABLE ring_1 ADD FOREIGN KEY (next) REFERENCES ring_2;
	ALTER TABLE ring_2 ADD FOREIGN KEY (next) REFERENCES ring_3;
	ALTER TABLE ring_3 ADD FOREIGN KEY (next) REFERENCES ring_1;
});
# since 18 both columns must have the collation, where it is not deterministic
my $other = $w->major('local') < 18 && $w->major('source') < 18 ? 'COLLATE "C"' : 'COLLATE ignore_case';
$w->both_sql("CREATE TABLE folded_refs2 (k text $other REFERENCES folded)");
$w->both_sql(q{CREATE EXTENSION citext; CREATE EXTENSION btree_gist; CREATE TABLE ci (k citext PRIMARY KEY);
	CREATE TABLE ci_refs (k citext REFERENCES ci);
	CREATE TABLE booked (room int, during int4range, EXCLUDE USING gist (room WITH =, during WITH &&))}) if $contrib;
$w->both_sql('SET max_stack_depth = 100;
	CREATE TABLE chain_1 (id int PRIMARY KEY, v text);' . join '',
	map { "CREATE TABLE chain_$_ (id int PRIMARY KEY REFERENCES chain_" . ($_ - 1) . ', v text);' } 2 .. 120);
$w->both_sql(q{CREATE TABLE late_unique (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, u int UNIQUE DEFERRABLE);
	CREATE TABLE excluded (a int, EXCLUDE USING btree (a WITH =));
	CREATE TABLE checks (a int CHECK (a > 0), b int, CONSTRAINT ab CHECK (a < b) NO INHERIT)});
$w->local_sql('ALTER TABLE not_valid ADD CONSTRAINT later FOREIGN KEY (id) REFERENCES bigs NOT VALID;
	ALTER TABLE checks ADD CONSTRAINT unchecked CHECK (b <> 7000) NOT VALID');

# rows with ids FROM … TO
sub fill
{
	my ($from, $to) = @_;
	my $series = "generate_series($from, $to) i";
	my $sql = "BEGIN; SET CONSTRAINTS ALL DEFERRED;
		INSERT INTO self SELECT i, CASE WHEN i > $from THEN i - 1 END, $to + $from - i FROM $series;
	ALTER TABLE hen DISABLE TRIGGER ALL; ALTER TABLE ring_1 DISABLE TRIGGER ALL;
	INSERT INTO hen SELECT i, $to + $from - i FROM $series; INSERT INTO egg SELECT i, i FROM $series;
	ALTER TABLE hen ENABLE TRIGGER ALL;
	INSERT INTO ring_1 SELECT i, $to + $from - i FROM $series; INSERT INTO ring_3 SELECT i, i FROM $series;
	INSERT INTO ring_2 SELECT i, i FROM $series; ALTER TABLE ring_1 ENABLE TRIGGER ALL;
	INSERT INTO composite SELECT i, 'b' || i, '2024-01-01'::date + i FROM $series;
	INSERT INTO to_composite SELECT a, c, b FROM composite UNION ALL SELECT NULL, '1999-01-01', 'none' UNION ALL
		SELECT -5, NULL, 'none'; INSERT INTO to_unique SELECT a, b FROM composite;
	INSERT INTO match_full SELECT a, a, b FROM composite UNION ALL SELECT 0, NULL, NULL;
	INSERT INTO match_simple SELECT a, a, b FROM composite UNION ALL SELECT 0, 777, NULL UNION ALL
		SELECT 0, NULL, 'none';
	INSERT INTO nullable_target SELECT i, nullif(i, $from) FROM $series;
	INSERT INTO to_nullable SELECT code FROM nullable_target;
	INSERT INTO to_index_include SELECT i, nullif(i, $from) FROM $series;
	INSERT INTO uses_index SELECT k FROM to_index_include;
	INSERT INTO bigs SELECT i FROM $series; INSERT INTO ints SELECT i FROM $series;
	INSERT INTO numerics SELECT (i || '.00')::numeric FROM $series; INSERT INTO int_to_numeric SELECT i FROM $series;
	INSERT INTO chars SELECT i FROM $series; INSERT INTO char_refs SELECT i FROM $series;
	INSERT INTO names SELECT i FROM $series; INSERT INTO texts SELECT 't' || i FROM $series;
	INSERT INTO varchar_refs SELECT id FROM texts; INSERT INTO dates SELECT '2024-01-01'::date + i FROM $series;
	INSERT INTO date_refs TABLE dates;
	INSERT INTO colors VALUES ('red'), ('green');
	INSERT INTO color_refs SELECT CASE WHEN i % 2 = 0 THEN 'red'::color ELSE 'green' END FROM $series;
	INSERT INTO domains SELECT i FROM $series; INSERT INTO domain_refs TABLE domains;
	INSERT INTO domain_refs2 TABLE domains;
	INSERT INTO arrays SELECT ARRAY[i, NULL] FROM $series; INSERT INTO array_refs TABLE arrays;
	INSERT INTO rows SELECT ROW(i, i)::both_ints FROM $series; INSERT INTO row_refs TABLE rows;
	INSERT INTO ranges SELECT int4range(i, i + 3) FROM $series; INSERT INTO range_refs TABLE ranges;
	INSERT INTO color_ranges VALUES ('[red,green)'); INSERT INTO color_range_refs TABLE color_ranges;
	INSERT INTO folded SELECT 'Key ' || i FROM $series; INSERT INTO folded_refs SELECT 'KEY ' || i FROM $series;
	INSERT INTO folded_refs2 SELECT 'key ' || i FROM $series;
	INSERT INTO \"Other Schema\".\"Targets of \"\"keys\"\"\" SELECT i FROM $series;
	INSERT INTO quoted_refs SELECT i FROM $series; INSERT INTO many_keys SELECT i, i, i FROM $series;
	INSERT INTO not_valid SELECT i + 5 FROM $series;
	INSERT INTO parted SELECT i, i FROM $series; INSERT INTO to_parted SELECT i FROM $series;
	INSERT INTO to_leaf SELECT i FROM $series WHERE i < 50; INSERT INTO parted_refs SELECT i, i, i FROM $series;
	INSERT INTO parted_self SELECT i, $to + $from - i FROM $series;
	INSERT INTO late_unique SELECT i, i FROM $series; INSERT INTO excluded SELECT i FROM $series;
	INSERT INTO checks SELECT i, i + 1 FROM $series;" . join '',
		map { "INSERT INTO chain_$_ SELECT i, 'v' FROM generate_series(1, 3) i;" } 1 .. 120;
	$sql .= "INSERT INTO ci SELECT 'Key' || i FROM $series; INSERT INTO ci_refs SELECT 'KEY' || i FROM $series;
	INSERT INTO booked SELECT i % 3, int4range(i, i + 1) FROM $series;" if $contrib;
	return "$sql COMMIT;";
}
$w->source_sql(fill(1, 90));
$w->local_sql('ALTER TABLE not_valid DROP CONSTRAINT later;
	' . fill(60, 99) . 'ALTER TABLE not_valid ADD CONSTRAINT later FOREIGN KEY (id) REFERENCES bigs NOT VALID');
my $path = '-c search_path=public,"Other\\ Schema"';
PgTunsync::Compare::pulls_everything($w, '', 'keys of every shape', options => $path);
PgTunsync::Compare::pulls_everything($w, '', 'and once more, onto themselves', options => $path, quick => 1);
is($w->local_sql('SELECT count(*) FROM not_valid WHERE id > 90'), 5, 'a key that is NOT VALID is left alone');

# the internal triggers still work
my ($rc, $out, $err);
sub rejected
{
	my ($sql, $pattern) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	($rc, $out, $err) = $w->local_node->psql('dev', $sql);
	return like($err, $pattern, "$sql is still rejected");
}
rejected('INSERT INTO ints VALUES (999)', qr/ints_id_fkey/);
rejected('DELETE FROM parted WHERE id = 60', qr/violates foreign key/);
rejected('INSERT INTO parted_refs VALUES (1, 999, 1)', qr/violates foreign key/);
rejected('INSERT INTO excluded VALUES (5)', qr/excluded_a_excl/);
rejected('INSERT INTO late_unique VALUES (5, 5000)', qr/late_unique_pkey/);
rejected("DELETE FROM colors WHERE c = 'red'", qr/color_refs/);

# ---- orphans: each key by itself ----

# child, its parent, SQL that makes an orphan on the source
my @orphans = (
	[ 'self', 'self', 'INSERT INTO self VALUES (500, 501, 500)', 'self_up_fkey' ],
	[ 'to_composite', 'composite', "INSERT INTO to_composite VALUES (1, '2024-01-01', 'b1')",
	'to_composite_x_z_y_fkey' ],
	[ 'match_full', 'composite', "INSERT INTO match_full VALUES (1, 1, NULL)", 'match_full_a_b_fkey' ],
	[ 'match_simple', 'composite', "INSERT INTO match_simple VALUES (1, 1, 'b2')", 'match_simple_a_b_fkey' ],
	[ 'ints', 'bigs', 'INSERT INTO ints VALUES (300)', 'ints_id_fkey' ],
	[ 'int_to_numeric', 'numerics', 'INSERT INTO int_to_numeric VALUES (300)', 'int_to_numeric_id_fkey' ],
	[ 'char_refs', 'chars', "INSERT INTO char_refs VALUES ('x')", 'char_refs_id_fkey' ],
	[ 'color_refs', 'colors', "DELETE FROM colors WHERE c = 'red'", 'color_refs_c_fkey' ],
	[ 'domain_refs', 'domains', 'INSERT INTO domain_refs VALUES (300)', 'domain_refs_d_fkey' ],
	[ 'array_refs', 'arrays', "INSERT INTO array_refs VALUES ('{1,1}')", 'array_refs_a_fkey' ],
	[ 'row_refs', 'rows', "INSERT INTO row_refs VALUES (ROW(1, NULL))", 'row_refs_r_fkey' ],
	[ 'range_refs', 'ranges', "INSERT INTO range_refs VALUES ('[1,2)')", 'range_refs_r_fkey' ],
	[ 'color_range_refs', 'color_ranges', "INSERT INTO color_range_refs VALUES ('empty')", 'color_range_refs_r_fkey' ],
	[ 'folded_refs', 'folded', "INSERT INTO folded_refs VALUES ('Key 1x')", 'folded_refs_k_fkey' ],
	[ 'folded_refs2', 'folded', "DELETE FROM folded WHERE k = 'kEY 3'", 'folded_refs2?_k_fkey' ],
	[ 'quoted_refs', '"Other Schema"."Targets of ""keys"""', 'INSERT INTO quoted_refs VALUES (300)', 'Fk %s' ],
	[ 'to_parted', 'parted', 'DELETE FROM parted WHERE id = 70', 'to_parted_id_fkey|parted_refs_p_fkey' ],
	[ 'parted_refs', 'parted', 'INSERT INTO parted_refs VALUES (1, 300, 1)', 'parted_refs_p_fkey' ],
	[ 'parted_self', 'parted_self', 'UPDATE parted_self SET up = 999 WHERE id = 80', 'parted_self_up_fkey' ],
	[ 'to_leaf', 'parted_1', 'INSERT INTO to_leaf VALUES (55)', 'to_leaf_id_fkey' ],
	$contrib ? [ 'ci_refs', 'ci', "INSERT INTO ci_refs VALUES ('key 1')", 'ci_refs_k_fkey' ] : ());
$w->source_sql('SET session_replication_role = replica; BEGIN; ' . join('; ', map { $_->[2] } @orphans) . '; COMMIT');
my $before = $w->snapshot;

# an error names at most ten keys, so the test pulls some at a time
while (my @some = splice(@orphans, 0, 7))
{
	my %tables = map { ($_->[0] => 1, $_->[1] => 1) } @some;
	my $call = $w->pull('ARRAY[' . join(', ', map { "'$_'" } sort keys %tables) . ']');
	is($call->{sqlstate}, '23503', 'orphans of ' . join(', ', sort keys %tables)) or diag($call->{err});
	like($call->{err}, qr/"(?:$_->[3])"/, "key $_->[3] is named") foreach @some;
}
$w->unchanged($before);
$w->nothing_left;
$w->source_sql('SET session_replication_role = replica;
	TRUNCATE ' . join(', ', grep { !/^chain/ } split /\n/, $w->source_sql(q{SELECT format('%I.%I', n.nspname, relname)
	FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
	WHERE relkind IN ('r', 'p') AND NOT relispartition AND nspname IN ('public', 'Other Schema')
		AND relname !~ '^chain'})) . ', chain_1 CASCADE; RESET session_replication_role; ' . fill(1, 90));

# ---- tables outside the run ----

$w->both_sql(q{CREATE TABLE owner_of (id int PRIMARY KEY, v text);
	CREATE TABLE outside_cascade (id int REFERENCES owner_of ON DELETE CASCADE);
	CREATE TABLE outside_null (id int REFERENCES owner_of ON DELETE SET NULL);
	CREATE TABLE outside_default (id int DEFAULT 1 REFERENCES owner_of ON DELETE SET DEFAULT ON UPDATE CASCADE)});
$w->source_sql('INSERT INTO owner_of SELECT i, i FROM generate_series(1, 10) i');
$w->local_sql('INSERT INTO owner_of SELECT i FROM generate_series(1, 20) i;
	INSERT INTO outside_cascade VALUES (3), (15); INSERT INTO outside_null VALUES (4);
	INSERT INTO outside_default VALUES (5)');
$w->refused("'owner_of'", 'ON DELETE CASCADE from a table that is not pulled', sqlstate => '23503',
	message => [ qr/outside_cascade_id_fkey/, qr/\(15\)/ ], unlike => [qr/outside_null/]);
$w->local_sql('DELETE FROM outside_cascade WHERE id = 15; INSERT INTO outside_null VALUES (16), (16), (17)');
$w->refused("'owner_of'", 'ON DELETE SET NULL', sqlstate => '23503',
	message => [ qr/outside_null_id_fkey/, qr/\b3 rows/, qr/\(16\)/, qr/\(17\)/ ]);
$w->local_sql('DELETE FROM outside_null WHERE id > 10');
PgTunsync::Compare::pulls_everything($w, "'owner_of'", 'all references are satisfied',
	tables => ['public.owner_of'], quick => 1);
is($w->local_sql('SELECT (SELECT sum(id) FROM outside_cascade), (SELECT sum(id) FROM outside_null),
	(SELECT sum(id) FROM outside_default)'), '3|4|5', 'the rows outside are untouched');
$w->source_sql("INSERT INTO outside_cascade VALUES (9)");
PgTunsync::Compare::pulls_everything($w, "'outside_cascade'", 'a child alone whose parents are here',
	tables => ['public.outside_cascade'], quick => 1);
# NOT VALID, and keys to a partition outside
$w->local_sql('ALTER TABLE outside_cascade DROP CONSTRAINT outside_cascade_id_fkey, ADD CONSTRAINT later
	FOREIGN KEY (id) REFERENCES owner_of NOT VALID');
$w->source_sql('DELETE FROM outside_cascade; DELETE FROM owner_of WHERE id = 9');
PgTunsync::Compare::pulls_everything($w, "'owner_of'", 'a key that is NOT VALID stops nothing',
	tables => ['public.owner_of'], quick => 1);
is($w->local_sql('SELECT count(*) FROM outside_cascade WHERE id = 9'), 1, 'and loses nothing');

# the owner of the referencing table need not be able to read the other one
$w->both_sql(q{CREATE TYPE kind AS ENUM ('a', 'b', 'c'); CREATE TABLE secret_kinds (k kind PRIMARY KEY);
	CREATE TABLE kind_refs (k kind REFERENCES secret_kinds)});
$w->local_sql(q{CREATE ROLE poor; CREATE ROLE rich; GRANT poor, rich TO CURRENT_USER;
	GRANT CREATE ON SCHEMA public TO poor, rich; ALTER TABLE secret_kinds OWNER TO rich;
	GRANT REFERENCES ON secret_kinds TO poor; ALTER TABLE kind_refs OWNER TO poor});
$w->source_sql(q{INSERT INTO secret_kinds VALUES ('a'), ('b'); INSERT INTO kind_refs VALUES ('a')});
PgTunsync::Compare::pulls_everything($w, "'secret_kinds,kind_refs'",
	'a key between tables of different owners, of a type of a user',
	tables => [ 'public.secret_kinds', 'public.kind_refs' ], quick => 1);
$w->source_sql("INSERT INTO kind_refs VALUES ('b')");
PgTunsync::Compare::pulls_everything($w, "'kind_refs'", 'the child alone', tables => ['public.kind_refs'], quick => 1);
PgTunsync::Compare::pulls_everything($w, "'secret_kinds'", 'the parent alone',
	tables => ['public.secret_kinds'], quick => 1);
# row security hides rows of the referencing table from its owner, but not from
# the check
$w->local_sql(q{ALTER TABLE kind_refs ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
	CREATE POLICY none ON kind_refs USING (false)});
$w->source_sql(q{DELETE FROM kind_refs; DELETE FROM secret_kinds WHERE k = 'b'});
$w->refused("'secret_kinds'", 'orphans that row security hides from their owner', sqlstate => '23503',
	message => [qr/kind_refs_k_fkey/]);

# ---- checks, unique and exclusion constraints against the new rows ----

$w->source_sql('ALTER TABLE checks DROP CONSTRAINT checks_a_check; INSERT INTO checks VALUES (-1, 0)');
$w->refused("'checks'", 'a CHECK', sqlstate => '23514', message => [qr/checks_a_check/]);
$w->source_sql('DELETE FROM checks WHERE a < 0; INSERT INTO checks VALUES (1, 7000)');
PgTunsync::Compare::pulls_everything($w, "'checks'", 'a CHECK that is NOT VALID is left alone',
	tables => ['public.checks'], quick => 1);
$w->source_sql('ALTER TABLE late_unique DROP CONSTRAINT late_unique_u_key; INSERT INTO late_unique VALUES (1000, 5)');
$w->refused("'late_unique'", 'a deferrable unique constraint', sqlstate => '23505',
	message => [ qr/late_unique_u_key|u\)=\(5/, qr/late_unique/ ]);
$w->source_sql('ALTER TABLE excluded DROP CONSTRAINT excluded_a_excl; INSERT INTO excluded VALUES (5)');
$w->refused("'excluded'", 'an exclusion constraint', sqlstate => '23P01', message => [ qr/\ba\)=\(5/, qr/excluded/ ]);

done_testing();
