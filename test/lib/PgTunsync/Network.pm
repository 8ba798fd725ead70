# A network of one's own, whose packets can be lost: two namespaces and a wire
# between them, without root.
#
#     BEGIN { PgTunsync::Network::enter() }      # the test goes on inside, or says why not
#     my $network = PgTunsync::Network->new;
#     $network->far(@command)                    # the command, to be run at the far end
#     $network->limit(rate => '20mbit', queue => '20k');    # what does not fit is dropped
#     $network->block('near', 'far');            # all packets that leave these ends are dropped
#     $network->open;                            # a good wire again
#     $network->dropped;                         # packets, since the last change
#
# The near end is where the test itself runs: 10.99.0.1 on the wire, and the
# far one is 10.99.0.2.  10.98.0.1 and 10.98.0.2 are a second wire that never
# fails.

package PgTunsync::Network;

use strict;
use warnings;
use PgTunsync::Process;
use Test::More;

my @unshare = qw(unshare --user --map-current-user --net --keep-caps);

# Runs the test again in a network of its own; skips it where that cannot be.
sub enter
{
	$ENV{PATH} .= ':/usr/sbin:/sbin';
	return run(qw(ip link set lo up)) if $ENV{PGTUNSYNC_NETWORK};
	plan skip_all => 'no network namespaces, no iproute2, or no packet scheduler'
	  if system("@unshare sh -c 'ip link set lo up && unshare --net true && ip link add probe0 type veth peer name "
	  	. "probe1 && tc qdisc add dev probe0 root tbf rate 1mbit burst 10k limit 10k' >/dev/null 2>&1") != 0;
	$ENV{PGTUNSYNC_NETWORK} = 1;
	exec @unshare, $^X, (map { "-I$_" } @INC), $0;
	die "unshare: $!";
}

sub run
{
	system(@_) == 0 or die "failed: @_";
	return;
}

sub new
{
	my ($class, $dir) = @_;
	my $self = bless {}, $class;

	$self->{holder} = PgTunsync::Process->start("$dir/namespace.log", qw(unshare --net sleep 3600));
	PgTunsync::Process::wait_until('the far namespace',
		sub { return readlink("/proc/$$/ns/net") ne (readlink('/proc/' . $self->{holder}->pid . '/ns/net')
			|| readlink("/proc/$$/ns/net")); });
	foreach ([ wire => 99 ], [ back => 98 ])
	{
		my ($name, $net) = @$_;
		run('ip', 'link', 'add', "${name}0", 'type', 'veth', 'peer', 'name', "${name}1", 'netns', $self->{holder}->pid);
		run('ip', 'addr', 'add', "10.$net.0.1/30", 'dev', "${name}0");
		run('ip', 'link', 'set', "${name}0", 'up');
		run($self->far('ip', 'addr', 'add', "10.$net.0.2/30", 'dev', "${name}1"));
		run($self->far('ip', 'link', 'set', "${name}1", 'up'));
	}
	run($self->far(qw(ip link set lo up)));
	return $self;
}

sub far
{
	my ($self, @command) = @_;
	return ('nsenter', '--net=/proc/' . $self->{holder}->pid . '/ns/net', @command);
}

sub _tc
{
	my ($self, $end, $action, @rest) = @_;
	my @command = ('tc', 'qdisc', $action, 'dev', $end eq 'near' ? 'wire0' : 'wire1', @rest);
	return $end eq 'near' ? @command : $self->far(@command);
}

# A rate in both directions, with a queue that is too short for it.
sub limit
{
	my ($self, %params) = @_;
	$self->open;
	run($self->_tc($_, 'replace', 'root', 'tbf', 'rate', $params{rate}, 'burst', $params{burst} || '16k',
		'limit', $params{queue}))
	  foreach qw(near far);
	return;
}

# No packet fits into such a bucket.
sub block
{
	my ($self, @ends) = @_;
	run($self->_tc($_, 'replace', 'root', 'tbf', 'rate', '8kbit', 'burst', 10, 'limit', 10)) foreach @ends;
	return;
}

sub open
{
	my ($self) = @_;
	foreach my $end (qw(near far))
	{
		my @show = $self->_tc($end, 'show');
		run($self->_tc($end, 'del', 'root')) if `@show` =~ /tbf/;
	}
	return;
}

sub dropped
{
	my ($self) = @_;
	my $count = 0;
	foreach my $end (qw(near far))
	{
		my @show = map { $_ eq 'tc' ? ('tc', '-s') : $_ } $self->_tc($end, 'show');
		$count += $1 if `@show` =~ /dropped (\d+)/;
	}
	return $count;
}

1;
