# Another user of the machine, for tests that run as an ordinary user.
#
#     stranger.pl PATH USER     started by root: listens on the Unix socket PATH,
#                               to which USER may connect, and becomes "nobody"
#     stranger.pl               serves one client on stdin and stdout
#
# A client sends a port.  The stranger connects to that port of 127.0.0.1,
# answers with its own port, asks for TLS as libpq does, and answers with what
# it reads.

use strict;
use warnings;
use IO::Socket::INET;
use IO::Socket::UNIX;
use POSIX ();

sub serve
{
	my ($in, $out) = @_;
	my $got;
	chomp(my $port = <$in> // '');

	my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port)
	  or die "no connection to port $port: $!";
	$out->autoflush;
	print $out $socket->sockport, "\n";
	syswrite $socket, pack('NN', 8, 80877103);
	sysread($socket, $got, 10);
	print $out "got <$got>\n";
	return;
}

# The last of these cannot be undone.
sub become_nobody
{
	my (undef, undef, $uid, $gid) = getpwnam('nobody') or die 'no user "nobody"';
	$) = "$gid $gid";
	POSIX::setgid($gid) or die "setgid: $!";
	POSIX::setuid($uid) or die "setuid: $!";
	return;
}

sub listen_as_nobody
{
	my ($path, $user) = @_;
	my $listener = IO::Socket::UNIX->new(Local => $path, Listen => 5) or die "$path: $!";

	chown scalar(getpwnam($user)), -1, $path or die "$path: $!";
	chmod 0600, $path or die "$path: $!";
	become_nobody();
	while (my $client = $listener->accept)
	{
		eval { serve($client, $client); 1 } or warn $@;
	}
	return;
}

if (@ARGV) { listen_as_nobody(@ARGV); }
else { serve(\*STDIN, \*STDOUT); }
