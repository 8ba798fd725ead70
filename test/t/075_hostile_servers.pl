# The SSH port belongs to another kind of server, or to a hostile one.  Every
# run ends in bounded time with an error that names the cause, and the local
# server goes on.

use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use PgTunsync;
use PgTunsync::Steps;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $w = PgTunsync->new(users => 50);
my $before = $w->snapshot;
my $postmaster = $w->postmaster_pid;
my $program = abs_path(dirname($0) . '/../lib/PgTunsync/hostile.pl');
my $port = PostgreSQL::Test::Cluster::get_free_port();
my @modes = split /\n/, scalar `$^X '$program' 0 list`;
my $timeout = 0.6;              # s

cmp_ok(scalar(@modes), '>', 40, 'there are modes');
$w->setting(connect_timeout => 1000 * $timeout . 'ms');
$w->setting(connect_attempts => 1);
$w->write_ssh_config(Port => $port);
append_to_file($w->jump->known_hosts,
	join('', map { s/:${\$w->jump->port} /:$port /r } split /^/, slurp_file($w->jump->known_hosts)));

sub hostile
{
	my ($mode) = @_;
	my $server = PgTunsync::Process->start($w->dir . '/hostile.log', $^X, $program, $port, $mode);
	PgTunsync::Process::wait_until("hostile $mode", sub { PgTunsync::listening($port) });
	return $server;
}

# A subtest: nothing local is reached, whatever the server does.
sub survived
{
	my ($title, $mode) = @_;
	my $server = hostile($mode);
	my $start = time();

	subtest $title => sub {
		my $run = $w->pull("'users'");
		my $took = time() - $start;
		isnt($run->{rc}, 0, 'the call fails');
		like($run->{sqlstate} || 'none', qr/^(?:08\w{3}|28000)$/, 'with the SQLSTATE of a connection')
		  or diag($run->{err});
		like($run->{err}, qr/ERROR:.*SSH server ".*:$port"/, 'naming the server') or diag($run->{err});
		cmp_ok($took, '<', 3 * $timeout + 4, 'in time');
		is($w->postmaster_pid, $postmaster, 'the server lives');
		is(scalar($w->worker_pids('tunnel')), 0, 'the tunnel is gone');
	};
	$server->stop('KILL');
	return;
}

survived($_, $_) foreach @modes;
unlike(slurp_file($w->local_node->logfile), qr/terminated by signal|TRAP|PANIC/, 'no process crashed');
$w->unchanged($before);
$w->nothing_left;

# a transient one is tried again, and told; one that speaks another language is not
$w->setting(connect_attempts => 2);
$w->setting(connect_timeout => '10s');
my $server = hostile('banner_close');
like($w->pull("'users'")->{err}, qr/NOTICE: .*attempt 2 of 2/, 'a server that closes at once is tried again');
$server->stop('KILL');
$server = hostile('wrong_signature');
unlike($w->pull("'users'")->{err}, qr/attempt 2 of 2/, 'one that cannot prove its key is not');
$server->stop('KILL');

# behind a hop it is the same
$w->setting(connect_timeout => 1000 * $timeout . 'ms');
$w->write_ssh_config_text($w->jump->host_block('gate') . $w->jump->host_block('hatchbox', Port => $port,
	ProxyJump => 'gate'));
$w->setting(connect_attempts => 1);
foreach my $mode (qw(garbage close silent huge_packet wrong_signature))
{
	$server = hostile($mode);
	my $start = time();
	my $steps = PgTunsync::Steps->of($w);
	like($steps->detail('tunnel'), qr/SSH server ".*:$port"|hop 2/, "$mode at the second hop");
	cmp_ok(time() - $start, '<', 3 * $timeout + 4, 'ends in time');
	$server->stop('KILL');
}
$w->unchanged($before);
$w->nothing_left;

# and a good one is still good
$w->setting(connect_timeout => '10s');
$w->setting(connect_attempts => 2);
$w->write_ssh_config;
$w->pulls("'users'", 'a pull afterwards', ['users']);
is($w->postmaster_pid, $postmaster, 'by the same server');

done_testing();
