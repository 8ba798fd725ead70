# The local entrance, a TCP port or a private socket, serves only its run and
# closes with it.  033_forward.pl has further cases.

use strict;
use warnings;
use File::Temp ();
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use PgTunsync;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $w = PgTunsync->new(users => 300);
my $port = $w->port;
my $node = $w->local_node;
my $long = $node->basedir;

# The data directory has a short name, wherever temporary files are.  So the
# socket fits into it and none is made in /tmp.
my $short = File::Temp::tempdir('/tmp/pgts.XXXXXX', CLEANUP => 1);
$node->stop;
symlink $long, "$short/l" or die "symlink: $!";
$node->{_basedir} = "$short/l";
$node->start;
my $data = $node->data_dir;
my $relay = $w->relay;
my $before;

$w->source_sql("CREATE TABLE big (id int PRIMARY KEY, x text);
	INSERT INTO big SELECT i, repeat(md5(i::text), 30) FROM generate_series(1, 3000) i");
$w->local_sql('CREATE TABLE big (id int PRIMARY KEY, x text)');
$w->pulls('', 'both sides are equal', [ @PgTunsync::shop, 'big' ]);
$before = $w->snapshot;

# Starts a pull of big that stalls in the middle.
sub standing_pull
{
	my (%env) = @_;
	$w->write_env(PGSYNC_REMOTE_PORT => $relay->port, %env);
	$relay->set(stall_after => 300_000);
	my $call = $w->start_pull("'big'");
	$relay->wait_stalled;
	return $call;
}

# A test: it continues and succeeds.
sub goes_on
{
	my ($call, $title) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$relay->set;
	is($call->finish->{rc}, 0, $title) or diag($call->{err});
	$w->both_equal('big');
	return;
}

# Connects as a client of the source would.  Returns what the entrance sends
# before it closes the connection.
sub stranger
{
	my ($socket) = @_;
	my $got = '';
	local $SIG{PIPE} = 'IGNORE';
	syswrite($socket, pack('NN', 8, 80877103));    # SSLRequest: any server answers one byte
	IO::Select->new($socket)->can_read(10) or return 'nothing, for 10 s';
	sysread($socket, $got, 100);
	return $got eq '' ? 'dropped' : "an answer: $got";
}

# Returns the directory of the private socket of the current run.
sub socket_directory
{
	my @found = grep { -d } glob("$data/base/pgsql_tmp/pgsql_tmp.pgtunsync.*");
	my ($tunnel) = $w->worker_pids('tunnel');
	return (grep { /\.$tunnel$/ } @found)[0];
}

# ---- by TCP ----

my $call = standing_pull();
my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) or die "port $port: $!";
my $stranger_port = $socket->sockport;
is(stranger($socket), 'dropped', 'a stranger that speaks first is dropped');
$socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port);
IO::Select->new($socket)->can_read(10);
is(sysread($socket, my $nothing, 1), 0, 'a stranger that waits is dropped');
$call->wait_message(qr/WARNING: .*dropped a connection from 127\.0\.0\.1:$stranger_port to the tunnel's entrance/);
pass('and reported with its port');
my $direct = $w->call('SELECT count(*) FROM users;', connstr => $w->source_url)->finish;
isnt($direct->{rc}, 0, 'knowing the source\'s password helps nobody');
is(() = PostgreSQL::Test::Utils::slurp_file($w->source->logfile) =~ /SSL negotiation|incomplete startup packet/g, 0,
	'the source never heard of them');

# many connections at once: the run still works, and the log stays small
my @many = grep { defined } map { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port,
	Timeout => 2) } 1 .. 120;
cmp_ok(scalar(@many), '>', 50, 'a crowd at the door');
sleep 3;
goes_on($call, 'the run goes on');
my $warnings = () = $call->{err} =~ /WARNING: .*dropped a connection/g;
cmp_ok($warnings, '>=', 3, 'strangers are reported');
cmp_ok($warnings, '<=', 20, 'up to a bound');
close $_ foreach @many;
$w->nothing_left;

# a connection that stays open does not block the port for the next run
$call = standing_pull();
my $late = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port);
goes_on($call, 'with a stranger at the door until the end');
$w->write_env;
is($w->pull("'users'")->{rc}, 0, 'the next run gets the same port at once');
close $late;

# two runs with one port: the second waits for it and names the first
$call = standing_pull();
my $second = $w->pull("'users'", options => '-c pgtunsync.lock_timeout=1s');
like($second->{sqlstate} || 'none', qr/^55/, 'a second run waits for the port, for lock_timeout')
  or diag($second->{err});
