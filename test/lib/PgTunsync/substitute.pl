# substitute.pl PORT TARGET_PORT CASES SHAPES: a relay in front of a real source that changes one thing in
# one of its answers.  The nth connection gets the nth line of the file CASES; after the last one, it is a
# wire.  A line is:
#
#     shapes                            nothing is changed; the file SHAPES gets a line for each result
#                                       of this connection: how many columns and rows it has
#     field RESULT ROW COLUMN KIND      a field becomes null, empty, huge, negative, number or garbage
#     rows RESULT none|twice            all rows of a result are left out, or sent twice
#     columns RESULT more|fewer|none    its rows, and their description, have another width
#     command RESULT                    it is none, but the success of a command
#
# Results are counted from 0 in the order in which the source sends them.

use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;

my ($port, $target, $cases_file, $shapes_file) = @ARGV;
my $listener = IO::Socket::INET->new(
	LocalAddr => '127.0.0.1',
	LocalPort => $port,
	Listen    => 16,
	ReuseAddr => 1) or die "port $port: $!";
$SIG{PIPE} = 'IGNORE';
$SIG{CHLD} = 'IGNORE';

my %values = (
	null     => undef,
	empty    => '',
	huge     => 'x' x 2_000_000,
	negative => '-1',
	number   => '99999999999999999999',
	garbage  => "\xff\0\e[31m");

# of the connection
my ($what, $which, @how);
my $result = -1;
my $row = -1;
my @shapes;

sub message { return $_[0] . pack('N', length($_[1]) + 4) . $_[1]; }

sub fields
{
	my ($body) = @_;
	my ($count) = unpack('n', $body);
	my $at = 2;
	my @fields;
	for (1 .. $count)
	{
		my $length = unpack('l>', substr($body, $at, 4));
		push @fields, $length < 0 ? undef : substr($body, $at + 4, $length);
		$at += 4 + ($length < 0 ? 0 : $length);
	}
	return @fields;
}

sub data_row
{
	my @fields = map { defined $_ ? pack('N/a*', $_) : pack('N', 0xffffffff) } @_;
	return message('D', pack('n', scalar @_) . join('', @fields));
}

sub description
{
	my ($columns) = @_;
	return message('T', pack('n', $columns) . ("c\0" . pack('NnNnNn', 0, 0, 25, 0xffff, 0xffffffff, 0)) x $columns);
}

# Another number of columns.
sub resized
{
	my (@columns) = @_;
	return () if $how[0] eq 'none';
	return $how[0] eq 'more' ? (@columns, 'x') : @columns[ 0 .. $#columns - 1 ];
}

# One message of the source, as it is to go on.
sub changed
{
	my ($type, $body) = @_;
	my $same = message($type, $body);
	if ($type eq 'T')
	{
		$result++;
		$row = -1;
		push @shapes, [ unpack('n', $body), 0 ];
	}
	if ($type eq 'D')
	{
		$row++;
		$shapes[-1][1]++;
	}
	return $same if $what eq 'shapes' || $what eq 'wire' || $result != $which || $type !~ /^[DT]$/;
	return '' if $what eq 'command';
	if ($type eq 'T')
	{
		my @columns = resized((1) x unpack("n", $body));
		return $what eq "columns" ? description(scalar @columns) : $same;
	}
	return $how[0] eq 'none' ? '' : $same x 2 if $what eq 'rows';
	return data_row(resized(fields($body))) if $what eq 'columns';
	return $same if $row != $how[0];
	my @fields = fields($body);
	$fields[ $how[1] ] = $values{ $how[2] };
	return data_row(@fields);
}

sub send_all
{
	my ($socket, $data) = @_;
	while (length($data) > 0)
	{
		my $n = syswrite($socket, $data) or exit;
		substr($data, 0, $n) = '';
	}
	return;
}

sub serve
{
	my ($client) = @_;
	my $server = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $target) or exit;
	my $select = IO::Select->new($client, $server);
	my $pending = '';
	while (1)
	{
		foreach my $socket ($select->can_read)
		{
			my $got = sysread($socket, my $data, 65536);
			if (!$got)
			{
				open(my $file, '>>', $shapes_file) or exit;
				print $file map { "@$_\n" } @shapes if $what eq 'shapes';
				exit;
			}
			if ($socket == $client)
			{
				send_all($server, $data);
				next;
			}
			$pending .= $data;
			my $out = '';
			while (length($pending) >= 5)
			{
				my ($type, $length) = unpack('aN', $pending);
				last if length($pending) < $length + 1;
				$out .= changed($type, substr($pending, 5, $length - 4));
				substr($pending, 0, $length + 1) = '';
			}
			send_all($client, $out);
		}
	}
	return;
}

open(my $file, '<', $cases_file) or die "$cases_file: $!";
my @cases = map { [split] } <$file>;
close $file;
while (my $client = $listener->accept)
{
	($what, $which, @how) = @{ shift @cases || ['wire'] };
	next if fork;
	close $listener;
	serve($client);
	exit;
}
