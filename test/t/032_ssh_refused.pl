# The jump host cannot be reached, or must not be trusted.

use strict;
use warnings;
use PgTunsync;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $w = PgTunsync->new(users => 50);
my $before = $w->snapshot;
my $jump = $w->jump;
my $known = slurp_file($jump->known_hosts);

sub bad_ssh
{
	my ($sqlstate, $title, @message) = @_;
	return $w->refused("'users'", $title, before => $before,
		sqlstate => $sqlstate, message => \@message);
}

sub known_hosts
{
	my ($text) = @_;
	unlink $jump->known_hosts;
	append_to_file($jump->known_hosts, $text);
	return;
}

# ---- no such host ----

$w->write_env(PGSYNC_SSH_HOST => 'no-such-alias.invalid');
bad_ssh('08001', 'an alias that is no host', qr/no-such-alias\.invalid/);
$w->write_env(PGSYNC_SSH_HOST => '-oProxyCommand=touch ' . $w->dir . '/option_was_run');
bad_ssh('F0000', 'an alias that would be an option', qr/PGSYNC_SSH_HOST|invalid/);
ok(!-e $w->dir . '/option_was_run', 'is never run');
$w->write_env(PGSYNC_SSH_CONFIG => $w->dir . '/no_such_config');
bad_ssh('F0000', 'a missing ssh_config', qr/no_such_config/);
$w->write_env;

# ---- jump host down: retried, visibly, then given up ----

my $closed = PostgreSQL::Test::Cluster::get_free_port();
$w->write_ssh_config(Port => $closed);
my $run = bad_ssh('08001', 'the jump host is down', qr/$closed/, qr/refused|connect/i);
like($run->{err}, qr/NOTICE:.*(1|2).*2|NOTICE:.*(retry|again|attempt)/i, 'another attempt is told');
$w->setting(connect_attempts => 4);
$w->setting(connect_retry_delay => '300ms');
my $start = time();
$run = $w->pull("'users'");
cmp_ok(time() - $start, '>', 0.8, 'as many attempts as set, with the pause between them');
isnt($run->{rc}, 0, 'and it fails');
$w->setting(connect_attempts => 10);
$jump->stop;
$w->write_ssh_config;
my $call = $w->start_pull("'users'");
$call->wait_message(qr/NOTICE:.*(retry|again|attempt)/i);
$jump->start;
is($call->finish->{rc}, 0, 'a jump host that comes up meanwhile is reached') or diag($call->{err});
$w->setting(connect_attempts => 3);
$before = $w->snapshot;

# ---- host keys: verified before authentication, failing closed ----

my $auth = sub { return scalar(() = slurp_file($jump->log) =~ /(Accepted|Failed) publickey|userauth-request/g); };
my $tries = $auth->();

known_hosts('');
$run = bad_ssh('28000', 'an unknown host key', qr/known_hosts/, qr/SHA256:/);
unlike($run->{err}, qr/attempt 2|retry/i, 'is not tried again');
unlink $jump->known_hosts;
bad_ssh('28000', 'no known_hosts file', qr/known_hosts/);

PgTunsync::Sshd::keygen($w->dir . "/other_$_", $_) foreach qw(ed25519 ecdsa);
my %other = map { $_ => join(' ', (split / /, slurp_file($w->dir . "/other_$_.pub"))[ 0, 1 ]) } qw(ed25519 ecdsa);
my $name = '[127.0.0.1]:' . $jump->port;

known_hosts("$name $other{ed25519}\n$name $other{ecdsa}\n");
$run = bad_ssh('28000', 'a changed host key', qr/key/, qr/known_hosts/, qr/SHA256:/);
known_hosts("$name $other{ed25519}\n");
bad_ssh('28000', 'a changed host key of one type', qr/known_hosts/);
my %own = map { $_ => join(' ', (split / /, slurp_file($jump->host_key($_) . '.pub'))[ 0, 1 ]) } qw(ed25519 ecdsa);
known_hosts("\@revoked $name $own{ed25519}\n\@revoked $name $own{ecdsa}\n$known");
bad_ssh('28000', 'revoked host keys', qr/revoked/i);

# known_hosts has another type than the server offers
$jump->stop;
{
	local $jump->{types} = ['ecdsa'];
	$jump->start;
}
known_hosts("$name $own{ed25519}\n");
bad_ssh('28000', 'a host key of another type than the known one', qr/known_hosts|key/);
$jump->stop;
$jump->start;

# known_hosts has one of the types: that one is negotiated
foreach my $type (qw(ed25519 ecdsa))
{
	known_hosts('');
	$jump->trust($type);
	$run = $w->pull("'users'");
	is($run->{rc}, 0, "known_hosts with the $type key alone is enough") or diag($run->{err});
}
is($auth->() - $tries, scalar(() = slurp_file($jump->log) =~ /Accepted publickey/g) - $tries,
	'no authentication without a verified key');
known_hosts($known);
$before = $w->snapshot;

# ---- authentication ----

PgTunsync::Sshd::keygen($w->dir . '/stranger', 'ed25519');
$w->write_ssh_config(IdentityFile => $w->dir . '/stranger');
$run = bad_ssh('28000', 'a key that the jump host refuses', qr/stranger|publickey|authentication/i);
unlike($run->{err}, qr/attempt 2|retry/i, 'is not tried again');
$w->write_ssh_config(IdentityFile => $w->dir . '/no_such_key');
bad_ssh('28000', 'a key file that is missing', qr/no_such_key|key/);
PgTunsync::Sshd::keygen($w->dir . '/locked', 'ed25519', 'S3cret-passphrase');
push @{ $w->{secrets} }, 'S3cret-passphrase';
$w->write_ssh_config(IdentityFile => $w->dir . '/locked');
bad_ssh('28000', 'a key with a passphrase', qr/locked/, qr/passphrase|encrypted/i);
$w->write_ssh_config(IdentityFile => 'none', IdentitiesOnly => 'no', IdentityAgent => $w->dir . '/no_agent.sock');
bad_ssh('28000', 'an agent that is absent', qr/agent/i);
$w->write_ssh_config(User => 'nobody-of-that-name');
bad_ssh('28000', 'an unknown user', qr/nobody-of-that-name/);

# ---- an agent that is there ----

SKIP:
{
	my $socket = $w->dir . '/agent.sock';
	my $agent = PgTunsync::Process->start($w->dir . '/agent.log', 'ssh-agent', '-D', '-a', $socket);
	PgTunsync::Process::wait_until('the agent', sub { -S $socket });
	{
		local $ENV{SSH_AUTH_SOCK} = $socket;
		system_or_bail('ssh-add', '-q', $jump->user_key);
	}
	$w->write_ssh_config(IdentityFile => $w->dir . '/stranger', IdentitiesOnly => 'no', IdentityAgent => $socket);
	$w->pulls("'users'", 'a key of the agent', ['users']);
	$agent->stop;
}

# ---- two hops ----

my $second = PgTunsync::Sshd->new($w->dir . '/ssh', 'second');
$second->start;
$w->write_ssh_config_text($jump->host_block('first') . $second->host_block('hatchbox', ProxyJump => 'first'));
$before = $w->snapshot;
bad_ssh('28000', 'an unknown key at the second hop', qr/known_hosts/, qr/${\$second->port}|hatchbox/);
$second->trust;
$w->pulls("'users'", 'through two hops', ['users']);
$before = $w->snapshot;
known_hosts('');
$second->trust;
bad_ssh('28000', 'an unknown key at the first hop', qr/known_hosts/, qr/${\$jump->port}|first/);

done_testing();
