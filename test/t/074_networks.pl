# Bad networks: silence, low speed, servers with tight limits, and connections
# that break at any point.  A run succeeds completely or fails completely, in
# bounded time.

use strict;
use warnings;
use PgTunsync;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $w = PgTunsync->new(users => 100);
my $jump = $w->jump;
my %alive = (ServerAliveInterval => 1, ServerAliveCountMax => 2);
my $silence = 4;                # s: interval × (count + 1), and a round of waiting
my $shop = "'{" . join(',', @PgTunsync::shop) . "}'";

# much on the wire, little on the disk
$w->source_sql("CREATE TABLE big (id int PRIMARY KEY, x text);
	INSERT INTO big SELECT i, repeat(chr(65 + i % 26), 500000) FROM generate_series(1, 40) i");
$w->local_sql('CREATE TABLE big (id int PRIMARY KEY, x text)');
$w->setting(connect_attempts => 2);
$w->setting(connect_timeout => '2s');
$w->write_ssh_config(%alive);
my $before = $w->snapshot;

# A relay between us and sshd, the way through it, and a fresh one.
my $keys = slurp_file($jump->known_hosts);
my $wire;

sub by_wire
{
	$w->write_ssh_config(%alive, Port => $wire->port);
	return;
}

sub new_wire
{
	$wire = PgTunsync::Relay->new($w->dir, $jump->port);
	append_to_file($jump->known_hosts, $keys =~ s/:${\$jump->port} /:${\$wire->port} /gr);
	return by_wire();
}

# Starts an sshd with these options.
sub sshd
{
	my (%options) = @_;
	$jump->stop;
	$jump->start(%options);
	return;
}

# Holds a table at the source, so that its COPY stands still; released by finish().
sub hold
{
	my ($table) = @_;
	my $session = PgTunsync::Call->new($w->source, "BEGIN; LOCK TABLE $table; SELECT 'held';",
		database => 'production', more => 1);
	$session->wait_message(qr/held/, 'out');
	return $session;
}

sub wait_for_loader
{
	return PgTunsync::Process::wait_until('a loader at the lock',
		sub { $w->source_sql("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'pgtunsync/%'
			AND wait_event_type = 'Lock'") > 0 });
}

# Tests: the call ends as a lost connection does, within these seconds of now;
# then what was broken is mended.
sub lost
{
	my ($call, $title, $seconds, $message, $mend) = @_;
	my $start = time();

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$call->finish;
	my $took = time() - $start;
	$mend->() if $mend;
	subtest $title => sub {
		cmp_ok($took, '<', $seconds, 'ends in time');
		$w->check_refused($call, $before, sqlstate => '08\w{3}', message => $message);
		like($w->last_run('status'), qr/failed/, 'the audit has it');
	};
	return;
}

# ---- silence ----

my $held = hold('users');
my $call = $w->start_pull("'users'");
wait_for_loader();
sleep 6;
ok($call->running, 'a query that says nothing for longer than keepalives would wait is left alone');
$held->finish;
is($call->finish->{rc}, 0, 'and succeeds') or diag($call->{err});
$w->both_equal('users');
$before = $w->snapshot;

$held = hold('users');
$call = $w->start_pull("'users'");
wait_for_loader();
kill 'STOP', PgTunsync::Process::descendants($jump->pid);
lost($call, 'an sshd that is stopped while a query runs', $silence + 4,
	[ qr/the connection to SSH server ".*:${\$jump->port}" was lost/,
	qr/silent for \d s, and did not answer 2 keepalives/ ],
	sub { kill 'CONT', PgTunsync::Process::descendants($jump->pid); $held->finish; });

new_wire();
$wire->set(rate => 2_000_000);
$call = $w->start_pull("'big'");
PgTunsync::Process::wait_until('data', sub { $wire->passed > 1_000_000 });
kill 'STOP', PgTunsync::Process::descendants($jump->pid);
lost($call, 'an sshd that is stopped in mid-COPY', $silence + 4, [qr/was lost/],
	sub { kill 'CONT', PgTunsync::Process::descendants($jump->pid); $wire->set; });

kill 'STOP', $jump->pid;
$w->write_ssh_config(%alive);
$call = $w->start_pull("'users'");
lost($call, 'an sshd that was stopped before', 2 * (2 + 3),
	[ qr/timeout during the key exchange with SSH server/, qr/pgtunsync\.connect_timeout/, qr/attempt 2 of 2/ ]);
kill 'CONT', $jump->pid;
$w->setting(connect_timeout => '20s');
kill 'STOP', $jump->pid;
$w->write_ssh_config(%alive, ConnectTimeout => 1);
$call = $w->start_pull("'users'");
lost($call, 'ConnectTimeout of ssh_config beats the setting', 2 * (1 + 3), [qr/timeout during the key exchange/]);
kill 'CONT', $jump->pid;
$w->setting(connect_timeout => '2s');

# ---- the server asks for signs of life ----

sshd(ClientAliveInterval => 1, ClientAliveCountMax => 2);
$w->write_ssh_config(ServerAliveInterval => 60);
$held = hold('users');
$call = $w->start_pull("'users'", options => '-c pgtunsync.jobs=3');
wait_for_loader();
sleep 4;
$held->finish;
is($call->finish->{rc}, 0, 'ClientAliveInterval: sessions answer while a query is slow, also idle ones')
  or diag($call->{err});
unlike($call->{err}, qr/idle SSH session was lost/, 'none of them was lost');
$w->write_ssh_config(%alive);

# ---- new keys all the time ----

sshd(RekeyLimit => '1M');
$w->pulls('', 'a new key every megabyte', [ @PgTunsync::shop, 'big' ], timeout => 60);
$w->local_sql('TRUNCATE big');

# ---- servers that allow little ----

sshd(MaxSessions => 1);
my $run = $w->pulls($shop, 'MaxSessions 1', \@PgTunsync::shop);
sshd(MaxStartups => 1);
$run = $w->pulls($shop, 'MaxStartups 1', \@PgTunsync::shop, options => '-c pgtunsync.jobs=4');
sshd(MaxStartups => '10:100:10');
my $heard = length slurp_file($jump->log);
$run = $w->pulls('', 'more sessions than may log in at a time', [ @PgTunsync::shop, 'big' ],
	options => '-c pgtunsync.jobs=18 -c pgtunsync.max_jobs=18 -c pgtunsync.max_workers=24');
unlike(substr(slurp_file($jump->log), $heard), qr/MaxStartups|drop connection/i, 'they take turns');
unlike($run->{err}, qr/SSH sessions/, 'and all arrive');
$w->local_sql('TRUNCATE big');
sshd(MaxStartups => '1:100:1');
my $squatter;
PgTunsync::Process::wait_until(
	'the only place',
	sub {
		$squatter = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $jump->port);
		return $squatter && <$squatter> =~ /^SSH-/;    # else "Exceeded MaxStartups"
	});
$w->setting(connect_attempts => 60);
$w->setting(connect_retry_delay => '500ms');
$heard = length slurp_file($jump->log);
$call = $w->start_pull("'users'");
$call->wait_message(qr/NOTICE: .*attempt 3 of 60/);
close $squatter;
is($call->finish->{rc}, 0, 'a server that is too busy to talk is tried again')
  or diag($call->{err}, "\nsshd: ", substr(slurp_file($jump->log), $heard));
$w->both_equal('users');
$w->nothing_left;
$w->setting(connect_attempts => 2);
$w->setting(connect_retry_delay => '100ms');
sshd();
$before = $w->snapshot;

# ---- a link that breaks after any number of bytes ----

by_wire();
foreach my $bytes (1, 30, 600, 1200, 1700, 2200, 3000, 4000, 6000, 20_000, 300_000, 5_000_000)
{
	$wire->set(cut_after => $bytes);
	$call = $w->start_pull("'{big,users}'");
	lost($call, "cut after $bytes bytes", 15, [qr/SSH server|tunnel|connection/]);
}

# ---- one direction ends, the other stays open ----

foreach my $bytes (10, 2500, 1_000_000)
{
	$wire->set(half_close_after => $bytes);
	$call = $w->start_pull("'{big,users}'", timeout => 40);
	lost($call, "the jump host's half is closed after $bytes bytes", 15, [qr/SSH server|tunnel|connection/]);
}
$wire->set;
my $back = $w->relay;
foreach my $bytes (10, 3000, 1_000_000)
{
	$back->set(half_close_after => $bytes);
	$call = $w->start_pull("'{big,users}'", timeout => 40);
	lost($call, "the source's half is closed after $bytes bytes", 15, [qr/source|connection/]);
}
$back->set;
$w->write_env;

# ---- and one that falls silent there ----

foreach my $bytes (10, 1200, 2500, 1_000_000)
{
	$wire->set(stall_after => $bytes);
	$call = $w->start_pull("'{big,users}'", timeout => 40);
	lost($call, "silent after $bytes bytes", 15, [qr/timeout|silent|lost/]);
}
$wire->set;

# ---- a hop on the way dies ----

my $gate = PgTunsync::Sshd->new($w->dir . '/gate', 'gate')->start->trust;
$w->write_ssh_config_text($gate->host_block('gate', %alive) . $jump->host_block('hatchbox', %alive,
	ProxyJump => 'gate'));
foreach my $case ([ 'killed', sub { $gate->cut_connections } ],
	[ 'stopped', sub { kill 'STOP', PgTunsync::Process::descendants($gate->pid) } ])
{
	$held = hold('users');
	$call = $w->start_pull("'users'");
	wait_for_loader();
	$case->[1]->();
	lost($call, "the first of two hops is $case->[0]", $silence + 4, [qr/was lost/],
		sub { kill 'CONT', PgTunsync::Process::descendants($gate->pid); $held->finish; });
}
$gate->stop;

# ---- a reader that is slower than the link ----

new_wire();
$wire->set(rate => 2_000_000);
$call = $w->start_pull("'big'");
my ($tunnel) = $w->wait_worker('tunnel');
PgTunsync::Process::wait_until('data',
	sub { $w->worker_pids('loader') && $wire->passed > 1_000_000 || !$call->running });
$wire->set;
my @loaders = $w->worker_pids('loader');
kill 'STOP', @loaders;
my ($first) = slurp_file("/proc/$tunnel/status") =~ /VmRSS:\s+(\d+)/;
sleep 6;
my ($most) = slurp_file("/proc/$tunnel/status") =~ /VmHWM:\s+(\d+)/;
kill 'CONT', @loaders;
is($call->finish->{rc}, 0, 'loaders that stand still for longer than keepalives would wait') or diag($call->{err});
cmp_ok($most, '<', 64 * 1024, 'the tunnel\'s memory is bounded') or diag("at first $first kB");
$w->both_equal('big');
$w->healthy;
$w->nothing_left;

done_testing();
