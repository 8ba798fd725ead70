# What takes time on the way to the source is reported soon, to callers without
# NOTICEs as well, and ends after a time that can be set.

use strict;
use warnings;
use IO::Socket::INET;
use PgTunsync;
use PgTunsync::Steps;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $w = PgTunsync->new(users => 50);
my $port = $w->port;
my @took;

# A subtest: the pull fails with this message within these seconds.
sub gives_up
{
	my ($title, $seconds, $message, %params) = @_;
	my $begin = time();
	my $run = $w->refused("'users'", $title, sqlstate => '08001', message => $message, %params);
	push @took, time() - $begin;
	cmp_ok($took[-1], '<', $seconds, 'in time');
	return $run;
}

# ---- a jump host that accepts and says nothing ----

my $silent = IO::Socket::INET->new(Listen => 50, LocalAddr => '127.0.0.1') or die;
$w->write_ssh_config(Port => $silent->sockport);
$w->setting(connect_timeout => '10s');
$w->setting(connect_attempts => 10);
$w->setting(tunnel_timeout => '5s');
my $call = $w->start_pull("'users'");
my $begin = time();
$call->wait_message(qr/NOTICE: .*opening the tunnel: waiting for the key exchange with SSH server "\S+:${\$silent->sockport}" \(hop 1\)/);
cmp_ok(time() - $begin, '<', 4.5, 'what is waited for is said after 3 s');
$call->wait_message(qr/DETAIL:  There has been no answer for 3 s\. This is attempt 1 of 10 .*after 5 s \("pgtunsync\.tunnel_timeout"\)/);
isnt($call->finish->{rc}, 0, 'and it ends');
like($call->{err}, qr/ERROR:  08001: no answer while waiting for the key exchange.*\nDETAIL:  The tunnel was not open after 5 s/,
	'when the time is over');
is(() = $call->{err} =~ /waiting for/g, 2, 'with one NOTICE and the error');
gives_up('callers without NOTICEs', 20, [qr/WARNING: .*opening the tunnel: waiting for/],
	options => '-c client_min_messages=warning');
$w->setting(connect_timeout => '1s');
$w->setting(connect_retry_delay => '100ms');
gives_up('the cause of the last attempt', 20,
	[ qr/ERROR: .*timeout during the key exchange/, qr/NOTICE: .*attempt \d of 10/, qr/giving up after \d attempts|not open after 5 s/ ]);
$w->setting(connect_attempts => 2);
$w->setting(tunnel_timeout => 0);
my $run = gives_up('without a limit, the attempts decide', 20, [qr/NOTICE: .*giving up after 2 attempts/]);
unlike($run->{err}, qr/tunnel_timeout/, 'nothing else');

# ---- one that refuses: attempts are reported ----

close $silent;
$w->write_ssh_config(Port => PostgreSQL::Test::Cluster::get_free_port());
$run = gives_up('a refused connection, without NOTICEs', 20, [qr/WARNING: .*opening the tunnel: attempt 2 of 2/],
	options => '-c client_min_messages=warning');
my $steps = PgTunsync::Steps->of($w);
like($steps->{call}{err}, qr/WARNING: .*opening the tunnel: attempt 2 of 2/, 'check() says it, too');
is($steps->failed, 'tunnel', 'and then the step');
like($w->call("SELECT * FROM pgtunsync.plan('users')")->finish->{err}, qr/WARNING: .*attempt 2 of 2/, 'so does plan()');
$w->setting(connect_attempts => 10);
$w->setting(connect_retry_delay => '2s');
$w->setting(tunnel_timeout => '3s');
$run = gives_up('no attempt begins too late', 10, [qr/giving up after 2 attempts/]);

# ---- a source that does not answer the jump host ----

$w->write_ssh_config;
$w->setting(tunnel_timeout => '4s');
my $full = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die;
my @crowd = map { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $full->sockport, Blocking => 0) } 1 .. 20;
$w->write_env(PGSYNC_REMOTE_PORT => $full->sockport);
gives_up('the jump host waits for the source', 20,
	[ qr/ERROR: .*no answer while waiting for SSH server "\S+" to connect to the source/, qr/PGSYNC_REMOTE_HOST/ ]);
@crowd = ();
close $full;
$w->setting($_ => undef) foreach qw(tunnel_timeout connect_timeout);
$w->setting(connect_attempts => 2);
$w->write_env;

# ---- the local port, which another run has ----

$w->local_sql('CREATE ROLE alice LOGIN; GRANT SELECT, INSERT, TRUNCATE ON ALL TABLES IN SCHEMA public TO alice;
	GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pgtunsync TO alice; GRANT USAGE ON SCHEMA pgtunsync TO alice');
my $lock = $w->source->background_psql('production');
$lock->query_safe('BEGIN; LOCK TABLE users');
my $first = $w->start_pull("'users'", user => 'alice');
$first->wait_message(qr/NOTICE: .*opening the tunnel/);
my ($leader) = $w->wait_worker('leader');
my ($id) = $first->text('err') =~ /run (\d+): opening/;
$w->setting(lock_timeout => '2s');
my $second = $w->start_pull("'orders'");
$second->wait_message(qr/NOTICE: .*waiting for local port $port/);
my $holder = qr/Run $id of process $leader in database "dev", called by role "alice", has it since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d/;
is($second->finish->{sqlstate}, '55P03', 'a second run waits for lock_timeout');
like($second->{err}, qr/NOTICE: .*waiting for local port $port\nDETAIL:  $holder.*2000 ms/, 'and says at once who has the port');
like($second->{err}, qr/ERROR: .*local port $port is in use by another pull\nDETAIL:  It did not become free within 2000 ms .*$holder/,
	'so does the error');
$w->setting(lock_timeout => '60s');
$second = $w->start_pull("'categories'", options => '-c client_min_messages=warning');
$second->wait_message(qr/WARNING: .*waiting for local port $port\nDETAIL:  $holder/);
$lock->query_safe('COMMIT');
$lock->quit;
is($first->finish->{rc}, 0, 'the first run ends') or diag($first->{err});
is($second->finish->{rc}, 0, 'the second one goes on') or diag($second->{err});
$w->both_equal('users', 'categories');
$w->nothing_left;

done_testing();
