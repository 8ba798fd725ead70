# The indexes of a staging heap get the rows in the order of their keys, in
# chunks.  No row is lost, duplicated, or indexed with the value of another.

use strict;
use warnings;
use PgTunsync;
use Test::More;

# so little memory that each table takes several chunks
my $w = PgTunsync->new(empty => 1,
	local_conf => "maintenance_work_mem = 1MB\nmax_parallel_maintenance_workers = 0\n");
my $rows = 40_000;

# a number between 0 and 1 that looks random, the same in each run
sub random { my ($salt) = @_; return "(('x' || left(md5(i || '$salt'), 8))::bit(32)::int8 / 4294967296.0)"; }
# NULL now and then
sub sometimes { my ($sql) = @_; return "CASE WHEN i % 11 <> 3 THEN $sql END"; }

$w->both_sql(q{
	CREATE TYPE mood AS ENUM ('sad', 'ok', 'glad');
	ALTER TYPE mood ADD VALUE 'so so' BEFORE 'ok';
	CREATE DOMAIN positive AS int8 CHECK (VALUE > 0);
});
my $blind = '"C"';
if ($w->local_sql("SELECT count(*) FROM pg_collation WHERE collprovider = 'i'") > 0)
{
	$w->both_sql("CREATE COLLATION blind (provider = icu, locale = 'und-u-ks-level1', deterministic = false)");
	$blind = 'blind';
}

# column => type, its values
my %columns = (
	small => [ 'int2', sometimes('(' . random(1) . ' * 65535 - 32768)::int2') ],
	number => [ 'int4', sometimes('(' . random(2) . ' * 4294967295 - 2147483648)::int4') ],
	big => [ 'int8', sometimes('((' . random(3) . " - 0.5) * 1.8e19)::int8") ],
	edge => [ 'int8', "(ARRAY['-9223372036854775808', '9223372036854775807', '0', '-1', NULL])[1 + i % 5]::int8" ],
	few => [ 'int4', 'i % 7 - 3' ],
	single => [ 'float4', "(ARRAY['NaN', '-0', '0', 'Infinity', '-Infinity', '1e-45', '-1.5', NULL])[1 + i % "
		. "8]::float4" ],
	wide => [ 'float8', sometimes('(' . random(4) . ' - 0.5) * 1e300') ],
	moment => [ 'timestamptz',
	sometimes("'2000-01-01 00:00+00'::timestamptz + " . random(5) . " * interval '9000 days'") ],
	bound => [ 'timestamp', "(ARRAY['infinity', '-infinity', '4713-01-01 BC', '2020-02-02', NULL])[1 + i % "
		. "5]::timestamp" ],
	day => [ 'date', "'-infinity'::date" ],
	clock => [ 'time', sometimes("'00:00'::time + " . random(6) . " * interval '23 hours'") ],
	flag => [ 'bool', sometimes('i % 3 = 0') ],
	letter => [ '"char"', q{chr(1 + i % 127)::"char"} ],
	price => [ 'money', sometimes('(' . random(7) . ' * 1e6 - 5e5)::numeric::money') ],
	object => [ 'oid', '(' . random(8) . ' * 4294967295)::int8::oid' ],
	key => [ 'uuid', sometimes("md5(i || 'u')::uuid") ],
	mood => [ 'mood', "(ARRAY['sad', 'so so', 'ok', 'glad', NULL])[1 + i % 5]::mood" ],
	state => [ 'text', "(ARRAY['paid', 'Cart', '', 'placed', 'shipped', NULL])[1 + i % 6]" ],
	email => [ 'text', sometimes("'user' || md5(i::text) || '\@example.com'") ],
	# prefixes that are the same for long, and texts that end there
	path => [ 'text COLLATE "C"', "'https://example.com/' || repeat('x', i % 23) || i % 1000" ],
	bytes => [ 'bytea', sometimes(q{decode(repeat('00', i % 13) || md5(i % 5000 || 'b'), 'hex')}) ],
	padded => [ 'char(12) COLLATE "C"', q{CASE WHEN i % 4 = 0 THEN 'a' || chr(9) ELSE 'a' || i % 500 END} ],
	# more distinct ones than are numbered, but not at the beginning
	late => [ 'varchar(40)', "CASE WHEN i < 20000 THEN 'v' || i % 4 ELSE md5(i::text) END" ],
	# so long that they are compressed, or not in the row at all
	long => [ 'text COLLATE "C"',
	"CASE WHEN i % 5000 = 0 THEN repeat(md5(i::text), 65) WHEN i % 500 = 1 THEN repeat('compressible ' || i, 200) "
		. "ELSE i::text END" ],
	amount => [ 'numeric(10,2)', "(i % 300 - 150) / 7.0" ],
	net => [ 'inet', "('10.' || i % 50 || '.0.1')::inet" ],
	named => [ 'name', "'n' || i % 40" ],
	folded => [ "text COLLATE $blind", "CASE WHEN i % 2 = 0 THEN 'same' ELSE 'SAME' END || i % 9" ],
	id => [ 'positive', "$rows + 1 - i" ],
	ascending => [ 'int4', 'i' ],
	empty => [ 'int4', 'NULL::int4' ],
	note => [ 'text', sometimes("'note ' || repeat('n', i % 40) || i") ],
);

