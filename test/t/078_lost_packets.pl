# Lost packets, in a network namespace.  If some are lost, the run succeeds.
# If all are lost, it ends in bounded time.

use strict;
use warnings;
use IO::Socket::INET;
use PgTunsync;
use PgTunsync::Network;
use PgTunsync::Steps;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

BEGIN { PgTunsync::Network::enter(); }

my $w = PgTunsync->new(users => 300, source_conf => "listen_addresses = '127.0.0.1,10.98.0.1'");
my $network = PgTunsync::Network->new($w->dir);
my $jump = $w->jump;
my %alive = (ServerAliveInterval => 1, ServerAliveCountMax => 2);
my $silence = 4;                # s: interval × (count + 1), and a round of waiting
my $before;

# the source is at the near end, reached over the wire that never fails
$w->source->append_conf('pg_hba.conf', 'host all all 10.98.0.0/30 scram-sha-256');
$w->source->restart;
$w->source_sql("CREATE TABLE big (id int PRIMARY KEY, x text);
	INSERT INTO big SELECT i, repeat(md5(i::text), 3000) FROM generate_series(1, 300) i");
$w->local_sql('CREATE TABLE big (id int PRIMARY KEY, x text)');

# sshd moves to the far end
$jump->stop;
$jump->start(within => [ $network->far ], ListenAddress => "10.99.0.2:${\$jump->port}",
	listens => sub { return IO::Socket::INET->new(PeerAddr => '10.99.0.2', PeerPort => $jump->port); });
append_to_file($jump->known_hosts,
	join('', map { s/\[127\.0\.0\.1\]/[10.99.0.2]/r } split /^/, slurp_file($jump->known_hosts)));

sub way
{
	my (%options) = @_;
	$w->write_ssh_config(HostName => '10.99.0.2', %options);
	$w->write_env(PGSYNC_REMOTE_HOST => '10.98.0.1');
	return;
}

# Starts a pull of big over a slow wire, and waits until data flows.
sub flowing
{
	$network->limit(rate => '16mbit', queue => '400k');
	my $call = $w->start_pull("'big'", timeout => 60);
	$w->wait_worker('tunnel');
	my $received = sub {
		return $w->local_sql("SELECT coalesce(max(bytes), 0) FROM pgtunsync.progress");
	};
	PgTunsync::Process::wait_until('data', sub { $received->() > 1_000_000 || !$call->running });
	ok($call->running, 'in the middle of the data') or diag($call->text('err'));
	return $call;
}

# Tests: it ends as a lost connection does, within these seconds.
sub lost
{
	my ($call, $title, $seconds, @message) = @_;
	my $start = time();

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$call->finish;
	my $took = time() - $start;
	my $dropped = $network->dropped;
	$network->open;
	$jump->cut_connections;		# its sshd does not know yet; here we are its administrator, too
	subtest $title => sub {
		cmp_ok($took, '<', $seconds, 'ends in time');
		cmp_ok($dropped, '>', 0, 'packets were lost');
		$w->check_refused($call, $before, sqlstate => '08\w{3}', message => \@message);
		is($w->last_run('status'), 'failed', 'the audit has it');
	};
	return;
}

way(%alive);
is(PgTunsync::Steps->of($w)->failed, '', 'the wire leads to the source');
$before = $w->snapshot;

# ---- all of them ----

my $causes = 'silent for \d s, and did not answer \d keepalives|Connection timed out';
my $silent = qr/the connection to SSH server ".*\@10\.99\.0\.2:\d+" was lost\n.*(?:$causes)/s;

foreach my $case ([ 'both directions', 'near', 'far' ], [ 'what the server sends', 'far' ], [ 'what we send', 'near' ])
{
	my ($what, @ends) = @$case;
	my $call = flowing();
	$network->block(@ends);
	lost($call, "nothing gets through any more: $what", $silence + 3, $silent);
}

# the time is the operator's to set
way(ServerAliveInterval => 1, ServerAliveCountMax => 6);
my $call = flowing();
my $start = time();
$network->block('near', 'far');
lost($call, 'with more patience', 8 + 3, $silent);
cmp_ok(time() - $start, '>', 5, 'it takes as long as was set');
way(%alive);

# before there is a connection
$w->setting(connect_attempts => 2);
$w->setting(connect_timeout => '1s');
$network->block('far');
$call = $w->start_pull("'users'");
lost($call, 'nobody answers at all', 2 * (1 + 1) + 3,
	qr/could not connect to SSH server ".*" at 10\.99\.0\.2:\d+: Connection timed out/, qr/attempt 2 of 2/);
$w->setting(connect_timeout => '10s');

# an idle link: the source is made to wait, nothing flows
my $held = PgTunsync::Call->new($w->source, "BEGIN; LOCK TABLE users; SELECT 'held';",
	database => 'production', more => 1);
$held->wait_message(qr/held/, 'out');
$call = $w->start_pull("'users'");
PgTunsync::Process::wait_until('a loader at the lock',
	sub { $w->source_sql("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'pgtunsync/%'
		AND wait_event_type = 'Lock'") > 0 });
$network->block('near', 'far');
$call->finish;
$held->finish;
$network->open;

$jump->cut_connections;
$w->check_refused($call, $before, sqlstate => '08\w{3}', message => [$silent]);

# ---- for a moment ----

way(ServerAliveInterval => 4, ServerAliveCountMax => 3);
$call = flowing();
$network->block('near', 'far');
sleep 2;
cmp_ok($network->dropped, '>', 0, 'packets are lost for two seconds');
$network->limit(rate => '100mbit', queue => '400k');
is($call->finish->{rc}, 0, 'the run goes on and succeeds') or diag($call->{err});
$w->both_equal('big');
$network->open;
$w->nothing_left;

# ---- some of them ----

way(%alive);
foreach my $case ([ '50mbit', '60k' ], [ '100mbit', '100k' ])
{
	my ($rate, $queue) = @$case;
	$network->limit(rate => $rate, queue => $queue);
	$w->local_sql('TRUNCATE big');
	$w->pulls('', "a queue of $queue at $rate", [ @PgTunsync::shop, 'big' ], timeout => 60);
	cmp_ok($network->dropped, '>', 10, 'packets were lost') or diag($network->dropped);
	unlike($w->last_run('coalesce(error, \'\')'), qr/./, 'nobody noticed');
}
$network->open;
$w->healthy;
$w->nothing_left;

done_testing();
