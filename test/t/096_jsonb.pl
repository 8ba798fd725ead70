# jsonb values are stored byte for byte as the server would store them, both
# those that the extension's parser reads and those that it leaves to the
# server's.

use strict;
use warnings;
use PgTunsync;
use Test::More;

my $w = PgTunsync->new(empty => 1);

# All columns but the document have a fixed place in the row.
my $schema = q{
	CREATE TABLE docs (id int PRIMARY KEY, doc jsonb);
	ALTER TABLE docs ALTER doc SET STORAGE MAIN;
};
$w->source_sql($schema);
$w->local_sql($schema . "INSERT INTO docs VALUES (0, '1')");

# ---- documents that are known to be of interest ----

my @interesting = (
	'{}', '[]', '[[]]', '[{}]', '{"a":{}}', 'null', 'true', 'false', '""', '"text"', '0', '-0', '-0.0',
	'0.10', '12.500', '-7',
	'999999999999999999', '-999999999999999999', '1000000000000000000', '9223372036854775807', '-9223372036854775808',
	'9223372036854775808',
	'1' . '0' x 63, '1' . '0' x 64, '0.' . '0' x 62 . '1', '0.' . '0' x 63 . '1', '1e10', '1E-10', '-2.5e+3', '1e400',
	'[1,-1,10000,10001,0.0001,1e-3]',
	'"quote \\" backslash \\\\ slash \\/ and / \\b\\f\\n\\r\\t"', '"\\u0001\\u001f\\u0041\\u00e4"', '"\\u007f"',
	'"' . "\x7f" . '"',
	"\"\x{e4}\x{4e2d}\x{1f600}\"", "{\"\x{e4}\":1,\"\x{4e2d}\":2,\"zzzz\":3}",
	'{"bb":1,"a":2,"ccc":3}', '{"a":1,"a":2}', '{"\\n":1,"a":2,"\\"":3}', '{"":1,"a":{"":[]}}',
	'{"12345678":"12345678","123456789":"\\\\2345678","1234567":"1234567\\""}',
	'["","a","\\\\","\\\\\\\\","a\\\\b","\\"","12345678\\n","1234567\\n8","\\n12345678"]',
	'[' x 64 . ']' x 64, '[' x 65 . ']' x 65, '{"a":' x 64 . '1' . '}' x 64,
	'[' . join(',', ('true', 'false', 'null', '"x"', '{"k":[1,2,{"l":null}]}') x 40) . ']',
	'{' . join(',', map { "\"key$_\":$_" } 1 .. 200) . '}',
	'[' . join(',', map { '"' . ('x' x $_) . '\\n' . ('y' x (17 - $_)) . '"' } 0 .. 17) . ']');

for my $i (0 .. $#interesting)
{
	my $doc = $interesting[$i];
	utf8::encode($doc);
	$w->source_sql('INSERT INTO docs VALUES (' . ($i + 1) . ", \$j\$$doc\$j\$)");
}

# ---- and random ones ----

my $seed = $ENV{SEED} // time;
diag("SEED=$seed");
srand($seed);

sub random_string
{
	my @chars = ('a' .. 'z', ' ', '\\n', '\\"', '\\\\', '/', '{', '[', ',', ':', '\\u0002', "\xc3\xa4",
		"\xf0\x9f\x98\x80");
	return '"' . join('', map { $chars[ rand @chars ] } 1 .. int(rand(rand(40)))) . '"';
}

sub random_number
{
	my $digits = join '', map { int rand 10 } 1 .. 1 + int rand(25);
	$digits =~ s/^0+(?=\d)//;
	return (rand() < 0.3 ? '-' : '') . $digits
		. (rand() < 0.4 ? '.' . join('', map { int rand 10 } 1 .. 1 + int rand 20) : '');
}

sub random_doc
{
	my ($depth) = @_;
	my $kind = rand($depth > 5 ? 4 : 7);

	return random_string() if $kind < 2;
	return random_number() if $kind < 3;
	return ('true', 'false', 'null')[ rand 3 ] if $kind < 4;
	return '[' . join(',', map { random_doc($depth + 1) } 1 .. rand 6) . ']' if $kind < 5;
	return '{' . join(', ', map { random_string() . ' : ' . random_doc($depth + 1) } 1 .. rand 6) . '}';
}

my @values = map { '(' . (1000 + $_) . ', $j$' . random_doc(0) . '$j$)' } 1 .. 3000;
$w->source_sql('INSERT INTO docs VALUES ' . join ', ', splice @values, 0, 500) while @values;

# ---- large ones, one of them too large for our own parser ----

$w->source_sql(q{
	INSERT INTO docs SELECT 10000 + n, jsonb_agg(jsonb_build_object('n', i, 'text', E'line\n' || md5(i::text), 'half',
		i / 2.0)) FROM (VALUES (10), (1000), (9000), (20000)) v (n), generate_series(1, n) i GROUP BY n;
	INSERT INTO docs VALUES (20000, NULL)});

my $run = $w->pull("'{docs}'");
is($run->{rc}, 0, 'the table is pulled') or diag($run->{err});

my $texts = 'SELECT count(*), sum(hashtextextended(doc::text, 0)), sum(jsonb_hash_extended(doc, 0)) FROM docs';
is($w->local_sql($texts), $w->source_sql($texts), 'the documents are the same');

# What the server makes of their text, in a table of the same form.
$w->local_sql('CREATE TABLE again (LIKE docs INCLUDING STORAGE);
	INSERT INTO again SELECT id, doc::text::jsonb FROM docs');
is($w->local_sql('SELECT count(*) FROM docs JOIN again USING (id)
	WHERE pg_column_size(docs.doc) <> pg_column_size(again.doc)'), 0, 'they take as much room');

SKIP:
{
	skip 'no pageinspect', 1 if !$w->local_sql("SELECT count(*) FROM pg_available_extensions
		WHERE name = 'pageinspect'");
	$w->local_sql('CREATE EXTENSION pageinspect');
	# but for those out of line: 0x01 and 18 are the head of the pointer to one
	my $stored = sub {
		my ($table) = @_;
		return "SELECT t_data FROM generate_series(0, pg_relation_size('$table') / 8192 - 1) b,
			heap_page_items(get_raw_page('$table', b::int)) WHERE substr(t_data, 5, 2) <> '\\x0112'";
	};
	is($w->local_sql("SELECT count(*) > 3000 FROM (${\$stored->('docs')}) d"), 't', 'most of them are in the row');
	is($w->local_sql("SELECT count(*) FROM ((${\$stored->('docs')} EXCEPT ALL ${\$stored->('again')})
		UNION ALL (${\$stored->('again')} EXCEPT ALL ${\$stored->('docs')})) d"),
		0, 'they are stored as the server stores them');
}

done_testing();
