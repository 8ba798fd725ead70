# A cursor that an owner's code leaves open keeps no table, his or another's, from being swapped.

use strict;
use warnings;
use PgTunsync;
use Test::More;

my $w = PgTunsync->new(empty => 1);
my $rows = '(id int PRIMARY KEY, t text)';

$w->source_sql(join '', map { "CREATE TABLE $_ $rows; INSERT INTO $_ VALUES (1, 'source');" } qw(good kept));
$w->local_sql(qq{
	CREATE ROLE mallory LOGIN; GRANT CREATE ON SCHEMA public TO mallory;
	CREATE TABLE good $rows; GRANT SELECT ON good TO mallory;
	SET ROLE mallory;
	CREATE TABLE kept $rows; INSERT INTO kept VALUES (77, 'local');
	CREATE FUNCTION hold(int) RETURNS boolean LANGUAGE plpgsql AS
		\$\$DECLARE c refcursor; BEGIN OPEN c FOR SELECT * FROM public.good; RETURN \$1 = 77; END\$\$;
});
$w->write_config(q{keep: {kept: "public.hold(id)"}} . "\n");
my $run = $w->pull("'{good,kept}'");
is($run->{sqlstate}, undef, 'the pull succeeds') or diag($run->{err});
is($w->local_sql('SELECT t FROM good'), 'source', 'the table that the cursor reads comes');
is($w->local_sql('SELECT string_agg(t, $$ $$ ORDER BY id) FROM kept'), 'source local', 'and so does that of the code');
$w->nothing_left;
done_testing();
