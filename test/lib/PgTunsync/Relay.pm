# A TCP relay in front of a server, so that a test decides when the bytes stop.
#
#     my $relay = PgTunsync::Relay->new($dir, $target_port);
#     $relay->set(stall_after => 1_000_000);   # bytes per connection, from the server
#     $relay->set(cut_after => 1_000_000);
#     $relay->set(half_close_after => 1_000_000);   # the other direction stays open
#     $relay->set(rate => 1_000_000);          # bytes a second, per connection
#     $relay->set(cut_idle => 2);              # seconds without a byte in either direction
#     $relay->set(record => 1);                # what passes is kept, see recorded()
#     $relay->set();                           # as a wire

package PgTunsync::Relay;

use strict;
use warnings;
use File::Basename;
use IO::Socket::INET;
use PostgreSQL::Test::Cluster;
use PgTunsync::Process;

my $program = dirname(__FILE__) . '/relay.pl';

sub new
{
	my ($class, $dir, $target_port) = @_;
	my $port = PostgreSQL::Test::Cluster::get_free_port();
	my $self = bless { port => $port, control => "$dir/relay_$port" }, $class;

	$self->set;
	$self->{process} =
	  PgTunsync::Process->start("$self->{control}.log", $^X, $program, $port,
		$target_port, $self->{control});
	PgTunsync::Process::wait_until(
		'the relay',
		sub {
			return IO::Socket::INET->new(
				PeerAddr => '127.0.0.1',
				PeerPort => $port);
		});
	return $self;
}

sub port { return $_[0]->{port}; }

# Sets how it behaves from now on, also towards connections that are open.
sub set
{
	my ($self, %behaviour) = @_;
	open(my $file, '>', "$self->{control}.new") or die "$self->{control}: $!";
	print $file map { "$_ $behaviour{$_}\n" } sort keys %behaviour;
	close $file;
	rename "$self->{control}.new", $self->{control};
	return;
}

# The largest number of bytes that one connection got from the server so far.
sub passed
{
	my ($self) = @_;
	open(my $file, '<', "$self->{control}.passed") or return 0;
	my $bytes = <$file>;
	return $bytes || 0;
}

# All bytes that have passed since recording began, in both directions.
sub recorded
{
	my ($self) = @_;
	open(my $file, '<:raw', "$self->{control}.record") or return '';
	local $/;
	return scalar(<$file>) // '';
}

sub forget
{
	my ($self) = @_;
	unlink "$self->{control}.record";
	return;
}

# Waits until a connection has come to a stop by stall_after.
sub wait_stalled
{
	my ($self) = @_;
	return PgTunsync::Process::wait_until('the relay to stall',
		sub { return -e "$self->{control}.stalled"; });
}

sub stop
{
	my ($self) = @_;
	$self->{process}->stop('KILL');
	return;
}

1;
