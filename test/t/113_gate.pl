# The gate admits only the socket that was announced.  A preloaded library
# holds a connection of the run, or makes the run announce a stranger's port.
# The second case is the same as a socket that was closed and whose port
# another process got.

use strict;
use warnings;
use File::Basename;
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use IPC::Open2;
use PgTunsync;
use PgTunsync::AskingSource;
use PgTunsync::Process;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

plan skip_all => 'no C compiler' if system('cc --version >/dev/null 2>&1') != 0;
plan skip_all => 'the system does not list the sockets of the loopback' unless -r '/proc/net/tcp';

my $w = PgTunsync->new(users => 100);
my $port = $w->port;
my $dir = $w->dir . '/hooks';
my $node = $w->local_node;

mkdir $dir;
my $hooks = dirname($INC{'PgTunsync.pm'}) . '/PgTunsync/entrance_hooks.c';
is(system('cc', '-shared', '-fPIC', '-w', '-o', "$dir/hooks.so", $hooks, '-ldl'), 0, 'the hooks are built');
{
	local $ENV{LD_PRELOAD} = "$dir/hooks.so";
	local $ENV{HOOKS_DIR} = $dir;
	local $ENV{HOOKS_PORT} = $port;
	$node->restart;
}
$w->pulls("'users'", 'with the hooks idle', ['users']);

# Makes one of the files that switch the hooks, or removes them.
sub switch_on
{
	my ($name, $text) = @_;
	append_to_file("$dir/$name", defined $text ? $text : '');
	return;
}

sub switch_off
{
	unlink map { "$dir/$_" } @_;
	return;
}

sub wait_file
{
	my ($name) = @_;
	return PgTunsync::Process::wait_until($name, sub { -e "$dir/$name" });
}

# Starts a pull whose first connection to the entrance is held.
sub held_pull
{
	my (%env) = @_;
	$w->write_env(%env);
	switch_off('held', 'connected', 'port');
	switch_on('hold');
	my $call = $w->start_pull("'users'");
	wait_file('held');
	return $call;
}

# A client of the entrance from this address.
sub client
{
	my ($address) = @_;
	return IO::Socket::INET->new(LocalAddr => $address, PeerAddr => '127.0.0.1', PeerPort => $port)
	  || die "port $port: $!";
}

# Returns what a stranger receives; any server answers SSLRequest by one byte.
sub answer
{
	my ($socket) = @_;
	my $got = '';
	local $SIG{PIPE} = 'IGNORE';
	syswrite($socket, pack('NN', 8, 80877103));
	IO::Select->new($socket)->can_read(10) or return 'nothing, for 10 s';
	sysread($socket, $got, 100);
	return $got eq '' ? 'dropped' : "an answer: $got";
}

# Returns the number of connections to the entrance.
sub connections
{
	my $entrance = sprintf('0100007F:%04X', $port);
	my $count = () = `cat /proc/net/tcp` =~ /^\s*\d+: 0100007F:\w{4} $entrance 01/mg;
	return $count;
}

# Ends a pull whose connection was not the announced one.
sub ends_dropped
{
	my ($call, $pattern) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	isnt($call->finish->{rc}, 0, 'the run, whose own connection is not admitted, fails');
	like($call->{err}, $pattern, 'and the stranger is reported');
	switch_off('port');
	$w->nothing_left;
	return;
}

# ---- the address ----

