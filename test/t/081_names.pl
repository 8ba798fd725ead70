# Unusual names.  Any name that the server accepts for a schema, table or
# column can be pulled, whether the call names it or not.

use strict;
use warnings;
use PgTunsync;
use PgTunsync::Agreement;
use PgTunsync::Compare;
use Test::More;

my $w = PgTunsync->new(empty => 1);

my $long = 'x' x 62;
my @names = (
	'plain', 'Plain', 'PLAIN', 'select', 'user', 'two words', ' leading', 'trailing ', 'dot.ted', 'a.b.c',
	'quo"te', '""', "apo'strophe", "new\nline", "carriage\rreturn", "tab\tbed", '100%', '%s%n%d', '%1$s',
	'$1', '$$', '$body$',
	'back\\slash', '\\', '\\.', '\\N', "{a,b}", '{', 'comma,separated', '(paren', 'semi;colon', '--dash',
	'/* comment */', ':colon', ':\'psql', '@at', '#hash',
	'*', 'p*', 'order*', 'orders', '?', '[a]', 'group:core', '<angle>', "${long}a", "${long}b",
	"\x{c3}\x{bc}ml\x{c3}\x{a4}ut", "\x{e6}\x{97}\x{a5}\x{e6}\x{9c}\x{ac}", "\x{f0}\x{9f}\x{98}\x{80}",
	('é' x 31) . 'z', '0digit', '-', ' ', 'NULL', 'pg_thing', 'pgtunsync');
my @schemas = ('public', 'Other', 'dot.ted', 'quo"te', '*', "new\nline");

sub quoted { my ($name) = @_; $name =~ s/"/""/g; return qq{"$name"}; }

sub literal { my ($text) = @_; $text =~ s/'/''/g; return "'$text'"; }

# Every name is a table of every other schema too, and has a column of each
# awkward name; keys, indexes and sequences are called so as well.
sub schema_sql
{
	my ($mark, $rows) = @_;
	my $sql = '';
	foreach my $schema (@schemas)
	{
		my $s = quoted($schema);
		$sql .= "CREATE SCHEMA IF NOT EXISTS $s;\n";
		my @here = $schema eq 'public' ? @names : @names[ grep { $_ % 6 == length($schema) % 6 } 0 .. $#names ];
		foreach my $name (@here)
		{
			my $t = "$s." . quoted($name);
			my $column = quoted($name);
			$sql .= "CREATE TABLE $t (id serial PRIMARY KEY, $column text UNIQUE, \"${long}1\" text,
				\"${long}2\" text);\n"
			  . "INSERT INTO $t ($column, \"${long}1\", \"${long}2\") SELECT " . literal("$mark of $schema.$name ")
			  . " || i, 'one', 'two' FROM generate_series(1, $rows) i;\n";
		}
	}
	return $sql;
}
$w->source_sql(schema_sql('source', 5));
$w->local_sql(schema_sql('stale', 2));

# the same name as a view in another schema, and on one side only
$w->source_sql(q{CREATE SCHEMA views; CREATE VIEW views.plain AS SELECT 1 AS id; CREATE TABLE only_there (a int)});
$w->local_sql(q{CREATE SCHEMA views; CREATE TABLE views.plain (id int); INSERT INTO views.plain VALUES (7);
	CREATE TABLE only_here (a int); INSERT INTO only_here VALUES (8)});

my $path = join(', ', map { quoted($_) } @schemas);
my $run = PgTunsync::Compare::pulls_everything($w, '', 'everything in a search_path of odd schemas',
	options => '-c search_path=' . ($path =~ s/([ \\\n])/\\$1/gr), except => ['views.plain']);
is($w->last_run('tables'), $w->local_sql(q{SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE relkind = 'r'
	AND nspname NOT IN ('pg_catalog', 'information_schema', 'pgtunsync', 'pgtunsync_internal', 'views')
		AND relname <> 'only_here'}),
	'every table of both sides was replaced');
is($w->local_sql('TABLE only_here; TABLE views.plain'), "8\n7",
	'a table that only one side has, or that is a view there, is left alone');

# ---- one by one, by their quoted names ----

$w->source_sql(join '', map { 'UPDATE ' . quoted($_) . " SET \"${long}1\" = 'changed';\n" } @names);
my $list = literal(join(',', map { quoted($_) } @names));
my $array = 'ARRAY[' . join(', ', map { literal(quoted($_)) } @names) . ']';
PgTunsync::Compare::pulls_everything($w, $array, 'all by name, as an array', quick => 1, except => ['views.plain']);
is($w->last_run('tables'), scalar @names, 'each one once');

$w->source_sql(join '', map { 'UPDATE ' . quoted($_) . " SET \"${long}1\" = 'again';\n" } @names);
PgTunsync::Compare::pulls_everything($w, $list, 'and as text', quick => 1, except => ['views.plain']);
is($w->last_run('tables'), scalar @names, 'each one once');

# each name that means something else without quotes, alone
foreach my $name ('*', 'order*', 'dot.ted', 'group:core', 'Plain', "${long}b")
{
	my $table = quoted($name);
	$w->source_sql("UPDATE $table SET \"${long}2\" = " . literal("alone $name"));
	my $call = $w->pull('ARRAY[' . literal($table) . ']');
	is($call->{rc}, 0, "table $table alone") or diag($call->{err});
	is($w->last_run('tables'), 1, 'is one table');
	is($w->local_sql("SELECT count(*) FROM $table WHERE \"${long}2\" LIKE 'alone%'"), 5, 'and has the new rows');
}
PgTunsync::Compare::all_equal($w, except => ['views.plain'], title => 'and no other table is different');

# qualified, quoted
my ($s, $n) = split /\|/, $w->local_sql(q{SELECT quote_ident(nspname), quote_ident(relname) FROM pg_class c
	JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE nspname = 'dot.ted' AND relkind = 'r' ORDER BY relname LIMIT 1});
$w->source_sql("UPDATE $s.$n SET \"${long}1\" = 'qualified'");
is($w->pull(literal("$s.$n"))->{rc}, 0, "$s.$n, qualified");
PgTunsync::Compare::all_equal($w, except => ['views.plain']);

# ---- a name that only one side can tell apart ----

my $refused = $w->refused('ARRAY[' . literal('"only_there"') . ']', 'a table that only the source has',
	sqlstate => '42P01', message => [qr/only_there/]);
$w->refused("'views.plain'", 'a view on the source', sqlstate => '42809', message => [qr/views\.plain/, qr/view/]);

# ---- errors name them whole ----

$w->local_sql('DELETE FROM "%s%n%d" WHERE id >= 3; ALTER TABLE "%s%n%d" ADD CONSTRAINT "%s ""of"" %d" CHECK (id < 3)');
$w->refused(literal('"%s%n%d"'), 'a failure of a table with percent signs', sqlstate => '23514',
	message => [ qr/%s%n%d/, qr/%s "+of"+ %d/ ]);

done_testing();
