# turns.pl PORT TARGET_PORT…: a name that leads to several servers in turn.  The first connection is only looked at
# (the test waits for the port so), and so is the one by which the tunnel proves its way unless data follows.

use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;

my ($port, @targets) = @ARGV;
my $listener = IO::Socket::INET->new(
	LocalAddr => '127.0.0.1',
	LocalPort => $port,
	Listen    => 16,
	ReuseAddr => 1) or die "port $port: $!";
$SIG{CHLD} = 'IGNORE';

# Carries a connection whose first bytes have come.
sub carry
{
	my ($client, $first, $target) = @_;
	my $server = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $target) or exit;
	my $select = IO::Select->new($client, $server);
	syswrite($server, $first);
	while (my @ready = $select->can_read)
	{
		foreach my $from (@ready)
		{
			my $n = sysread($from, my $data, 65536) or exit;
			my $to = $from == $client ? $server : $client;
			while ($n > 0) { my $put = syswrite($to, $data) or exit; substr($data, 0, $put, ''); $n -= $put; }
		}
	}
	exit;
}

my $turn = 0;
my $select = IO::Select->new($listener);
while (my @ready = $select->can_read)
{
	foreach my $socket (@ready)
	{
		if ($socket == $listener)
		{
			$select->add($listener->accept);
			next;
		}
		$select->remove($socket);
		my $n = sysread($socket, my $first, 65536) or next;
		my $target = $targets[ $turn++ % @targets ];
		carry($socket, $first, $target) unless fork;
		close $socket;
	}
}
