# Others have filled the server's lock table.  Wherever a pull runs out of it,
# it fails with the server's own error and hint, and leaves nothing behind, also
# when its clean-up finds few free entries.

use strict;
use warnings;
use PgTunsync;
use Test::More;

my $w = PgTunsync->new(empty => 1, local_conf => "max_locks_per_transaction = 10\nmax_connections = 20\n");
my @tables = map { "t$_" } 1 .. 30;
my $list = join ',', @tables;

$w->both_sql(join '', map { "CREATE TABLE $_ (id int PRIMARY KEY, t text);" } @tables);
$w->source_sql(join '', map { "INSERT INTO $_ SELECT i, 'x' FROM generate_series(0, 100) i;" } @tables);
$w->local_sql(join '', map { "INSERT INTO $_ VALUES (77, 'local');" } @tables);

# Starts a session that takes all locks there are, and then releases some.
sub fill_lock_table
{
	my ($free) = @_;
	my $session = $w->call(qq{DO \$\$
		DECLARE n int := 0;
		BEGIN
			WHILE n >= 0 LOOP
				BEGIN
					FOR i IN 1 .. 20 LOOP PERFORM pg_advisory_lock(n + i); END LOOP;
					n := n + 20;
				EXCEPTION WHEN out_of_memory THEN EXIT;
				END;
			END LOOP;
			FOR i IN n - $free + 1 .. n LOOP PERFORM pg_advisory_unlock(i); END LOOP;
		END \$\$; SELECT 'full';}, more => 1);
	$session->wait_message(qr/full/, 'out');
	return $session;
}

my $before = $w->snapshot;
my %where;
foreach my $free (20, 40, 80, 120, 180, 240, 280)
{
	my $others = fill_lock_table($free);
	my $run = $w->pull("'$list'");
	$others->finish;
	subtest "$free free locks" => sub {
		$w->check_refused($run, $before, sqlstate => '53200',
			message => [qr/ERROR:  53200: .*out of shared memory\n.*HINT:  You might need to increase max_locks_per_transaction/s])
		  if $free >= 40;
		# so few do not suffice for the audit, either: the next call marks the run
		is($run->{sqlstate}, '53200', 'the call fails') if $free < 40;
		$w->unchanged($before);
		$where{ $w->local_sql('SELECT count(*) FROM pgtunsync.run_tables
			WHERE run_id = (SELECT max(id) FROM pgtunsync.runs) AND rows > 0') }++;
	};
}
is($w->local_sql("SELECT count(*) FROM pgtunsync.runs WHERE status = 'crashed'"), 1, 'the first run was found later');
is($w->local_sql("SELECT count(*) FROM pgtunsync.runs WHERE status = 'failed' AND sqlstate = '53200'"), 6,
	'the others wrote their error');

my $others = fill_lock_table(500);
$w->pulls("'$list'", 'enough free locks', \@tables);
$others->finish;
$w->nothing_left;
cmp_ok(scalar keys %where, '>', 1, 'they failed before all tables were loaded, and after');

done_testing();
