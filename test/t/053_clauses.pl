# Clauses that try to escape from their place in the query, and values that try
# to be SQL.

use strict;
use warnings;
use PgTunsync;
use PgTunsync::Agreement;
use Test::More;

my $w = PgTunsync->new(empty => 1,
	source_conf => "standard_conforming_strings = off\nbackslash_quote = on\nescape_string_warning = off\n");
foreach my $side ('source', 'local')
{
	$w->$_("CREATE TABLE t (id int PRIMARY KEY, v text, ok boolean); CREATE TABLE other (id int, secret text)")
	  foreach "${side}_sql";
}
$w->source_sql(q{INSERT INTO t SELECT i, 'v' || i, i < 3 FROM generate_series(1, 9) i;
	INSERT INTO other VALUES (1, 'the-secret-of-other')});
$w->local_sql("INSERT INTO t VALUES (99, 'stale')");
$w->local_sql("ALTER DATABASE dev SET standard_conforming_strings = off");

sub quoted { my ($text) = @_; my $tag = 'f'; $tag .= 'f' while $text =~ /\$$tag\$/; return "\$$tag\$$text\$$tag\$"; }

sub rows
{
	my ($filter, $ids, $title) = @_;
	my $run = $w->pull("'t', filter => " . quoted($filter) . ", mode => 'replace'",
		options => '-c standard_conforming_strings=on');
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$title ||= $filter;
	is($run->{rc} eq '0' ? $w->local_sql("SELECT string_agg(id::text, ' ' ORDER BY id) FROM t") : $run->{err}, $ids,
		$title);
	return;
}

# ---- what is fine, however it is written ----

