# Callers that do not wait, and callers that cancel, time out, are terminated
# or lose their connection.  A run that ends early changes nothing.

use strict;
use warnings;
use PgTunsync;
use Test::More;
use Time::HiRes qw(sleep time);

my $w = PgTunsync->new(users => 500);
my $relay = $w->relay;
my $before = $w->snapshot;

# Starts a call that stalls during COPY.
sub stalled_call
{
	my ($sql, %params) = @_;
	$relay->set(stall_after => 30_000);
	my $call = $w->call($sql || 'SELECT pgtunsync.pull();', %params);
	$relay->wait_stalled;
	$w->wait_worker('leader');
	sleep 0.2;
	return $call;
}

# A test: the run has ended with this status, and nothing changed.
sub ended_as
{
	my ($status) = @_;
	PgTunsync::Process::wait_until('the workers to end', sub { !$w->worker_pids; }, 20);
	is($w->last_run('status'), $status, "the audit says $status");
	is($w->last_run('finished_at IS NOT NULL AND error IS NOT NULL AND sqlstate IS NOT NULL'), 't',
		'with time and reason');
	$w->unchanged($before);
	$w->nothing_left;
	return;
}

my $my_pid = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'SELECT pgtunsync.pull%'
	AND backend_type = 'client backend' AND state = 'active' AND pid <> pg_backend_pid()";

# Extensions can name their wait events from PostgreSQL 17 on.
sub waits_for
{
	my ($who, $filter, $event) = @_;
	$event = 'Extension' if $w->local_sql("SELECT current_setting('server_version_num')::int < 170000") eq 't';
	my $seen = "SELECT wait_event_type || ' ' || wait_event FROM pg_stat_activity WHERE $filter";
	ok($w->local_node->poll_query_until('dev', $seen, "Extension $event"), "$who waits for $event");
	return;
}

subtest 'wait events' => sub {
	my $call = stalled_call();
	waits_for('the caller', "pid IN ($my_pid)", 'PgtunsyncLeader');
	waits_for('the leader', "backend_type = 'pgtunsync leader'", 'PgtunsyncLoaders');
	waits_for('a loader', "backend_type = 'pgtunsync loader' ORDER BY wait_event DESC LIMIT 1",
		'PgtunsyncSourceResult');
	$w->local_sql("SELECT pg_cancel_backend(pid) FROM ($my_pid) p");
	is($call->finish->{sqlstate}, '57014', 'and is cancelled');
	ended_as('cancelled');
};

subtest 'the caller is cancelled' => sub {
	my $call = stalled_call();
	my $start = time();
	$w->local_sql("SELECT pg_cancel_backend(pid) FROM ($my_pid) p");
	is($call->finish->{sqlstate}, '57014', 'with the SQLSTATE of a cancel') or diag($call->{err});
	cmp_ok(time() - $start, '<', 10, 'at once');
	ended_as('cancelled');
	is($w->last_run('error'), 'canceling statement due to user request', 'the audit says so');
};

subtest 'statement_timeout' => sub {
	my $call = stalled_call("SET statement_timeout = '1500ms'; SELECT pgtunsync.pull();");
	is($call->finish->{sqlstate}, '57014', 'with the SQLSTATE of a timeout') or diag($call->{err});
	ended_as('cancelled');
	is($w->last_run('error'), 'canceling statement due to statement timeout', 'the audit says so');
};

subtest 'the caller is terminated' => sub {
	my $call = stalled_call();
	$w->local_sql("SELECT pg_terminate_backend(pid) FROM ($my_pid) p");
	is($call->finish->{sqlstate}, '57P01', 'with its SQLSTATE') or diag($call->{err});
	ended_as('cancelled');
	is($w->last_run('error'), 'canceling the run because the session of the call was terminated', 'the audit says so');
};

subtest 'the client disappears' => sub {
	my $call = stalled_call("SET client_connection_check_interval = '200ms'; SELECT pgtunsync.pull();");
	$call->kill_client;
	ended_as('cancelled');
	is($w->last_run('error'), 'canceling the run because the connection to the client is lost', 'the audit says so');
};