like($second->{err}, qr/\b$port\b/, 'and says which');
like($second->{err}, qr/PGSYNC_LOCAL_PORT/, 'and what to do');
$second = $w->start_pull("'users'");
sleep 1;
ok($second->running, 'another one waits longer');
goes_on($call, 'until the first has gone');
is($second->finish->{rc}, 0, 'and then goes its way') or diag($second->{err});
$w->nothing_left;

# ---- by a private socket ----

$call = standing_pull(PGSYNC_LOCAL_PORT => 0);
my $directory = socket_directory();
ok(defined $directory, 'there is a directory') or BAIL_OUT('no directory');
is((stat $directory)[2] & 07777, 0700, 'that only the owner enters');
is((stat "$directory/.s.PGSQL.1")[2] & 0777, 0600, 'with a socket that only the owner uses');
ok(!PgTunsync::listening($port), 'no TCP port is open');
like($call->text('err'), qr/private socket/, 'the banner says so');
my $unix = IO::Socket::UNIX->new(Peer => "$directory/.s.PGSQL.1") or die "$directory: $!";
is(stranger($unix), 'dropped', 'another process of the same user is dropped');
$call->wait_message(qr/WARNING: .*dropped a connection from process $$ to the tunnel's entrance/);
pass('and reported with its pid');

# a second run at the same time, from start to end
my $beside = $w->start_pull("'users'");
is($beside->finish->{rc}, 0, 'a second run goes from start to end meanwhile') or diag($beside->{err});
ok($call->running, 'while the first one still stands');
$w->source_sql("UPDATE users SET name = 'changed' WHERE id % 7 = 0");
my @three = map { $w->start_pull("'$_'") } 'users', 'reviews';
is($_->finish->{rc}, 0, 'two more at the same time') || diag($_->{err}) foreach @three;
$w->both_equal('users', 'reviews');
ok(-d $directory, 'the first one\'s directory is untouched');
goes_on($call, 'the first one ends well');
ok(!-e $directory, 'its directory is gone');
$w->nothing_left;

# ---- however a run ends ----

foreach my $case ([ 'cancelled', sub { $w->local_sql("SELECT pgtunsync.cancel(max(id)) FROM pgtunsync.runs") } ],
	[ 'its tunnel terminated', sub { kill 'TERM', $w->worker_pids('tunnel') } ],
	[ 'its leader terminated', sub { kill 'TERM', $w->worker_pids('leader') } ],
	[ 'its sshd killed', sub { $w->jump->cut_connections } ])
{
	my ($how, $end) = @$case;
	foreach my $local ($port, 0)
	{
		$before = $w->snapshot;
		$call = standing_pull(PGSYNC_LOCAL_PORT => $local);
		$directory = $local ? undef : socket_directory();
		$end->();
		$relay->set;
		isnt($call->finish->{rc}, 0, "a run by " . ($local ? 'port' : 'socket') . " that is $how");
		$w->unchanged($before);
		$w->nothing_left("leaves nothing when $how");
	}
}

# after a crash the server cleans up
$before = $w->snapshot;
$call = standing_pull(PGSYNC_LOCAL_PORT => 0);
$directory = socket_directory();
kill 'KILL', $w->worker_pids('tunnel');
$w->{has_crashed} = 1;
$relay->set;
isnt($call->finish->{rc}, 0, 'a tunnel that is killed');
$w->server_is_up;
ok(!-e $directory, 'the dead one\'s directory is gone');
$w->unchanged($before);
is($w->pull("'users'")->{rc}, 0, 'the next run goes its way');
$w->nothing_left;

# leftovers of dead processes are removed, those of living ones are not
my ($dead) = grep { !kill(0, $_) && $!{ESRCH} } reverse 3_000_000 .. 3_001_000;
my %left = map { $_ => "$data/base/pgsql_tmp/pgsql_tmp.pgtunsync.$_" } $dead, $$;
mkdir "$data/base/pgsql_tmp";
mkdir $_ foreach values %left;
append_to_file("$left{$dead}/.s.PGSQL.1", '');
is($w->pull("'users'")->{rc}, 0, 'another run');
ok(!-e $left{$dead}, 'removes what the dead have left');
ok(-d $left{$$}, 'and not what a living process may still use');
rmdir $left{$$};
$w->nothing_left;
$node->{_basedir} = $long;

done_testing();
