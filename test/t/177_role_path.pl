# Functions, operators and types of a clause are found by the search_path of the
# source's role, as in psql there.  Tables are those of the caller's path.

use strict;
use warnings;
use PgTunsync;
use Test::More;

my $w = PgTunsync->new(empty => 1);

$w->source_sql(q{CREATE SCHEMA heroku_ext; CREATE EXTENSION citext SCHEMA heroku_ext;
	ALTER DATABASE production SET search_path = "$user", public, heroku_ext;
	CREATE FUNCTION heroku_ext.is_ann(t text) RETURNS boolean LANGUAGE sql AS $$ SELECT t ILIKE 'ann%' $$;
	CREATE TABLE users (id int PRIMARY KEY, email heroku_ext.citext);
	INSERT INTO users VALUES (1, 'Ann@Example.com'), (2, 'bob@example.com');
	GRANT USAGE ON SCHEMA heroku_ext TO reader});
$w->local_sql(q{CREATE SCHEMA ext; CREATE EXTENSION citext SCHEMA ext; CREATE TABLE users (id int PRIMARY KEY, email
	ext.citext UNIQUE)});

# A test: the filter brings these ids.
sub brings
{
	my ($table, $filter, $ids, $title, %params) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $run = $w->pull("'$table', filter => \$f\$ $filter \$f\$, mode => 'replace'", %params);
	is($run->{rc} eq '0' ? $w->local_sql("SELECT string_agg(id::text, ' ' ORDER BY id) FROM $table") : $run->{err},
		$ids, $title || $filter);
	return $run;
}

brings('users', "email = 'ann\@example.com'", 1, 'an operator of an extension in a schema of its own');
brings('users', "email = 'BOB\@example.com' AND email > 'A'::citext", 2, 'its type, too');
brings('users', 'is_ann(email)', 1, 'and a function');
brings('users', 'heroku_ext.is_ann(email) AND pg_catalog.length(email) > 1', 1, 'named in full');
brings('users', "email = 'ann\@example.com'", 1, 'with a path of the caller that has no such schema',
	options => '-c search_path=public,heroku_ext');
$w->source_sql('ALTER ROLE reader IN DATABASE production SET search_path = public');
brings('users', "email = 'ann\@example.com'", '', 'the path of the role goes before that of its database');
is($w->local_sql('SELECT count(*) FROM users'), 0, 'as in psql');
$w->source_sql('ALTER ROLE reader IN DATABASE production RESET search_path');

# what the path holds is a list of names and nothing more
$w->source_sql(q{CREATE SCHEMA "a""b; DROP TABLE users"; CREATE FUNCTION "a""b; DROP TABLE users".odd(int)
	RETURNS boolean LANGUAGE sql AS 'SELECT $1 = 2'; GRANT USAGE ON SCHEMA "a""b; DROP TABLE users" TO reader;
	ALTER ROLE reader IN DATABASE production SET search_path = "a""b; DROP TABLE users", public, heroku_ext});
brings('users', 'odd(id)', 2, 'an odd name in the path');
$w->source_sql('ALTER ROLE reader IN DATABASE production RESET search_path');

# a rule's statement
$w->write_config("data_rules:\n  users.email: {statement: \"CASE WHEN email = 'ANN\@example.com' THEN 'it is ann'"
	. " ELSE (SELECT min(t) FROM names) END\"}\n");
$w->both_sql('CREATE TABLE names (t text)');
$w->source_sql("INSERT INTO names VALUES ('of public')");
my $run = $w->pull("'users'");
is($w->local_sql('SELECT email FROM users ORDER BY id'), "it is ann\nof public", 'a statement of a data rule')
	or diag($run->{err});
$w->write_config('');

# ---- tables are not looked up in the role's path ----

$w->both_sql(q{CREATE SCHEMA app; CREATE TABLE app.orders (id int PRIMARY KEY, user_id int);
	CREATE TABLE app.items (id int PRIMARY KEY, order_id int)});
