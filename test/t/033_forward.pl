# The forwarding through the jump host is proven before a pull touches anything
# local.  The local entrance serves only the run.

use strict;
use warnings;
use IO::Socket::INET;
use PgTunsync;
use PostgreSQL::Test::Cluster;
use Test::More;

my $w = PgTunsync->new(users => 300);
my $before = $w->snapshot;

# ---- the far end ----

my $closed = PostgreSQL::Test::Cluster::get_free_port();
$w->write_env(PGSYNC_REMOTE_PORT => $closed);
$w->refused("'users'", 'the remote port is closed', before => $before, sqlstate => '08001',
	message => [ qr/$closed/, qr/127\.0\.0\.1|PGSYNC_REMOTE/ ]);
$w->write_env(PGSYNC_REMOTE_HOST => 'no-such-host.invalid');
$w->refused("'users'", 'the remote host is unknown to the jump host', before => $before, sqlstate => '08001',
	message => [qr/no-such-host\.invalid/]);

$w->jump->stop;
$w->jump->start(AllowTcpForwarding => 'no');
$w->write_env;
$w->refused("'users'", 'forwarding is forbidden', before => $before, sqlstate => '08004',
	message => [qr/prohibited|forbid|forward|AllowTcpForwarding/i]);
$w->jump->stop;
$w->jump->start(PermitOpen => '127.0.0.1:1');
$w->refused("'users'", 'this destination is forbidden', before => $before, sqlstate => '08004',
	message => [qr/prohibited|forbid|forward|PermitOpen/i]);
$w->jump->stop;
$w->jump->start;

# ---- the near end ----

my $port = $w->port;
my $squatter = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 1, ReuseAddr => 1)
  or die "port $port: $!";
$w->{port_is_taken} = 1;
$w->setting(lock_timeout => '500ms');
$w->refused("'users'", 'the local port is in use', before => $before, sqlstate => '55006',
	message => [ qr/\b$port\b/, qr/PGSYNC_LOCAL_PORT/ ]);
close $squatter;
$w->{port_is_taken} = 0;
$w->setting(lock_timeout => undef);
$w->pulls("'users'", 'the port is free again', ['users']);

# ---- the entrance serves nobody else ----

my $relay = $w->relay;
$relay->set(stall_after => 20_000);
my $call = $w->start_pull("'{orders,order_items,users,products,categories,shipments,reviews}'");
PgTunsync::Process::wait_until('the entrance', sub { PgTunsync::listening($port); });
$relay->wait_stalled;
my $stranger = $w->call('SELECT current_user;', connstr => $w->source_url)->finish;
isnt($stranger->{rc}, 0, 'another process is not let in');
is($stranger->{out}, '', 'and gets nothing');
my $listeners = `ss -ltn 2>/dev/null` || '';
unlike($listeners, qr/(0\.0\.0\.0|\*|\[::\]):$port\b/, 'the entrance is on the loopback only');
$relay->set;
is($call->finish->{rc}, 0, 'the run itself goes on') or diag($call->{err});
$w->both_equal(@PgTunsync::shop);
$w->nothing_left;

# ---- no port at all ----

$w->write_env(PGSYNC_LOCAL_PORT => 0);
my $run = $w->pulls('', 'PGSYNC_LOCAL_PORT=0: a private socket', [@PgTunsync::shop]);
ok(!PgTunsync::listening($port), 'and no TCP port');

# any number of pulls run side by side then
my @calls = map { $w->start_pull("'$_'") } qw(users reviews shipments);
is($_->finish->{rc}, 0, 'pulls side by side') || diag($_->{err}) foreach @calls;
$w->nothing_left;

done_testing();
