# A program that runs beside a test, and its end on every path.

package PgTunsync::Process;

use strict;
use warnings;
use Fcntl;
use IO::Handle;
use POSIX ();
use Time::HiRes qw(sleep time);

my %running;

# Starts a program; returns the object.  log: a file for its output, or a pair
# of files for stdout and stderr.  What feed() gives is its standard input.
sub start
{
	my ($class, $log, @command) = @_;
	my ($out, $err) = ref $log ? @$log : ($log, undef);

	pipe(my $read_end, my $write_end) or die "pipe: $!";
	my $pid = fork();
	die "fork: $!" unless defined $pid;
	if ($pid == 0)
	{
		open(STDIN, '<&', $read_end);
		open(STDOUT, '>>', $out);
		defined $err ? open(STDERR, '>>', $err) : open(STDERR, '>&', \*STDOUT);
		close $write_end;
		{ exec { $command[0] } @command; }
		POSIX::_exit(127);
	}
	close $read_end;
	$write_end->autoflush(1);
	my $self = bless { pid => $pid, input => $write_end, owner => $$ }, $class;
	$running{$pid} = $self;
	return $self;
}

# Gives text to the program; end_input() tells it that there is no more.
sub feed
{
	my ($self, $text) = @_;
	local $SIG{PIPE} = 'IGNORE';
	return print { $self->{input} } $text;
}

sub end_input
{
	my ($self) = @_;
	close delete $self->{input} if $self->{input};
	return;
}

sub pid { return $_[0]->{pid}; }

# Has it ended?  Collects it if so; {status} is then as in $?.
sub ended
{
	my ($self) = @_;
	return 1 unless defined $self->{pid};
	return 0 if waitpid($self->{pid}, POSIX::WNOHANG()) == 0;
	$self->{status} = $?;
	delete $running{ $self->{pid} };
	$self->{pid} = undef;
	return 1;
}

# Ends it and waits; also everything that it started.
sub stop
{
	my ($self, $signal) = @_;
	return if $self->ended;

	my @all = (descendants($self->{pid}), $self->{pid});
	kill 'CONT', @all;
	kill $signal || 'TERM', @all;
	for (1 .. 500)
	{
		return if $self->ended;
		kill 'KILL', $self->{pid} if $_ == 250;
		sleep 0.01;
	}
	return;
}

# Sends a signal to the program and to everything that it started.
sub signal_tree
{
	my ($self, $signal) = @_;
	return kill $signal, $self->{pid}, descendants($self->{pid});
}

# The pids of all descendants of a process, youngest generation first.
sub descendants
{
	my ($root) = @_;
	my (%children, @found);

	foreach my $line (`ps -eo pid=,ppid=`)
	{
		my ($pid, $ppid) = $line =~ /(\d+)\s+(\d+)/ or next;
		push @{ $children{$ppid} }, $pid;
	}
	my @queue = ($root);
	while (defined(my $pid = shift @queue))
	{
		push @queue, @{ $children{$pid} || [] };
		unshift @found, @{ $children{$pid} || [] };
	}
	return @found;
}

# Waits until a condition holds; dies saying what it waited for.
sub wait_until
{
	my ($what, $condition, $seconds) = @_;
	my $end = time() + ($seconds || 60);

	while (time() < $end)
	{
		my $value = $condition->();
		return $value if $value;
		sleep 0.02;
	}
	die "timed out waiting for $what";
}

END
{
	my $status = $?;
	$_->stop('KILL') foreach grep { $_->{owner} == $$ } values %running;
	$? = $status;
}

1;
