# rewrite computes values locally, before constraints and foreign keys are
# checked.  Its main use is references to excluded tables.

use strict;
use warnings;
use PgTunsync;
use PgTunsync::Agreement;
use Test::More;

my $w = PgTunsync->new(empty => 1);

$w->both_sql(q{
	CREATE SCHEMA app;
	CREATE TABLE auth_user (id int PRIMARY KEY, email text, is_superuser bool);
	CREATE TABLE app.auth_user (id int PRIMARY KEY);
	CREATE TABLE stores (id int PRIMARY KEY, name varchar(20), owner_id int REFERENCES auth_user);
	CREATE TABLE posts (id int PRIMARY KEY, title text, author_id int NOT NULL REFERENCES auth_user, n numeric(6,2),
		size int CHECK (size < 100));
	CREATE TABLE app.posts (id int PRIMARY KEY, author_id int);
	CREATE TABLE logs (id int, owner_id int) PARTITION BY RANGE (id);
	CREATE TABLE logs_a PARTITION OF logs FOR VALUES FROM (0) TO (50);
	CREATE TABLE logs_b PARTITION OF logs FOR VALUES FROM (50) TO (1000)});
$w->local_sql(q{ALTER TABLE posts ADD COLUMN doubled int GENERATED ALWAYS AS (size * 2) STORED;
	ALTER TABLE stores ADD COLUMN region text NOT NULL});
$w->source_sql(q{
	INSERT INTO auth_user SELECT 100 + i, 'u' || i || '@x', false FROM generate_series(1, 20) i;
	INSERT INTO stores SELECT i, 'Store ' || i, 100 + i FROM generate_series(1, 20) i;
	INSERT INTO posts SELECT i, 'Post ' || i, 100 + i % 20 + 1, i / 3.0, i FROM generate_series(1, 50) i;
	INSERT INTO app.posts SELECT i, i FROM generate_series(1, 5) i;
	INSERT INTO logs SELECT i, i FROM generate_series(0, 99) i});
$w->local_sql(q{INSERT INTO auth_user VALUES (1, 'me@dev', true), (2, 'you@dev', true), (3, 'post 7', false);
	INSERT INTO app.auth_user VALUES (44)});

sub config
{
	return $w->write_config("exclude: [auth_user, app.auth_user]\nrewrite:\n" . join('', map { "  $_\n" } @_));
}

# A test: the call succeeds, and the query returns this.
sub gives
{
	my ($arguments, $query, $expected, $title) = @_;
	my $run = $w->pull($arguments);
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($run->{rc}, 0, $title) or diag($run->{err});
	is($w->local_sql($query), $expected, "$title: the values");
	return $run;
}

# ---- references into an excluded table ----

my $me = '(select id from auth_user where is_superuser order by id limit 1)';
my $region = q{stores.region: "'north'"};
config($region);
$w->refused("'stores'", 'without it the references lead nowhere', sqlstate => '23503',
	message => [qr/stores_owner_id_fkey/]);
config(qq{"*.owner_id": "$me"}, qq{author_id: "$me"}, $region);
gives("'stores'", "SELECT count(*), string_agg(DISTINCT owner_id || region, ' ') FROM stores", '20|1north',
	'one value for all rows, and one for a column that only we have');
is($w->local_sql('SELECT columns_rewritten[1] FROM pgtunsync.run_tables ORDER BY run_id DESC LIMIT 1'),
	q{owner_id: ( select "id" from "auth_user" where "is_superuser" order by "id" limit 1 )}, 'the audit has it');
is($w->local_sql("SELECT columns_rewritten FROM pgtunsync.plan('stores')"),
	$w->local_sql('SELECT columns_rewritten FROM pgtunsync.run_tables ORDER BY run_id DESC LIMIT 1'),
	'and so has the plan');
gives("'posts'", 'SELECT count(*), sum(author_id), sum(doubled) FROM posts', '50|50|2550',
	'another pattern, and generated columns after it');
gives("'logs'", 'SELECT DISTINCT owner_id FROM logs', '1', 'partitions');
$w->healthy;
$w->nothing_left;

# ---- expressions of the row ----

config(qq{author_id: "$me"}, q{posts.title: "upper(title) || ' of ' || author_id"},
	q{size: "case when id > 40 then null else size + 1 end"}, q{"public.posts.n": "n * 2 + 0.005"}, $region);
