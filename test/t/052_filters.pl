# Which rows are pulled: filters of the call and the configuration, clauses and
# variables of groups, schemas and exclusions of the call, and tables that are
# emptied.

use strict;
use warnings;
use PgTunsync;
use PgTunsync::Agreement;
use Test::More;

my $w = PgTunsync->new(empty => 1);

$w->both_sql(q{
	CREATE SCHEMA other;
	CREATE TABLE stores (id int PRIMARY KEY, name text);
	CREATE TABLE products (id int PRIMARY KEY, store_id int, v text);
	CREATE TABLE reviews (id int PRIMARY KEY, product_id int, at timestamptz, v text);
	CREATE TABLE posts (id int PRIMARY KEY, title text);
	CREATE TABLE "Odd Ones" (id int PRIMARY KEY, "Store Id" int);
	CREATE TABLE excluded (id int PRIMARY KEY);
	CREATE TABLE other.pets (id int PRIMARY KEY);
	CREATE TABLE sessions (id int PRIMARY KEY, secret text);
	CREATE TABLE logs (id int, at date) PARTITION BY RANGE (id);
	CREATE TABLE logs_a PARTITION OF logs FOR VALUES FROM (0) TO (50);
	CREATE TABLE logs_b PARTITION OF logs FOR VALUES FROM (50) TO (1000);
	CREATE TABLE hashed (id int) PARTITION BY HASH (id);
	CREATE TABLE hashed_0 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 0);
	CREATE TABLE hashed_1 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 1);
});
$w->source_sql('CREATE TABLE moved (id int, n int)');
$w->local_sql('CREATE TABLE moved (id int, n int) PARTITION BY RANGE (id);
	CREATE TABLE moved_a PARTITION OF moved FOR VALUES FROM (0) TO (50);
	CREATE TABLE moved_b PARTITION OF moved FOR VALUES FROM (50) TO (90)');
$w->source_sql(q{
	INSERT INTO stores SELECT i, 'store ' || i FROM generate_series(1, 5) i;
	INSERT INTO products SELECT i, 1 + i % 5, 'v' || i FROM generate_series(1, 50) i;
	INSERT INTO reviews SELECT i, 1 + i % 50, now() - i * interval '1 day' + interval '1 hour', 'r'
		FROM generate_series(1, 500) i;
	INSERT INTO posts SELECT i, 'Post ' || i FROM generate_series(1, 3) i;
	INSERT INTO "Odd Ones" SELECT i, i % 5 FROM generate_series(1, 20) i;
	INSERT INTO excluded SELECT generate_series(1, 3);
	INSERT INTO other.pets SELECT generate_series(1, 3);
	INSERT INTO sessions SELECT i, 'secret' FROM generate_series(1, 3) i;
	INSERT INTO logs SELECT i, '2024-01-01'::date + i FROM generate_series(0, 99) i;
	INSERT INTO hashed SELECT generate_series(1, 40);
	INSERT INTO moved SELECT i, i % 2 FROM generate_series(0, 99) i});
$w->local_sql(q{INSERT INTO products VALUES (999, 1, 'stale');
	INSERT INTO posts VALUES (1, 'First Post'), (4, 'Post 4')});

# A test: the call succeeds, and the table has the rows that the query finds on
# the source.
sub gets
{
	my ($arguments, $table, $query, $title) = @_;
	my $run = $w->pull($arguments);
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$title ||= $arguments;
	is($run->{rc}, 0, $title) or diag($run->{err});
	is($w->local_sql("SELECT count(*), string_agg(t::text, '/' ORDER BY t::text) FROM $table t"),
		$w->source_sql("SELECT count(*), string_agg(t::text, '/' ORDER BY t::text) FROM ($query) t"),
			"$title: the rows");
	return $run;
}

# ---- the call's filter ----

gets("'products', filter => 'store_id = 1', mode => 'replace'", 'products',
	'SELECT * FROM products WHERE store_id = 1');
is($w->last_run("options ->> 'filter', options ->> 'mode'"), 'store_id = 1|replace', 'the audit has filter and mode');
is($w->local_sql("SELECT filter FROM pgtunsync.run_tables WHERE run_id = (SELECT max(id) FROM pgtunsync.runs)"),
	'store_id = 1', 'and the table its own');
gets("'products', filter => 'WHERE store_id = 2', mode => 'replace'", 'products',
	'SELECT * FROM products WHERE store_id = 2');
gets("'products', filter => 'order by id desc limit 7', mode => 'replace'", 'products',
	'SELECT * FROM products ORDER BY id DESC LIMIT 7');
gets("'products', filter => 'store_id = 2 order by id offset 1 fetch first 2 rows only', mode => 'replace'", 'products',
	'SELECT * FROM products WHERE store_id = 2 ORDER BY id OFFSET 1 LIMIT 2');
gets("'products', filter => 'tablesample system (100) where id < 9', mode => 'replace'", 'products',
	'SELECT * FROM products WHERE id < 9');
gets("'products', filter => 'join stores s on s.id = store_id where s.name = \$\$store 3\$\$', mode => 'replace'",
	'products', 'SELECT * FROM products WHERE store_id = 3', 'a join');
gets("'products', filter => 'store_id in (select id from stores where name like ''%4'')', mode => 'replace'",
	'products', 'SELECT * FROM products WHERE store_id = 4', 'a subquery');
gets("'products', filter => 'left(v, 2) = ''v1''', mode => 'replace'", 'products',
	"SELECT * FROM products WHERE v LIKE 'v1%'", 'a function that is a keyword');
gets("'products', filter => 'products.id = 3', mode => 'replace'", 'products', 'SELECT * FROM products WHERE id = 3',
	"the table's own name");
gets(q{'"Odd Ones"', filter => '"Store Id" = 2', mode => 'replace'}, '"Odd Ones"',
	'SELECT * FROM "Odd Ones" WHERE "Store Id" = 2');
gets(q{'products', filter => 'store_id = {store} and v <> ''{x}''', mode => 'replace', variables => '{"store": 1}'},
	'products', 'SELECT * FROM products WHERE store_id = 1', 'a variable');
gets(q{'stores,products,reviews', filter => 'id < 4', mode => 'replace'}, $_, "SELECT * FROM $_ WHERE id < 4",
	"for every table: $_") foreach qw(stores products reviews);

# ---- without a mode, and what is refused ----

gets("'products', filter => 'id = 1', mode => 'replace'", 'products', 'SELECT * FROM products WHERE id = 1');
gets("'products', filter => 'id = 2'", 'products', 'SELECT * FROM products WHERE id < 3',
	'without a mode, the other rows stay');
is($w->local_sql("SELECT mode FROM pgtunsync.run_tables WHERE run_id = (SELECT max(id) FROM pgtunsync.runs)"),
	'overwrite', 'the audit tells the mode');
$w->refused("'products', mode => 'x'", 'an unknown mode', sqlstate => '22023',
	message => [ qr/"x"/, qr/overwrite.*preserve.*append/ ], audit => 'none');
$w->refused("filter => 'id = 1', mode => 'replace'", 'a filter for nothing in particular', sqlstate => '22023',
	message => [qr/needs tables/], audit => 'none');
$w->refused("'products', variables => '[1]'", 'variables that are no object', sqlstate => '22023', audit => 'none');
$w->refused(qq{'products', variables => '{"a": $_}'}, "a variable that is $_", sqlstate => '22023',
	message => [qr/"a"/], audit => 'none') foreach 'null', '[1]', '{"b": 1}';
$w->refused("'products', filter => 'no_such_column = 1', mode => 'replace'", 'a column that is not there',
	sqlstate => '42703', message => [ qr/products/, qr/no_such_column/ ]);
$w->refused("'products', filter => '  ', mode => 'replace'", 'an empty filter', sqlstate => '42601',
	message => [qr/empty/]);

# ---- groups and their variables ----

my $groups = <<'YML';
groups:
  product:
    products: "where id = {1}"
    reviews: "where product_id = {1} order by at desc limit 3"
    stores: "where id in (select store_id from products where id = {1})"
  variable_id:
    posts: "WHERE id = {id}"
  two:
    posts: "where id = {1} and title = '{2}'"
    stores: null
  region:
    posts: "where title like '%{what}' and id = {1}"
  list: {posts: "where id = any ({1})"}
  plain: [posts]
YML
$w->write_config($groups);
gets("grp => 'product:12', mode => 'replace'", 'products', 'SELECT * FROM products WHERE id = 12');
gets("'group:product:13', mode => 'replace'", 'reviews',
	'SELECT * FROM reviews WHERE product_id = 13 ORDER BY at DESC LIMIT 3');
is($w->local_sql('SELECT id FROM stores'), $w->source_sql('SELECT store_id FROM products WHERE id = 13'),
	'and the store of the product');
gets("grp => 'variable_id:2', mode => 'replace'", 'posts', 'SELECT * FROM posts WHERE id = 2');
gets("grp => 'two:2:Post 2', mode => 'replace'", 'posts', 'SELECT * FROM posts WHERE id = 2', 'two values');
gets(q{grp => 'two:2:"Post 2"', mode => 'replace'}, 'posts', 'SELECT * FROM posts WHERE id = 2', 'a value in quotes');
gets(q{grp => 'two:2:"a:b"', mode => 'replace'}, 'posts', 'SELECT * FROM posts WHERE false', 'a value with a colon');
is($w->local_sql('SELECT count(*) FROM stores'), 5, 'a table of the group without a clause comes whole');
gets(q{grp => 'region:3', mode => 'replace', variables => '{"what": 3, "more": "x"}'}, 'posts',
	'SELECT * FROM posts WHERE id = 3', 'a variable by name');
gets(q{grp => 'list:{1,3}', mode => 'replace'}, 'posts', 'SELECT * FROM posts WHERE id <> 2', 'a list as a value');
gets("grp => 'plain'", 'posts', 'SELECT * FROM posts', 'a group without clauses replaces');
gets(q{grp => 'variable_id:2', filter => 'id < 3', mode => 'replace'}, 'posts', 'SELECT * FROM posts WHERE id < 3',
	"the call's filter comes before the group's");
$w->local_sql("DELETE FROM products; INSERT INTO products VALUES (12, 1, 'old'), (777, 7, 'local')");
gets("grp => 'product:12'", 'products', "SELECT * FROM products WHERE id = 12 UNION ALL SELECT 777, 7, 'local'",
	'without a mode, a clause leaves the other rows');
gets("grp => 'two:2:Post 2'", 'stores', 'SELECT * FROM stores',
	'a table of the group without a clause is replaced all the same');
is($w->local_sql("SELECT string_agg(table_name || ' ' || mode, ', ' ORDER BY table_name) FROM pgtunsync.run_tables
	WHERE run_id = (SELECT max(id) FROM pgtunsync.runs)"), 'posts overwrite, stores replace', 'each has its mode');
$w->refused("grp => 'product', mode => 'replace'", 'a missing value', sqlstate => '42P02',
	message => [ qr/missing variables: 1\n/, qr/products/ ]);
$w->refused("grp => 'region', mode => 'replace'", 'all missing ones are named', sqlstate => '42P02',
	message => [qr/missing variables: what, 1\n/]);
$w->refused("'posts:123'", 'a value for a table', sqlstate => '22023', message => [qr/a table takes no values/]);
gets("'product:14', mode => 'replace'", 'products', 'SELECT * FROM products WHERE id = 14',
	'a group that is not marked as one');
$w->refused("grp => 'posts:1'", 'a table that is no group', sqlstate => '42704',
	message => [qr/group "posts" does not exist/]);
$w->refused(q{'{group:product:1,group:product:2}', mode => 'replace'}, 'a table by two clauses', sqlstate => '22023',
	message => [ qr/twice/, qr/products/ ]);
gets(q{'{group:product:1,group:product:1}', mode => 'replace'}, 'products', 'SELECT * FROM products WHERE id = 1',
	'the same twice');

# ---- the configuration's filters ----

$w->write_config(<<'YML');
exclude: [excluded, does_not_exist, moved]
filters:
  reviews: {column: at, last: "90 days"}
  "pro*": "where store_id = 1"
  products: store_id = 2
  other.pets: id = 2
empty:
  - sessions
groups:
  all: [products]
  some: {products: "where id = 7"}
YML
gets("'reviews'", 'reviews', "SELECT * FROM reviews WHERE at > now() - interval '90 days'", 'the last days');
gets("'products'", 'products', 'SELECT * FROM products WHERE store_id = 1', 'the first filter that matches');
gets("grp => 'all'", 'products', 'SELECT * FROM products WHERE store_id = 1', 'also for a group');
gets("grp => 'some', mode => 'replace'", 'products', 'SELECT * FROM products WHERE id = 7', 'which may have its own');
gets("'products', filter => 'id = 8', mode => 'replace'", 'products', 'SELECT * FROM products WHERE id = 8',
	'as the call may');
gets("'other.pets'", 'other.pets', 'SELECT * FROM other.pets WHERE id = 2', 'in another schema');
$w->local_sql("INSERT INTO sessions VALUES (9, 'old')");
$w->source_sql('REVOKE ALL ON sessions FROM PUBLIC; REVOKE pg_read_all_data FROM reader;
	GRANT USAGE ON SCHEMA public, other TO reader; GRANT SELECT ON ALL TABLES IN SCHEMA public, other TO reader;
	REVOKE SELECT ON sessions FROM reader');
gets('', 'sessions', 'SELECT * FROM sessions WHERE false', 'a table that ends up empty, without being read');
is($w->local_sql('SELECT count(*) FROM excluded'), 0, 'an excluded one is left alone');
is($w->local_sql('SELECT count(*) FROM posts'), 3, 'others come whole');
$w->local_sql("INSERT INTO sessions VALUES (9, 'old')");
gets("'sessions', filter => 'id = 1'", 'sessions', 'SELECT * FROM sessions WHERE false', 'empty wins over a filter');
$w->local_sql("INSERT INTO sessions VALUES (9, 'old')");
gets("'sessions', mode => 'overwrite'", 'sessions', "SELECT 9, 'old'",
	'a mode that keeps rows brings none, and takes none');
$w->source_sql('GRANT pg_read_all_data TO reader');
$w->write_config("filters: {no_such: x = 1}\nempty: [nothing]\n");
my $run = gets("'posts'", 'posts', 'SELECT * FROM posts', 'patterns that match nothing');
like($run->{err}, qr/WARNING:  01000: "$_->[0]" in "$_->[1]"/, "a WARNING for $_->[1]") foreach [qw(no_such filters)],
	[qw(nothing empty)];
$w->write_config("filters: {posts: 'id = '}\n");
$w->refused("'posts'", 'a filter that is no SQL', sqlstate => '42601',
	message => [ qr/filter of "posts", line 1 of file/, qr/syntax error/ ]);

# ---- partitions ----

$w->write_config('');
gets("'logs', filter => 'at < ''2024-02-25'' and logs.id > 3', mode => 'replace'", 'logs',
	"SELECT * FROM logs WHERE at < '2024-02-25' AND id > 3", 'a filter for a partitioned table');
gets("'hashed', filter => 'id < 10', mode => 'replace'", 'hashed', 'SELECT * FROM hashed WHERE id < 10',
	'by hash, too');
gets("'moved', filter => 'n = 1 and id < 90', mode => 'replace'", 'moved',
	'SELECT * FROM moved WHERE n = 1 AND id < 90', 'a filter where partitions differ');
$w->refused("'moved', filter => 'n = 1', mode => 'replace'", 'rows of the filter that no partition takes',
	sqlstate => '23514', message => [qr/takes 5 of its rows/]);
$w->refused("'logs', filter => 'order by id limit 3', mode => 'replace'", 'a limit over partitions',
	sqlstate => '0A000', message => [ qr/logs/, qr/LIMIT.*among all rows/ ]);
$w->write_config("filters: {logs: id < 5}\nempty: [hashed]\n");
gets("'logs'", 'logs', 'SELECT * FROM logs WHERE id < 5', "the configuration's filter for the whole table");
gets("'hashed'", 'hashed', 'SELECT * FROM hashed WHERE false', 'a partitioned table that ends up empty');

# ---- schemas and exclude of the call ----

sub replaces
{
	my ($arguments, $expected, $title) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $call = $w->pull($arguments);
	is( $w->local_sql("SELECT coalesce(string_agg(table_name, ' ' ORDER BY table_name COLLATE \"C\"), '')
		FROM pgtunsync.run_tables
			WHERE status = 'succeeded' AND run_id = (SELECT max(id) FROM pgtunsync.runs)"), $expected,
				$title || "pull($arguments)") or diag($call->{err});
	return $call;
}
$w->write_config("exclude: [excluded, 'logs*', 'h*', moved]\n");
my $public = '"Odd Ones" posts products reviews sessions stores';
replaces('', $public);
replaces("schemas => '{other}'", 'other.pets');
replaces("schemas => '{public,other}'", '"Odd Ones" other.pets posts products reviews sessions stores');
replaces("schemas => '{*}'", '"Odd Ones" other.pets posts products reviews sessions stores', 'all schemas');
replaces("'p*', schemas => '{*}'", 'other.pets posts products', 'a glob in all schemas');
replaces("'p*'", 'posts products', 'a glob in the search_path');
replaces("exclude => '{p*}'", '"Odd Ones" reviews sessions stores', 'exclusions of the call, beside those of the file');
like(replaces("'{posts,stores}', exclude => '{posts}'", 'stores', 'they win over names')->{err},
	qr/NOTICE.*left out: posts/, 'with a NOTICE');
is($w->last_run("options -> 'exclude'"), '["posts"]', 'the audit has them');
$w->write_config("schemas: [other]\n");
replaces('', 'other.pets', 'schemas of the file');
replaces("schemas => '{public}', exclude => '{logs,hashed,moved,excluded}'", $public, 'those of the call come instead');
$w->refused("schemas => '{}'", 'no schema at all', sqlstate => '22023', audit => 'none');

done_testing();
