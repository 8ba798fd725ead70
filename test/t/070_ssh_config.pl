# The path to the jump host follows ssh_config: aliases, includes, matches,
# tokens, several keys, and hops with their own aliases.  Checks which settings
# override ssh_config, which are refused by name, and that no value can become
# an option.

use strict;
use warnings;
use File::Copy qw(copy);
use PgTunsync;
use PgTunsync::Steps;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $w = PgTunsync->new(users => 60);
my $dir = $w->dir;
my $jump = $w->jump;
my $port = $jump->port;
my $user = $jump->user;
my $key = $jump->user_key;
my $before = $w->snapshot;

sub file
{
	my ($name, $text) = @_;
	unlink "$dir/$name";
	append_to_file("$dir/$name", $text);
	chmod 0600, "$dir/$name";
	return "$dir/$name";
}

sub key_file
{
	my ($name, $from) = @_;
	copy($from || $key, "$dir/$name") or die "$name: $!";
	chmod 0600, "$dir/$name";
	return "$dir/$name";
}

# A test: check() succeeds with this alias.  Returns its steps.
sub arrives
{
	my ($alias, $title, %env) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$w->write_env(PGSYNC_SSH_HOST => $alias, %env);
	my $steps = PgTunsync::Steps->of($w);
	is(($steps->names)[-1] . $steps->failed, 'plan', $title) or diag($steps->text);
	return $steps;
}

# Tests: check() stops at this step and gives the reason.
sub stops
{
	my ($alias, $step, $title, $message, %env) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$w->write_env(PGSYNC_SSH_HOST => $alias, %env);
	my $steps = PgTunsync::Steps->of($w);
	is($steps->failed, $step, $title) or diag($steps->text);
	like($steps->detail($step), $message, 'and says why');
	return $steps;
}

# The lines that are the same in all Host blocks.
my $rest = "GlobalKnownHostsFile /dev/null\nIdentityAgent none\nIdentitiesOnly yes\nStrictHostKeyChecking yes\n";
my $basics = "HostName 127.0.0.1\nUser $user\n";
my $known = slurp_file($jump->known_hosts);
my $keys_alone = join('', map { "$_\n" } map { join(' ', (split / /)[ 1, 2 ]) } split /\n/, $known);

sub known_as
{
	my ($name) = @_;
	return join('', map { "$name $_\n" } split /\n/, $keys_alone);
}

# ---- the language of ssh_config ----

