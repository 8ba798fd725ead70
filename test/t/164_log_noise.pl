# The source's server log has no line of a run, however the run ends.

use strict;
use warnings;
use PgTunsync;
use PgTunsync::Process;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

# as a server has it by default
my $w = PgTunsync->new(users => 3000, source_conf => "log_statement = none\n");
my $source = $w->source;
my $relay = $w->relay;

$w->both_sql('CREATE TABLE events (id int PRIMARY KEY, what text); CREATE TABLE one (id int PRIMARY KEY)');
$w->source_sql("INSERT INTO events SELECT i, repeat('x', 500) FROM generate_series(1, 20000) i;
	INSERT INTO one VALUES (1)");
$w->local_sql('ALTER TABLE one ADD CONSTRAINT small CHECK (id > 1)');
$w->both_sql('CREATE TABLE big (id int PRIMARY KEY, what text)');
$w->source_sql("INSERT INTO big SELECT i, repeat('x', 1000) FROM generate_series(1, 20000) i");
$w->write_config("filters:\n  big: pg_sleep(0.0005) IS NOT NULL\n");

my ($source_from, $ssh_from) = (0, 0);

sub mark
{
	($source_from, $ssh_from) = (-s $source->logfile, -s $w->jump->log);
	return;
}

# The lines of the source's log since mark(), when its sessions have ended.
sub source_lines
{
	$source->poll_query_until('postgres',
		"SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name LIKE 'pgtunsync/%')")
	  or die 'sessions are left at the source';
	return slurp_file($source->logfile, $source_from);
}

# What sshd writes for a session that ends as it should.
sub ssh_lines
{
	my @lines = grep {
		!/^(?:Connection from|Accepted (?:key|publickey)|Postponed publickey|Starting session|Close session|User child|Received disconnect from \S+ port \d+:11: done|Disconnected from user|Transferred|Closing connection|Connection closed)/
	} split /\r?\n/, slurp_file($w->jump->log, $ssh_from);
	return join("\n", @lines);
}

# A subtest: the call ends with this SQLSTATE ('' for success), and the logs have
# no line of it.  meanwhile: what happens beside it; cancels: as many COPYs may
# have been cancelled, of which the source writes a line.
sub silent
{
	my ($title, $sql, $sqlstate, %params) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	subtest $title => sub {
		mark();
		my $call = $w->call($sql);
		$params{meanwhile}->($call) if $params{meanwhile};
		$call->finish;
		PgTunsync::Process::wait_until('the workers to end', sub { !$w->worker_pids; });
		is($call->{sqlstate} // '', $sqlstate, 'ends as it should') or diag($call->{err});
		my $lines = source_lines();
		my $cancels = $lines =~ s/^\S+ \S+ \S+ \[\d+\] \S+ (?:ERROR:  canceling statement due to user request|STATEMENT:  .*TO STDOUT.*)\n//mg;
		is($lines, '', 'no line in the log of the source');
		cmp_ok($cancels / 2, '<=', $params{cancels} || 0, 'but for those of a COPY that was cancelled');
		is(ssh_lines(), '', 'nothing unusual in the log of the jump host');
	};
	return;
}

my $caller = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity
	WHERE backend_type = 'client backend' AND query LIKE 'SELECT pgtunsync%' AND pid <> pg_backend_pid()";
my $loader = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'pgtunsync loader'";

# Runs SQL here when rows flow.
sub while_rows_flow
{
	my ($sql) = @_;
	return sub {
		$source->poll_query_until('postgres', "SELECT EXISTS (SELECT FROM pg_stat_activity
			WHERE application_name LIKE 'pgtunsync/%' AND query LIKE '%TO STDOUT%' AND state = 'active'
			AND query_start < now() - interval '0.3 s')");
		$w->local_sql($sql);
	};
}

foreach my $jobs (1, 4)
{
	my $slow = "SELECT pgtunsync.pull('{big,events,users}', jobs => $jobs)";

	silent("a pull, jobs $jobs", "SELECT pgtunsync.pull(jobs => $jobs, exclude => '{one,big}')", '');
	silent("a table that fails, jobs $jobs", "SELECT pgtunsync.pull('{events,one}', jobs => $jobs)", '23514');
	silent("a table that fails while the others go on, jobs $jobs",
		"SELECT pgtunsync.pull('{events,one,users}', jobs => $jobs, on_error => 'continue')", '23514');
	silent("a cancel, jobs $jobs", $slow, '57014', meanwhile => while_rows_flow($caller), cancels => 1);
	silent("a timeout, jobs $jobs", "SET statement_timeout = '2s'; $slow", '57014', cancels => 1);
	silent("a loader is terminated, jobs $jobs", $slow, '57P01',
		meanwhile => while_rows_flow($loader), cancels => 1);
	silent("an append, jobs $jobs", "SELECT pgtunsync.pull('events', mode => 'append', jobs => $jobs)", '');
}
silent('check()', 'SELECT * FROM pgtunsync.check()', '');
silent('plan()', 'SELECT * FROM pgtunsync.plan()', '');

# the first row fails, and the others are still to come: at first in a batch, then alone
$w->local_sql('ALTER TABLE big ADD CONSTRAINT large CHECK (id > 1)');
silent('a table that fails amid its rows while another one goes on',
	"SELECT pgtunsync.pull('{big,events,users}', jobs => 2, on_error => 'continue')", '23514', cancels => 2);

done_testing();