$w->source_sql(q{CREATE SCHEMA hostile; GRANT USAGE ON SCHEMA hostile TO reader;
	CREATE TABLE hostile.orders (id int, user_id int); CREATE TABLE hostile.users (id int);
	CREATE FUNCTION hostile.read() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE 'hostile code'; END $$;
	CREATE VIEW hostile.items AS SELECT hostile.read() AS id, 1 AS order_id;
	CREATE VIEW hostile.pg_class AS SELECT hostile.read() AS oid;
	INSERT INTO app.orders VALUES (1, 1), (2, 2), (3, 1); INSERT INTO app.items VALUES (10, 1), (11, 2), (12, 3);
	ALTER ROLE reader IN DATABASE production SET search_path = hostile, public, heroku_ext});
my @path = (options => '-c search_path=app,public');
brings('app.items', 'order_id IN (SELECT id FROM orders WHERE user_id = 1)', '10 12', 'a subquery', @path);
brings('app.items', 'EXISTS (SELECT FROM orders JOIN users ON users.id = orders.user_id
	WHERE orders.id = items.order_id AND email = \'BOB@example.com\')', 11, 'a join, with the names of its tables', @path);
brings('app.items', 'JOIN ONLY orders o ON o.id = order_id WHERE o.user_id = 2 ORDER BY items.id LIMIT 3', 11,
	'a join of the clause', @path);
brings('app.items', 'order_id IN (WITH orders AS (SELECT 2 AS id) SELECT id FROM orders)', 11,
	'a WITH query of that name', @path);
brings('app.items', 'order_id IN (WITH o AS (SELECT * FROM orders), orders AS (SELECT id + 1 AS id FROM o WHERE id = 1)
	SELECT id FROM orders)', 11, 'before which the name is the table', @path);
brings('app.items', 'order_id IN (WITH RECURSIVE r AS (SELECT 3 AS id UNION SELECT id - 2 FROM r WHERE id > 2)
	SELECT r.id FROM r JOIN orders USING (id))', '10 12', 'a recursive one', @path);
brings('app.items', 'order_id IN (SELECT (WITH orders AS (SELECT 1) SELECT 1) FROM orders WHERE id = 1)', 10,
	'a name is hidden only inside its query', @path);
brings('app.items', 'order_id IN (SELECT id FROM orders TABLESAMPLE SYSTEM (100) WHERE id = 1)', 10, 'a sample', @path);
brings('app.items', 'ROW(order_id, order_id % 2) IN (TABLE orders)', '10 12', 'TABLE', @path);
brings('app.items', "EXISTS (SELECT FROM pg_class WHERE relname = 'items') AND id = 10", 10, 'a catalog', @path);
$run = $w->pull("'app.items', filter => 'order_id IN (SELECT id FROM items)', mode => 'replace'", @path);
is($run->{rc}, 0, 'the table itself') or diag($run->{err});
unlike($run->{err}, qr/hostile code/, 'and no other');

# ---- operators of an extension here, in indexes, keys and merges ----

$w->source_sql(q{ALTER ROLE reader IN DATABASE production RESET search_path;
	CREATE TABLE people (mail heroku_ext.citext PRIMARY KEY, n int);
	CREATE TABLE letters (id int PRIMARY KEY, mail heroku_ext.citext, EXCLUDE USING btree (mail heroku_ext.citext_ops WITH
		OPERATOR(heroku_ext.=)) WHERE (id > 5)); INSERT INTO people VALUES ('Ann', 1), ('Bob', 2);
	INSERT INTO letters VALUES (1, 'ANN'), (2, 'bob'), (7, 'x')});
$w->local_sql(q{CREATE TABLE people (mail ext.citext PRIMARY KEY, n int);
	CREATE TABLE letters (id int PRIMARY KEY, mail ext.citext REFERENCES people DEFERRABLE,
		EXCLUDE USING btree (mail ext.citext_ops WITH OPERATOR(ext.=)) WHERE (id > 5));
	INSERT INTO people VALUES ('ANN', 9), ('zoe', 9), ('X', 3)});
$run = $w->pull("'people,letters', mode => 'overwrite'");
is($run->{rc}, 0, 'a merge by keys of citext') or diag($run->{err});
is($w->local_sql('SELECT string_agg(mail || n, $$ $$ ORDER BY mail) FROM people'), 'Ann1 Bob2 X3 zoe9',
	'which are compared as the extension does');
is($w->local_sql('SELECT count(*) FROM letters'), 3, 'and so are foreign keys');
$run = $w->pull("'people'");
like($run->{err}, qr/letters/, 'a row that only foreign keys miss is found') or diag($run->{err});

done_testing();