subtest 'the session ends by \q in a DO block of another' => sub {
	my $call = stalled_call("DO \$\$ BEGIN PERFORM pgtunsync.pull(); EXCEPTION WHEN query_canceled THEN RAISE NOTICE "
		. "'caught'; END \$\$;");
	$w->local_sql("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE 'DO %'
		AND pid <> pg_backend_pid()");
	like($call->finish->{err}, qr/caught/, 'a handler in PL/pgSQL may catch the cancel');
	ended_as('cancelled');
};

subtest 'pgtunsync.cancel() from another session' => sub {
	my $call = stalled_call();
	my $id = $w->last_run('id');
	is($w->local_sql("SELECT pgtunsync.cancel($id)"), 't', 'returns true');
	is($call->finish->{sqlstate}, '57014', 'and cancels the call') or diag($call->{err});
	ended_as('cancelled');
	is($w->last_run('error'), 'canceling the run due to user request', 'the audit says so');
	is($w->local_sql("SELECT pgtunsync.cancel($id)"), 'f', 'and false when the run has ended');
};

subtest 'wait => false, then cancel' => sub {
	my $call = stalled_call('SELECT pgtunsync.pull(wait => false);');
	my $id = $call->finish->{id};
	is($call->{rc}, 0, 'the call returns at once') or diag($call->{err});
	is($w->last_run('id, status'), "$id|running", 'with the id of a run that goes on');
	my $waiter = $w->call("SELECT pgtunsync.wait($id);");
	sleep 0.5;
	ok($waiter->running, 'wait() waits');
	is($w->local_sql("SELECT pgtunsync.cancel($id)"), 't', 'cancel() cancels it');
	is($waiter->finish->{sqlstate}, '57014', "and wait() raises the run's error") or diag($waiter->{err});
	ended_as('cancelled');
	my $late = $w->call("SELECT pgtunsync.wait($id);")->finish;
	is($late->{sqlstate}, '57014', 'also afterwards');
};

subtest 'a waiter that is cancelled leaves the run alone' => sub {
	my $call = stalled_call('SELECT pgtunsync.pull(wait => false);');
	my $id = $call->finish->{id};
	my $waiter = $w->call("SET statement_timeout = '300ms'; SELECT pgtunsync.wait($id);")->finish;
	is($waiter->{sqlstate}, '57014', 'wait() can be cancelled');
	is($w->last_run('status'), 'running', 'and the run goes on');
	$waiter = $w->call("SELECT pgtunsync.wait($id);");
	$relay->set;
	is($waiter->finish->{id}, $id, 'wait() returns the id in the end') or diag($waiter->{err});
	is($w->last_run('status'), 'succeeded', 'the run has succeeded');
	$w->both_equal(@PgTunsync::shop);
	$w->nothing_left;
	is($w->local_sql("SELECT pgtunsync.wait($id)"), $id, 'wait() on a finished run returns at once');
	is($w->local_sql("SELECT pgtunsync.cancel($id)"), 'f', 'cancel() on it says false');
};

# ---- errors of runs that nobody waited for ----

$relay->set;
$before = $w->snapshot;
my $id = $w->call("SELECT pgtunsync.pull('nowhere', wait => false);")->finish->{id};
my $waiter = $w->call("SELECT pgtunsync.wait($id);")->finish;
is($waiter->{sqlstate}, '42P01', "wait() raises the error of the run");
like($waiter->{err}, qr/nowhere/, 'with its message');
ended_as('failed');

foreach my $function ('wait', 'cancel')
{
	my $none = $w->call("SELECT pgtunsync.$function(123456789);")->finish;
	is($none->{sqlstate}, '42704', "$function() of a run that does not exist") or diag($none->{err});
	like($none->{err}, qr/123456789/, 'names it');
}

# ---- the session of a run that nobody waits for may end ----

my $call = $w->call('SELECT pgtunsync.pull(wait => false);')->finish;
PgTunsync::Process::wait_until('the run to end', sub { $w->last_run('status') ne 'running' });
is($w->last_run('status'), 'succeeded', 'the run outlives the session that started it');
$w->nothing_left;

# ---- a cancel that comes after the commit ----

foreach my $way ('cancel', 'terminate the leader')
{
	subtest "too late to $way" => sub {
		$w->local_sql('TRUNCATE users CASCADE; DROP MATERIALIZED VIEW IF EXISTS slow;
			CREATE MATERIALIZED VIEW slow AS SELECT count(*) FROM users, pg_sleep(2) s');
		my $late = $w->call('SELECT pgtunsync.pull(refresh => true);');
		PgTunsync::Process::wait_until('the commit',
			sub { $w->last_run('status') eq 'succeeded' && $w->local_sql('SELECT count(*) FROM users') });
		$w->local_sql($way eq 'cancel' ? "SELECT pg_cancel_backend(pid) FROM ($my_pid) p"
			: "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'pgtunsync leader'");
		is($late->finish->{rc}, 0, 'the call succeeds, as its tables were replaced') or diag($late->{err});
		is($late->{id}, $w->last_run('id'), 'with its id');
		like($late->{err}, $way eq 'cancel'
			? qr/WARNING: .*run \d+ was not cancelled: its tables had already been replaced/
			: qr/WARNING: .*the tables were replaced, but not all that should follow was done/, 'and says so');
		$w->both_equal(@PgTunsync::shop);
		$w->nothing_left;
	};
}

done_testing();
