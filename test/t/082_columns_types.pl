# Values of every type, in both formats of COPY.  Columns that differ between
# the sides in order, number, type, defaults and generation.

use strict;
use warnings;
use PgTunsync;
use PgTunsync::Agreement;
use PgTunsync::Compare;
use Test::More;

my $w = PgTunsync->new(empty => 1);
my %contrib = map { $_ => 1 } split /\n/, $w->local_sql(
	"SELECT name FROM pg_available_extensions WHERE name IN ('citext', 'hstore', 'cube', 'ltree', 'seg', 'isn',
		'intarray', 'lo')");

# ---- every type: one table that can go in binary, one that cannot ----

$w->both_sql(join '', map { "CREATE EXTENSION $_;" } sort keys %contrib);
$w->both_sql(q{
	CREATE TYPE mood AS ENUM ('sad', 'o''k', 'very "happy"', '', 'with,comma');
	CREATE DOMAIN positive AS int CHECK (VALUE > 0);
	CREATE DOMAIN code AS text NOT NULL CHECK (VALUE ~ '^[A-Z]{2}$');
	CREATE DOMAIN code_list AS positive[] CHECK (array_length(VALUE, 1) < 5);
	CREATE TYPE pair AS (a int, "B b" text, m mood);
	CREATE TYPE nested AS (p pair, ps pair[]);
	CREATE DOMAIN checked_pair AS pair CHECK ((VALUE).a > 0);
	CREATE TYPE text_range AS RANGE (subtype = text, collation = "C");
	CREATE TYPE float_range AS RANGE (subtype = float8, subtype_diff = float8mi);
	CREATE COLLATION folded (provider = libc, locale = 'C');
});

