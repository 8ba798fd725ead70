# Foreign keys to tables outside the run are checked by a query.  If an index
# of one of the tables has user code, each reference is looked up instead.
# Both ways must have the same result.

use strict;
use warnings;
use PgTunsync;
use Test::More;

my $w = PgTunsync->new(empty => 1);

# [ name, columns of the referenced table, its key, columns of the referencing
#   table, their names, what is added to the key's definition, value i of the
#   referenced side, of the referencing side ]
my @cases = (
	[ 'int4_int8', 'a bigint', 'a', 'a int', 'a', '', 'i', 'i' ],
	[ 'int2_int4', 'a int', 'a', 'a smallint', 'a', '', 'i', 'i' ],
	[ 'texts', 'a text', 'a', 'a varchar', 'a', '', "'t' || i", "'t' || i" ],
	[ 'numerics', 'a numeric', 'a', 'a int', 'a', '', 'i', 'i' ],
	[ 'domains', 'a int', 'a', 'a positive', 'a', '', 'i + 1', 'i + 1' ],
	[ 'enums', 'a color', 'a', 'a color', 'a', '',
		"(enum_range(NULL::color))[least(i, 6)]", "(enum_range(NULL::color))[i % 6 + 1]" ],
	[ 'uuids', 'a uuid', 'a', 'a uuid', 'a', '', "md5(i::text)::uuid", "md5(i::text)::uuid" ],
	[ 'dates', 'a timestamp', 'a', 'a date', 'a', '', "date '2024-01-01' + i", "date '2024-01-01' + i" ],
	[ 'arrays', 'a int[]', 'a', 'a int[]', 'a', '', 'ARRAY[i, 1]', 'ARRAY[i, 1]' ],
	[ 'loose', 'a text COLLATE ci', 'a', 'a text COLLATE ci', 'a', '', "'T' || i", "'t' || i" ],
	[ 'simple', 'a int, b text', 'a, b', 'x text, a int, b text', 'a, b', '', "i, 'b' || i", "'x', i, 'b' || i" ],
	[ 'full', 'a int, b text', 'b, a', 'a int, b text', 'b, a', 'MATCH FULL', "i, 'b' || i", "i, 'b' || i" ],
	[ 'parts', 'a int', 'a', 'a int', 'a', '', 'i', 'i' ],
	[ 'self_made', 'a text', 'a', 'a wrapped', 'a', '', "'t' || i", "ROW('t' || i)::wrapped" ]);

my $types = q{
	CREATE DOMAIN positive AS int CHECK (VALUE > 0);
	CREATE TYPE color AS ENUM ('a', 'b', 'c', 'd', 'e', 'f');
	CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
	CREATE TYPE wrapped AS (inner_text text);
	CREATE FUNCTION unwrap(wrapped) RETURNS text LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN ($1).inner_text; END';
	CREATE CAST (wrapped AS text) WITH FUNCTION unwrap(wrapped) AS IMPLICIT;
};
$w->local_sql($types . q{CREATE FUNCTION id_text(anyelement) RETURNS text LANGUAGE plpgsql IMMUTABLE
	AS 'BEGIN RETURN $1::text; END'});
$w->source_sql($types);

