# The test fixtures, without the extension.  Source and local server are two
# separate clusters, and OpenSSH's own client gets through the private sshd.

use strict;
use warnings;
use PgTunsync;
use PostgreSQL::Test::Utils;
use Test::More;

my $w = PgTunsync->new(no_extension => 1);
my $identity = "SELECT system_identifier FROM pg_control_system()";

isnt($w->source_sql($identity), $w->local_sql($identity),
	'the clusters have identifiers of their own');
isnt($w->source_sql('SELECT count(*) FROM users'),
	$w->local_sql('SELECT count(*) FROM users'), 'the local copy is stale');
is($w->healthy, 1, 'health can be asked');

my $ssh = PgTunsync::Process->start("$w->{dir}/ssh.log", 'ssh', '-F', $w->ssh_config,
	'-o', 'ExitOnForwardFailure=yes', '-N', '-L',
	"127.0.0.1:" . $w->port . ":127.0.0.1:" . $w->source->port, 'hatchbox');
PgTunsync::Process::wait_until('the forward', sub { PgTunsync::listening($w->port); });
is( $w->source->safe_psql('production', 'SELECT count(*) FROM users',
		connstr => $w->source_url),
	200, 'the source is reached through the jump host');
cmp_ok($w->jump->connections, '>', 0, 'the connection is seen');
$ssh->stop;

my $relay = $w->relay;
$relay->set(stall_after => 100_000);
my $call = PgTunsync::Call->new($w->source, 'SELECT repeat(md5(i::text), 10) FROM generate_series(1, 10000) i;',
	connstr => $w->source_url(port => $relay->port));
$relay->wait_stalled;
ok($call->running, 'a session stalls in the relay');
cmp_ok($relay->passed, '<=', 100_000, 'after that many bytes');
$relay->set;
$call->finish;
is($call->{rc}, 0, 'and goes on') or diag($call->{err});

my $before = $w->snapshot;
ok($w->unchanged($before), 'a snapshot equals itself');
$w->local_sql("UPDATE users SET name = 'x' WHERE id = 1");
isnt(join("\n", @{ $w->snapshot }), join("\n", @$before), 'and differs after a change of one row');

done_testing();
