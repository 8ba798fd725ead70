# pgtunsync.log_level writes the details of "ssh -v" to the server log.  Only
# superusers can set it, it does not depend on log_min_messages, it never shows
# a secret, and clients get none of it.

use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use PgTunsync;
use PgTunsync::Steps;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $w = PgTunsync->new(users => 300, local_conf => 'log_min_messages = fatal');
my $dir = $w->dir;
my $jump = $w->jump;
my $gate = PgTunsync::Sshd->new("$dir/gate", 'gate')->start->trust;
my $user = $jump->user;
my $at = 0;

PgTunsync::Sshd::keygen("$dir/locked", 'ed25519', 'S3cret-passphrase');
append_to_file($jump->user_key . '.pub', slurp_file("$dir/locked.pub"));
push @{ $w->{secrets} }, 'S3cret';

# What the server has logged since the last call.
sub logged
{
	my $log = slurp_file($w->local_node->logfile);
	my $new = substr($log, $at);
	$at = length $log;
	return $new;
}

# The trace in it, a line each.
sub trace_of
{
	my ($log) = @_;
	return join('', map { /LOG:  (pgtunsync (?:run \d+|check): .*\n)/ ? $1 : () } split /^/, $log);
}

# Private halves of keys, as they stand in their files.
sub key_text
{
	my ($file) = @_;
	return grep { length > 20 && !/PRIVATE KEY/ } split /\n/, slurp_file($file);
}

# Tests: no secret, and nothing that a terminal could take for more than text.
sub harmless
{
	my ($log, $title) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	unlike($log, qr/S3cret/, "$title: no password, no passphrase");
	is(scalar(grep { index($log, $_) >= 0 } map { key_text($_) } $jump->user_key, "$dir/locked", $gate->user_key),
		0, 'no private key');
	unlike(trace_of($log), qr/[^\n\x20-\x7e]/, 'nothing but text');
	return;
}

$w->write_ssh_config_text($gate->host_block('gate', User => $user)
	  . $jump->host_block('hatchbox', ProxyJump => 'gate', IdentityFile => "$dir/locked"));
$w->write_env(PGSYNC_SSH_KEY_PASSPHRASE => 'S3cret-passphrase', PGSYNC_SSH_PASSWORD => 'S3cret-password');

# ---- off ----

$w->pulls("'users'", 'nothing is asked for', ['users']);
is(trace_of(logged()), '', 'and nothing is told');

# ---- debug1 ----

$w->setting(log_level => 'debug1');
logged();
$w->local_node->safe_psql('postgres', "ALTER SYSTEM SET log_min_messages = 'error'");
$w->local_node->reload;
my $run = $w->pulls("'{users,orders}'", 'debug1', [ 'users', 'orders' ], options => '-c client_min_messages=debug5');
my $log = logged();
my $trace = trace_of($log);
harmless($log, 'debug1');
unlike($run->{err}, qr/pgtunsync run \d+: debug/, 'the client gets none of it');
unlike($trace, qr/debug[23]: /, 'no more than was asked for');
is(scalar(grep { !/^pgtunsync run $run->{id}: debug1: / } split /^/, $trace), 0, 'each line has the run');
my ($host_key) = `ssh-keygen -lf '${\$jump->host_key('ed25519')}.pub'` =~ /(SHA256:\S+)/;
foreach my $line ("environment file: ${\$w->env_file}", "configuration: ${\$w->config_file}", qr/the route to the jump host, resolved by "ssh -G": 2 hops/,
	"hop 1: \"gate\" is host 127.0.0.1, port ${\$gate->port}, user $user", "hop 2: \"hatchbox\" is host 127.0.0.1, port ${\$jump->port}, user $user",
	"  key file $dir/locked", "  known_hosts ${\$jump->known_hosts}",
	"session 1, hop 1: connecting to 127.0.0.1 port ${\$gate->port}", "session 1, hop 1: connected to 127.0.0.1:${\$gate->port}",
	qr/session 1, hop 1: the server's banner is "SSH-2\.0-OpenSSH_/, qr/session 1, hop 1: key exchange (?:curve25519|ecdh)-sha\S*, host key algorithm ssh-ed25519/,
	qr/session 1, hop 1: client to server: cipher aes\S+, MAC \S+, compression none/, qr/session 1, hop 1: server to client: cipher aes/,
	qr/session 1, hop 2: the server shows the host key ssh-ed25519 \Q$host_key\E; looking for "\[127\.0\.0\.1\]:${\$jump->port}"/,
	qr/session 1, hop 2: host key ssh-ed25519 \Q$host_key\E is accepted: known: \Q${\$jump->known_hosts}\E line \d+/,
	qr/session 1, hop 1: the server accepts publickey for user $user; it answered in \d+ ms/, "session 1, hop 1: trying key ${\$gate->user_key} (ssh-ed25519)",
	"session 1, hop 1: the server accepted it; logged in as $user by key ${\$gate->user_key}", "session 1, hop 1: a channel to 127.0.0.1 port ${\$jump->port} is open, for the next hop",
	"session 1, hop 2: trying key $dir/locked (ssh-ed25519)", qr/session 1 of \d is up, round trip \d+ ms/,
	qr/opening a channel to 127\.0\.0\.1 port ${\$w->source->port}, window \d+ bytes, round trip \d+ ms/,
		qr/the channel is open; the server's window is \d+ bytes/,
	"the entrance is open: 127.0.0.1 port ${\$w->port}",
	qr/connection 1: through SSH session 1, by the channel that is open/,
	qr/connection 1: closed after \d+ ms, [1-9]\d* bytes in, [1-9]\d* out/,
	qr/session 1, hop 1: closing after \d+ ms, [1-9]\d* bytes in, [1-9]\d* out, 0 new session keys/,
	qr/session 1, hop 2: closing after/)
{
	like($trace, ref $line ? $line : qr/\Q$line\E/, 'tells: ' . (ref $line ? substr("$line", 4, 60) : $line));
}

