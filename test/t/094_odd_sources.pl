# What stands behind the tunnel is no PostgreSQL server, or not an honest one: its
# answers are looked at before they are read.

use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use PgTunsync;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $w = PgTunsync->new(users => 20);
my $before = $w->snapshot;
my $postmaster = $w->postmaster_pid;
my $program = abs_path(dirname($0) . '/../lib/PgTunsync/odd_source.pl');
my $port = PostgreSQL::Test::Cluster::get_free_port();

$w->write_env(PGSYNC_REMOTE_PORT => $port);
$w->setting(connect_attempts => 1);
$w->write_config("data_rules: {no_such_column: null}\n");

foreach my $mode (split /\n/, scalar `$^X '$program' 0 list`)
{
	my $server = PgTunsync::Process->start($w->dir . '/odd.log', $^X, $program, $port, $mode);
	PgTunsync::Process::wait_until("odd source $mode", sub { PgTunsync::listening($port) });
	my $run = $w->pull("'users'");
	isnt($run->{rc}, 0, "$mode: the call fails");
	like($run->{err}, $mode =~ /circle|itself/ ? qr/ERROR:/ : qr/ERROR:.*the result is not what was expected/, "$mode: and says why") or diag($run->{err});
	$server->stop('KILL');
}
is($w->postmaster_pid, $postmaster, 'the server lives');
unlike(slurp_file($w->local_node->logfile), qr/terminated by signal|TRAP|PANIC/, 'no process crashed');
$w->unchanged($before);
$w->nothing_left;

done_testing();