# type => values, as SQL expressions
my @types = (
	[ 'bool', "'t'", "'f'" ],
	[ 'int2', -32768, 32767, 0 ], [ 'int4', -2147483648, 2147483647 ],
	[ 'int8', "'-9223372036854775808'", 9223372036854775807 ],
	[ 'float4', "'NaN'", "'-0'", "'Infinity'", "'-Infinity'", '1e-45', '3.4028235e38', '0.1' ],
	[ 'float8', "'NaN'", "'-0'", "'Infinity'", "'-Infinity'", '5e-324', '1.7976931348623157e308',
	'0.1', '1e23', 'pi()' ],
	[ 'numeric', "'NaN'", "'Infinity'", "'-Infinity'", '0', '-0.00', '1.0', '1.000', "repeat('9', 1000)::numeric",
	"('0.' || repeat('0', 500) || '1')::numeric" ],
	[ 'numeric(10,2)', '12345678.99', '-0.005', "'NaN'" ], [ 'numeric(3,-2)', '12300' ],
	[ 'money', "'12.34'", "'-92233720368547758.08'::money" ],
	[ 'text', "''", "E'\\\\.'", "E'\\\\N'", "'\\.'", "E'a\\r\\nb\\tc\\\\d\\be\\ff\\vg\\x01'", "'NULL'",
	"repeat('long ', 100000)", "'ü€😀'", "E'\\\\.\\n\\\\.\\n'", "'\"quo,ted\"'", "E'\\x7f\\u0080'" ],
	[ 'varchar(5)', "'abc  '", "''", "'äöüßé'" ], [ 'char(5)', "'ab'", "''", "'üü'" ], [ 'bpchar', "'ab   '" ],
	[ '"char"', "'x'", "''", "E'\\\\200'" ],
	[ 'name', "'a name'", "repeat('n', 63)" ],
	[ 'bytea', "'\\x'", "'\\x00ff5c2e0a0d5c4e'", "decode(repeat('00', 100000), 'hex')",
	"convert_to(E'\\\\.\\n', 'UTF8')" ],
	[ 'date', "'infinity'", "'-infinity'", "'4713-01-01 BC'", "'0001-12-31 BC'", "'5874897-12-31'", "'2000-02-29'" ],
	[ 'timestamp', "'infinity'", "'-infinity'", "'4713-01-01 00:00:00 BC'", "'294276-12-31 23:59:59.999999'",
	"'2024-03-31 02:30:00.000001'" ],
	[ 'timestamptz', "'infinity'", "'-infinity'", "'4714-12-31 00:00:00+00 BC'", "'294276-12-31 23:59:59.999999+00'",
	"'1883-11-18 12:00:00 America/New_York'" ],
	[ 'timestamp(0)', "'2024-01-01 12:00:00.5'" ], [ 'timestamptz(3)', "'2024-01-01 12:00:00.123456+05:45'" ],
	[ 'time', "'24:00:00'", "'00:00:00.000001'" ], [ 'timetz', "'23:59:59.999999+15:59:59'", "'24:00:00-15:59'" ],
	[ 'interval', "'-1 year 2 mons -3 days 04:05:06.789'", "'178000000 years'", "'1 mon -1 day'",
	"'-00:00:00.000001'" ], [ 'interval day to second(2)', "'3 04:05:06.789'" ],
	[ 'uuid', "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'" ],
	[ 'json', q{'{"a":1, "a":2,  "b" : [1,2, {}] }'}, "'\"\\u0000\"'", "' 1.0 '", "'null'" ],
	[ 'jsonb', q{'{"a":1,"a":2,"":[1e400,-0.0]}'}, "'\"\\\\u20ac\\\\n\"'", "'null'" ],
	[ 'jsonpath', q{'$.a[*] ? (@ > 1)'} ],
	[ 'xml', "'<a>x &amp; y</a>'", "'text only'", "'<?xml version=\"1.0\"?><!DOCTYPE a><a/>'" ],
	[ 'inet', "'::1'", "'10.1.2.3/8'" ], [ 'cidr', "'10.0.0.0/8'", "'2001:db8::/32'" ],
	[ 'macaddr', "'08:00:2b:01:02:03'" ], [ 'macaddr8', "'08:00:2b:01:02:03:04:05'" ],
	[ 'bit(11)', "B'10101010101'" ], [ 'varbit', "B''", "B'1'", "repeat('10', 9000)::varbit" ],
	[ 'bit varying(3)', "B'101'" ],
	[ 'point', "'(NaN,-0)'", "'(1e300,Infinity)'" ], [ 'lseg', "'[(1,2),(3,4)]'" ], [ 'line', "'{1,-1,0}'" ],
	[ 'box', "'(2,2),(0,0)'" ],
	[ 'path', "'[(1,2),(3,4)]'", "'((1,2),(3,4),(5,6))'" ], [ 'polygon', "'((0,0),(1,1),(1,0))'" ],
	[ 'circle', "'<(0,0),1.5>'" ],
	[ 'tsvector', q{$$'a':1A,2B 'it''s':3 'b\\\\c'$$}, "to_tsvector('simple', repeat('word ', 300))" ],
	[ 'tsquery', "'a & !(b | c:*AB) <2> d'" ],
	[ 'int4range', "'empty'", "'[1,5)'", "'(,5)'", "'(,)'" ], [ 'numrange', "'[1.5,NaN]'", "'(-Infinity,1.000]'" ],
	[ 'tstzrange', "'[2024-01-01 00:00+00,infinity)'" ], [ 'daterange', "'[,2024-01-01]'" ],
	[ 'int4multirange', "'{}'", "'{[1,3),[5,9)}'" ], [ 'nummultirange', "'{(,1.50],[7,)}'" ],
	[ 'datemultirange', "'{[2024-01-01,2024-02-01)}'" ],
	[ 'text_range', q{'["a b",c)'}, q{'["","\\\\")'::text_range}, "'empty'" ],
	[ 'text_multirange', q{'{["a,b",c),[x,y]}'} ], [ 'float_range', "'[-0,Infinity]'" ],
	[ 'int4[]', "'{}'", "'[-2:0]={1,NULL,3}'", "'[0:1][5:6]={{1,2},{3,4}}'" ],
	[ 'text[]', q{'{NULL,"NULL","","a,b","q\\"x","\\\\\\\\","{}"}'}, "ARRAY[repeat('x', 50000), NULL]" ],
	[ 'varchar(3)[]', "'{abc,a}'" ], [ 'numeric(5,1)[]', "'{1.25,NaN}'" ],
	[ 'timestamptz[]', "'{infinity,2024-01-01 00:00+00}'" ], [ 'jsonb[]', q{ARRAY['{"a":1}'::jsonb, NULL]} ],
	[ 'bytea[]', q{ARRAY['\x00'::bytea, '\x']} ], [ 'int4range[]', "'{\"[1,2)\",empty}'" ],
	[ 'mood', "'sad'", "'o''k'", "''", "'with,comma'" ], [ 'mood[]', q{'{sad,"with,comma",""}'} ],
	[ 'positive', '1', '2147483647' ], [ 'code', "'AB'" ], [ 'code_list', "'{1,2}'" ], [ 'positive[]', "'{3,NULL}'" ],
	[ 'pair', q{ROW(1, E'x"y\\\\z,(', 'with,comma')}, 'ROW(NULL, NULL, NULL)', "ROW(1, '', NULL)" ],
	[ 'pair[]', "ARRAY[ROW(1, 'a', 'sad')::pair, NULL]" ],
	[ 'nested', "ROW(ROW(1, 'a', 'sad'), ARRAY[ROW(2, 'b,', '')::pair])" ], [ 'checked_pair', "ROW(1, 'x', 'sad')" ],
	[ 'oid', '0', '4294967295' ], [ 'xid', "'4294967295'" ], [ 'xid8', "'18446744073709551615'" ],
	[ 'tid', "'(4294967295,65535)'" ], [ 'pg_lsn', "'FFFFFFFF/FFFFFFFF'" ], [ 'cid', "'7'" ],
	[ 'oidvector', "'1 2 3'" ], [ 'int2vector', "'1 2 3'" ], [ 'aclitem', "'=r/postgres'" ],
	[ 'regclass', "'pg_class'", "'-'" ], [ 'regtype', "'mood'", "'int4[]'" ], [ 'regprocedure', "'now()'" ],
	[ 'regrole', "'postgres'" ], [ 'regnamespace', "'public'" ], [ 'regconfig', "'simple'" ],
	[ 'regoperator', "'+(int4,int4)'" ], [ 'regproc', "'now'" ], [ 'regcollation', "'\"C\"'" ],
	[ 'txid_snapshot', "'10:20:10,14,15'" ], [ 'pg_snapshot', "'10:20:10,14,15'" ],
	[ 'text COLLATE "C"', "'b'", "'A'" ], [ 'text COLLATE folded', "'b'" ],
	$contrib{citext} ? [ 'citext', "'MiXed'", "''" ] : (), $contrib{hstore} ? [ 'hstore', q{'a=>NULL,"b c"=>"d e"'} ]
		: (), $contrib{cube} ? [ 'cube', "'(1,2),(3,4)'", "'(1e-300)'" ] : (),
	$contrib{ltree} ? ([ 'ltree', "'Top.Science'", "''" ], [ 'lquery', "'*.a|b\@{1,2}.!c'" ],
		[ 'ltree[]', "'{a.b,c}'" ]) : (), $contrib{seg} ? [ 'seg', "'1.50 .. 2.0'", "'<3'" ] : (),
		$contrib{isn} ? [ 'isbn13', "'978-0-393-04002-9'" ] : (),
	$contrib{lo} ? [ 'lo', '12345' ] : ());

