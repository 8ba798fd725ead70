# Processes are killed at random moments of a run while readers work.  Then
# runs succeed.  No reader sees an empty table or rows of two generations, and
# the audit agrees with the tables.

use strict;
use warnings;
use PgTunsync;
use Test::More;
use Time::HiRes qw(sleep time);

my $rounds = $ENV{KILL_ROUNDS} || 24;
my $seed = $ENV{KILL_SEED} || time() % 100000;
srand($seed);
note "seed $seed";

my $w = PgTunsync->new(empty => 1, local_conf => "max_connections = 50");
my $rows = 5000;
$_->(q{
	CREATE TABLE parent (id int PRIMARY KEY, generation int NOT NULL, payload text);
	CREATE INDEX ON parent (payload);
	CREATE TABLE child (id int PRIMARY KEY, parent_id int NOT NULL REFERENCES parent,
		generation int NOT NULL, payload text);
	CREATE INDEX ON child (parent_id); CREATE INDEX ON child (generation, payload);
}) foreach sub { $w->source_sql(@_) }, sub { $w->local_sql(@_) };

# Each generation has ids of its own: rows of two can never satisfy the key.
my $generation = 0;
sub next_generation
{
	$generation++;
	$w->source_sql("TRUNCATE parent, child;
		INSERT INTO parent SELECT $generation * 100000 + i, $generation, md5(i::text) FROM generate_series(1, $rows) i;
		INSERT INTO child SELECT $generation * 100000 + i, $generation * 100000 + i, $generation,
			repeat(md5(i::text), 3) FROM generate_series(1, $rows) i");

	# every other one looks large, and comes in parts
	$w->source_sql("ANALYZE child;
		UPDATE pg_class SET relpages = 40000 WHERE oid = (SELECT reltoastrelid FROM pg_class
		WHERE oid = 'child'::regclass)")
	  if $generation % 2;
	return;
}
next_generation();
is($w->pull('')->{rc}, 0, 'the first generation is pulled');

# Readers: pgbench divides by zero at a reading that is not one whole generation.
my $whole = "(SELECT count(DISTINCT generation) = 1 AND count(*) = $rows
	AND min(generation) = (SELECT max(generation) FROM child)"
  . " AND (SELECT count(*) FROM child c JOIN parent p ON p.id = c.parent_id) = $rows FROM parent)";
my $check = "SELECT 1 / $whole\::int;\n";
my %script = (
	committed  => $check,
	repeatable => "BEGIN ISOLATION LEVEL REPEATABLE READ;\nSELECT 1;\n\\sleep 20 ms\n"
		. "$check\\sleep 20 ms\n${check}COMMIT;\n",
	old_snapshot => "BEGIN ISOLATION LEVEL REPEATABLE READ;\nSELECT 1;\n\\sleep 250 ms\n${check}COMMIT;\n",
	one_table  => "SELECT 1 / (SELECT count(*) = $rows FROM child)::int;\n");
my %reader;

sub start_readers
{
	foreach my $name (sort keys %script)
	{
		my $file = $w->dir . "/$name.sql";
		unlink $file, "$file.log";
		PostgreSQL::Test::Utils::append_to_file($file, $script{$name});
		$reader{$name} = PgTunsync::Process->start("$file.log",
			$w->local_node->installed_command('pgbench'), '-n', '-T', 600, '-f', $file,
			'-R', 100, '-h', $w->local_node->host, '-p', $w->local_node->port, 'dev');
	}
	return;
}

# A test: no reader has seen anything but whole generations.
sub readers_are_content
{
	my ($title) = @_;
	my @seen;
	foreach my $name (sort keys %reader)
	{
		my $text = PostgreSQL::Test::Utils::slurp_file($w->dir . "/$name.sql.log");
		push @seen, "$name: $text" if $text =~ /division by zero|does not exist|could not (open|read)|invalid page/;
		push @seen, "$name ended: $text"
		  if $reader{$name}->ended
			&& $text !~ /terminat|shutting down|closed the connection|backend died|crash|recovery/;
	}
	ok(!@seen, $title) or diag(join("\n", @seen));
	return;
}

sub stop_readers
{
	$_->stop foreach values %reader;
	%reader = ();
	return;
}

# Local rows are of exactly one generation; which?
sub local_generation
{
	return $w->local_sql("SELECT CASE WHEN $whole THEN (SELECT max(generation) FROM parent) ELSE -1 END");
}

# How long a run takes here.
next_generation();
my $start = time();
is($w->pull('')->{rc}, 0, 'the second generation is pulled');
my $length = time() - $start;
note "a run takes $length s";

start_readers();
my %outcome;
foreach my $round (1 .. $rounds)
{
	my $was = local_generation();
	next_generation();
	my $kind = qw(leader loader tunnel caller)[ int(rand(4)) ];
	my $hard = $kind ne 'caller' && $round % 6 == 0;
	my $call = $w->start_pull('');
	sleep rand($length * 1.1);
	my @pids = $kind eq 'caller' ? () : $w->worker_pids($kind);
	if ($kind eq 'caller') { $w->local_sql("SELECT pg_cancel_backend(pid) FROM pg_stat_activity
		WHERE query LIKE 'SELECT pgtunsync.pull%' AND pid <> pg_backend_pid()"); }
	my $pid = $pids[ int(rand(@pids)) ];
	if ($pid) { $hard ? $w->kill_hard($pid) : kill 'TERM', $pid; }
	$call->finish;
	$w->server_is_up if $hard;
	readers_are_content("round $round: readers saw whole generations only");
	my $now = local_generation();
	my $status = $w->last_run('status') || 'none';
	$outcome{ "$kind" . ($hard ? ' hard' : '') . ": $status" }++;
	ok($now == $was || $now == $generation, "round $round: $kind: one whole generation is here")
	  or diag("was $was, source $generation, now $now");
	ok(($status eq 'succeeded') == ($now == $generation), "round $round: the audit ($status) says what is here")
	  or diag("was $was, source $generation, now $now; $call->{err}");
	is($call->{rc} eq '0', $now == $generation, "round $round: the call says it too") or diag($call->{err})
	  unless $hard;
	if ($hard) { stop_readers(); start_readers(); }
}
note "$_ × $outcome{$_}" foreach sort keys %outcome;

# ---- and runs that nobody disturbs: every swap happens under readers ----

foreach my $round (1 .. $rounds / 3)
{
	next_generation();
	is($w->pull('')->{rc}, 0, "undisturbed round $round");
	sleep 0.1;
	is(local_generation(), $generation, 'brings its generation');
}
readers_are_content('readers saw whole generations only, to the end');
stop_readers();

next_generation();
$w->pulls('', 'a last pull', [ 'parent', 'child' ]);
is(local_generation(), $generation, 'brings the last generation');

done_testing();
