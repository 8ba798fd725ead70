# Authentication to the jump host: keys of each type, encrypted keys, agents
# and passwords, in OpenSSH's order.  The error lists every method that was
# tried.

use strict;
use warnings;
use IO::Socket::UNIX;
use PgTunsync;
use PgTunsync::Password;
use PgTunsync::Steps;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $w = PgTunsync->new(users => 60);
my $dir = $w->dir;
my $jump = $w->jump;
my $before = $w->snapshot;
my ($version) = `pkg-config --modversion libssh2 2>/dev/null` =~ /(\d+\.\d+)/;
my $old = defined $version && $version =~ /^1\.(\d+)$/ && $1 < 11;
my $authorized = "$dir/authorized_keys";

push @{ $w->{secrets} }, 'S3cret-passphrase', 'S3cret-wrong', 'S3cret-of-ssh';
$w->setting(connect_timeout => '3s');

# Makes a key pair that the jump host takes; options for ssh-keygen.
sub key
{
	my ($name, @options) = @_;
	system_or_bail('ssh-keygen', '-q', '-N', '', '-C', 'pgtunsync test', '-f', "$dir/$name", @options);
	append_to_file($authorized, slurp_file("$dir/$name.pub"));
	return "$dir/$name";
}

sub fingerprint
{
	my ($file) = @_;
	return (`ssh-keygen -lf '$file'` =~ /(SHA256:\S+)/)[0];
}

# A test: the steps of check() with this environment end well, after a login by this.
sub logs_in
{
	my ($title, $by, %env) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$w->write_env(%env);
	my $steps = PgTunsync::Steps->of($w);
	like($steps->detail('hop 1: login'), qr/, by \Q$by\E/, $title) or diag($steps->text);
	return $steps;
}

# Tests: no login; the error has all these.
sub refused
{
	my ($title, $message, %env) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$w->write_env(%env);
	my $steps = PgTunsync::Steps->of($w);
	my $text = $steps->detail('tunnel') . "\n" . $steps->hint('tunnel');
	is($steps->failed, 'tunnel', $title) or diag($steps->text);
	like($text, $_, "says $_") foreach @$message;
	unlike($text, qr/S3cret/, 'and no secret');
	return $steps;
}

# Tests: the same in a pull, with all that a failure must leave alone.
sub pull_refused
{
	my ($title, $message) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $run = $w->refused("'users'", $title, before => $before, sqlstate => '28000', message => $message);
	unlike($run->{err}, qr/attempt 2|retry/i, 'it is not tried again');
	return;
}

