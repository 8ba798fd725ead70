# A server that asks for the password in ways of its own: see asking_source.pl.
#
#     my $asking = PgTunsync::AskingSource->new($dir, $certificate);   # or undef: no TLS
#     $asking->start(@steps);
#     $asking->port; $asking->received; $asking->stop;

package PgTunsync::AskingSource;

use strict;
use warnings;
use File::Basename;
use PgTunsync::Process;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;

# Authentication requests, in hexadecimal.
our $ok = unpack('H*', 'R' . pack('NN', 8, 0));
our $cleartext = unpack('H*', 'R' . pack('NN', 8, 3));
our $md5 = unpack('H*', 'R' . pack('NN', 12, 5) . 'salt');
our $sasl = unpack('H*', 'R' . pack('NN', 23, 10) . "SCRAM-SHA-256\0\0");

sub new
{
	my ($class, $dir, $certificate) = @_;
	return bless {
		dir         => $dir,
		certificate => $certificate || '-',
		log         => "$dir/received",
		port        => PostgreSQL::Test::Cluster::get_free_port()
	}, $class;
}

sub port { return $_[0]->{port}; }

# Starts it afresh; the steps are those of asking_source.pl.
sub start
{
	my ($self, @steps) = @_;
	$self->stop;
	unlink $self->{log};
	$self->{process} = PgTunsync::Process->start("$self->{dir}/asking.log",
		$^X, dirname(__FILE__) . '/asking_source.pl', $self->{port}, $self->{log}, $self->{certificate}, @steps);
	PgTunsync::Process::wait_until('the server that asks', sub { PgTunsync::listening($self->{port}) });
	return;
}

# All that clients have sent.
sub received
{
	my ($self) = @_;
	return -e $self->{log} ? slurp_file($self->{log}) : '';
}

sub stop
{
	my ($self) = @_;
	$self->{process}->stop if $self->{process};
	delete $self->{process};
	return;
}

1;
