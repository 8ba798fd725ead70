# A default may advance a sequence, for which the pull lets it write.  Built-in
# functions that run a query, a cast or a domain's CHECK given to them as a text or
# a value call functions of users: such a default does not get that right.

use strict;
use warnings;
use PgTunsync;
use Test::More;

my $w = PgTunsync->new(empty => 1);
my %defaults = (
	by_query => q{(ts_rewrite('a'::tsquery, 'SELECT ''a''::tsquery, public.steal()'))::text},
	by_cast => q{concat(to_json('a'::public.mark), random())},
	by_domain => q{concat(array_in('{1}', 'public.trap'::regtype, -1), random())},
	by_user_cast => q{'x' || 'a'::public.mark || random()},
	by_user_function => q{'x' || public.counted()},
	by_sequence => q{format('%s-%s', to_char(now(), 'YYYY'), nextval('public.counter'))},
);

# written as people do: || of text and a number is an SQL function
my %counting = (
	by_concat => [ q{'INV-' || nextval('public.counter')}, 'INV-1 INV-2' ],
	by_reverse_concat => [ q{nextval('public.counter') || '-INV'}, '1-INV 2-INV' ],
	by_padding => [ q{lpad(nextval('public.counter')::text, 4) || round(1.5)}, '   12    22' ]);
$defaults{by_xml} = q{query_to_xml('SELECT public.steal()', true, false, '')::text}
	if $w->local_sql(q{SELECT count(*) FROM pg_config WHERE setting LIKE '%--with-libxml%'});

$w->source_sql("CREATE TABLE $_ (id int PRIMARY KEY); INSERT INTO $_ VALUES (1), (2)") foreach keys %defaults;
$w->local_sql(q{
	CREATE ROLE mallory LOGIN; GRANT CREATE ON SCHEMA public TO mallory;
	SET ROLE mallory;
	CREATE TABLE loot (t text);
	CREATE SEQUENCE counter;
	CREATE FUNCTION steal() RETURNS tsquery LANGUAGE plpgsql AS
		$$BEGIN INSERT INTO public.loot VALUES ('written'); RETURN 'b'::tsquery; END$$;
	CREATE TYPE mark AS ENUM ('a');
	CREATE FUNCTION mark_json(mark) RETURNS json LANGUAGE plpgsql AS $$BEGIN PERFORM public.steal(); RETURN '1'; END$$;
	CREATE CAST (mark AS json) WITH FUNCTION mark_json(mark);
	CREATE FUNCTION mark_text(mark) RETURNS text LANGUAGE plpgsql AS $$BEGIN PERFORM public.steal(); RETURN '1'; END$$;
	CREATE CAST (mark AS text) WITH FUNCTION mark_text(mark);
	CREATE FUNCTION counted() RETURNS bigint LANGUAGE plpgsql AS $$BEGIN RETURN nextval('public.counter'); END$$;
	CREATE DOMAIN trap AS int CHECK (public.steal() IS NOT NULL);
});
$w->local_sql("SET ROLE mallory; CREATE TABLE $_ (id int PRIMARY KEY, d text DEFAULT $defaults{$_})")
  foreach keys %defaults;

foreach my $table (sort grep { $_ ne 'by_sequence' } keys %defaults)
{
	my $run = $w->pull("'$table'");
	is($run->{sqlstate}, '25006', "$table: what the default calls is read-only") or diag($run->{err});
	like($run->{err}, qr/HINT: .*A default may call nextval\(\) beside built-in functions only\./, "$table: with a hint");
	is($w->local_sql('SELECT count(*) FROM loot'), 0, "$table: and has written nothing");
	is($w->local_sql("SELECT count(*) FROM $table"), 0, "$table: the table stays as it was");
}
is($w->pull("'by_sequence'")->{rc}, 0, 'built-in functions around nextval() do not cost it its right');
is($w->local_sql('SELECT string_agg(right(d, 2), $$ $$ ORDER BY id) FROM by_sequence'), '-1 -2', 'and it counts');

foreach my $table (sort keys %counting)
{
	my ($default, $expected) = @{ $counting{$table} };
	$w->source_sql("CREATE TABLE $table (id int PRIMARY KEY); INSERT INTO $table VALUES (1), (2)");
	$w->local_sql("SET ROLE mallory; SELECT setval('counter', 1, false);
		CREATE TABLE $table (id int PRIMARY KEY, d text DEFAULT $default)");
	my $run = $w->pull("'$table'");
	is($run->{rc}, 0, "$table: $default") or diag($run->{err});
	is($w->local_sql("SELECT string_agg(d, ' ' ORDER BY id) FROM $table"), $expected, "$table: counts");
}

# the same in a rewrite, which is what the hint offers
$w->write_config("rewrite:\n  by_user_function.d: \"'R-' || nextval('public.counter')\"\n");
$w->local_sql("SELECT setval('counter', 1, false); ALTER TABLE by_user_function ALTER d DROP DEFAULT, ALTER d SET NOT NULL");
is($w->pull("'by_user_function'")->{rc}, 0, 'a rewrite instead of the default');
is($w->local_sql("SELECT string_agg(d, ' ' ORDER BY id) FROM by_user_function"), 'R-1 R-2', 'counts as well');
$w->nothing_left;
done_testing();