# 127.0.0.2 uses the port that is announced for 127.0.0.1, and connects first
my $call = held_pull();
my $stranger = client('127.0.0.2');
my $its_port = $stranger->sockport;
switch_on('port', $its_port);
switch_off('hold');
is(answer($stranger), 'dropped', 'the announced port of another address is not let in');
ends_dropped($call, qr/dropped a connection from 127\.0\.0\.2:$its_port to the tunnel's entrance/);

# ---- the socket ----

# the same address and port, but not the socket that was announced
$call = held_pull();
$stranger = client('127.0.0.1');
$its_port = $stranger->sockport;
switch_on('port', $its_port);
switch_off('hold');
is(answer($stranger), 'dropped', 'another socket with the announced address and port is not let in');
ends_dropped($call, qr/dropped a connection from 127\.0\.0\.1:$its_port to the tunnel's entrance/);

# Returns what writes to another user's process and what reads from it (see
# stranger.pl): check.sh has started one if it is root, else sudo may.
sub other_user
{
	my $script = slurp_file(dirname($INC{'PgTunsync.pm'}) . '/PgTunsync/stranger.pl');

	return (IO::Socket::UNIX->new(Peer => $ENV{STRANGER})) x 2 if $ENV{STRANGER};
	return if system('sudo -n -u nobody true >/dev/null 2>&1') != 0;
	open2(my $out, my $in, 'sudo', '-n', '-u', 'nobody', $^X, '-e', $script);
	return ($in, $out);
}

SKIP:
{
	my ($in, $out) = other_user();
	skip 'nobody can be another user', 3 unless $out;
	$call = held_pull();
	syswrite $in, "$port\n";
	chomp($its_port = <$out>);
	switch_on('port', $its_port);
	switch_off('hold');
	is(scalar <$out>, "got <>\n", 'a process of another user is not let in');
	ends_dropped($call, qr/dropped a connection from 127\.0\.0\.1:$its_port/);
}

# a stranger who connects first does not block the run
$call = held_pull();
my @crowd = map { client($_) } ('127.0.0.1', '127.0.0.2') x 5;
switch_off('hold');
is($call->finish->{rc}, 0, 'a run among strangers succeeds') or diag($call->{err});
is(answer($_), 'dropped', 'they are dropped') foreach @crowd;
$w->both_equal('users');
$w->nothing_left;

# ---- the private socket ----

$call = held_pull(PGSYNC_LOCAL_PORT => 0);
my ($socket) = grep { -S } glob($node->data_dir . '/base/pgsql_tmp/*pgtunsync*/.s.*'), glob("/tmp/pgtunsync.$<.*/.s.*");
ok(defined $socket, 'there is a private socket');
my ($tunnel) = $w->worker_pids('tunnel');
like(dirname($socket), qr{pgtunsync\.(?:\d+\.)?[A-Za-z0-9_-]{12}\.$tunnel$}, 'in a directory with a random name');
is((stat dirname($socket))[2] & 07777, 0700, 'that only its owner enters');
my ($first) = $socket =~ /\.([A-Za-z0-9_-]{12})\.\d+\//;
$stranger = IO::Socket::UNIX->new(Peer => $socket) or die "$socket: $!";
my ($leader) = $w->worker_pids('leader');
kill 'STOP', $tunnel;
switch_on('hold_after');
switch_off('hold');
wait_file('connected');
switch_off('hold_after');
sleep 0.5;    # the leader announces its connection
kill 'STOP', $leader;
kill 'CONT', $tunnel;
is(answer($stranger), 'dropped', 'another process is not let in while an announcement is open');
kill 'CONT', $leader;
is($call->finish->{rc}, 0, 'and the run goes on') or diag($call->{err});
like($call->{err}, qr/dropped a connection from process $$ to the tunnel's entrance/, 'the stranger is reported');
$w->nothing_left;

$call = held_pull(PGSYNC_LOCAL_PORT => 0);
($socket) = grep { -S } glob($node->data_dir . '/base/pgsql_tmp/*pgtunsync*/.s.*'), glob("/tmp/pgtunsync.$<.*/.s.*");
unlike($socket, qr/\Q$first\E/, 'the next run\'s name is another');
switch_off('hold');
is($call->finish->{rc}, 0, 'it succeeds, too');

# ---- the end of an announcement ----

# Announced, then ended before the tunnel looks: the connection is not admitted
# any more.  The tunnel stands still meanwhile; so does the leader, else the run would end.
$w->write_env;
$w->source->append_conf('postgresql.conf', 'log_connections = on');
$w->source->reload;
my $log = -s $w->source->logfile;
$call = held_pull();
($tunnel) = $w->worker_pids('tunnel');
($leader) = $w->worker_pids('leader');
kill 'STOP', $tunnel;
switch_off('hold');
# the leader's connection is announced; it waits for an answer
my @loaders = $w->worker_pids('loader');
PgTunsync::Process::wait_until('all connections', sub { connections() > @loaders });
sleep 0.5;
kill 'STOP', $leader;
kill 'TERM', @loaders;
PgTunsync::Process::wait_until('the end of the loaders', sub { !$w->worker_pids('loader') });
kill 'CONT', $tunnel;
sleep 3;
my $seen = () = slurp_file($w->source->logfile, $log) =~ /connection received: host=127\.0\.0\.1/g;
is($seen, 1, 'of all announced connections only the living one is let in');
kill 'CONT', $leader;
$call->finish;
$w->nothing_left;

# ---- the other side ----

# Another program answers at the port that the run connects to.
my $impostor = PgTunsync::AskingSource->new($w->dir);
$impostor->start($PgTunsync::AskingSource::ok . unpack('H*', 'Z' . pack('N', 5) . 'I'));
switch_on('redirect', $impostor->port);
foreach my $mode ('prefer', 'disable')
{
	foreach my $secret (":$PgTunsync::password", '')
	{
		$w->write_env(PGSYNC_FROM_URL => "postgresql://reader$secret\@127.0.0.1:$port/production?sslmode=$mode");
		$w->refused("'users'", "another process answers, sslmode=$mode, " . ($secret ? 'password' : 'none'),
			sqlstate => '28000',
			message  => [ qr/another process answers at the tunnel's entrance/, qr/PGSYNC_LOCAL_PORT to 0/ ]);
	}
}
unlike($impostor->received, qr/\Q$PgTunsync::password\E/, 'it gets no password');
$impostor->stop;
switch_off('redirect');
$w->write_env;
$w->pulls("'users'", 'and without it', ['users']);

done_testing();