rows('id = 1 -- a comment', 1);
rows("id = 2 -- a comment\n", 2);
rows('id = /* nested /* comment */ ; */ 3', 3);
rows(q{v = $$v4$$}, 4);
rows(q{v = $a$v5$a$}, 5);
rows(q{v = E'\x76\x36'}, 6);
rows(q{v = 'v' || '7'}, 7);
rows(qq{v = 'v'\n'8'}, 8);
rows(q{v <> '\' and id = 1}, 1, 'a backslash is a backslash');
rows(q{v <> E'\'; drop table t; --' and id = 2}, 2, 'an escaped quote');
rows('ok', '1 2', 'a boolean column');
rows('t.ok and "t"."id" < 2', 1);
rows('id = 1_ ' =~ s/_ //r, 1);
rows('id in (select id from other)', 1);
rows('exists (select from other o where o.id = t.id)', 1);
rows("case when id = 1 then true else false end", 1);
rows('id = 1::int4 and id = cast(1 as bigint) and array[id] @> \'{1}\' and (id, 1) = row(1, 1)', 1);
rows("id operator(pg_catalog.=) 2", 2);
rows("interval '1 day' > interval '2 hours' and date '2024-01-01' < now() and extract(year from now()) > 2000 and "
	. "id=-(-1)", 1);
rows('id between symmetric 2 and 1 and v is not null and v like \'v_\' escape \'!\'', '1 2');
rows("v ~ '^v[12]\$' and id @> 1" =~ s/ and id \@> 1//r, '1 2');
rows("where id = 1;" =~ s/;//r, 1);

# ---- what is not ----

my $before = $w->snapshot;
my $before_source = $w->snapshot('source');
my %hostile = (
	'id = 1; DROP TABLE t'                         => '42601',
	'id = 1;'                                      => '42601',
	'true) TO STDOUT; DROP TABLE other; --'        => '42601',
	"true) TO PROGRAM 'touch /tmp/x' --"           => '42601',
	'true) UNION ALL (SELECT id, secret, true FROM other' => '42601',
	'WHERE false UNION ALL SELECT id, secret, true FROM other' => '0A000',
	'WHERE false UNION ALL SELECT'                 => '0A000',
	'WHERE true EXCEPT SELECT'                     => '0A000',
	'WHERE true FOR UPDATE'                        => '0A000',
	'FOR SHARE'                                    => '0A000',
	'GROUP BY id'                                  => '0A000',
	'HAVING true'                                  => '0A000',
	'WHERE true WINDOW w AS ()'                    => '0A000',
	'WHERE true INTO x'                            => '42601',
	'AS o'                                         => '42601',
	', other'                                      => undef,
	'id = $1'                                      => '42601',
	"v = U&'\\0041'"                               => '42601',
	'U&"id" = 1'                                   => '42601',
	"v = 'open"                                    => '42601',
	'v = "open'                                    => '42601',
	'v = $x$open'                                  => '42601',
	'id = 1 /* open'                               => '42601',
	'id = 1)'                                      => '42601',
	'(id = 1'                                      => '42601',
	'id = 1) OR (true'                             => '42601',
	'--'                                           => '42601',
	'/* */'                                        => '42601',
	"B'1'''::text"                                 => '42601',
	'id = {missing}'                               => '42P02',
	'"{missing}" = 1'                              => '42703',
	'WITH x AS (DELETE FROM other RETURNING 1) SELECT' => '42601',
	'id IN (WITH x AS (DELETE FROM other RETURNING 1) SELECT * FROM x)' => '0A000',
	"pg_read_file('/etc/passwd') IS NOT NULL"      => '42501',
	"nextval('no_such_sequence') > 0"              => '42P01',
	"set_config('transaction_read_only', 'off', true) = 'x'" => undef);
foreach my $filter (sort keys %hostile)
{
	next unless defined $hostile{$filter};
	my $run = $w->pull("'t', filter => " . quoted($filter) . ", mode => 'replace'",
		options => '-c standard_conforming_strings=on');
	is($run->{sqlstate}, $hostile{$filter}, "refused: $filter") or diag($run->{err});
	unlike($run->{err}, qr/the-secret-of-other/, 'without a word of other tables');
}
$w->unchanged($before);
is_deeply($w->snapshot('source'), $before_source, 'the source is as it was');
$w->nothing_left;
ok(!-e '/tmp/x', 'no program was run');

# a backslash at the end of a literal, which another server would read
# differently
rows(q{v = '\\' or v = ' or true) TO STDOUT; DROP TABLE other; --'}, '', 'what escapes elsewhere');

# ---- values are data, wherever they stand ----

my @nasty = ("'", "''", "\\", "\\'", "' OR true --", "'; DROP TABLE other; --", "\$\$", "\$x\$", "{1}", "{name}", "a:b",
	'"', "\n", "/*", "*/", "--", "E'\\''", "%s %n", "\\x27", "\xc3\xa9", "",
	"') TO STDOUT; --", '\\\\', "1", 'NULL', "U&'\\0027'", ")(", "it's");
my $seed = $ENV{SEED} || 5;
srand($seed);
my @parts = ("'", "\\", '"', '$', '{', '}', '1', ';', '-', '-', '/', '*', "\n", 'E', 'U&', ' ', ')', '(',
	'x', "\t", '%', ':');
push @nasty, join('', map { $parts[ rand @parts ] } 1 .. 1 + rand 12) foreach 1 .. 25;
my %seen;
@nasty = grep { !$seen{$_}++ } @nasty;
$w->source_sql('CREATE TABLE probe (id int PRIMARY KEY, v text)');
$w->local_sql('CREATE TABLE probe (id int PRIMARY KEY, v text)');
$w->source_sql('INSERT INTO probe
	VALUES ' . join(', ', map { "($_, convert_from(decode('" . unpack('H*', $nasty[$_])
	. "', 'hex'), 'UTF8'))" } 0 .. $#nasty));
$w->write_config(<<'YML');
groups:
  probe:
    probe: |
      where v = {1} and v = '{name}' and 'x' || v = $q$x{1}$q$ and v || 'y' = E'{name}y'
      and ({1}) = v -- {1} in a comment'
YML
my @wrong;
foreach my $i (0 .. $#nasty)
{
	my $value = $nasty[$i];
	my $arg = $value =~ s/"/""/gr;
	my $hex = sub { return "convert_from(decode('" . unpack('H*', $_[0]) . "', 'hex'), 'UTF8')" };
	my $run = $w->pull("grp => 'probe:\"' || ${\$hex->($arg)} || '\"', mode => 'replace', variables => "
		. "jsonb_build_object('name', ${\$hex->($value)})");
	my $got = $run->{rc} eq '0' ? $w->local_sql("SELECT string_agg(id::text, ' ') FROM probe") : $run->{err};
	push @wrong, "$i: " . unpack('H*', $value) . ": $got" if $got ne $i;
}
is(join("\n", @wrong), '', scalar(@nasty) . " values each find their own row (seed $seed)");
is_deeply([ $w->source_sql('SELECT secret FROM other') ], ['the-secret-of-other'], 'the source is as it was');

# a value in the place of a name
$w->write_config("groups:\n  g:\n    probe: 'where \"{1}\" = 1'\n");
$w->refused("grp => 'g:id', mode => 'replace'", 'a value as a name', sqlstate => '42601',
	message => [qr/variable \{1\} stands in a name/]);
$w->write_config("groups:\n  g:\n    probe: 'order by {1}'\n");
$w->refused("grp => 'g:id', mode => 'replace'", 'a value as a place', sqlstate => '42601', message => [qr/ORDER BY/]);
$w->write_config("groups:\n  g:\n    probe: 'where id in ({1})'\n");
$w->refused("grp => 'g:1,2', mode => 'replace'", 'a value as a list', sqlstate => '22P02');

# names in the caller's search_path, and names that it hides
$w->source_sql("CREATE SCHEMA apart; CREATE TABLE apart.ids (id int); INSERT INTO apart.ids VALUES (5)");
$w->local_sql("CREATE SCHEMA apart");
$w->refused("'t', filter => 'id in (select id from ids)', mode => 'replace'", 'a table outside of the search_path',
	sqlstate => '42P01');
my $run = $w->call("SET search_path = public, apart;
	SELECT pgtunsync.pull('t', filter => 'id in (select id from ids)', mode => 'replace')")->finish;
is($w->local_sql('SELECT id FROM t'), 5, "the caller's search_path counts");
$w->source_sql('ALTER TABLE t ADD r regclass; UPDATE t SET r = $$apart.ids$$::regclass');
$w->local_sql('ALTER TABLE t ADD r regclass');
$w->refused("'t', filter => 'id = 1', mode => 'replace'", 'values that read differently', sqlstate => '0A000',
	message => [qr/column r has type regclass/]);

done_testing();
