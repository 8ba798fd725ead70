# Modes overwrite and preserve, which keep local rows.  Checks the rows they
# write and leave, keys, constraints, foreign keys in both directions, rights,
# partitions and logical replication.

use strict;
use warnings;
use PgTunsync;
use PgTunsync::Agreement;
use Test::More;

my $w = PgTunsync->new(empty => 1,
	local_conf => "wal_level = logical\nmax_wal_senders = 4\nmax_replication_slots = 4\n"
		. "max_prepared_transactions = 2\n");

# A test: the call succeeds, and the table has these rows.
sub lands
{
	my ($arguments, $table, $expected, $title) = @_;
	my $run = $w->pull($arguments);
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($run->{rc}, 0, $title) or diag($run->{err});
	is($w->local_sql("SELECT string_agg(t::text, ' ' ORDER BY t::text) FROM $table t"), $expected, "$title: the rows");
	$w->nothing_left("$title: nothing is left");
	return $run;
}

# The audit's counts of the last run.
sub counts
{
	my ($table) = @_;
	return $w->local_sql("SELECT mode, rows, rows_inserted, rows_updated FROM pgtunsync.run_tables
		WHERE table_name = '$table' AND run_id = (SELECT max(id) FROM pgtunsync.runs)");
}

# ---- pgsync's own cases ----

$w->both_sql(q{
	CREATE TABLE posts (id int PRIMARY KEY, title text);
	CREATE TABLE books (id int, id2 int, title text, PRIMARY KEY (id2, id));
	CREATE TABLE authors (first_name text, last_name text);
	CREATE TABLE robots (id int PRIMARY KEY, name text, both_names text GENERATED ALWAYS AS (name || ' ' || id) STORED);
	CREATE TABLE chapters (id int PRIMARY KEY, title text);
});
$w->source_sql(q{
	INSERT INTO posts VALUES (1, 'one'), (2, 'two'), (3, 'three');
	INSERT INTO books VALUES (1, 1, 'a'), (1, 2, 'b'), (2, 1, 'c');
	INSERT INTO authors VALUES ('A', 'B');
	INSERT INTO robots VALUES (1, 'r1'), (2, 'r2')});
my $stale = "TRUNCATE posts; INSERT INTO posts VALUES (1, 'old'), (2, 'two'), (9, 'local')";
$w->local_sql($stale);
my $run = lands("'posts', mode => 'overwrite'", 'posts', '(1,one) (2,two) (3,three) (9,local)', 'overwrite');
is(counts('posts'), 'overwrite|3|1|1', 'the audit has what was inserted and updated');
like($run->{err}, qr/posts: 1 inserted, 1 updated, 1 unchanged/, 'and the caller is told');
is($w->last_run("options ->> 'mode'"), 'overwrite', 'as asked for');
my $versions = $w->local_sql('SELECT string_agg(ctid::text || xmin, chr(32)) FROM posts');
lands("'posts', mode => 'overwrite'", 'posts', '(1,one) (2,two) (3,three) (9,local)', 'again');
is($w->local_sql('SELECT string_agg(ctid::text || xmin, chr(32)) FROM posts'), $versions,
	'rows that are the same are not written');
is(counts('posts'), 'overwrite|3|0|0', 'and not counted');
$w->local_sql($stale);
$run = lands("'posts', mode => 'preserve'", 'posts', '(1,old) (2,two) (3,three) (9,local)', 'preserve');
is(counts('posts'), 'preserve|3|1|0', 'the audit of preserve');
like($run->{err}, qr/posts: 1 inserted, 2 there already/, 'and its line');
$w->local_sql($stale);
lands("'posts', mode => 'preserve', filter => 'id < 3'", 'posts', '(1,old) (2,two) (9,local)', 'preserve and a filter');
$w->local_sql($stale);
lands("'posts', filter => 'where id = 1'", 'posts', '(1,one) (2,two) (9,local)', 'where: overwrite is the default');
$w->write_config("filters: {posts: id = 1}\n");
lands("'posts'", 'posts', '(1,one)', "the configuration's filter replaces");
$w->local_sql($stale);
lands("'posts', mode => 'overwrite'", 'posts', '(1,one) (2,two) (9,local)', 'unless told otherwise');
$w->write_config('');
$w->local_sql("INSERT INTO books VALUES (1, 1, 'old'), (5, 5, 'local')");
lands("'books', mode => 'overwrite'", 'books', '(1,1,a) (1,2,b) (2,1,c) (5,5,local)', 'keys of several columns');
$w->local_sql("TRUNCATE books; INSERT INTO books VALUES (1, 1, 'old')");
lands("'books', mode => 'preserve'", 'books', '(1,1,old) (1,2,b) (2,1,c)', 'the same preserved');
$w->local_sql("INSERT INTO robots VALUES (1, 'old'), (7, 'local')");
lands("'robots', mode => 'overwrite'", 'robots', '(1,r1,"r1 1") (2,r2,"r2 2") (7,local,"local 7")',
	'generated columns follow');
$w->refused("'authors', mode => '$_'", "$_ without a primary key", sqlstate => '55000',
	message => [ qr/authors/, qr/has no primary key/, qr/mode "$_"/ ]) foreach qw(overwrite preserve);
$w->refused("'authors', filter => 'true'", 'also by default', sqlstate => '55000', message => [qr/has no primary key/]);
lands("'authors', mode => 'replace', filter => 'true'", 'authors', '(A,B)', 'replace needs none');
$w->local_sql("INSERT INTO chapters VALUES (1, 'local')");
lands("'chapters', mode => 'overwrite'", 'chapters', '(1,local)', 'no rows on the source');

# ---- columns that differ ----

$w->both_sql('CREATE TABLE mixes (id bigint PRIMARY KEY, v text, n int)');
$w->source_sql("ALTER TABLE mixes ADD missing text, ALTER n TYPE text;
	INSERT INTO mixes VALUES (1, 'one', '1', 'x'), (2, 'two', '2', 'x')");
$w->local_sql(q{ALTER TABLE mixes ADD gone int, ADD extra text DEFAULT 'default',
	ADD total text GENERATED ALWAYS AS (v || extra) STORED, ADD CHECK (n < 10 OR extra = 'default');
	INSERT INTO mixes VALUES (1, 'old', 0, 5, 'mine');
	ALTER TABLE mixes DROP gone});
lands("'mixes', mode => 'overwrite'", 'mixes', '(1,one,1,mine,onemine) (2,two,2,default,twodefault)',
	'local columns keep their values in rows that are there');
$w->source_sql("UPDATE mixes SET n = '11' WHERE id = 1");
$w->refused("'mixes', mode => 'overwrite'", 'a CHECK over both', sqlstate => '23514',
	message => [ qr/mixes/, qr/mixes_check/ ]);
$w->local_sql('ALTER TABLE mixes DROP CONSTRAINT mixes_check;
	ALTER TABLE mixes ADD CHECK (n < 10 OR total IS NULL) NOT VALID');
lands("'mixes', mode => 'overwrite'", 'mixes', '(1,one,11,mine,onemine) (2,two,2,default,twodefault)',
	'one that is not valid is left alone');
$w->both_sql('CREATE TABLE keyless (a int, b int)');
$w->local_sql('ALTER TABLE keyless ADD id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY');
$w->refused("'keyless', mode => 'overwrite'", 'a key that the source lacks', sqlstate => '42703',
	message => [qr/source lacks columns of its primary key/]);
$w->source_sql('CREATE TABLE strangers (x int)');
$w->local_sql('CREATE TABLE strangers (id int PRIMARY KEY)');
$w->refused("'strangers', mode => 'preserve'", 'no column in common', sqlstate => '42703',
	message => [qr/no column in common/]);

# ---- values ----

$w->both_sql(q{
	CREATE TABLE pages (id text PRIMARY KEY, body text, image bytea, many int[], doc jsonb, amount numeric);
	ALTER TABLE pages ALTER body SET STORAGE EXTERNAL});
$w->source_sql(q{INSERT INTO pages SELECT 'page ' || i, (SELECT string_agg(md5((i * j)::text), '')
	FROM generate_series(1, 400) j), decode(repeat('00ff', 3000), 'hex'), ARRAY(SELECT generate_series(1, 3000)),
	jsonb_build_object('k', repeat('x', 9000)), 1.5 FROM generate_series(1, 20) i});
$w->local_sql("INSERT INTO pages VALUES ('page 1', 'short', NULL, NULL, NULL, NULL), ('mine', 'm', '', '{}', '{}', 1)");
$run = $w->pull("'pages', mode => 'overwrite'");
is(counts('pages'), 'overwrite|20|19|1', 'long values come in');
is($w->local_sql("SELECT md5(string_agg(p::text, '' ORDER BY id)) FROM pages p WHERE id <> 'mine'"),
	$w->source_sql("SELECT md5(string_agg(p::text, '' ORDER BY id)) FROM pages p"), 'as they are');
$w->pull("'pages', mode => 'overwrite'");
is(counts('pages'), 'overwrite|20|0|0', 'long values are compared by what they are');
my $stored = $w->local_sql("SELECT pg_relation_size(reltoastrelid) FROM pg_class WHERE oid = 'pages'::regclass");
$w->source_sql("UPDATE pages SET amount = 1.50 WHERE id < 'page 2'");
$w->pull("'pages', mode => 'overwrite'");
is(counts('pages'), 'overwrite|20|0|11', 'and bit by bit: 1.5 is not 1.50');
is($w->local_sql("SELECT pg_relation_size(reltoastrelid) FROM pg_class WHERE oid = 'pages'::regclass"), $stored,
	'long values that stay are not stored again');
$w->healthy;

# ---- other unique constraints ----

$w->both_sql(q{
	CREATE TABLE codes (id int PRIMARY KEY, code int UNIQUE, late int UNIQUE DEFERRABLE INITIALLY DEFERRED,
		span int4range, EXCLUDE USING gist (span WITH &&));
	CREATE TABLE others (id int PRIMARY KEY)});
$w->source_sql("INSERT INTO codes VALUES (1, 10, 100, '[1,2)'), (2, 20, 200, '[2,3)'); INSERT INTO others VALUES (1)");
$w->local_sql("INSERT INTO codes VALUES (1, 20, 200, '[2,3)'), (2, 10, 100, '[1,2)'), (3, 30, 300, '[3,4)')");
lands("'codes', mode => 'overwrite'", 'codes', '(1,10,100,"[1,2)") (2,20,200,"[2,3)") (3,30,300,"[3,4)")',
	'rows exchange their unique values');
$w->healthy;
foreach my $case ([ 'code = 30', 'codes_code_key', '23505' ], [ 'late = 300', 'codes_late_key', '23505' ],
	[ "span = '[3,9)'", 'codes_span_excl', '23P01' ])
{
	my ($set, $constraint, $state) = @$case;
	$w->source_sql("BEGIN; UPDATE codes SET $set WHERE id = 1; COMMIT");
	$w->refused("'codes', mode => 'overwrite'", "a clash: $set", sqlstate => $state,
		message => [ qr/table "codes" could not be pulled/, qr/$constraint/ ]);
	$run = $w->pull("'others,codes', mode => 'overwrite'");
	is($run->{sqlstate}, $state, 'with another table: the error');
	is($w->last_run('status'), 'partial', 'the other one came');
	is($w->local_sql('SELECT count(*) FROM others'), 1, 'indeed');
	$w->refused("'others,codes', mode => 'overwrite', on_error => 'abort'", 'all or nothing', sqlstate => $state);
	$w->source_sql("UPDATE codes SET code = 10, late = 100, span = '[1,2)' WHERE id = 1");
}
$w->source_sql("INSERT INTO codes VALUES (4, 30, 400, NULL)");
$w->refused("'codes', mode => 'preserve'", 'a new row that clashes', sqlstate => '23505',
	message => [qr/codes_code_key/]);
$w->source_sql('DELETE FROM codes WHERE id = 4');
$w->both_sql('CREATE TABLE lazy (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, v text)');
$w->source_sql("INSERT INTO lazy VALUES (1, 'a'), (2, 'b')");
$w->local_sql("INSERT INTO lazy VALUES (1, 'x'), (3, 'c')");
lands("'lazy', mode => 'overwrite'", 'lazy', '(1,a) (2,b) (3,c)', 'a deferrable primary key');

# ---- foreign keys ----

$w->both_sql(q{
	CREATE TABLE parents (id int PRIMARY KEY, code text UNIQUE, v int);
	CREATE TABLE children (id int PRIMARY KEY, parent_id int REFERENCES parents, code text
		REFERENCES parents (code) DEFERRABLE INITIALLY DEFERRED);
	CREATE TABLE tree (id int PRIMARY KEY, up int REFERENCES tree)});
$w->source_sql("INSERT INTO parents VALUES (1, 'a', 1), (2, 'b', 2);
	INSERT INTO children VALUES (1, 1, 'a'), (2, 2, 'b'); INSERT INTO tree VALUES (1, 2), (2, 3), (3, NULL)");
$w->refused("'children', mode => 'overwrite'", 'children without their parents', sqlstate => '23503',
	message => [ qr/children_parent_id_fkey/,
		qr/HINT:  Pull the matching rows of these tables in the same call: public\.parents\.\n/ ]);
lands("'children,parents', mode => 'overwrite'", 'children', '(1,1,a) (2,2,b)', 'both');
$w->local_sql("INSERT INTO parents VALUES (9, 'z', 9); INSERT INTO children VALUES (9, 9, 'z')");
$w->source_sql("UPDATE parents SET v = 3");
lands("'parents', mode => 'overwrite'", 'parents', '(1,a,3) (2,b,3) (9,z,9)', 'a parent alone: no row is gone');
$w->source_sql("UPDATE children SET code = NULL; UPDATE parents SET code = 'c' WHERE id = 2");
$w->refused("'parents', mode => 'overwrite'", 'a unique key that children refer to is gone', sqlstate => '23503',
	message => [qr/children_code_fkey/]);
lands("'children,parents', mode => 'overwrite'", 'children', '(1,1,) (2,2,) (9,9,z)', 'with the children');
$w->local_sql("DELETE FROM children");
$w->source_sql("DELETE FROM children; DELETE FROM parents WHERE id = 1; INSERT INTO children VALUES (5, 2, NULL)");
$w->pull("'parents', mode => 'overwrite'");
is($w->local_sql('SELECT count(*) FROM parents'), 3, 'rows that the source no longer has stay');
$w->local_sql('INSERT INTO children VALUES (6, 1, NULL)');
$w->write_config("groups: {g: {parents: null, children: 'id = 5'}}\n");
$w->refused("grp => 'g'", 'a replaced parent and children that stay', sqlstate => '23503',
	message => [ qr/children_parent_id_fkey/, qr/1 row/ ]);
$w->local_sql('DELETE FROM children WHERE id = 6');
lands("grp => 'g'", 'children', '(5,2,)', 'without them');
is($w->local_sql("SELECT string_agg(table_name || ' ' || mode, ', ' ORDER BY table_name) FROM pgtunsync.run_tables
	WHERE run_id = (SELECT max(id) FROM pgtunsync.runs)"), 'children overwrite, parents replace',
	'one replaced, one overwritten, in one commit');
$w->local_sql("ALTER TABLE children DROP CONSTRAINT children_parent_id_fkey; INSERT INTO children VALUES (7, 77, NULL);
	ALTER TABLE children ADD FOREIGN KEY (parent_id) REFERENCES parents NOT VALID");
$w->source_sql("INSERT INTO children VALUES (8, 2, NULL)");
lands("'children', mode => 'preserve'", 'children', '(5,2,) (7,77,) (8,2,)', 'a key that is not valid is left alone');
$w->local_sql('DELETE FROM children WHERE id = 7; ALTER TABLE children VALIDATE CONSTRAINT children_parent_id_fkey');
$w->local_sql('INSERT INTO children VALUES (10, 2, NULL)');
$w->source_sql('INSERT INTO parents VALUES (50, NULL, 50); INSERT INTO children VALUES (10, 50, NULL)');
lands("'children', mode => 'preserve'", 'children', '(10,2,) (5,2,) (8,2,)',
	'rows that do not come in need no parents');
$w->source_sql('UPDATE children SET parent_id = 50 WHERE id = 5');
$w->refused("'children', mode => 'overwrite'", 'rows that do, do', sqlstate => '23503', message => [qr/parents/]);
$w->local_sql('INSERT INTO tree VALUES (3, NULL)');
lands("'tree', mode => 'preserve'", 'tree', '(1,2) (2,3) (3,)', 'a table that refers to itself');

# ---- no trigger, no rule ----

$w->both_sql('CREATE TABLE quiet (id int PRIMARY KEY, v text)');
$w->source_sql("INSERT INTO quiet VALUES (1, 'new'), (2, 'two')");
$w->local_sql(q{INSERT INTO quiet VALUES (1, 'old');
	CREATE TABLE noise (t text);
	CREATE FUNCTION shout() RETURNS trigger
		LANGUAGE plpgsql AS 'BEGIN INSERT INTO noise VALUES (TG_OP); RETURN NULL; END';
	CREATE TRIGGER loud BEFORE INSERT OR UPDATE ON quiet FOR EACH ROW EXECUTE FUNCTION shout();
	ALTER TABLE quiet ENABLE ALWAYS TRIGGER loud;
	CREATE RULE never AS ON UPDATE TO quiet DO INSTEAD NOTHING});
lands("'quiet', mode => 'overwrite'", 'quiet', '(1,new) (2,two)', 'triggers and rules do not fire');
is($w->local_sql('SELECT count(*) FROM noise'), 0, 'not one');

# ---- sequences ----

$w->both_sql('CREATE TABLE counted (id serial PRIMARY KEY, v text,
	down int GENERATED BY DEFAULT AS IDENTITY (INCREMENT -1))');
$w->source_sql("INSERT INTO counted (v) SELECT 'v' FROM generate_series(1, 5)");
$w->local_sql("INSERT INTO counted (id, v, down) VALUES (50, 'local', 0); SELECT setval('counted_id_seq', 50)");
$w->pull("'counted', mode => 'overwrite'");
is($w->local_sql("SELECT nextval('counted_id_seq')"), 51, 'a sequence does not go back behind local rows');
is($w->local_sql("SELECT nextval('counted_down_seq')"), -6, 'one that descends goes on');
$w->source_sql("SELECT setval('counted_id_seq', 900)");
$w->pull("'counted', mode => 'preserve'");
is($w->local_sql("SELECT nextval('counted_id_seq')"), 901, 'it goes forward');

$w->source_sql("SELECT setval('counted_id_seq', 5000)");
$run = $w->pull("'counted', mode => '$_', sequences => false") foreach qw(overwrite replace);
is($w->local_sql("SELECT nextval('counted_id_seq')"), 902, 'sequences => false leaves them alone');
is($w->last_run("options ->> 'sequences'"), 'false', 'which the audit has');
is($w->pull("'counted'")->{rc} . $w->local_sql("SELECT nextval('counted_id_seq')"), '05001', 'else they come along');

# ---- rights ----

$w->local_sql("CREATE ROLE dev LOGIN; GRANT USAGE ON SCHEMA pgtunsync TO dev;
	GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pgtunsync TO dev; GRANT INSERT ON posts TO dev");
$w->refused("'posts', mode => 'overwrite'", 'overwrite without UPDATE', user => 'dev', sqlstate => '42501',
	message => [ qr/posts/, qr/needs INSERT and UPDATE/ ]);
$w->refused("'posts', mode => 'replace'", 'replace without TRUNCATE', user => 'dev', sqlstate => '42501',
	message => [qr/needs TRUNCATE and INSERT/]);
$w->local_sql($stale);
is($w->pull("'posts', mode => 'preserve'", user => 'dev')->{rc}, 0, 'preserve with INSERT');
$w->local_sql("GRANT UPDATE ON posts TO dev");
is($w->pull("'posts', mode => 'overwrite'", user => 'dev')->{rc}, 0, 'overwrite with both');
$w->local_sql("ALTER TABLE posts ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON posts USING (id < 2)");
$w->refused("'posts', mode => '$_'", "row security and $_", user => 'dev', sqlstate => '42501',
	message => [qr/row security/]) foreach qw(overwrite preserve);
$w->local_sql("ALTER TABLE posts DISABLE ROW LEVEL SECURITY");

# ---- partitions ----

$w->both_sql(q{
	CREATE TABLE logs (id int, at int, v text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
	CREATE TABLE logs_a PARTITION OF logs FOR VALUES FROM (0) TO (50);
	CREATE TABLE logs_b PARTITION OF logs FOR VALUES FROM (50) TO (100);
	CREATE TABLE heaps (id int, at int) PARTITION BY RANGE (at);
	CREATE TABLE heaps_a PARTITION OF heaps (PRIMARY KEY (id)) FOR VALUES FROM (0) TO (50);
	CREATE TABLE moved (id int PRIMARY KEY, v text)});
$w->local_sql(q{DROP TABLE moved; CREATE TABLE moved (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
	CREATE TABLE moved_a PARTITION OF moved FOR VALUES FROM (0) TO (5);
	CREATE TABLE moved_b PARTITION OF moved FOR VALUES FROM (5) TO (100);
	ALTER TABLE moved_b ADD UNIQUE (v)});
$w->source_sql("INSERT INTO logs VALUES (1, 10, 'new'), (1, 60, 'new'); INSERT INTO moved VALUES (1, 'new'), (7, 'new');
	INSERT INTO heaps VALUES (1, 1)");
$w->local_sql("INSERT INTO logs VALUES (1, 10, 'old'), (2, 20, 'local'), (3, 70, 'local');
	INSERT INTO moved VALUES (1, 'old'), (8, 'local')");
lands("'logs', mode => 'overwrite'", 'logs', '(1,10,new) (1,60,new) (2,20,local) (3,70,local)', 'partitions');
lands("'moved', mode => 'overwrite'", 'moved', '(1,new) (7,new) (8,local)', 'partitions that the source has not');
$w->refused("'heaps', mode => 'overwrite'", "a partition's key is none of the table", sqlstate => '55000',
	message => [qr/has no primary key/]);
lands("'heaps_a', mode => 'overwrite'", 'heaps', '(1,1)', 'but of itself');
$w->source_sql("UPDATE moved SET v = 'local' WHERE id = 7; UPDATE moved SET v = 'newer' WHERE id = 1");
$w->refused("'moved', mode => 'overwrite'", 'partitions stand or fall together', sqlstate => '23505',
	message => [ qr/moved_b_v_key/, qr/moved_a is left as it is/ ]);

# ---- masks ----

$w->both_sql('CREATE TABLE people (email text PRIMARY KEY, name text)');
$w->source_sql("INSERT INTO people VALUES ('a\@b', 'A'), ('c\@d', 'C')");
$w->write_env(PGSYNC_MASK_KEY => 'k' x 32);
$w->write_config("data_rules: {email: pseudonym, name: random_letter}\n");
is($w->pull("'people', mode => 'overwrite'")->{rc}, 0, 'a masked primary key') foreach 1, 2;
is($w->local_sql('SELECT count(*) FROM people'), 2, 'is the same each time');
$w->write_config("data_rules: {email: random_string}\n");
$w->refused("'people', mode => 'preserve'", 'one that is made by chance', sqlstate => '55000',
	message => [ qr/people/, qr/random_string/, qr/email/ ]);
$w->write_config('');

# ---- subscribers ----

$w->both_sql('CREATE TABLE sent (id int PRIMARY KEY, v text); CREATE TABLE nobody (id int PRIMARY KEY, v text)');
$w->source_sql("INSERT INTO sent VALUES (1, 'new'), (2, 'same'), (3, 'three'); INSERT INTO nobody VALUES (1, 'new')");
$w->local_sql("INSERT INTO sent VALUES (1, 'old'), (2, 'same'), (9, 'local'); INSERT INTO nobody VALUES (1, 'old');
	ALTER TABLE nobody REPLICA IDENTITY NOTHING");
$w->local_sql("CREATE PUBLICATION p FOR TABLE sent, nobody");
$w->local_sql("SELECT pg_create_logical_replication_slot('s', 'test_decoding')");
lands("'sent', mode => 'overwrite'", 'sent', '(1,new) (2,same) (3,three) (9,local)', 'a published table');
my $decoded = $w->local_sql("SELECT string_agg(data, E'\\n') FROM pg_logical_slot_get_changes('s', NULL, NULL)
	WHERE data LIKE 'table public.%' OR data LIKE '%staging%'");
is($decoded, "table public.sent: UPDATE: id[integer]:1 v[text]:'new'\ntable public.sent: INSERT: id[integer]:3 "
	. "v[text]:'three'", 'subscribers see what changed, and nothing else');
$w->refused("'nobody', mode => 'overwrite'", 'updates without a replica identity', sqlstate => '55000',
	message => [qr/no replica identity/]);
$w->local_sql("SELECT pg_drop_replication_slot('s'); DROP PUBLICATION p");

$w->healthy;
done_testing();