# the columns of one index of a table, in its words
my @indexes = (
	'small', 'number', 'big', 'edge', 'few', 'single', 'wide', 'moment', 'bound', 'day', 'clock', 'flag',
	'letter', 'price', 'object',
	'key', 'mood', 'state', 'email', 'path', 'bytes', 'padded', 'late', 'long', 'amount', 'net', 'named', 'folded',
	'id', 'ascending', 'empty',
	'number DESC', 'number NULLS FIRST', 'big DESC NULLS LAST', 'single DESC', 'wide DESC NULLS LAST', 'key DESC',
	'mood DESC', 'email DESC', 'path DESC',
	'bytes NULLS FIRST', 'email COLLATE "C" DESC NULLS LAST', 'email text_pattern_ops', 'email COLLATE "C"',
	'state, moment', 'state DESC, moment', 'state NULLS FIRST, moment DESC', 'few, path, big',
	'path, state, number DESC', 'few DESC, key', 'flag, mood, few, single, number',
	'edge, bound', 'few, few, path, path', 'path, email COLLATE "C"', 'small, small DESC', 'few, late', 'state, email',
	'big, big DESC, big, big',
	'number INCLUDE (note)', 'state, number INCLUDE (note, big, key, amount)', 'path INCLUDE (note, flag)',
	'email COLLATE "C" INCLUDE (long)', 'few INCLUDE (named, net, small)',
	'key, moment INCLUDE (number)', 'mood INCLUDE (empty, note)', 'big INCLUDE (bytes, edge, wide, moment)',
);

my $names = join ', ', sort keys %columns;
$w->both_sql("CREATE TABLE ordered (" . join(', ', map { "$_ $columns{$_}[0]" } sort keys %columns) . ');');
$w->source_sql("INSERT INTO ordered ($names) SELECT " . join(', ', map { $columns{$_}[1] } sort keys %columns) . "
	FROM generate_series(1, $rows) i");
foreach my $number (0 .. $#indexes)
{
	my ($keys, $include) = $indexes[$number] =~ /^(.*?)( INCLUDE .*)?$/;
	$w->local_sql("CREATE INDEX ordered_$number ON ordered ($keys)" . ($include // ''));
}
$w->both_sql('CREATE UNIQUE INDEX unique_id ON ordered (id);
	CREATE UNIQUE INDEX unique_key ON ordered (key) INCLUDE (id);');
$w->both_sql('CREATE TABLE one_row (a int, b text); CREATE INDEX ON one_row (b, a); CREATE TABLE no_row (a int, b text);
	CREATE INDEX ON no_row (b, a);');
$w->source_sql("INSERT INTO one_row VALUES (1, 'one')");
$w->source_sql('GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader');

# What an index has, in its order, is what a sort of the table has.
sub same_order
{
	my ($number) = @_;
	my ($keys, $include) = $indexes[$number] =~ /^(.*?)(?: INCLUDE \((.*)\))?$/;
	my $order = $keys =~ s/ text_pattern_ops/ USING ~<~/r;
	my @wanted = map { /^(\w+)/ } split(/, /, $keys), split(/, /, $include // '');
	my $digest = sub {
		my ($off, $by) = @_;
		# no other index is to answer
		return $w->local_sql(join '', 'BEGIN;', (map { "SET LOCAL enable_$_ = off;" } 'bitmapscan', @$off), qq{
			DO \$\$BEGIN EXECUTE (SELECT 'DROP INDEX ' || string_agg(indexrelid::regclass::text, ',') FROM pg_index
				WHERE indrelid = 'ordered'::regclass AND indexrelid <> 'ordered_$number'::regclass); END\$\$;
			SELECT md5(string_agg(r, '|')), count(*) FROM (SELECT ROW(} . join(', ', @wanted) . ", ctid)::text r
				FROM ordered ORDER BY $by) x; ROLLBACK");
	};
	return is($digest->([ 'seqscan', 'sort', 'incremental_sort' ], $order),
		$digest->([ 'indexscan', 'indexonlyscan' ], "$order, ctid"),
		"an index on $indexes[$number]");
}

foreach my $jobs (1, 3)
{
	is($w->pull("'ordered,one_row,no_row', jobs => $jobs")->{rc}, 0, "pulled by $jobs");
	$w->both_equal('ordered', 'one_row', 'no_row');
	$w->healthy;
	same_order($_) foreach 0 .. $#indexes;
}
is($w->local_sql("SELECT reltuples FROM pg_class WHERE relname = 'ordered_1'"), $rows, 'the number of rows is known');

# ---- as one chunk ----

$w->local_sql("ALTER SYSTEM SET maintenance_work_mem = '256MB'; SELECT pg_reload_conf()");
is($w->pull("'ordered'")->{rc}, 0, 'with much memory');
$w->healthy;
same_order($_) foreach grep { $indexes[$_] =~ /,|INCLUDE/ } 0 .. $#indexes;

# ---- duplicates ----

$w->source_sql('DROP INDEX unique_id; UPDATE ordered SET id = 17 WHERE ascending = 30000');
my $before = $w->snapshot;
my $run = $w->pull("'ordered'");
isnt($run->{rc}, 0, 'a duplicate key is found');
like($run->{err}, qr/could not create unique index "unique_id"/, 'and named');
like($run->{err}, qr/Key \(id\)=\(17\) is duplicated/, 'with its value');
$w->unchanged($before);
$w->nothing_left;

done_testing();
