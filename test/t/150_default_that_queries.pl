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
	by_sequence => q{format('%s-%s', to_char(now(), 'YYYY'), nextval('public.counter'))},
);
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
	CREATE DOMAIN trap AS int CHECK (public.steal() IS NOT NULL);
});
$w->local_sql("SET ROLE mallory; CREATE TABLE $_ (id int PRIMARY KEY, d text DEFAULT $defaults{$_})")
  foreach keys %defaults;

foreach my $table (sort grep { $_ ne 'by_sequence' } keys %defaults)
{
	my $run = $w->pull("'$table'");
	is($run->{sqlstate}, '25006', "$table: what the default calls is read-only") or diag($run->{err});
	is($w->local_sql('SELECT count(*) FROM loot'), 0, "$table: and has written nothing");
	is($w->local_sql("SELECT count(*) FROM $table"), 0, "$table: the table stays as it was");
}
is($w->pull("'by_sequence'")->{rc}, 0, 'built-in functions around nextval() do not cost it its right');
is($w->local_sql('SELECT string_agg(right(d, 2), $$ $$ ORDER BY id) FROM by_sequence'), '-1 -2', 'and it counts');
$w->nothing_left;
done_testing();
