# A function of a table that names objects without their schema fails in a pull.
# plan() and check() foresee it, and the HINT is the statement that helps.

use strict;
use warnings;
use PgTunsync;
use Test::More;

my $w = PgTunsync->new(empty => 1);
$w->both_sql(q{
	CREATE EXTENSION unaccent;
	CREATE FUNCTION f_unaccent(t text) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT unaccent('unaccent', t) $$;
	CREATE FUNCTION slugify(t text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS
		$$ BEGIN RETURN replace(f_unaccent(t), ' ', '-'); END $$;
	CREATE FUNCTION is_ok(t text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS
		$$ BEGIN RETURN length(public.f_length(t)) > 0 AND EXISTS (SELECT FROM allowed); END $$;
	CREATE FUNCTION f_length(t text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT lower(t)';
	CREATE FUNCTION fine(t text) RETURNS boolean LANGUAGE sql IMMUTABLE SET search_path = public AS 'SELECT f_length(t) <> $$$$';
	CREATE TABLE allowed (id int); INSERT INTO allowed VALUES (1);
	CREATE TABLE people (id int PRIMARY KEY, name text); CREATE INDEX ON people (f_unaccent(name));
	CREATE TABLE posts (id int PRIMARY KEY, title text, slug text GENERATED ALWAYS AS (slugify(title)) STORED);
	CREATE TABLE tags (id int PRIMARY KEY, name text CHECK (is_ok(name)));
	CREATE TABLE sound (id int PRIMARY KEY, name text CHECK (fine(name)), low text GENERATED ALWAYS AS (public.f_length(name)) STORED)});
$w->source_sql(qq{INSERT INTO people VALUES (1, 'Jos\x{c3}\x{a9}'); INSERT INTO posts VALUES (1, 'A b');
	INSERT INTO tags VALUES (1, 'x'); INSERT INTO sound VALUES (1, 'X')});

my %names = (people => [ 'f_unaccent', 'unaccent', '42883' ], posts => [ 'slugify', 'f_unaccent', '42883' ],
	tags => [ 'is_ok', 'allowed', '42P01' ]);
my %hint;
foreach my $table (sort keys %names)
{
	my ($function, $name, $state) = @{ $names{$table} };
	my ($reason, $hint) = split /\|/,
		$w->local_sql("SELECT reason, hint FROM pgtunsync.plan('$table') WHERE table_name = '$table'");
	like($reason, qr/^functions of $table: Function public\.$function\(t text\) names objects without their schema \($name\)/,
		"$table: plan() names function and table");
	is($hint, "ALTER FUNCTION public.$function(t text) SET search_path = public, pg_temp;", 'and the statement that helps');
	$hint{$table} = $hint;
	my $run = $w->pull("'$table'");
	is($run->{sqlstate}, $state, 'the pull fails') or diag($run->{err});
	like($run->{err}, qr/^HINT: +\Q$hint\E/m, 'with that HINT');
	unlike($run->{err}, qr/type casts/, 'and no other');
}
is($w->local_sql("SELECT string_agg(step, ', ' ORDER BY step) FROM pgtunsync.check() WHERE NOT ok"),
	'functions of people, functions of posts, functions of tags', 'check() lists them, and no function that is fine');
$w->local_sql($hint{$_}) foreach sort keys %hint;
is($w->local_sql('SELECT count(*) FROM pgtunsync.check() WHERE NOT ok'), 0, 'after the statements there is none');
my $run = $w->pull("'people,posts,tags,sound'");
is($run->{rc}, 0, 'and the pull succeeds') or diag($run->{err});
is($w->local_sql('SELECT (SELECT slug FROM posts), (SELECT count(*) FROM people), (SELECT count(*) FROM tags)'),
	'A-b|1|1', 'with all rows');

done_testing();