mkdir "$dir/conf.d";
mkdir "$dir/keys";
file('conf.d/one.conf', "Host included\n$basics Port $port\n");
key_file("keys/tokens_${port}_$user");
key_file('key with blanks');
PgTunsync::Sshd::keygen("$dir/stranger", 'ed25519');
PgTunsync::Sshd::keygen("$dir/stranger_2", 'ecdsa');
file('kh_127.0.0.1', $known);
file('kh_of_thealias', known_as('TheAlias'));
file('kh_localhost', known_as("[localhost]:$port"));
file('kh empty', '');
file('kh with blanks', $known);
my $config = $w->write_ssh_config_text(<<"CONFIG");
Include $dir/conf.d/*.conf
Match originalhost matched exec "test -e $dir/flag"
    Port $port
Match originalhost matched
    Port 1
Host first-wins
    Port $port
Host first-*
    Port 1
Host tokens
    IdentityFile $dir/keys/%n_%p_%r
    UserKnownHostsFile $dir/kh_%h
    Port $port
Host several-keys
    IdentityFile $dir/stranger
    IdentityFile $dir/no_such_key
    IdentityFile $dir/stranger_2
    IdentityFile $key
    Port $port
Host blanks
    IdentityFile "$dir/key with blanks"
    UserKnownHostsFile "$dir/kh empty" "$dir/kh with blanks"
    Port $port
Host key-alias
    HostKeyAlias TheAlias
    UserKnownHostsFile $dir/kh_of_thealias
    Port $port
Host global
    UserKnownHostsFile /dev/null
    GlobalKnownHostsFile $dir/no_such_file $dir/kh_127.0.0.1
    Port $port
Host by-name
    HostName localhost
    AddressFamily inet
    UserKnownHostsFile $dir/kh_localhost
    Port $port
Host six
    AddressFamily inet6
    Port $port
Host ecdsa-only
    HostKeyAlgorithms ecdsa-sha2-nistp256
    Port $port
Host squeezed
    Compression yes
    Port $port
Host command
    ProxyCommand touch $dir/proxy_command_was_run
Host algorithms
    KexAlgorithms ecdh-sha2-nistp384
    Ciphers aes256-ctr
    MACs hmac-sha2-512
    Port $port
Host no-mac
    MACs umac-64\@openssh.com
    Port $port
Host no-kex
    KexAlgorithms sntrup761x25519-sha512\@openssh.com
    Port $port
Host revoking
    RevokedHostKeys $dir/revoked_keys
    Port $port
Host lax
    StrictHostKeyChecking no
    Port $port
Host certified
    CertificateFile $dir/user-cert.pub
    Port $port
Host certified-stranger
    CertificateFile $dir/user-cert.pub
    IdentityFile $dir/stranger
    Port $port
Host loop-1
    ProxyJump loop-2
Host loop-2
    ProxyJump loop-1
Host * !certified-stranger !several-keys !tokens !blanks
    IdentityFile $key
Host *
    $basics    $rest    UserKnownHostsFile ${\$jump->known_hosts}
CONFIG

my $steps = arrives('included', 'Include');
is($steps->detail('ssh target'),
	"$user\@127.0.0.1:$port (alias \"included\"); jump host: none, the target is reached directly",
	'the target is shown as resolved');
stops('matched', 'tunnel', 'Match exec that does not hold', qr/127\.0\.0\.1:1\b.*refused/);
file('flag', '');
arrives('matched', 'Match exec that holds');
arrives('first-wins', 'the first value wins');
$steps = arrives('tokens', 'tokens in paths');
like($steps->detail('hop 1: login'), qr{\Q$dir\E/keys/tokens_${port}_$user }, 'of the key');
like($steps->detail('hop 1: host key'), qr{\Q$dir\E/kh_127\.0\.0\.1 line}, 'and of known_hosts');
$steps = arrives('several-keys', 'several IdentityFiles: the one that fits');
like($steps->detail('hop 1: login'), qr/by key \Q$key\E /, 'is the one that logged in');
$steps = arrives('blanks', 'paths with blanks');
like($steps->detail('hop 1: login'), qr{/key with blanks }, 'of the key');
like($steps->detail('hop 1: host key'), qr{/kh with blanks line}, 'of the second known_hosts file');
$steps = arrives('key-alias', 'HostKeyAlias');
like($steps->detail('hop 1: host key'), qr/kh_of_thealias line/,
	'is the name that known_hosts has, in lower case or not');
$steps = arrives('global', 'GlobalKnownHostsFile');
like($steps->detail('hop 1: host key'), qr/kh_127\.0\.0\.1 line/, 'is believed');
$steps = arrives('by-name', 'AddressFamily inet of a name with two');
is($steps->detail('hop 1: connect'), "127.0.0.1:$port", 'is IPv4');
stops('six', 'tunnel', 'AddressFamily inet6 of an IPv4 address', qr/could not connect.*127\.0\.0\.1/s);
$steps = arrives('ecdsa-only', 'HostKeyAlgorithms');
like($steps->detail('hop 1: host key'), qr/^ecdsa-sha2-nistp256 /, 'chooses the key');

$w->setting(log_level => 'debug1');
arrives('algorithms', 'KexAlgorithms, Ciphers and MACs');
my $log = slurp_file($w->local_node->logfile);
like($log, qr/key exchange ecdh-sha2-nistp384, /, 'the key exchange is the one that is allowed');
like($log, qr/$_ to [a-z]+: cipher aes256-ctr, MAC hmac-sha2-512,/, "cipher and MAC of the $_")
  foreach 'client', 'server';
$w->setting(log_level => undef);

# ---- what is refused, by name ----

foreach my $case ([ 'no-mac', 'MACs' ], [ 'no-kex', 'KexAlgorithms' ])
{
	my ($alias, $option) = @$case;
	stops($alias, 'tunnel', "$option that libssh2 does not know",
		qr/^$option of "$alias" \(hop 1\) allows no algorithm that the tunnel supports\nlibssh2 1\.\d+/);
}
$steps = stops('revoking', 'ssh target', 'RevokedHostKeys', qr/RevokedHostKeys/);
like($steps->hint('ssh target'), qr/\@revoked/, 'the hint says what instead');

stops('command', 'ssh target', 'ProxyCommand', qr/ProxyCommand.*\n.*does not run programs/);
ok(!-e "$dir/proxy_command_was_run", 'is not run');
$steps = stops('lax', 'ssh target', 'StrictHostKeyChecking no', qr/StrictHostKeyChecking no/);
like($steps->hint('ssh target'), qr/accept-new/, 'the hint says what instead');
stops('loop-1', 'ssh target', 'hosts that are each the other\'s ProxyJump', qr/more than \d jump hosts/);
arrives('certified', 'a certificate beside a good key: the plain key is used');
stops('certified-stranger', 'tunnel', 'a certificate beside a key that is refused',
	qr/certificate \S+user-cert\.pub: not supported/);

# the same with pulls: the whole run fails, and nothing changes
$w->write_env(PGSYNC_SSH_HOST => 'command');
$w->refused("'users'", 'ProxyCommand in a pull', before => $before, before_tunnel => 1, sqlstate => 'F0000',
	message => [qr/ProxyCommand/, qr/HINT:.*ProxyJump/]);
$w->write_env(PGSYNC_SSH_HOST => 'lax');
$w->refused("'users'", 'StrictHostKeyChecking no in a pull', before => $before, before_tunnel => 1, sqlstate => 'F0000',
	message => [qr/StrictHostKeyChecking no/]);

# ---- nothing becomes an option, or a shell's business ----

my $trap = "$dir/trap";
foreach my $alias ("-oProxyCommand=touch $trap", "-F$trap", '-V', '--', '-', "x;touch $trap", "\$(touch $trap)",
	"`touch $trap`", 'a b', 'a/b',
	"a\tb", 'a"b', "a\\b", 'a|b', 'a&b', 'a*', 'a?', '~x', '@host', "u\@-oProxyCommand=touch", '-l@host', 'host:0',
	'host:65536', 'host:x', 'host:', '[::1', '[]:22', 'h' x 256, "h\303\266st")
{
	stops($alias, 'ssh target', 'alias ' . substr($alias, 0, 40), qr/invalid SSH host name/);
}
foreach my $name ("-oProxyCommand=touch $trap", 'a b', "x;touch $trap")
{
	stops('included', 'ssh target', "PGSYNC_SSH_USER=$name", qr/invalid SSH host name/, PGSYNC_SSH_USER => $name);
}
file('jump_option', "Host hatchbox\n$basics ProxyJump -oProxyCommand=touch$trap\n");
stops('hatchbox', 'ssh target', 'an option as ProxyJump', qr/ssh -G|invalid SSH host name/,
	PGSYNC_SSH_CONFIG => "$dir/jump_option");
ok(!-e $trap, 'nothing of all this was run');
$w->write_env(PGSYNC_SSH_HOST => "-oProxyCommand=touch $trap");
$w->refused("'users'", 'an option as an alias in a pull', before => $before, before_tunnel => 1, sqlstate => 'F0000',
	message => [qr/PGSYNC_SSH_HOST/]);

# ---- a link that is squeezed ----

$w->source_sql("CREATE TABLE xs (id int PRIMARY KEY, x text);
	INSERT INTO xs SELECT i, repeat('x', 20000) FROM generate_series(1, 100) i");
$w->local_sql('CREATE TABLE xs (id int PRIMARY KEY, x text)');
my $wire = PgTunsync::Relay->new($dir, $port);
file('kh_wire', known_as("[127.0.0.1]:${\$wire->port}"));
my %through = (PGSYNC_SSH_PORT => $wire->port, PGSYNC_SSH_KNOWN_HOSTS => "$dir/kh_wire");
$w->write_env(PGSYNC_SSH_HOST => 'included', PGSYNC_SSH_COMPRESSION => 'yes', %through);
$w->pulls("'xs'", 'PGSYNC_SSH_COMPRESSION=yes', ['xs']);
$w->write_env(PGSYNC_SSH_HOST => 'squeezed', %through);
$w->pulls("'xs'", 'Compression yes', ['xs']);
cmp_ok($wire->passed, '<', 500_000, '2 MB became less on the wire');
$w->write_env(PGSYNC_SSH_HOST => 'squeezed', PGSYNC_SSH_COMPRESSION => 'no', %through);
$w->pulls("'xs'", 'PGSYNC_SSH_COMPRESSION=no beats it', ['xs']);
cmp_ok($wire->passed, '>', 2_000_000, 'all of them travel then');
$before = $w->snapshot;

# ---- hops, each with its own alias, keys and known_hosts ----

my @gate = map { PgTunsync::Sshd->new("$dir/gate$_", "gate$_")->start->trust } 1, 2;
my %hop = (
	'gate-1' => $gate[0]->host_block('gate-1'),
	'gate-2' => $gate[1]->host_block('gate-2'),
	'gate-2-behind' => $gate[1]->host_block('gate-2-behind', ProxyJump => 'gate-1'));
my $hops = $w->write_ssh_config_text(join('', map { $hop{$_} } sort keys %hop)
	  . $jump->host_block('two-hops', ProxyJump => 'gate-1')
	  . $jump->host_block('three-hops', ProxyJump => 'gate-1,gate-2')
	  . $jump->host_block('nested', ProxyJump => 'gate-2-behind')
	  . $jump->host_block('spelled', ProxyJump => "$user\@gate-1:" . $gate[0]->port)
	  . $jump->host_block('dead-end', ProxyJump => 'gate-1,nowhere')
	  . $jump->host_block('no-jump', ProxyJump => 'none')
	  . $gate[1]->host_block('nowhere', Port => 1)
	  . $jump->host_block('wrong-order', ProxyJump => 'gate-2', IdentityFile => $gate[1]->user_key));

foreach my $case ([ 'two-hops', 2 ], [ 'three-hops', 3 ], [ 'nested', 3 ], [ 'spelled', 2 ], [ 'no-jump', 1 ])
{
	my ($alias, $count) = @$case;
	my @way = $count == 1 ? ($jump) : $count == 2 ? ($gate[0], $jump) : (@gate, $jump);
	$steps = arrives($alias, "$alias: all the way");
	is(scalar(grep { /^hop \d: login$/ } $steps->names), $count, "logs in $count times");
	foreach my $n (1 .. $count)
	{
		like($steps->detail("hop $n: login"), qr/:${\$way[$n - 1]->port}, by key \Q${\$way[$n - 1]->user_key}\E /,
			"hop $n with its own key");
		like($steps->detail("hop $n: host key"), qr/\Q${\$way[$n - 1]->known_hosts}\E line/, 'and its own known_hosts');
	}
}
is($steps->detail('ssh target'),
	"$user\@127.0.0.1:$port (alias \"no-jump\"); jump host: none, the target is reached directly",
	'ProxyJump none is none');
$w->write_env(PGSYNC_SSH_HOST => 'three-hops');
my $run = $w->pulls('', 'a pull through three hops', [ @PgTunsync::shop, 'xs' ]);
like($run->{err}, qr/via .*:${\$gate[0]->port}, then .*:${\$gate[1]->port}/, 'the banner names them');
cmp_ok(scalar(() = slurp_file($_->log) =~ /Accepted publickey/g), '>=', 2, "$_->{name} was passed")
  foreach @gate, $jump;
$before = $w->snapshot;

$w->setting(connect_attempts => 1);
$w->write_env(PGSYNC_SSH_HOST => 'dead-end');
$w->refused("'users'", 'a second hop that is not there', before => $before, sqlstate => '08\w{3}',
	message => [ qr/hop 2/, qr/:1\b/, qr/through ".*:${\$gate[0]->port}"/ ]);
$w->write_env(PGSYNC_SSH_HOST => 'wrong-order');
$w->refused("'users'", 'a key that only another hop takes', before => $before, sqlstate => '28\w{3}',
	message => [ qr/hop 2/, qr/refused/, qr/\Q${\$gate[1]->user_key}\E/ ]);
$w->write_env(PGSYNC_SSH_HOST => 'two-hops', PGSYNC_SSH_KEY => "$dir/stranger");
$w->refused("'users'", 'PGSYNC_SSH_KEY is for the jump host, not for those before it', before => $before,
	sqlstate => '28\w{3}', message => [ qr/hop 2/, qr/stranger/ ]);
$gate[0]->stop;
$gate[0]->start(AllowTcpForwarding => 'no');
$w->write_env(PGSYNC_SSH_HOST => 'two-hops');
$w->refused("'users'", 'a first hop that forbids forwarding', before => $before, sqlstate => '08\w{3}',
	message => [ qr/hop 2/, qr/AllowTcpForwarding/ ]);
$_->stop foreach @gate;

# ---- what the environment file says beats ssh_config ----

$w->write_ssh_config(User => 'nobody-of-that-name', Port => 1, IdentityFile => "$dir/stranger",
	UserKnownHostsFile => '/dev/null');
my %own = (
	PGSYNC_SSH_USER        => $user,
	PGSYNC_SSH_PORT        => $port,
	PGSYNC_SSH_KEY         => $key,
	PGSYNC_SSH_KNOWN_HOSTS => $jump->known_hosts);
$steps = arrives('hatchbox', 'PGSYNC_SSH_USER, _PORT, _KEY and _KNOWN_HOSTS', %own);
is($steps->detail('ssh target'),
	"$user\@127.0.0.1:$port (alias \"hatchbox\"); jump host: none, the target is reached directly", 'beat ssh_config');
foreach my $missing (sort keys %own)
{
	stops('hatchbox', 'tunnel', "without $missing it is ssh_config's", qr/./, %own, $missing => undef);
}
stops('hatchbox', 'ssh target', "PGSYNC_SSH_PORT=$_", qr/PGSYNC_SSH_PORT/, %own, PGSYNC_SSH_PORT => $_)
  foreach 'no', 0, 65536;
stops('hatchbox', 'ssh target', 'a relative PGSYNC_SSH_KEY', qr/PGSYNC_SSH_KEY must be an absolute path\n.*line \d/,
	%own, PGSYNC_SSH_KEY => 'id_ed25519');
stops('hatchbox', 'ssh target', 'a PGSYNC_SSH_COMPRESSION that is neither', qr/PGSYNC_SSH_COMPRESSION/, %own,
	PGSYNC_SSH_COMPRESSION => 'maybe');
arrives("$user\@127.0.0.1:$port", 'user@host:port', PGSYNC_SSH_CONFIG => 'none', PGSYNC_SSH_KEY => $key,
	PGSYNC_SSH_KNOWN_HOSTS => $jump->known_hosts);

# ---- an ssh program that does not answer as it should, or none ----

my ($bindir) = $w->local_node->installed_command('psql') =~ m{^(.*)/psql$};
($bindir) = `pg_config --bindir` =~ /(.*)/ unless $bindir;
mkdir "$dir/bin";
file('bin/ssh', "#!/bin/sh\necho 'Bad configuration option: nonsense' >&2\nexit 255\n");
chmod 0755, "$dir/bin/ssh";
{
	local $ENV{PATH} = "$dir/bin:$bindir";
	$w->local_node->restart;
}
$w->write_ssh_config;
$w->write_env;
$w->refused("'users'", 'an ssh that fails', before => $before, before_tunnel => 1, sqlstate => 'F0000',
	message => [ qr/nonsense/, qr/ssh -G/ ]);
file('bin/ssh', "#!/bin/sh\nhead -c 300000 /dev/urandom\n");
chmod 0755, "$dir/bin/ssh";
$w->refused("'users'", 'an ssh that prints garbage', before => $before, sqlstate => '\w{5}', message => [qr/hatchbox/]);
{
	local $ENV{PATH} = $bindir;
	$w->local_node->restart;
}
SKIP:
{
	skip 'an ssh stands beside the server', 4 if -x "$bindir/ssh";
	$w->refused("'users'", 'no ssh program: an alias is a host name', before => $before, sqlstate => '08\w{3}',
		message => [ qr/hatchbox/, qr/PGSYNC_SSH_HOST/ ]);
	my %plain = (PGSYNC_SSH_CONFIG => undef, PGSYNC_SSH_KEY => $key, PGSYNC_SSH_KNOWN_HOSTS => $jump->known_hosts);
	$w->write_env(PGSYNC_SSH_HOST => "$user\@127.0.0.1:$port", %plain);
	$w->pulls("'users'", 'no ssh program: user@host:port', ['users']);
	arrives('127.0.0.1', 'and by PGSYNC_SSH_USER, _PORT, _KEY, _KNOWN_HOSTS', %plain, PGSYNC_SSH_USER => $user,
		PGSYNC_SSH_PORT => $port);
	stops('-oProxyCommand=x', 'ssh target', 'an option is none here either', qr/invalid SSH host name/, %plain);
}

$w->nothing_left;
is($w->local_sql("SELECT count(*) FROM pgtunsync.runs WHERE status NOT IN ('failed', 'succeeded')"), 0,
	'the audit has only runs that ended');

done_testing();
