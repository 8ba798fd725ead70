# hostile.pl PORT MODE: a server that is no friend of SSH clients.

use strict;
use warnings;
use IO::Socket::INET;

my ($port, $mode) = @ARGV;
my $listener = IO::Socket::INET->new(
	LocalAddr => '127.0.0.1',
	LocalPort => $port,
	Listen    => 16,
	ReuseAddr => 1) or die "port $port: $!";
my $banner = "SSH-2.0-OpenSSH_9.9\r\n";

srand(7);
$SIG{PIPE} = 'IGNORE';
$SIG{CHLD} = 'IGNORE';

sub noise { return join('', map { chr(int(rand(256))) } 1 .. $_[0]); }
sub text { return pack('N/a*', $_[0]); }

# A packet of the unencrypted phase (RFC 4253 §6).
sub packet
{
	my ($payload) = @_;
	my $padding = 8 - (length($payload) + 5) % 8;
	$padding += 8 if $padding < 4;
	return pack('NC', length($payload) + $padding + 1, $padding) . $payload . "\0" x $padding;
}

# Our side of the negotiation (RFC 4253 §7.1), as OpenSSH's would look.
sub kexinit
{
	my (%list) = @_;
	my @lists = (
		$list{kex} // 'curve25519-sha256,ecdh-sha2-nistp256,diffie-hellman-group14-sha256',
		$list{key} // 'ssh-ed25519,ecdsa-sha2-nistp256',
		('aes128-ctr,aes256-ctr') x 2, ('hmac-sha2-256') x 2, ('none') x 2, ('') x 2);
	return packet("\x14" . "c" x 16 . join('', map { text($_) } @lists) . "\0" x 5);
}

# The answer to the client's half of the key exchange: host key, our half, signature.
sub reply { return packet("\x1f" . join('', @_)); }

my $key = text('ssh-ed25519') . text("\x05" x 32);
my $half = "\x09" . "\0" x 31;
my $signature = text('ssh-ed25519') . text("\x06" x 64);
my %exchange = (
	wrong_signature => reply(text($key), text($half), text($signature)),
	short_key       => reply(text("\0\0"), text($half), text($signature)),
	no_key          => reply(text(''), text($half), text($signature)),
	huge_key        => reply(pack('N', 0x7fffffff) . $key, text($half), text($signature)),
	odd_key         => reply(text(text('ssh-ed25519') . pack('N', 0xfffffff0) . 'x'), text($half), text($signature)),
	other_key       => reply(text(text('ssh-dss') . text('x') x 4), text($half), text($signature)),
	no_half         => reply(text($key), text(''), text($signature)),
	zero_half       => reply(text($key), text("\0" x 32), text($signature)),
	long_half       => reply(text($key), text($half x 500), text($signature)),
	huge_half       => reply(text($key), pack('N', 0xffffffff) . $half, text($signature)),
	no_signature    => reply(text($key), text($half)),
	short_signature => reply(text($key), text($half), text("\0\0\0\x0b")),
	odd_signature   => reply(text($key), text($half), text(text('ssh-ed25519') . pack('N', 0x40) . 'x')),
	empty_reply     => packet("\x1f"),
	newkeys_first   => packet("\x15"),
	auth_first      => packet("\x34"),
	channel_first   => packet("\x5a" . text('session') . "\0" x 12),
	another_kexinit => kexinit(),
	unknown_message => packet("\xc8" . noise(100)),
	many_ignored    => packet("\x02" . text('x' x 30000)) x 2000,
	kex_close       => '');

# What to send, in pieces; a number is a pause in seconds.
my %modes = (
	close        => [],
	silent       => [30],
	garbage      => [ (noise(65536)) x 200 ],
	no_newline   => [ ('A' x 65536) x 400 ],
	many_lines   => [ ("hello hello\r\n" x 5000) x 400 ],
	long_banner  => [ 'SSH-2.0-' . 'x' x 100_000 . "\r\n", 30 ],
	nul_banner   => [ "SSH-2.0-\0\0\0\r\n", 30 ],
	old_banner   => [ "SSH-1.5-old\r\n", 30 ],
	http         => [ "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n<html>" ],
	postgres     => ["E\0\0\0\x0cSFATAL\0\0"],
	drip         => [ map { ('x', 0.3) } 1 .. 100 ],
	banner_close => [$banner],
	banner_stall => [ $banner, 30 ],
	huge_packet  => [ $banner, "\x7f\xff\xff\xff" . "\0" x 100_000, 30 ],
	big_packet   => [ $banner, pack('NC', 39_000, 4) . "\x14" . noise(39_000), 30 ],
	zero_packets => [ $banner, "\0" x 4000, 30 ],
	all_padding  => [ $banner, pack('NC', 28, 255) . "\x14" . "\0" x 300, 30 ],
	odd_lists    => [ $banner, packet("\x14" . "c" x 16 . "\xff" x 100), 30 ],
	kex_garbage  => [ $banner, packet("\x14" . noise(260)), 30 ],
	no_common    => [ $banner, kexinit(kex => 'none-of-yours'), 1 ],
	no_host_key  => [ $banner, kexinit(key => 'none-of-yours'), 1 ],
	empty_lists  => [ $banner, kexinit(kex => '', key => ''), 1 ],
	half_kexinit => [ $banner, substr(kexinit(), 0, 60) ],
	kex_stall    => [ $banner, kexinit(), 30 ],
	disconnect   => [ $banner, packet("\x01" . pack('N', 11) . text('go away') . text('')), 1 ],
	escapes      => [ "SSH-2.0-evil\e[31m\x9b2J\r\n", packet("\x04\x01" . text("debug\e]0;title\a") . text('')),
	packet("\x01" . pack('N', 11) . text("go\n2026-01-01 FATAL: faked\e[2J") . text('')), 1 ],
	map { ($_ => [ $banner, kexinit(), 0.2, $exchange{$_}, 1 ]) } keys %exchange);

if ($mode eq 'list')
{
	print join("\n", sort keys %modes), "\n";
	exit;
}
while (my $client = $listener->accept)
{
	next if fork();
	close $listener;
	alarm 40;
	foreach my $piece (@{ $modes{$mode} })
	{
		if ($piece =~ /^[\d.]+$/) { select(undef, undef, undef, $piece); }
		else { defined syswrite($client, $piece) or last; }
	}
	exit;
}
