# What to do after a login that failed: the line for authorized_keys of the key
# that was offered, the password that nobody can type here, the agent that is not
# the server's.  And why a key exchange found no common algorithm.

use strict;
use warnings;
use PgTunsync;
use PostgreSQL::Test::Utils;
use Test::More;

my $w = PgTunsync->new(users => 50);
my $jump = $w->jump;
my $dir = $w->dir;
my $before = $w->snapshot;

sub refused
{
	my ($title, %params) = @_;
	return $w->refused("'users'", $title, before => $before, sqlstate => '28000', %params);
}

# The two words of a public key.
sub public_key { return join(' ', (split / /, slurp_file("$_[0].pub"))[ 0, 1 ]); }

# Follows the hint: the sshd then admits what the line lets in.
sub follow
{
	my ($title, $run) = @_;
	my ($line) = $run->{err} =~ /^(restrict,port-forwarding .* pgtunsync)$/m;
	ok(defined $line, 'the hint has a line') or return;
	unlink "$dir/admitted";
	append_to_file("$dir/admitted", "$line\n");
	chmod 0600, "$dir/admitted";
	$jump->stop;
	$jump->start(AuthorizedKeysFile => "$dir/admitted");
	$w->pulls("'users'", $title, ['users']);
	$before = $w->snapshot;
	$jump->stop;
	$jump->start;
	return;
}

# ---- a key that is not authorised ----

PgTunsync::Sshd::keygen("$dir/stranger", 'ed25519');
my $stranger = public_key("$dir/stranger");
my $private = (split /\n/, slurp_file("$dir/stranger"))[2];
$w->write_ssh_config(IdentityFile => "$dir/stranger");
my $run = refused('a key file',
	message => [ qr/HINT:  To let the key in, append this line to ~\w+\/\.ssh\/authorized_keys on "127\.0\.0\.1":/, qr/^restrict,port-forwarding \Q$stranger\E pgtunsync$/m, qr/ssh -v/ ],
	unlike => [qr/\Q$private\E/]);
follow('its line lets it in', $run);

my @no_files = map { "$dir/home/.ssh/$_" } qw(id_rsa id_ecdsa id_ed25519 id_xmss id_dsa);
sub ssh_config
{
	my ($files, %options) = @_;
	my $text = $jump->host_block('hatchbox', IdentityFile => $files->[0], %options);
	$text .= "    IdentityFile $_\n" foreach @$files[ 1 .. $#$files ];
	return $w->write_ssh_config_text($text);
}

ssh_config([ @no_files, "$dir/stranger" ]);
$run = refused('beside files that do not exist', message => [qr/\Q$stranger\E/], unlike => [qr/id_rsa|no such key file/]);
ssh_config(\@no_files);
refused('no key at all', message => [ qr/no such key file: .*id_ed25519/, qr/HINT:  Name a key file that operating system user "\w+" can read with PGSYNC_SSH_KEY.*ssh-keygen -t ed25519/ ]);
ssh_config([ "$dir/one_name", "$dir/stranger" ]);
refused('one file that does not exist', message => [ qr/no such key file: \Q$dir\E\/one_name/, qr/\Q$stranger\E/ ]);

# ---- a key of an agent ----

my $socket = "$dir/agent.sock";
my $agent = PgTunsync::Process->start("$dir/agent.log", 'ssh-agent', '-D', '-a', $socket);
PgTunsync::Process::wait_until('the agent', sub { -S $socket });
PgTunsync::Sshd::keygen("$dir/held", 'ecdsa');
{
	local $ENV{SSH_AUTH_SOCK} = $socket;
	system_or_bail('ssh-add', '-q', "$dir/held");
}
my %by_agent = (IdentitiesOnly => 'no', IdentityAgent => $socket);
ssh_config(\@no_files, %by_agent);
$run = refused('a key of the agent', message => [ qr/^restrict,port-forwarding \Q${\public_key("$dir\/held")}\E pgtunsync$/m ],
	unlike => [qr/id_rsa/]);
follow('its line lets it in', $run);
$agent->stop;
refused('an agent that has gone', message => [ qr/agent at "\Q$socket\E" could not be reached/, qr/HINT:  The agent of your own login is not the server's/ ]);

# ---- a host that takes passwords only ----

$jump->stop;
$jump->start(AuthenticationMethods => 'password', PasswordAuthentication => 'yes');
$w->write_ssh_config;
refused('a password that nobody can type', message => [ qr/HINT:  The server takes a password.*PGSYNC_SSH_PASSWORD/ ],
	unlike => [qr/authorized_keys/]);
$jump->stop;

# ---- no common algorithm ----

my $old = `pkg-config --modversion libssh2 2>/dev/null` =~ /^1\.(\d+)/ && $1 < 11;
my $mac = $old ? 'hmac-sha2-512-etm@openssh.com,hmac-sha2-256-etm@openssh.com' : 'umac-64-etm@openssh.com';
my %by_purpose = (
	MAC                      => [ Ciphers => 'aes128-ctr', MACs => $mac ],
	cipher                   => [ Ciphers => $old ? 'chacha20-poly1305@openssh.com' : 'aes256-cbc' ],
	'key exchange algorithm' => [ KexAlgorithms => 'sntrup761x25519-sha512@openssh.com' ]);
foreach my $purpose (sort keys %by_purpose)
{
	my @options = @{ $by_purpose{$purpose} };
	$jump->start(@options);
	refused("no common $purpose", sqlstate => '08001',
		message => [ qr/no common $purpose with SSH server "\S+" \(hop 1\)\nDETAIL:  The server offers \Q$options[-1]\E[\w,.@-]*\. libssh2 \S+ with this ssh_config offers \S+\.\nHINT: / ],
		unlike => [ qr/RSA|giving up/ ]);
	$jump->stop;
}
$jump->start;
$w->pulls("'users'", 'with common ones', ['users']);

done_testing();