gives("'posts'", "SELECT title, author_id, n, size, doubled FROM posts WHERE id IN (3, 41) ORDER BY id",
	"POST 3 of 104|1|2.01|4|8\nPOST 41 of 102|1|27.35||",
	'all see the row as it came; casts and generated columns follow');
config(q{author_id: "coalesce((select u.id from auth_user u where u.email = lower(posts.title)), 2)"}, $region);
gives("'posts'", 'SELECT string_agg(id || chr(58) || author_id, chr(32) ORDER BY id) FROM posts WHERE id IN (6, 7, 8)',
	'6:2 7:3 8:2', 'a subquery about the row');
config(q{owner_id: "case when id in (select a.id from auth_user a) then 1 else null end"}, $region);
gives("'stores'", 'SELECT count(*) FILTER (WHERE owner_id = 1), count(*) FILTER (WHERE owner_id IS NULL) FROM stores',
	'3|17', 'IN with a subquery, and NULL');
config(q{owner_id: "(with u as (select max(id) as m from auth_user) select m from u)"}, $region);
gives("'stores'", 'SELECT DISTINCT owner_id FROM stores', '3', 'WITH');
config(q{owner_id: "(select id from auth_user where logs.id = 5 and id = 1)"});
gives("'logs'", 'SELECT count(*), count(owner_id), min(id) FILTER (WHERE owner_id IS NOT NULL) FROM logs', '100|1|5',
	"a partition's row goes by the name of the whole table");
$w->local_sql('CREATE SEQUENCE calls; GRANT USAGE ON SEQUENCE calls TO PUBLIC');
config(q{owner_id: "(select 1 + 0 * nextval('public.calls'))::int"}, $region);
gives("'stores'", "SELECT count(DISTINCT owner_id) FROM stores", '1', 'a subquery that does not refer to the row');
is($w->local_sql('SELECT last_value FROM calls'), 1, 'is computed once');
config(q{owner_id: "null"}, 'posts.author_id: 1', $region);
gives("'stores,posts'", 'SELECT count(owner_id), (SELECT max(author_id) FROM posts) FROM stores', '0|1', 'constants');
config(q{id: "id + 1000"}, q{owner_id: "1"}, q{posts.author_id: "2"}, $region);
gives("'stores'", 'SELECT min(id), max(id) FROM stores WHERE owner_id = 1', '1001|1020',
	'the first pattern that matches decides, a key may be rewritten');
$w->write_config("exclude: [auth_user]\ndata_rules: {title: {value: masked}}\n"
	. "rewrite: {title: \"title || '!'\", author_id: '1'}\n");
gives("'posts'", 'SELECT DISTINCT title FROM posts', 'masked!', 'after the mask, of which it sees only the outcome');

# the values see the local state before the run, also of tables in the same run
$w->local_sql('DELETE FROM posts; DELETE FROM stores; DELETE FROM app.posts; INSERT INTO app.posts VALUES (77, 0)');
$w->write_config(qq{exclude: [auth_user]
rewrite: {owner_id: "$me", size: "(select max(id) from app.posts)", author_id: '1', region: "'x'"}\n});
gives("'posts,app.posts'", 'SELECT DISTINCT size, (SELECT max(id) FROM app.posts) FROM posts', '77|5',
	'subqueries see the rows before the run');

# ---- what cannot be ----

my @broken = (
	[ 'an unknown column', 'owner_id: "nowhere + 1"', '42703',
	qr/column "nowhere" does not exist.*rewrite of "owner_id", line 3 of file/ ],
	[ 'a name that two schemas have', '"app.posts.author_id": "(select min(id) from auth_user)"', '42P09',
	qr/table name "auth_user" is ambiguous/, "'app.posts'" ],
	[ 'an unknown table', 'owner_id: "(select id from nowhere)"', '42P01',
	qr/relation "nowhere" does not exist.*line 3/ ],
	[ 'another type', 'owner_id: "name"', '42804',
	qr/column "owner_id" is of type integer but the expression is of type character varying/ ],
	[ 'no SQL', 'owner_id: "1 +"', '42601', qr/syntax error/ ],
	[ 'two expressions', 'owner_id: "1, 2"', '42601', qr/not one expression/ ],
	[ 'a way out of it', 'owner_id: "1) FROM pg_class; DROP TABLE stores; SELECT (1"', '42601', qr/semicolon/ ],
	[ 'a parameter', 'owner_id: "$1"', '42601', qr/parameter/ ],
	[ 'an aggregate', 'owner_id: "max(id)"', '42803', qr/only allowed in a subquery/ ],
	[ 'a set', 'owner_id: "generate_series(1, 3)"', '42803', qr/only allowed in a subquery/ ],
	[ 'a lock', 'owner_id: "(select id from auth_user limit 1 for update)"', '0A000', qr/FOR UPDATE/ ],
	[ 'a change', 'owner_id: "(with d as (delete from auth_user returning id) select id from d)"', '0A000',
	qr/data-modifying/ ],
	[ 'too many rows', 'owner_id: "(select id from auth_user)"', '21000', qr/more than one row/ ],
	[ 'a value that cannot be', 'owner_id: "1 / (id - id)"', '22012', qr/division by zero/ ],
	[ 'a CHECK', 'posts.size: "1000"', '23514', qr/posts_size_check/, "'posts'" ],
	[ 'NOT NULL', 'posts.author_id: "(select id from auth_user where false)"', '23502', qr/author_id/, "'posts'" ],
	[ 'a reference that leads nowhere', 'owner_id: "55"', '23503', qr/stores_owner_id_fkey/ ],
	[ 'too long', 'stores.name: "repeat(name, 9)"', '22001', qr/too long/ ]);
