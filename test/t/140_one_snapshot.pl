# All tables of a pull, and all parts of a table, show the source at one
# moment, that of the plan.  A local lock holds the pull after its plan.
# Meanwhile one transaction on the source moves an amount from one table to the
# other.

use strict;
use warnings;
use PgTunsync;
use PgTunsync::Process;
use Test::More;

my $w = PgTunsync->new(empty => 1, source_conf => 'log_statement = all');
my $schema = q{
	CREATE TABLE payer (id int PRIMARY KEY, amount int, body text);
	CREATE TABLE payee (id int PRIMARY KEY, amount int, body text);
	CREATE TABLE gate (id int);
};
$w->source_sql($schema . q{
	INSERT INTO payer SELECT i, 100, md5(i::text) FROM generate_series(1, 3000) i;
	INSERT INTO payee SELECT i, 0, md5(i::text) FROM generate_series(1, 3000) i;
	INSERT INTO payer VALUES (0, 0, (SELECT string_agg(md5(i::text), '') FROM generate_series(1, 300) i));
});
$w->local_sql($schema);

# Holds a pull between plan and loaders, changes the source, and lets it go on.
sub moved_meanwhile
{
	my ($title, $arguments) = @_;
	my $before = $w->source_sql('SELECT sum(amount) FROM payer') . '|'
		. $w->source_sql('SELECT sum(amount) FROM payee');
	my $holder = $w->call("BEGIN; LOCK TABLE gate; SELECT 'locked';", more => 1);
	$holder->wait_message(qr/locked/, 'out');
	my $call = $w->start_pull($arguments);
	PgTunsync::Process::wait_until(
		'the leader waits for the local lock',
		sub {
			return $w->local_sql(q{SELECT count(*) FROM pg_stat_activity a JOIN pg_locks l USING (pid)
				WHERE a.backend_type LIKE 'pgtunsync%' AND NOT l.granted}) > 0;
		});
	$w->source_sql('BEGIN; UPDATE payer SET amount = amount - 1; UPDATE payee SET amount = amount + 1; COMMIT');
	$holder->say('COMMIT;');
	$holder->finish;
	is($call->finish->{rc}, 0, "$title: the pull succeeds") or diag($call->{err});
	is($w->local_sql('SELECT (SELECT sum(amount) FROM payer), (SELECT sum(amount) FROM payee)'),
		$before, "$title: both tables are as they were when the pull was planned");
	isnt($w->source_sql('SELECT sum(amount) FROM payer'), (split /\|/, $before)[0], "$title: and no longer are");
	return;
}

moved_meanwhile('one loader', 'jobs => 1');
moved_meanwhile('four loaders', 'jobs => 4');

# the source takes the table for a large one, which is read in parts
$w->source_sql("VACUUM ANALYZE payer;
	UPDATE pg_class SET relpages = 300 * 128 WHERE oid = (SELECT reltoastrelid FROM pg_class
	WHERE oid = 'payer'::regclass)");
moved_meanwhile('a table in parts', 'jobs => 4');
like(PostgreSQL::Test::Utils::slurp_file($w->source->logfile), qr/COPY \(SELECT [^;\n]*ctid >= /, 'parts were read');
$w->nothing_left;

done_testing();
