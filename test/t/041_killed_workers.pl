# Leader, loaders, tunnel and postmaster are terminated or killed during a run.
# Every local table stays unchanged, the audit records the failure, and the
# next run cleans up.

use strict;
use warnings;
use PgTunsync;
use Test::More;
use Time::HiRes qw(sleep);

my $w = PgTunsync->new(users => 1000, local_conf => "wal_level = replica\nmax_wal_senders = 2");
my $relay = $w->relay;
my $before = $w->snapshot;

# Starts a call that comes to a stop in mid-COPY, with loaders at work.
sub stalled_call
{
	$relay->set(stall_after => 60_000);
	my $call = $w->start_pull('jobs => 2');
	$relay->wait_stalled;
	$w->wait_worker('loader');
	return $call;
}

# ---- gently: only the run fails ----

foreach my $kind (qw(leader loader tunnel))
{
	subtest "SIGTERM to the $kind" => sub {
		my $call = stalled_call();
		my $connected = $w->local_sql("SELECT pg_postmaster_start_time()");
		kill 'TERM', $w->wait_worker($kind);
		$call->finish;
		$w->check_refused($call, $before, sqlstate => '57\w{3}|08\w{3}|XX000');
		like($w->last_run('status'), qr/^(failed|cancelled|crashed)$/, 'the audit tells it: ' . $w->last_run('status'));
		is($w->local_sql("SELECT pg_postmaster_start_time()"), $connected, 'the server goes on');
	};
}

subtest 'pg_terminate_backend() and pg_cancel_backend() on the leader' => sub {
	my $call = stalled_call();
	$w->local_sql("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE backend_type = 'pgtunsync leader'");
	$call->finish;
	$w->check_refused($call, $before, sqlstate => '57014');
	is($w->last_run('status'), 'cancelled', 'a cancelled leader');
	$call = stalled_call();
	$w->local_sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'pgtunsync leader'");
	$call->finish;
	$w->check_refused($call, $before, sqlstate => '57\w{3}|XX000');
};

# ---- hard: the server restarts all its processes ----

foreach my $kind (qw(leader loader tunnel))
{
	subtest "SIGKILL to the $kind" => sub {
		my $call = stalled_call();
		kill 'KILL', $w->wait_worker($kind);
		$w->{has_crashed} = 1;
		$call->finish;
		isnt($call->{rc}, 0, 'the call fails');
		$relay->set;
		sleep 0.2;
		$w->server_is_up;
		$w->unchanged($before, 'every local table is as it was');

		# the next run, whatever it is, tells of the dead one and cleans up
		my $next = $w->pull("'nowhere'");
		isnt($next->{rc}, 0, 'another run');
		is($w->local_sql("SELECT status, error IS NOT NULL, finished_at IS NOT NULL FROM pgtunsync.runs
			ORDER BY id DESC OFFSET 1 LIMIT 1") =~ /^(crashed|failed)\|t\|t$/ ? 1 : 0,
			1, 'marks the dead one');
		$w->unchanged($before);
		$w->nothing_left;
	};
}

subtest 'the postmaster is killed at once' => sub {
	my $call = stalled_call();
	my @pids = $w->worker_pids;
	$w->local_node->stop('immediate');
	$call->finish;
	isnt($call->{rc}, 0, 'the call fails');
	PgTunsync::Process::wait_until('the workers to end', sub { !grep { kill 0, $_ } @pids }, 20);
	ok(!PgTunsync::listening($w->port), 'the entrance is closed');
	$w->local_node->start;
	$w->unchanged($before);
	$relay->set;
	$w->pull("'nowhere'");
	is($w->local_sql("SELECT status FROM pgtunsync.runs ORDER BY id DESC OFFSET 1 LIMIT 1"), 'crashed',
		'the next run marks it as crashed');
	$w->nothing_left;
};

subtest 'the postmaster alone gets SIGKILL' => sub {
	my $call = stalled_call();
	my @pids = $w->worker_pids;
	cmp_ok(scalar(@pids), '>=', 3, 'leader, tunnel and loaders run');
	$w->local_node->kill9;
	$call->finish;
	PgTunsync::Process::wait_until('the workers to notice', sub { !grep { kill 0, $_ } @pids }, 30);
	ok(!PgTunsync::listening($w->port), 'the entrance is closed');
	$w->local_node->start;
	$w->unchanged($before);
	$relay->set;
	$w->pull("'nowhere'");
	$w->nothing_left;
};

subtest 'a smart shutdown waits, a fast one ends the run' => sub {
	my $call = stalled_call();
	$w->local_node->stop('fast');
	$call->finish;
	isnt($call->{rc}, 0, 'the call fails');
	$w->local_node->start;
	$w->unchanged($before);
	$relay->set;
	$w->pull("'nowhere'");
	$w->nothing_left;
};

$w->pulls('', 'and then it works', [@PgTunsync::shop]);

# what a run has committed survives a crash
$before = $w->snapshot;
$w->local_node->stop('immediate');
$w->local_node->start;
$w->unchanged($before, 'what was pulled survives a crash');
$w->healthy;

done_testing();
