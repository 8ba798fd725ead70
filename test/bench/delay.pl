# delay.pl PORT TARGET_PORT MILLISECONDS: a TCP relay on 127.0.0.1 that adds a
# round trip of so many milliseconds.
#
# A connection is made one and a half round trips after the client's connect(),
# because a distant server would not hear of it sooner; then each byte is
# half a round trip on its way.  There is no slow start and no limit of bandwidth.

use strict;
use warnings;
use IO::Socket::INET;
use Socket qw(IPPROTO_TCP TCP_NODELAY);
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

my ($port, $target, $rtt) = @ARGV;
my $delay = $rtt / 2000;
my $listener = IO::Socket::INET->new(
	LocalAddr => '127.0.0.1',
	LocalPort => $port,
	Listen    => 64,
	ReuseAddr => 1) or die "port $port: $!";
my %ways;     # file number => { from, to, queue => [[due, bytes], …], queued, eof }
my @arrivals; # [due, socket]
my $most = 4 * 1024 * 1024;

$SIG{PIPE} = 'IGNORE';

sub now { return clock_gettime(CLOCK_MONOTONIC); }

sub add_way
{
	my ($from, $to) = @_;
	$from->blocking(0);
	setsockopt($from, IPPROTO_TCP, TCP_NODELAY, 1);
	$ways{ fileno $from } = { from => $from, to => $to, queue => [], queued => 0 };
	return;
}

sub admit
{
	while (@arrivals && $arrivals[0][0] <= now())
	{
		my $client = (shift @arrivals)->[1];
		my $server = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $target);
		next unless $server;
		add_way($client, $server);
		add_way($server, $client);
	}
	return;
}

sub take
{
	my ($way) = @_;
	my $n = sysread $way->{from}, my $bytes, 256 * 1024;
	return if !defined $n && $!{EAGAIN};
	$bytes = '' unless $n;
	$way->{eof} = !$n;
	$way->{queued} += length $bytes;
	push @{ $way->{queue} }, [ now() + $delay, $bytes ];
	return;
}

# Passes on what has been under way long enough; false when nothing more will come.
sub give
{
	my ($way) = @_;
	while (@{ $way->{queue} } && $way->{queue}[0][0] <= now())
	{
		my $bytes = $way->{queue}[0][1];
		if ($bytes eq '')
		{
			shutdown $way->{to}, 1;
			return 0;
		}
		my $n = syswrite $way->{to}, $bytes;
		return $!{EAGAIN} ? 1 : 0 unless defined $n;
		$way->{queued} -= $n;
		substr($way->{queue}[0][1], 0, $n) = '';
		shift @{ $way->{queue} } if $way->{queue}[0][1] eq '';
	}
	return 1;
}

while (1)
{
	my ($read, $write, $next) = ('', '', now() + 1);
	vec($read, fileno $listener, 1) = 1;
	$next = $arrivals[0][0] if @arrivals && $arrivals[0][0] < $next;
	foreach my $way (values %ways)
	{
		vec($read, fileno $way->{from}, 1) = 1 if !$way->{eof} && $way->{queued} < $most;
		next unless @{ $way->{queue} };
		my $due = $way->{queue}[0][0];
		if ($due <= now()) { vec($write, fileno $way->{to}, 1) = 1; }
		elsif ($due < $next) { $next = $due; }
	}
	my $wait = $next - now();
	select $read, $write, undef, $wait > 0 ? $wait : 0;
	if (vec $read, fileno $listener, 1)
	{
		my $client = $listener->accept;
		push @arrivals, [ now() + 3 * $delay, $client ] if $client;
	}
	admit();
	foreach my $fd (keys %ways)
	{
		my $way = $ways{$fd};
		take($way) if !$way->{eof} && vec $read, $fd, 1;
		next if give($way);
		delete $ways{$fd};
	}
}