foreach my $case (@cases)
{
	my ($name, $pk, $key, $fk, $columns, $more) = @$case;

	$w->source_sql("CREATE TABLE fk_$name (id serial PRIMARY KEY, $fk)");
	if ($name eq 'parts')
	{
		# the leaves have their columns at other places
		$w->local_sql("CREATE TABLE pk_parts (a int PRIMARY KEY, note text) PARTITION BY RANGE (a);
			CREATE TABLE pk_parts_1 PARTITION OF pk_parts FOR VALUES FROM (MINVALUE) TO (20);
			CREATE TABLE pk_parts_2 (gone int, note text, a int NOT NULL);
			ALTER TABLE pk_parts_2 DROP COLUMN gone;
			ALTER TABLE pk_parts ATTACH PARTITION pk_parts_2 FOR VALUES FROM (20) TO (MAXVALUE)");
	}
	else
	{
		$w->local_sql("CREATE TABLE pk_$name ($pk, PRIMARY KEY ($key))");
	}
	$w->local_sql("CREATE TABLE fk_$name (id serial PRIMARY KEY, $fk);
		ALTER TABLE fk_$name ADD CONSTRAINT key_$name FOREIGN KEY ($columns) REFERENCES pk_$name ($key) $more");
}

# Random rows: about half of the values have a match, some columns are NULL.
sub fill
{
	my ($seed, $whole) = @_;
	my $present = $whole ? 'true' : "hashint4(i + $seed) % 2 = 0";

	foreach my $case (@cases)
	{
		my ($name, undef, undef, $fk, $columns, undef, $there, $here) = @$case;
		my @names = map { (split ' ')[0] } split /, /, $fk;
		my $last = (split /, /, $columns)[0];
		my $null = $whole && $name eq 'full' ? ''
			: "UPDATE fk_$name SET $last = NULL WHERE hashint4(id + $seed) % 5 = 0;";

		my $pk_names = join(', ', map { (split ' ')[0] } split /, /, $case->[1]);

		$w->local_sql("TRUNCATE pk_$name CASCADE; INSERT INTO pk_$name ($pk_names)
			SELECT $there FROM generate_series(1, 40) i WHERE $present ON CONFLICT DO NOTHING");
		$w->source_sql("TRUNCATE fk_$name RESTART IDENTITY; INSERT INTO fk_$name (" . join(', ', @names) . ")
			SELECT $here FROM (SELECT abs(hashint4(n * 7 + $seed)) % 40 + 1 AS i FROM generate_series(1, 60) n) r;
			$null");
	}
	return;
}

sub add_user_code
{
	my ($there) = @_;
	foreach my $case (@cases)
	{
		my $column = (split ' ', $case->[1])[0];
		my $table = "pk_$case->[0]";

		$w->local_sql($there ? "CREATE INDEX code_$case->[0] ON $table (id_text($column))
			WHERE id_text($column) <> 'never'" :
			"DROP INDEX code_$case->[0]");
	}
	return;
}

# What a pull says of each key: the count, and the samples in order.
sub verdict
{
	my ($name) = @_;
	my $run = $w->pull("'fk_$name'");

	return 'fine' if $run->{rc} == 0;
	my $found = qr/Key "key_$name": (\d+) rows? of "fk_$name" without a match in "pk_$name", such as/;
	return "$run->{sqlstate} $run->{err}"
	  unless $run->{sqlstate} eq '23503' && $run->{err} =~ /$found \(([^)]*)\)=(.*)\.$/m;
	my ($count, $columns, $samples) = ($1, $2, $3);
	return "$count ($columns), " . scalar(() = $samples =~ /\((?:[^()]|\([^()]*\))*\)/g) . ' samples';
}

foreach my $seed (1 .. 3)
{
	fill($seed, 0);
	my %by_query = map { $_->[0] => verdict($_->[0]) } @cases;
	add_user_code(1);
	my %by_index = map { $_->[0] => verdict($_->[0]) } @cases;
	add_user_code(0);
	is_deeply(\%by_index, \%by_query, "seed $seed: both find the same");
	foreach my $name (sort keys %by_query)
	{
		like($by_query{$name}, qr/^\d+ \(.*\), \d samples$/, "seed $seed: $name: $by_query{$name}");
	}
}

# all references have a match, or are none
fill(7, 1);
add_user_code(1);
foreach my $case (@cases)
{
	is(verdict($case->[0]), 'fine', "$case->[0]: all is well, by the index");
}
$w->both_equal(map { "fk_$_->[0]" } @cases);

# a cast that fails: an error of the key, neither a cancel nor a passing lock
$w->local_sql(q{CREATE OR REPLACE FUNCTION unwrap(wrapped) RETURNS text LANGUAGE plpgsql IMMUTABLE AS
	'BEGIN RAISE ''busy'' USING ERRCODE = ''55P03''; END'});
my $run = $w->pull("'fk_self_made'");
is($run->{sqlstate}, '38000', 'a cast that fails ends the run at once') or diag($run->{err});
like($run->{err}, qr/could not check foreign key "key_self_made" of table "fk_self_made": busy/, 'naming the key');
$w->nothing_left;

done_testing();