# ---- debug2 and debug3: more of it ----

my %lines = (1 => scalar(() = $trace =~ /\n/g));
foreach my $level (2, 3)
{
	$w->setting(log_level => "debug$level");
	logged();
	$w->pulls("'{users,orders}'", "debug$level", [ 'users', 'orders' ]);
	$trace = trace_of($log = logged());
	harmless($log, "debug$level");
	$lines{$level} = () = $trace =~ /\n/g;
	cmp_ok($lines{$level}, '>', $lines{ $level - 1 }, "tells more than debug@{[$level - 1]}");
	like($trace, qr{debug2: session 1, hop 2: key file \Q$dir\E/locked: ssh-ed25519, encrypted, SHA256:}, 'key files looked at');
	like($trace, qr/debug2: client 127\.0\.0\.1:\d+ at the entrance/, 'clients');
	like($trace, qr/debug2:   a keepalive every \d+ s, lost after \d+ unanswered/, 'keepalives');
}
like($trace, qr/debug3:   Ciphers \S*aes128-ctr/, 'algorithms that ssh_config allows');
like($trace, qr/debug3: session 1, hop 1:   offer: \S*hmac-sha2-256/, 'and those that are offered');

# ---- what goes wrong ----

$w->setting(log_level => 'debug1');
logged();
PgTunsync::Sshd::keygen("$dir/stranger", 'ed25519');
$w->write_ssh_config(IdentityFile => "$dir/stranger");
PgTunsync::Steps->of($w);
$trace = trace_of($log = logged());
like($trace, qr/^pgtunsync check: debug1: authentication: key \Q$dir\E\/stranger \(ssh-ed25519\): refused$/m,
	'check() tells, too: a key that is refused');
like($trace, qr/session 1, hop 1: failed: SSH server ".*" \(hop 1\) refused the login; /, 'and how it ends');
harmless($log, 'a refused key');

$w->write_ssh_config(ServerAliveInterval => 1, ServerAliveCountMax => 2);
$w->write_env;
my $relay = $w->relay;
$relay->set(stall_after => 20_000);
my $call = $w->start_pull("'users'");
$relay->wait_stalled;
kill 'STOP', PgTunsync::Process::descendants($jump->pid);
isnt($call->finish->{rc}, 0, 'a server that falls silent');
kill 'CONT', PgTunsync::Process::descendants($jump->pid);
$relay->set;
$trace = trace_of($log = logged());
like($trace, qr/nothing was received for \d+ ms; keepalive 2 of 2\n/, 'keepalives are told');
like($trace, qr/failed: the connection to SSH server ".*" was lost; It has been silent/, 'and the end');
harmless($log, 'silence');
$w->write_env;

$jump->stop;
$jump->start(RekeyLimit => '1M');
$w->source_sql("CREATE TABLE big (id int PRIMARY KEY, x text);
	INSERT INTO big SELECT i, repeat('x', 500000) FROM generate_series(1, 20) i");
$w->local_sql('CREATE TABLE big (id int PRIMARY KEY, x text)');
$w->write_ssh_config;
$w->pulls("'big'", 'a server that wants new keys', ['big']);
$trace = trace_of(logged());
cmp_ok(scalar(() = $trace =~ /new session keys, number \d+, after/g), '>', 5, 'each of them is told');
like($trace, qr/closing after \d+ ms, .*, (?:[6-9]|\d\d) new session keys/, 'and their number');

# ---- what a hostile server says ----

my $port = PostgreSQL::Test::Cluster::get_free_port();
my $program = abs_path(dirname($0) . '/../lib/PgTunsync/hostile.pl');
my $server = PgTunsync::Process->start("$dir/hostile.log", $^X, $program, $port, 'escapes');
PgTunsync::Process::wait_until('the hostile server', sub { PgTunsync::listening($port) });
append_to_file($jump->known_hosts,
	join('', map { s/:${\$jump->port} /:$port /r } grep { /:${\$jump->port} / } split /^/,
	slurp_file($jump->known_hosts)));
$w->write_ssh_config(Port => $port);
$w->setting(log_level => 'debug3');
logged();
$run = $w->pull("'users'");
$trace = trace_of($log = logged());
isnt($run->{rc}, 0, 'a server with terminal escapes');
harmless($log, 'they');
like($trace, qr/banner is "SSH-2\.0-evil\\x1b\[31m\\x9b2J/, 'are shown as what they are');
like($trace, qr/disconnects, reason 11: "go\\x0a2026-01-01 FATAL: faked\\x1b/, 'and so are newlines');
like($run->{err}, qr/the server disconnected, saying "go\\x0a2026/, 'the error has the server\'s last words');
unlike($run->{err}, qr/[^\t\n\x20-\x7e]/, 'in harmless text');
$server->stop('KILL');

# ---- who may ----

$w->local_sql("CREATE ROLE dev_user LOGIN; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pgtunsync TO dev_user");
is($w->call("LOAD 'pgtunsync'; SET pgtunsync.log_level = 'debug1';", user => 'dev_user')->finish->{sqlstate}, '42501',
	'an ordinary role may not turn it on');
$w->setting(log_level => undef);
logged();
$w->call('SELECT count(*) FROM pgtunsync.check();', user => 'dev_user',
	options => '-c pgtunsync.log_level=debug3')->finish;
is(trace_of(logged()), '', 'nor by the connection\'s options');
is($w->call("LOAD 'pgtunsync'; SET pgtunsync.log_level = 'debug4';")->finish->{sqlstate}, '22023',
	'there is no debug4');
$gate->stop;

done_testing();
