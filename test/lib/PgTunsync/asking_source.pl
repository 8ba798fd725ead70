# asking_source.pl PORT LOG CERTIFICATE STEP…: a server that asks for what it likes.
# LOG gets every byte that a client sends.  CERTIFICATE: a file with key and certificate,
# or - to refuse TLS.  A step is "r" (receive a message) or hexadecimal bytes to send at
# once; "." between bytes sends those before it and pauses for a moment.

use strict;
use warnings;
use IO::Handle;
use IO::Socket::INET;
use IPC::Open2;
use Time::HiRes qw(sleep);

my ($port, $log, $certificate, @steps) = @ARGV;
my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 16, ReuseAddr => 1)
  or die "port $port: $!";
$SIG{PIPE} = 'IGNORE';
$SIG{CHLD} = 'IGNORE';

sub note_bytes
{
	open(my $file, '>>', $log) or die "$log: $!";
	syswrite($file, $_[0]);
	close $file;
	return;
}

sub take
{
	my ($client, $length) = @_;
	my $data = '';
	while (length($data) < $length)
	{
		sysread($client, my $more, $length - length($data)) or exit;
		note_bytes($more);
		$data .= $more;
	}
	return $data;
}

# Carries bytes both ways until one side ends.
sub pump
{
	my ($one, $other) = @_;
	my $select = IO::Select->new($one, $other);
	while (1)
	{
		foreach my $from ($select->can_read)
		{
			my $to = $from == $one ? $other : $one;
			sysread($from, my $data, 65536) or exit;
			syswrite($to, $data);
		}
	}
}

# TLS by a program of its own; returns its two pipes.
sub start_tls
{
	my ($client) = @_;
	my $probe = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1) or die;
	my $inner = $probe->sockport;
	close $probe;
	open2(my $from, my $to, 'openssl', 's_server', '-quiet', '-naccept', '1', '-accept', "127.0.0.1:$inner",
		'-cert', $certificate, '-key', $certificate);
	my $tls;
	for (1 .. 200)
	{
		last if $tls = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $inner);
		sleep 0.02;
	}
	die 'no TLS' unless $tls;
	if (!fork)
	{
		require IO::Select;
		close $from;
		close $to;
		pump($client, $tls);
	}
	close $client;
	return ($from, $to);
}

sub serve
{
	my ($client) = @_;
	my ($in, $out) = ($client, $client);
	while (1)
	{
		my $length = unpack('N', take($in, 4));
		my $code = unpack('N', take($in, $length - 4));
		last if $code >> 16 != 1234;
		my $tls = $code == 80877103 && $certificate ne '-';
		syswrite($out, $tls ? 'S' : 'N');
		($in, $out) = start_tls($client) if $tls;
	}
	foreach my $step (@steps)
	{
		if ($step eq 'r')
		{
			my ($type, $length) = unpack('aN', take($in, 5));
			take($in, $length - 4);
			next;
		}
		foreach my $part (split /\./, $step)
		{
			syswrite($out, pack('H*', $part));
			sleep 0.02 if $step =~ /\./;
		}
	}
	take($in, 1) while 1;
}

while (my $client = $listener->accept)
{
	if (!fork)
	{
		close $listener;
		serve($client);
		exit;
	}
	close $client;
}