foreach my $case (@broken)
{
	my ($title, $line, $sqlstate, $message, $arguments) = @$case;
	config($line, $title eq 'a CHECK' ? 'author_id: "1"' : $title eq 'NOT NULL' ? '"posts.title": "title"'
		: 'posts.author_id: "1"', $region);
	$w->refused($arguments || "'stores'", $title, sqlstate => $sqlstate, message => [$message]);
}
config('"*.doubled": "1"', 'author_id: "1"');
$w->refused("'posts'", 'a generated column', sqlstate => '428C9',
	message => [ qr/generated column cannot be rewritten/,
	qr/rewrite of "\*\.doubled", line 3 of file.*column doubled/ ]);
config('title: "doubled::text"', 'author_id: "1"');
$w->refused("'posts'", 'the value of a generated column, which is not computed yet', sqlstate => '42703',
	message => [qr/"doubled" does not exist/]);
is($w->local_sql("SELECT reason LIKE '%doubled%' FROM pgtunsync.plan('posts')"), 't', 'the plan knows');
config('no_such_column: "1"', '"stores.no*": "2"', 'author_id: "1"');
my $run = gives("'posts'", 'SELECT DISTINCT author_id FROM posts', '1', 'patterns that match nothing');
like($run->{err}, qr/WARNING:  01000: rewrite of "\Q$_->[0]\E" in line $_->[1] of file/, "a WARNING for $_->[0]")
  foreach [ 'no_such_column', 3 ], [ 'stores.no*', 4 ];
unlike($run->{err}, qr/rewrite of "author_id"/, 'and for those only');

# ---- hostile owners ----

$w->local_sql(q{
	CREATE ROLE alice LOGIN; CREATE ROLE mallory LOGIN; GRANT CREATE ON SCHEMA public TO mallory, alice;
	CREATE TABLE tries (who text, what text); GRANT INSERT ON tries TO PUBLIC;
	DELETE FROM stores; ALTER TABLE stores OWNER TO alice;
	SET ROLE mallory;
	CREATE FUNCTION become() RETURNS int LANGUAGE plpgsql AS $$BEGIN
		INSERT INTO public.tries VALUES (current_user, session_user);
		BEGIN EXECUTE 'ALTER ROLE mallory SUPERUSER'; EXCEPTION WHEN insufficient_privilege THEN NULL; END;
		EXECUTE 'RESET ROLE';
		RETURN 1; END$$;
	CREATE VIEW trap AS SELECT public.become() AS id;
	GRANT SELECT ON trap TO PUBLIC;
	CREATE FUNCTION public.upper(varchar) RETURNS text LANGUAGE sql AS 'SELECT public.become()::text';
	CREATE FUNCTION public.cat(varchar, int) RETURNS text LANGUAGE sql AS 'SELECT public.become()::text';
	CREATE OPERATOR public.|| (leftarg = varchar, rightarg = int, function = public.cat);
	CREATE FUNCTION public.step(int, int) RETURNS int LANGUAGE sql AS 'SELECT public.become()';
	CREATE AGGREGATE public.most(int) (sfunc = public.step, stype = int);
	CREATE FUNCTION public.fits(int) RETURNS bool LANGUAGE sql AS 'SELECT public.become() = 1';
	CREATE DOMAIN public.caught AS int CHECK (public.fits(VALUE));
	RESET ROLE});
