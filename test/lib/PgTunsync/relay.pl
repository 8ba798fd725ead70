# relay.pl PORT TARGET_PORT CONTROL_FILE: see Relay.pm.

use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;
use Time::HiRes qw(time);

my ($port, $target, $control) = @ARGV;
my $listener = IO::Socket::INET->new(
	LocalAddr => '127.0.0.1',
	LocalPort => $port,
	Listen    => 32,
	ReuseAddr => 1) or die "port $port: $!";
my %way;      # a socket => { to, passed, buffer, since, from_server }
my %set;
my $seen = -1;
my $most = 0;

$SIG{PIPE} = 'IGNORE';

sub note_file
{
	my ($suffix, $text) = @_;
	open(my $file, '>', "$control.$suffix.new") or return;
	print $file $text;
	close $file;
	rename "$control.$suffix.new", "$control.$suffix";
	return;
}

sub read_control
{
	my @stat = stat($control) or return;
	return if $stat[1] == $seen;
	$seen = $stat[1];
	open(my $file, '<', $control) or return;
	%set = map { split } <$file>;
	unlink "$control.stalled";
	return;
}

sub drop
{
	my ($socket) = @_;
	my $other = $way{$socket}{to};
	delete $way{$socket};
	delete $way{$other};
	close $socket;
	close $other;
	return;
}

sub admit
{
	my $client = $listener->accept or return;
	my $server = IO::Socket::INET->new(
		PeerAddr => '127.0.0.1',
		PeerPort => $target);
	return close $client unless $server;
	foreach ([ $client, $server, 0 ], [ $server, $client, 1 ])
	{
		my ($from, $to, $from_server) = @$_;
		$from->blocking(0);
		$way{$from} = {
			from   => $from,
			to     => $to,
			passed => 0,
			buffer => '',
			since  => time(),
			used   => time(),
			from_server => $from_server
		};
	}
	return;
}

# How many bytes may pass now in this direction.
sub allowance
{
	my ($w) = @_;
	return 0 if $w->{ended};
	return 65536 unless $w->{from_server};
	my $n = 65536;
	if (defined $set{stall_after})
	{
		my $left = $set{stall_after} - $w->{passed};
		note_file('stalled', 1) if $left <= 0 && !-e "$control.stalled";
		$n = $left if $left < $n;
	}
	if (defined $set{rate})
	{
		my $left = $set{rate} * (time() - $w->{since}) - $w->{passed};
		$n = $left if $left < $n;
	}
	return $n > 0 ? int($n) : 0;
}

sub record
{
	my ($bytes) = @_;
	open(my $file, '>>:raw', "$control.record") or return;
	print $file $bytes;
	close $file;
	return;
}

sub pass
{
	my ($w) = @_;
	if ($w->{buffer} eq '')
	{
		my $n = allowance($w) or return;
		my $got = sysread($w->{from}, $w->{buffer}, $n);
		return drop($w->{from}) if defined $got && $got == 0;
		return drop($w->{from}) if !defined $got && !$!{EAGAIN};
		$w->{passed} += $got || 0;
		$_->{used} = time() foreach grep { $got && $_ } $w, $way{ $w->{to} };
		record($w->{buffer}) if $got && $set{record};
		if ($w->{from_server} && $w->{passed} > $most)
		{
			$most = $w->{passed};
			note_file('passed', $most);
		}
		if ($w->{from_server} && defined $set{half_close_after} && $w->{passed} >= $set{half_close_after})
		{
			syswrite($w->{to}, $w->{buffer});
			$w->{buffer} = '';
			$w->{ended} = 1;
			shutdown($w->{to}, 1);
			return;
		}
		return drop($w->{from})
		  if $w->{from_server} && defined $set{cut_after}
		  && $w->{passed} >= $set{cut_after};
	}
	return if $w->{buffer} eq '';
	my $put = syswrite($w->{to}, $w->{buffer});
	return drop($w->{from}) if !defined $put && !$!{EAGAIN};
	substr($w->{buffer}, 0, $put, '') if $put;
	return;
}

# Drops the connections on which nothing has passed for so many seconds.
sub drop_idle
{
	my @idle = grep { time() - $_->{used} > $set{cut_idle} } values %way;
	drop($_->{from}) foreach grep { $_->{from_server} } @idle;
	return;
}

while (1)
{
	read_control();
	drop_idle() if $set{cut_idle};
	my @reading = grep { $way{$_}{buffer} eq '' && allowance($way{$_}) }
	  keys %way;
	my @writing = grep { $way{$_}{buffer} ne '' } keys %way;
	my ($r, $w) = IO::Select->select(
		IO::Select->new($listener, map { $way{$_}{from} } @reading),
		IO::Select->new(map { $way{$_}{to} } @writing),
		undef, 0.01);
	foreach my $socket (@{ $r || [] })
	{
		if ($socket == $listener) { admit(); }
		elsif ($way{$socket}) { pass($way{$socket}); }
	}
	foreach my $socket (@{ $w || [] })
	{
		my ($back) = grep { $_->{to} == $socket } values %way;
		pass($back) if $back;
	}
}
