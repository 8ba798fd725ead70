# A foreign key refers to a table that is not pulled and has user code in an
# index.  The code does not run.  It can neither change the pulled tables
# between check and commit nor make another session wait.

use strict;
use warnings;
use PgTunsync;
use Test::More;
use Time::HiRes qw(sleep time);

my $w = PgTunsync->new(empty => 1);

foreach my $side (qw(source local))
{
	my $id = $side eq 'source' ? 2 : 1;
	$w->{$side}->safe_psql($w->database($side), "
		CREATE TABLE victim (id int PRIMARY KEY, v int);
		CREATE TABLE c (id int PRIMARY KEY, code text);
		INSERT INTO victim SELECT i, 720000000 + $id FROM generate_series(1, 200) i;
		INSERT INTO c SELECT i, 'code ' || i % 10 FROM generate_series(1, 200) i");
}

# The owner of all three tables may not read anything else.
$w->local_sql(q{
	CREATE ROLE evil LOGIN;
	GRANT CREATE, USAGE ON SCHEMA public TO evil;
	ALTER TABLE victim OWNER TO evil;
	ALTER TABLE c OWNER TO evil;
	CREATE TABLE p (code text PRIMARY KEY);
	ALTER TABLE p OWNER TO evil;
	INSERT INTO p SELECT 'code ' || i FROM generate_series(0, 9) i;
	ALTER TABLE c ADD FOREIGN KEY (code) REFERENCES p;
});

# Sets what the function does if a leader or a loader calls it.
sub plant
{
	my ($where, $action) = @_;
	my %index = (
		expression => "CREATE INDEX planted ON p ((evil('x') || code))",
		predicate  => "CREATE INDEX planted ON p (code) WHERE evil('x') = 'x'",
		statistics => "CREATE STATISTICS planted ON (evil('x') || code), code FROM p");

	$w->local_sql("DROP INDEX IF EXISTS planted; DROP STATISTICS IF EXISTS planted;
		CREATE OR REPLACE FUNCTION evil(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN \$1; END';
		SET ROLE evil; $index{$where}; RESET ROLE; ANALYZE p;
		CREATE OR REPLACE FUNCTION evil(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS \$f\$
		BEGIN
			-- sessions of this test have a name, background workers have none
			IF current_setting('application_name') = ''
			THEN
				RAISE LOG 'planted code runs';
				$action;
			END IF;
			RETURN \$1;
		END \$f\$");
	return;
}

my $ddl = sub { return "EXECUTE '$_[0]'"; };
my %action = (
	'another type' => $ddl->(q{ALTER TABLE victim ALTER v TYPE bytea USING ''x''}),
	'a column more' => $ddl->(q{ALTER TABLE victim ADD COLUMN w text}),
	'an index made again' => $ddl->(q{REINDEX TABLE victim}),
	'another owner' => $ddl->(q{ALTER TABLE victim OWNER TO pg_monitor}),
	'a constraint' => $ddl->(q{ALTER TABLE victim ADD CHECK (v < 0)}),
	'replica identity' => $ddl->(q{ALTER TABLE victim REPLICA IDENTITY FULL}),
	'sleep' => 'PERFORM pg_sleep(20)',
	'55P03' => q{RAISE 'busy' USING ERRCODE = '55P03'},
	'57014' => q{RAISE 'cancelled' USING ERRCODE = '57014'},
	'XX000' => q{RAISE 'tuple concurrently updated' USING ERRCODE = 'XX000'});

foreach my $where (qw(expression predicate statistics))
{
	foreach my $title (sort keys %action)
	{
		next if $where ne 'expression' && $title !~ /type|sleep|55P03/;
		subtest "$where: $title" => sub {
			plant($where, $action{$title});
			my $offset = -s $w->local_node->logfile;
			my $before = $w->snapshot;
			my $start = time();
			my $longest = 0;
			my $call = $w->start_pull("'{victim,c}'");

			while ($call->running)
			{
				my $one = time();
				$w->local_sql('UPDATE victim SET v = v WHERE id = 1');
				$longest = time() - $one if $longest < time() - $one;
			}
			$call->finish;
			is($call->{rc}, 0, 'the pull succeeds') or diag($call->{err});
			cmp_ok(time() - $start, '<', 15, 'in its time');
			cmp_ok($longest, '<', 5, 'and no writer waits for long');
			unlike(slurp_file_from($w->local_node->logfile, $offset), qr/planted code runs/, 'the code does not run');
			$w->both_equal('victim', 'c');
			$w->catalog_unchanged($before);
			is($w->local_sql("SELECT format_type(atttypid, NULL) FROM pg_attribute
				WHERE attrelid = 'victim'::regclass AND attname = 'v'"),
				'integer', 'the type is what it was');
			$w->local_sql('UPDATE victim SET v = 1; UPDATE c SET code = NULL');
		};
	}
}

sub slurp_file_from
{
	my ($file, $offset) = @_;
	open(my $handle, '<', $file) or die "$file: $!";
	seek($handle, $offset, 0);
	local $/;
	return scalar(<$handle>) // '';
}

# ---- a key that is violated is found without a plan, too ----

plant('expression', 'PERFORM pg_sleep(20)');
$w->local_sql("DELETE FROM c; DELETE FROM p WHERE code IN ('code 3', 'code 7')");
my $run = $w->pull("'c'");
is($run->{sqlstate}, '23503', 'rows without a match') or diag($run->{err});
like($run->{err},
	qr/40 rows of "c" without a match in "p", such as \(code\)=\((code 3\), \(code 7|code 7\), \(code 3)\)/,
	'counted, with samples');

# ---- as a table of the run, too ----

$w->local_sql("INSERT INTO p SELECT 'code ' || i FROM generate_series(0, 9) i ON CONFLICT DO NOTHING;
	DELETE FROM victim");
$w->source_sql("CREATE TABLE p (code text PRIMARY KEY);
	INSERT INTO p SELECT 'code ' || i FROM generate_series(0, 9) i");
$run = $w->pull("'{p,c,victim}'");
isnt($run->{rc}, 0, 'an index of a pulled table that does not get ready in time fails the run');
like($run->{err}, qr/table p could not be pulled: code of the table's owner did not end in time/, 'by name')
  or diag($run->{err});
$w->nothing_left;

done_testing();