append_to_file($authorized, slurp_file($jump->user_key . '.pub'));
key($_->[0], @$_[ 1 .. $#$_ ])
  foreach ([ 'ed25519', '-t', 'ed25519' ], [ 'ecdsa256', '-t', 'ecdsa', '-b', 256 ],
  	[ 'ecdsa384', '-t', 'ecdsa', '-b', 384 ],
	[ 'ecdsa521', '-t', 'ecdsa', '-b', 521 ], [ 'ecdsa_pem', '-t', 'ecdsa', '-m', 'PEM' ],
	[ 'ecdsa_pkcs8', '-t', 'ecdsa', '-m', 'PKCS8' ],
	[ 'rsa', '-t', 'rsa', '-b', 2048 ], [ 'rsa_pem', '-t', 'rsa', '-b', 2048, '-m', 'PEM' ]);
$jump->stop;
$jump->start(AuthorizedKeysFile => $authorized);

# ---- kinds of keys ----

logs_in("a key of the kind $_", "key $dir/$_ (", PGSYNC_SSH_KEY => "$dir/$_")
  foreach qw(ed25519 ecdsa256 ecdsa384 ecdsa521 ecdsa_pem ecdsa_pkcs8);
foreach my $name (qw(rsa rsa_pem))
{
	if ($old)
	{
		refused("an RSA key ($name) with libssh2 $version", [ qr/libssh2 1\.\d+\S* signs with RSA keys using SHA-1 only/, qr/ed25519/, qr/publickey/ ], PGSYNC_SSH_KEY => "$dir/$name");
	}
	else
	{
		logs_in("an RSA key ($name)", "key $dir/$name (ssh-rsa)", PGSYNC_SSH_KEY => "$dir/$name");
	}
}

# ---- encrypted ones ----

sub locked
{
	my ($name, @options) = @_;
	my $file = key("locked_$name", @options);
	system_or_bail('ssh-keygen', '-q', '-p', '-P', '', '-N', 'S3cret-passphrase', '-f', $file,
		(map { $_ eq '-m' ? @options[ -2, -1 ] : () } @options));
	return $file;
}

foreach my $file (locked('ed25519', '-t', 'ed25519'), locked('ecdsa', '-t', 'ecdsa'),
	locked('ecdsa_pem', '-t', 'ecdsa', '-m', 'PEM'))
{
	my ($name) = $file =~ m{([^/]+)$};
	logs_in("$name with its passphrase", "key $file (", PGSYNC_SSH_KEY => $file, PGSYNC_SSH_KEY_PASSPHRASE => 'S3cret-passphrase');
	refused("$name with a wrong one", [ qr/\Q$file\E.*PGSYNC_SSH_KEY_PASSPHRASE does not decrypt it/, qr/passphrase/ ], PGSYNC_SSH_KEY => $file, PGSYNC_SSH_KEY_PASSPHRASE => 'S3cret-wrong');
	refused("$name without", [ qr/\Q$file\E: encrypted, and PGSYNC_SSH_KEY_PASSPHRASE is not set/, qr/Set PGSYNC_SSH_KEY_PASSPHRASE/ ], PGSYNC_SSH_KEY => $file);
}
logs_in('a passphrase does no harm to a key without', "key $dir/ed25519 (", PGSYNC_SSH_KEY => "$dir/ed25519",
	PGSYNC_SSH_KEY_PASSPHRASE => 'S3cret-passphrase');
$w->write_env(PGSYNC_SSH_KEY => "$dir/locked_ed25519", PGSYNC_SSH_KEY_PASSPHRASE => 'S3cret-passphrase');
$w->pulls("'users'", 'a pull with an encrypted key', ['users']);
$before = $w->snapshot;
$w->write_env(PGSYNC_SSH_KEY => "$dir/locked_ed25519", PGSYNC_SSH_KEY_PASSPHRASE => 'S3cret-wrong');
pull_refused('a pull with a wrong passphrase', [ qr/does not decrypt it/, qr/hop 1/ ]);

# ---- files that are no keys ----

system_or_bail('cp', "$dir/ed25519", "$dir/readable");
chmod 0644, "$dir/readable";
mkdir "$dir/a_directory";
append_to_file("$dir/nonsense", "-----BEGIN OPENSSH PRIVATE KEY-----\n" . ('AAAA' x 16 . "\n") x 4
	. "-----END OPENSSH PRIVATE KEY-----\n");
append_to_file("$dir/empty", '');
append_to_file("$dir/half", substr(slurp_file("$dir/ed25519"), 0, 200));
append_to_file("$dir/big", 'x' x 100_000);
chmod 0600, map { "$dir/$_" } qw(nonsense empty half big);
refused("$_->[0] as a key", [ qr/\Q$dir\E\/$_->[0]/, $_->[1] ], PGSYNC_SSH_KEY => "$dir/$_->[0]")
  foreach ([ readable => qr/others may read it \(mode 644\).*chmod 600/ ], [ a_directory => qr/not a regular file/ ],
  	[ nonsense => qr/not a private key|cannot use this key/ ],
	[ empty => qr/not a private key/ ], [ half => qr/not a private key/ ],
	[ big => qr/not a regular file of at most 64 kB/ ], [ no_such_key => qr/no such key file/ ]);
system_or_bail('cp', "$dir/ed25519.pub", "$dir/public");
chmod 0600, "$dir/public";
refused('a public key as a key', [qr/a public key, and no agent holds the private key/], PGSYNC_SSH_KEY => "$dir/public");
symlink "$dir/ed25519", "$dir/link";
logs_in('a link to a key', "key $dir/link (", PGSYNC_SSH_KEY => "$dir/link");

# ---- agents ----

my $socket = "$dir/agent.sock";
my $agent = PgTunsync::Process->start("$dir/agent.log", 'ssh-agent', '-D', '-a', $socket);
PgTunsync::Process::wait_until('the agent', sub { -S $socket });
sub agent_has
{
	local $ENV{SSH_AUTH_SOCK} = $socket;
	system_or_bail('ssh-add', '-q', '-D');
	system_or_bail('ssh-add', '-q', "$dir/$_") foreach @_;
	return;
}

agent_has('ecdsa256', 'ed25519');
my %no_file = (IdentityFile => "$dir/no_such_key", IdentitiesOnly => 'no');
$w->write_ssh_config(%no_file, IdentityAgent => $socket);
my $steps = logs_in('an agent', "agent key ecdsa-sha2-nistp256 " . fingerprint("$dir/ecdsa256.pub"));
$w->write_ssh_config(%no_file, IdentityAgent => undef);
logs_in('the agent of SSH_AUTH_SOCK in the environment file', 'agent key ', SSH_AUTH_SOCK => $socket);
$w->write_ssh_config(%no_file, IdentityAgent => '$MY_AGENT');
logs_in('the agent that a variable names', 'agent key ', MY_AGENT => $socket);

# only the key whose public half is named
PgTunsync::Sshd::keygen("$dir/stranger", 'ed25519');
system_or_bail('cp', "$dir/ed25519.pub", "$dir/half_here.pub");
$w->write_ssh_config(IdentityFile => "$dir/half_here", IdentitiesOnly => 'yes', IdentityAgent => $socket);
logs_in('IdentitiesOnly and the public half of a key: that key of the agent',
	'agent key ssh-ed25519 ' . fingerprint("$dir/ed25519.pub"));
$w->write_ssh_config(IdentityFile => "$dir/half_here.pub", IdentitiesOnly => 'yes', IdentityAgent => $socket);
logs_in('the same named with .pub', 'agent key ssh-ed25519 ' . fingerprint("$dir/ed25519.pub"));
agent_has('stranger');
$w->write_ssh_config(IdentityFile => "$dir/ed25519", IdentitiesOnly => 'yes', IdentityAgent => $socket);
logs_in('IdentitiesOnly: the agent\'s other keys are not shown', "key $dir/ed25519 (");
$w->write_ssh_config(IdentityFile => "$dir/ed25519", IdentitiesOnly => 'no', IdentityAgent => $socket);
logs_in('the agent\'s keys first, then the files', "key $dir/ed25519 (");
$w->write_ssh_config(%no_file, IdentityAgent => $socket);
refused('an agent with a key that is refused', [ qr/agent key ssh-ed25519 SHA256:\S+: refused/, qr/no such key file: \Q$dir\E\/no_such_key/, qr/The server accepts: publickey/ ]);
agent_has();
refused('an agent without keys', [qr/the agent holds no key/]);
agent_has('rsa');
if ($old)
{
	refused("an RSA key of the agent with libssh2 $version", [qr/SHA-1 only/]);
}
else
{
	logs_in('an RSA key of the agent', 'agent key ssh-rsa');
}
$agent->stop;
unlink $socket;
refused('an agent that is gone', [ qr/agent at "\Q$socket\E" could not be reached/, qr/PGSYNC_SSH_KEY/ ]);

# an agent that takes the question and says nothing
my $mute = IO::Socket::UNIX->new(Local => $socket, Listen => 5) or die "$socket: $!";
my $started = time();
$w->write_env;
my $call = $w->call('SELECT step, ok, detail FROM pgtunsync.check();', timeout => 25)->finish;
isnt($call->{rc}, 'timeout', 'an agent that says nothing does not hold the run up for ever');
cmp_ok(time() - $started, '<', 15, 'it ends in time');
close $mute;
unlink $socket;
system('kill', $w->worker_pids) if $w->worker_pids;
$w->nothing_left;

# ---- passwords ----

$w->write_ssh_config(IdentityFile => "$dir/ed25519");
SKIP:
{
	my $password = PgTunsync::Password->new($dir);
	skip 'no compiler, or an sshd without PAM', 1 unless $password;
	my %none = (PubkeyAuthentication => 'no', AuthorizedKeysFile => $authorized);
	my $right = 'S3cret-of-ssh';

	$jump->stop;
	$password->start($jump, "Password: =$right", %none, PasswordAuthentication => 'yes');
	logs_in('PGSYNC_SSH_PASSWORD', 'password', PGSYNC_SSH_PASSWORD => $right);
	refused('a wrong password', [ qr/password: refused/, qr/The server accepts: password/ ], PGSYNC_SSH_PASSWORD => 'S3cret-wrong');
	refused('no password', [qr/password: PGSYNC_SSH_PASSWORD is not set/]);
	$w->write_env(PGSYNC_SSH_PASSWORD => $right);
	$w->pulls("'users'", 'a pull with a password', ['users']);
	$w->write_env(PGSYNC_SSH_PASSWORD => 'S3cret-wrong');
	pull_refused('a pull with a wrong password', [qr/password: refused/]);
	cmp_ok(scalar(() = slurp_file($jump->log) =~ /Failed password/g), '<=', 2,
		'a wrong password was given once in each');
	$w->write_ssh_config(PasswordAuthentication => 'no');
	refused('PasswordAuthentication no', [ qr/The server accepts: password/, qr/Tried: nothing/ ], PGSYNC_SSH_PASSWORD => $right);
	$w->write_ssh_config(IdentityFile => "$dir/ed25519");

	$jump->stop;
	$password->start($jump, "Password: =$right", %none, KbdInteractiveAuthentication => 'yes');
	logs_in('keyboard-interactive', 'keyboard-interactive', PGSYNC_SSH_PASSWORD => $right);
	refused('with a wrong password', [qr/keyboard-interactive: refused/], PGSYNC_SSH_PASSWORD => 'S3cret-wrong');
	refused('with none', [qr/keyboard-interactive: PGSYNC_SSH_PASSWORD is not set/]);

	$jump->stop;
	$password->start($jump, "+Your name: =x|Password: =$right", %none, KbdInteractiveAuthentication => 'yes');
	refused('a prompt that shows what is typed gets no password', [qr/keyboard-interactive: refused/],
		PGSYNC_SSH_PASSWORD => $right);

	$jump->stop;
	$password->start($jump, "Password: =$right", AuthorizedKeysFile => $authorized,
		KbdInteractiveAuthentication => 'yes', PasswordAuthentication => 'yes');
	logs_in('a key comes before a password', "key $dir/ed25519", PGSYNC_SSH_PASSWORD => $right);
	logs_in('keyboard-interactive comes before a password', 'keyboard-interactive', PGSYNC_SSH_PASSWORD => $right,
		PGSYNC_SSH_KEY => "$dir/stranger");
	$w->write_ssh_config(IdentityFile => "$dir/ed25519", PreferredAuthentications => 'password,publickey');
	logs_in('PreferredAuthentications', 'password', PGSYNC_SSH_PASSWORD => $right);
	$w->write_ssh_config(IdentityFile => "$dir/ed25519", PubkeyAuthentication => 'no',
		KbdInteractiveAuthentication => 'no');
	logs_in('PubkeyAuthentication no, KbdInteractiveAuthentication no', 'password', PGSYNC_SSH_PASSWORD => $right);
	$w->write_ssh_config(IdentityFile => "$dir/ed25519");

	$jump->stop;
	$password->start($jump, "Password: =$right", AuthorizedKeysFile => $authorized, PasswordAuthentication => 'yes',
		AuthenticationMethods => 'publickey,password');
	logs_in('a key and a password', 'password', PGSYNC_SSH_PASSWORD => $right);
	refused('the key alone',
		[ qr/accepted, and the server then asked for password/, qr/PGSYNC_SSH_PASSWORD is not set/ ]);
	$w->write_env(PGSYNC_SSH_PASSWORD => $right, PGSYNC_SSH_KEY => "$dir/stranger");
	pull_refused('the password alone', [qr/stranger.*refused/]);

	# the password is the jump host's, not of those before it
	my $gate = PgTunsync::Sshd->new("$dir/gate", 'gate');
	$password->start($gate, "Password: =$right", %none, PasswordAuthentication => 'yes');
	$gate->trust;
	$w->write_ssh_config_text($gate->host_block('gate') . $jump->host_block('hatchbox', ProxyJump => 'gate'));
	refused('PGSYNC_SSH_PASSWORD is for the last hop only', [qr/hop 1.*PGSYNC_SSH_PASSWORD is for the last hop only/s],
		PGSYNC_SSH_PASSWORD => $right);
	unlike(slurp_file($gate->log), qr/Failed password|Accepted password/, 'the first never saw it');
	$gate->stop;
}
$jump->stop;
$jump->start(MaxAuthTries => 2);
PgTunsync::Sshd::keygen("$dir/many_$_", 'ed25519') foreach 1 .. 4;
$w->write_ssh_config(IdentityFile => join("\n    IdentityFile ", map { "$dir/many_$_" } 1 .. 4));
$w->setting(connect_attempts => 3);
refused('more keys than MaxAuthTries',
	[ qr/many_1 \S+: refused/, $old ? (qr/It disconnected, saying "Too many authentication failures/,
	qr/Name the key that the server takes with PGSYNC_SSH_KEY/) : () ]);
$jump->stop;
$jump->start(MaxAuthTries => 1);
$w->write_ssh_config(IdentityFile => "$dir/many_1");
pull_refused('one wrong key where only one may be tried', [qr/refused the login|during the login/]);

$jump->stop;
$jump->start;
$w->write_ssh_config;
$w->write_env;
$w->pulls("'users'", 'and the plain way still works', ['users']);

done_testing();