my (@tables, $schema, $rows);
for my $i (0 .. $#types)
{
	my ($type, @values) = @{ $types[$i] };
	my ($base) = $type =~ /^(.*?)(?: COLLATE.*)?$/;
	foreach my $format ('b', 'x')
	{
		my $key = $base eq 'code' ? "''" : 'NULL';
		$schema .= "CREATE TABLE ${format}_$i (id serial, v $type" . ($format eq 'x' ? ', as_text xid' : '') . ");\n";
		$rows .= "INSERT INTO ${format}_$i (v) SELECT v::$base
			FROM (VALUES " . join(', ', map { "(($_)::$base)" } @values) . ") x (v);\n";
		$rows .= "INSERT INTO ${format}_$i (v) VALUES (NULL);\n" unless $base eq 'code';
	}
}
$w->both_sql($schema);
$w->source_sql($rows);
my $run = PgTunsync::Compare::pulls_everything($w, '', 'values of every type');
is($w->last_run('tables'), 2 * @types, 'in both formats');

# values that the comparison cannot distinguish: the sign of zero, trailing
# digits
sub column_of
{
	my ($side, $type, $expression) = @_;
	my ($i) = grep { $types[$_][0] eq $type } 0 .. $#types;
	return PgTunsync::Compare::script($w, $side, "SELECT $expression FROM public.b_$i ORDER BY id;");
}
is(column_of('local', $_, "encode(${_}send(v), 'hex')"), column_of('source', $_, "encode(${_}send(v), 'hex')"),
	"$_ to the bit") foreach 'float4', 'float8';
is(column_of('local', 'numeric', 'scale(v)'), column_of('source', 'numeric', 'scale(v)'), 'the scale of numeric');
is(column_of('local', 'json', 'md5(v::text)'), column_of('source', 'json', 'md5(v::text)'), 'json to the byte');
is(column_of('local', 'int4[]', 'array_dims(v)'), column_of('source', 'int4[]', 'array_dims(v)'), 'bounds of arrays');

foreach my $side ('source', 'local')
{
	PgTunsync::Compare::script($w, $side, join '', map { "DROP TABLE public.b_$_, public.x_$_;\n" } 0 .. $#types);
}

# ---- columns that are not the same ----

$w->source_sql(q{
	CREATE TABLE other_order (gone1 int, a int, b text, gone2 text, c numeric, d date);
	INSERT INTO other_order SELECT i, i, 'b' || i, 'g', i / 3.0, '2024-01-01'::date + i FROM generate_series(1, 20) i;
	ALTER TABLE other_order DROP COLUMN gone1, DROP COLUMN gone2;
	CREATE TABLE generated_here (a int, b int);
	INSERT INTO generated_here SELECT i, 1000 FROM generate_series(1, 20) i;
	CREATE TABLE generated_there (a int, b int GENERATED ALWAYS AS (a * 2) STORED);
	INSERT INTO generated_there SELECT i FROM generate_series(1, 20) i;
	CREATE TABLE generated_both (a int, b int GENERATED ALWAYS AS (a * 2) STORED, c text);
	INSERT INTO generated_both (a, c) SELECT i, 'x' FROM generate_series(1, 20) i;
	CREATE TABLE added (a int);
	INSERT INTO added SELECT i FROM generate_series(1, 20) i;
	ALTER TABLE added ADD b int DEFAULT 5, ADD c text DEFAULT 'quick';
	INSERT INTO added VALUES (21, 6, NULL);
	CREATE TABLE identities (always_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
		by_default int GENERATED BY DEFAULT AS IDENTITY, t text);
	INSERT INTO identities (t) SELECT i FROM generate_series(1, 20) i;
	CREATE TABLE identity_here (id int, t text);
	INSERT INTO identity_here SELECT i, i FROM generate_series(1, 20) i;
	CREATE TABLE no_columns ();
	INSERT INTO no_columns SELECT FROM generate_series(1, 20);
	CREATE TABLE lost_columns (a int);
	INSERT INTO lost_columns SELECT i FROM generate_series(1, 20) i;
	ALTER TABLE lost_columns DROP COLUMN a;
	CREATE TABLE defaults (a int);
	INSERT INTO defaults SELECT i FROM generate_series(1, 20) i;
	CREATE TABLE big (id int, t text, b bytea, e text);
});
$w->local_sql(q{
	CREATE TABLE other_order (d date, gone3 int, c numeric, b text, gone4 text NOT NULL, a int);
	ALTER TABLE other_order DROP COLUMN gone3, DROP COLUMN gone4;
	INSERT INTO other_order VALUES ('2000-01-01', 1, 'stale', 1);
	CREATE TABLE generated_here (a int, b int GENERATED ALWAYS AS (a + 1) STORED);
	CREATE TABLE generated_there (a int, b int);
	CREATE TABLE generated_both (c text, b int GENERATED ALWAYS AS (a * 2) STORED, a int);
	CREATE TABLE added (a int);
	INSERT INTO added VALUES (77);
	ALTER TABLE added ADD c text NOT NULL DEFAULT 'missing value here';
	ALTER TABLE added ALTER c DROP NOT NULL, ADD b int DEFAULT 9;
	CREATE TABLE identities (t text, by_default int GENERATED ALWAYS AS IDENTITY,
		always_id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY);
	CREATE TABLE identity_here (t text, id int GENERATED ALWAYS AS IDENTITY);
	CREATE TABLE no_columns ();
	INSERT INTO no_columns DEFAULT VALUES;
	CREATE TABLE lost_columns (b text);
	ALTER TABLE lost_columns DROP COLUMN b;
	CREATE SEQUENCE counter;
	CREATE DOMAIN with_default AS text NOT NULL DEFAULT 'of the domain';
	CREATE TABLE defaults (a int, b int NOT NULL DEFAULT nextval('counter'), c timestamptz NOT NULL DEFAULT now(),
		d text DEFAULT current_user,
		e with_default, f text DEFAULT NULL, g int GENERATED ALWAYS AS (a + 1) STORED,
			h text DEFAULT 'x' || 'y' NOT NULL, i bigint GENERATED BY DEFAULT AS IDENTITY);
	CREATE TABLE big (b bytea, t text, id int, e text);
	ALTER TABLE big ALTER e SET STORAGE EXTERNAL, ALTER t SET STORAGE MAIN;
});
$w->source_sql(q{INSERT INTO big SELECT 1, string_agg(md5(i::text), ''), decode(string_agg(md5(i::text), ''), 'hex'),
	NULL FROM generate_series(1, 650000) i;
	INSERT INTO big SELECT 2, repeat('a', 20000000), decode(repeat('00', 5000000), 'hex'), repeat('x', 3000000);
	INSERT INTO big SELECT i, repeat('x', i), decode(repeat('00', i), 'hex'), repeat('y', i)
		FROM generate_series(1990, 2040) i});
my @many = map { "c$_ int" } 1 .. 1600;
$w->source_sql('CREATE TABLE wide (' . join(', ', @many) . ');
	INSERT INTO wide (c1, c800, c1600) SELECT i, i, i FROM generate_series(1, 30) i;
	CREATE TABLE wide_text (' . join(', ', map { "t$_ text" } 1 .. 300) . ");
	INSERT INTO wide_text SELECT FROM generate_series(1, 3);
	UPDATE wide_text SET " . join(', ', map { "t$_ = 'value $_'" } 1 .. 300));
$w->local_sql('CREATE TABLE wide (' . join(', ', reverse @many) . '); INSERT INTO wide (c7) VALUES (7);
	CREATE TABLE wide_text (' . join(', ', map { "t$_ text" } reverse 1 .. 300) . ')');
$run = PgTunsync::Compare::pulls_everything($w, '',
	'columns in another order, dropped, generated, added, none, 1600, 20 MB');
is($w->local_sql('SELECT count(*) FROM generated_here WHERE b = a + 1'), 20, 'generated here: computed');
is($w->local_sql('SELECT count(*) FROM no_columns'), 20, 'rows without any column');
is($w->local_sql('SELECT count(*) FROM lost_columns'), 20, 'also of a table that has lost them');
is($w->local_sql(q{SELECT count(DISTINCT b), count(*), count(DISTINCT i) FROM defaults WHERE c IS NOT NULL
	AND d IS NOT NULL AND e = 'of the domain' AND f IS NULL AND g = a + 1 AND h = 'xy'}), '20|20|20',
	'extra columns take their defaults, row by row');
is($w->local_sql("INSERT INTO added (a) VALUES (1) RETURNING b, c"), '9|missing value here',
	'and the defaults are still those of before');
is($w->local_sql("SELECT pg_column_compression(e) IS NULL FROM big WHERE id = 2"), 't',
	'the local storage of a column decides');

# ---- types that differ but can be read, and those that cannot ----

my @readable = (
	[ 'int2', 'int8', '-32768' ], [ 'int4', 'int8', '2147483647' ], [ 'int4', 'numeric', '7' ], [ 'int8', 'int4', '7' ],
	[ 'int4', 'text', '7' ], [ 'varchar(20)', 'text', "'a  '" ], [ 'text', 'varchar(20)', "'x'" ],
	[ 'char(5)', 'text', "'x'" ], [ 'char(5)', 'varchar(9)', "'x'" ], [ 'text', 'char(9)', "'x'" ],
	[ 'float4', 'float8', '0.1' ], [ 'float8', 'numeric', '0.1' ], [ 'numeric', 'float8', '0.1' ],
	[ 'numeric(10,4)', 'numeric(10,1)', '1.2500' ], [ 'date', 'timestamp', "'2024-02-29'" ],
	[ 'timestamp', 'timestamp(0)', "'2024-02-29 12:00:00.6'" ],
	[ 'timestamptz', 'timestamptz(3)', "'2024-02-29 12:00:00.123456+00'" ],
	[ 'json', 'jsonb', q{'{"b":1,"a":2}'} ], [ 'jsonb', 'json', q{'{"b": 1}'} ], [ 'jsonb', 'text', q{'{"b": 1}'} ],
	[ 'uuid', 'text', "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'" ],
	[ 'text', 'uuid', "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'" ], [ 'bool', 'text', "'t'" ],
	[ 'text', 'bool', "'yes'" ], [ 'text', 'int4', "'12'" ], [ 'text', 'mood', "'sad'" ], [ 'mood', 'text', "'sad'" ],
	[ 'text', 'positive', "'3'" ], [ 'positive', 'int8', '3' ], [ 'int4[]', 'int8[]', "'{1,NULL}'" ],
	[ 'varchar(3)[]', 'text[]', "'{abc}'" ], [ 'bit(5)', 'varbit', "B'10101'" ], [ 'inet', 'text', "'10.0.0.1'" ],
	[ 'cidr', 'inet', "'10.0.0.0/8'" ], [ 'interval', 'text', "'1 day'" ], [ 'text', 'interval', "'1 day'" ],
	[ 'int4range', 'text', "'[1,2)'" ], [ 'name', 'text', "'n'" ], [ 'timetz', 'time', "'12:00:00+00'" ],
	[ 'xml', 'text', "'<a/>'" ],
	$contrib{citext} ? ([ 'text', 'citext', "'MiX'" ], [ 'citext', 'text', "'MiX'" ],
		[ 'varchar(30)', 'citext', "'MiX'" ]) : ());
$w->source_sql(join '', map { "CREATE TABLE conv_$_ (v $readable[$_][0]);
	INSERT INTO conv_$_ VALUES ($readable[$_][2]), (NULL);" } 0 .. $#readable);
$w->local_sql(join '', map { "CREATE TABLE conv_$_ (v $readable[$_][1]);" } 0 .. $#readable);
$run = PgTunsync::Compare::pulls_everything($w, "'conv*'", 'types that differ but can be read',
	tables => [ map { "public.conv_$_" } 0 .. $#readable ]);
$w->source_sql("CREATE TABLE zones (v timestamp, w timestamptz);
	INSERT INTO zones VALUES ('2024-07-01 12:00', '2024-07-01 12:00+00')");
$w->local_sql('CREATE TABLE zones (v timestamptz, w timestamp)');
is($w->pull("'zones'")->{rc}, 0, 'timestamp with and without time zone');
is($w->local_sql('SELECT count(*) FROM zones WHERE v IS NOT NULL AND w IS NOT NULL'), 1, 'can be read');

# an unreadable value fails its table, by name and row; the others go on
my @unreadable = ([ 'text', 'int4', "'12a'", '22P02' ], [ 'int8', 'int4', '2147483648', '22003' ],
	[ 'varchar(9)', 'varchar(3)', "'abcd'", '22001' ], [ 'text', 'positive', "'-3'", '23514' ],
	[ 'int4', 'positive', '-3', '23514' ],
	[ 'text', 'code', "'abc'", '23514' ], [ 'int4', 'int4 NOT NULL', 'NULL', '23502' ],
	[ 'int4', 'int4 CHECK (v < 5)', '5', '23514' ], [ 'int4', 'int4 UNIQUE', '7), (7', '23505' ],
	[ 'text', 'code', 'NULL', '23502' ], [ 'numeric', 'numeric(3,1)', '100', '22003' ],
	[ 'text', 'xml', "'<a'", '2200\w' ], [ 'text', 'json', "'{'", '22P02' ], [ 'text', 'mood', "'unknown'", '22P02' ]);
$w->source_sql(join '', map { "CREATE TABLE bad_$_ (v $unreadable[$_][0]);
	INSERT INTO bad_$_ VALUES ($unreadable[$_][2]);" } 0 .. $#unreadable);
$w->local_sql(join '', map { "CREATE TABLE bad_$_ (v $unreadable[$_][1]);" } 0 .. $#unreadable);
$w->source_sql('CREATE TABLE bad_but_fine (v int); INSERT INTO bad_but_fine VALUES (1)');
$w->local_sql('CREATE TABLE bad_but_fine (v int)');
my $before = $w->snapshot;
$run = $w->pull("'bad*'");
isnt($run->{rc}, 0, 'values that cannot be read make the call fail');
is($w->last_run('status'), 'partial', 'after the tables that can');

foreach my $i (0 .. $#unreadable)
{
	like($w->local_sql("SELECT sqlstate, status FROM pgtunsync.run_tables
		WHERE run_id = (SELECT max(id) FROM pgtunsync.runs) AND table_name ~ 'bad_$i\$'"),
		qr/^$unreadable[$i][3]\|failed$/, "$unreadable[$i][2] as $unreadable[$i][1]");
	like($run->{err}, qr/\bbad_$i\b/, 'is named');
}
$w->unchanged([ map { /^rows public\.bad_but_fine / ? (grep { /^rows public\.bad_but_fine / } @{ $w->snapshot })
	: $_ } @$before ], 'and leave their tables as they were');
is($w->local_sql('TABLE bad_but_fine'), 1, 'the other one was replaced');

# an extra NOT NULL column without a default is refused unless there is no row
$w->both_sql('CREATE TABLE needs (a int); CREATE TABLE needs_domain (a int); CREATE TABLE needs_none (a int);');
$w->source_sql('INSERT INTO needs VALUES (1); INSERT INTO needs_domain VALUES (1)');
$w->local_sql('ALTER TABLE needs ADD b int NOT NULL; ALTER TABLE needs_domain ADD b code;
	ALTER TABLE needs_none ADD b int NOT NULL');
$w->refused("'needs'", 'an extra column that is NOT NULL and has no default', sqlstate => '23502',
	message => [ qr/needs/, qr/\bb\b/ ]);
$w->refused("'needs_domain'", 'likewise of a NOT NULL domain', sqlstate => '23502', message => [qr/needs_domain|code/]);
PgTunsync::Compare::pulls_everything($w, "'needs_none'", 'which does not matter without rows',
	tables => ['public.needs_none']);

# ---- enums whose labels differ ----

$w->source_sql(q{CREATE TYPE level AS ENUM ('low', 'mid', 'high', 'extreme'); CREATE TABLE levels (l level, ls level[]);
	INSERT INTO levels VALUES ('low', '{high,mid}'), ('high', '{}')});
$w->local_sql(q{CREATE TYPE level AS ENUM ('high', 'low', 'mid'); CREATE TABLE levels (l level, ls level[]);
	CREATE INDEX ON levels (l)});
PgTunsync::Compare::pulls_everything($w, "'levels'",
	'an enum whose labels have another order and lack one that is not used', tables => ['public.levels']);
$w->source_sql(q{INSERT INTO levels VALUES ('extreme')});
$w->refused("'levels'", 'a label that is not known here', sqlstate => '22P02', message => [ qr/extreme/, qr/level/ ]);

# ---- large objects ----

$w->both_sql('CREATE TABLE attachments (id int, content oid)');
$w->source_sql(q{INSERT INTO attachments SELECT i, lo_from_bytea(0, 'content') FROM generate_series(1, 3) i});
$w->source_sql('CREATE TABLE attachments2 (content oid); INSERT INTO attachments2 SELECT content FROM attachments');
$w->local_sql('CREATE TABLE attachments2 (content oid)');
$run = PgTunsync::Compare::pulls_everything($w, "'attachments,attachments2'", 'large objects',
	tables => [ 'public.attachments', 'public.attachments2' ]);
is($w->local_sql('SELECT count(*) FROM pg_largeobject_metadata'), 0, 'oid columns are copied, the objects are not');
is(scalar(() = $run->{err} =~ /NOTICE:[^\n]*large object/g), 1, 'which is said once') or diag($run->{err});

done_testing();