config('owner_id: "(select id from trap)"', $region);
$w->refused("'stores'", "a view that calls somebody else's function", sqlstate => '42501',
	message => [qr/function public\.become\(\) belongs to role mallory.*rewrite of "owner_id", line 3/]);
config('posts.author_id: "(select id from trap)"');
$w->refused("'posts'", "also for a superuser's table", sqlstate => '42501',
	message => [qr/become\(\) belongs to role mallory/]);
config('posts.author_id: "(select public.most(id) from auth_user)"');
$w->refused("'posts'", "somebody else's aggregate", sqlstate => '42501',
	message => [qr/most\(integer\) belongs to role mallory/]);
config('posts.author_id: "id::public.caught::int"');
$w->refused("'posts'", "somebody else's domain", sqlstate => '42501',
	message => [qr/domain public\.caught belongs to role mallory/]);
$w->local_sql('ALTER FUNCTION become OWNER TO alice');
config('owner_id: "(select id from trap)"', $region);
$w->refused("'stores'", "the owner's own function runs with the owner's rights, read-only", sqlstate => '25006',
	message => [qr/cannot execute INSERT in a read-only transaction/]);
$w->local_sql(q{CREATE OR REPLACE FUNCTION become() RETURNS int LANGUAGE plpgsql AS $$BEGIN
	BEGIN EXECUTE 'ALTER ROLE mallory SUPERUSER'; EXCEPTION WHEN insufficient_privilege THEN NULL; END;
	EXECUTE 'RESET ROLE';
	RETURN 1; END$$});
$w->refused("'stores'", 'which it may not leave', sqlstate => '42501',
	message => [qr/RESET is not allowed in code that a pull runs/]);
is($w->local_sql("SELECT bool_or(rolsuper) FROM pg_roles WHERE rolname IN ('alice', 'mallory')"), 'f',
	'nobody has become superuser');
is($w->local_sql('SELECT count(*) FROM tries'), '0', 'and nothing is left of the attempt');
config('name: "upper(name) || id"', 'owner_id: "null"', $region);
gives("'stores'", 'SELECT min(name) FROM stores', 'STORE 1010', "nobody's function takes the place of a built-in one");
$w->local_sql('DELETE FROM stores');
config(qq{owner_id: "$me"}, $region);
$w->refused("'stores'", 'the owner must be allowed to read the table', sqlstate => '42501',
	message => [qr/permission denied for table auth_user.*rewrite of "owner_id", line 3/]);
$w->local_sql('GRANT SELECT ON auth_user TO alice; ALTER TABLE auth_user ENABLE ROW LEVEL SECURITY');
$w->refused("'stores'", 'and sees no rows less by row security', sqlstate => '42501',
	message => [qr/row-level security/]);
$w->local_sql('ALTER TABLE auth_user DISABLE ROW LEVEL SECURITY');
gives("'stores'", 'SELECT DISTINCT owner_id FROM stores', '1', 'then it works');

# an index expression on another owner's table
$w->local_sql(q{
	CREATE FUNCTION public.attempt() RETURNS int LANGUAGE plpgsql AS $$BEGIN
		EXECUTE 'ALTER ROLE mallory SUPERUSER'; RETURN 1; EXCEPTION WHEN insufficient_privilege THEN RETURN 2; END$$;
	CREATE FUNCTION public.harmless(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1';
	CREATE TABLE theirs (id int); ALTER TABLE theirs OWNER TO mallory; INSERT INTO theirs VALUES (2);
	GRANT SELECT ON theirs TO alice;
	ALTER FUNCTION harmless OWNER TO mallory;
	CREATE INDEX ON theirs (public.harmless(1)) WHERE public.harmless(2) = 2;
	CREATE OR REPLACE FUNCTION public.harmless(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$BEGIN
		RETURN public.attempt() * $1; END$$});
config('posts.author_id: "(select max(id) from theirs)"');
gives("'posts'", 'SELECT DISTINCT author_id FROM posts', '2', "a superuser's table and a table of others");
config('owner_id: "(select max(id) from theirs)"', $region);
gives("'stores'", 'SELECT DISTINCT owner_id FROM stores', '2', 'a table of others with an index of theirs');
is($w->local_sql("SELECT bool_or(rolsuper) FROM pg_roles WHERE rolname IN ('alice', 'mallory')"), 'f',
	'and still nobody has become superuser');
$w->nothing_left;

done_testing();
