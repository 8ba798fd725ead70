# Host keys: every kind of known_hosts entry, at every hop.  The user name is
# not sent before the host key is verified.

use strict;
use warnings;
use PgTunsync;
use PgTunsync::Steps;
use PostgreSQL::Test::Utils;
use Test::More;

my $w = PgTunsync->new(users => 60);
my $dir = $w->dir;
my $jump = $w->jump;
my $name = '[127.0.0.1]:' . $jump->port;
my $before = $w->snapshot;
my $file = $jump->known_hosts;

sub public
{
	my ($path) = @_;
	return join(' ', (split / /, slurp_file("$path.pub"))[ 0, 1 ]);
}

sub fingerprint
{
	my ($path) = @_;
	return (`ssh-keygen -lf '$path.pub'` =~ /(SHA256:\S+)/)[0];
}

PgTunsync::Sshd::keygen("$dir/other_$_", $_) foreach qw(ed25519 ecdsa rsa);
my %own = map { $_ => public($jump->host_key($_)) } qw(ed25519 ecdsa);
my %other = map { $_ => public("$dir/other_$_") } qw(ed25519 ecdsa rsa);
my %print = map { $_ => fingerprint($jump->host_key($_)) } qw(ed25519 ecdsa);
$print{other} = fingerprint("$dir/other_ed25519");

sub known_hosts
{
	my ($text, $path) = @_;
	unlink $path || $file;
	append_to_file($path || $file, $text);
	return;
}

sub hashed
{
	my ($text) = @_;
	known_hosts($text, "$dir/to_hash");
	system("ssh-keygen -q -H -f '$dir/to_hash' >/dev/null 2>&1");
	return slurp_file("$dir/to_hash");
}

# What sshd was told about users, as lines of its log.
sub heard
{
	my ($sshd) = @_;
	return scalar(() = slurp_file($sshd->log) =~
		/^.*(?:publickey|Accepted|Failed|Postponed|(?:authenticating|invalid) user).*$/mg);
}

# A test: with this known_hosts the server is believed, for the reason given.
sub believed
{
	my ($title, $text, $because, %env) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	known_hosts($text) if defined $text;
	$w->write_env(%env);
	my $steps = PgTunsync::Steps->of($w);
	like($steps->detail('hop 1: host key'), $because, $title) or diag($steps->text);
	is($steps->failed, '', 'and the way is open');
	return $steps;
}

# Tests: it is not, nothing was said about the user; message: all patterns.
sub doubted
{
	my ($title, $text, $message, %env) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $heard = heard($jump);
	known_hosts($text) if defined $text;
	$w->write_env(%env);
	my $steps = PgTunsync::Steps->of($w);
	my $all = $steps->detail('tunnel') . "\n" . $steps->hint('tunnel');
	is($steps->failed, 'tunnel', $title) or diag($steps->text);
	is(scalar(grep { /host key|login/ } $steps->names), 0, 'neither key nor login passed');
	like($all, $_, "says $_") foreach qr/host key verification failed.*hop 1/, @$message;
	is(heard($jump), $heard, 'nothing was said about the user');
	return $steps;
}

my $any = qr/SHA256:/;
my $shown = qr/The server shows the (?:ssh-ed25519 key \Q$print{ed25519}\E|ecdsa-sha2-nistp256 key \Q$print{ecdsa}\E)/;

# ---- entries that stand for the host ----

believed('a plain entry', "$name $own{ed25519}\n", qr/^ssh-ed25519 \Q$print{ed25519}\E \(known: \Q$file\E line 1\)$/);
believed('with a comment and without a newline', "# keys\n\n$name $own{ed25519} somebody\@somewhere", qr/line 3\)$/);
believed('with tabs, blanks and a carriage return', "  \t$name \t $own{ed25519}\r\n", qr/line 1\)$/);
believed('a list of names', "example.com,$name,10.0.0.1 $own{ed25519}\n", qr/line 1\)$/);
believed('a hashed name', hashed("example.com $other{ed25519}\n$name $own{ed25519}\n"), qr/line 2\)$/);
believed('a wildcard', "[127.0.0.*]:* $own{ed25519}\n", qr/line 1\)$/);
believed('a question mark', "[127.0.0.?]:${\$jump->port} $own{ed25519}\n", qr/line 1\)$/);
believed('an entry without the port', "127.0.0.1 $own{ed25519}\n", qr/line 1\)$/);
believed('another name negated', "[127.0.0.*]:*,![127.0.0.2]:* $own{ed25519}\n", qr/line 1\)$/);
believed('only the other type', "$name $own{ecdsa}\n", qr/^ecdsa-sha2-nistp256 \Q$print{ecdsa}\E/);
believed('two keys of one type, the second fits', "$name $other{ed25519}\n$name $own{ed25519}\n", qr/line 2\)$/);
believed('a wrong key of one type and the right one of another', "$name $other{rsa}\n$name $own{ecdsa}\n", qr/^ecdsa/);
believed('another key of the host revoked', "\@revoked $name $other{ed25519}\n$name $own{ed25519}\n", qr/line 2\)$/);
believed('its key revoked for another host', "\@revoked example.com $own{ed25519}\n$name $own{ed25519}\n",
	qr/line 2\)$/);
believed('lines that make no sense beside it',
	"nonsense\n$name\n$name ssh-ed25519\n$name ssh-ed25519 !!!!\n\@strange $name $other{ed25519}\n"
		. "|1|x|y $other{ed25519}\n" . ('x' x 70_000) . " $own{ed25519}\n$name $own{ed25519}\n", qr/line 8\)$/);

# the name without the port revokes for every port, and accept-new learns no revoked key
$w->write_ssh_config(StrictHostKeyChecking => 'accept-new');
doubted('revoked under the name without the port, nothing else known',
	"\@revoked 127.0.0.1 $own{ed25519}\n\@revoked 127.0.0.1 $own{ecdsa}\n", [ qr/revoked/, qr/\Q$file\E line/ ]);
doubted('revoked by a pattern without the port', "\@revoked 127.0.* $own{ed25519}\n\@revoked 127.0.* $own{ecdsa}\n",
	[ qr/revoked/ ]);
is(slurp_file($file), "\@revoked 127.0.* $own{ed25519}\n\@revoked 127.0.* $own{ecdsa}\n",
	'nothing was added to the file');
$w->write_ssh_config;

# several files
known_hosts("$name $own{ed25519}\n", "$dir/second");
$w->write_ssh_config(UserKnownHostsFile => "$file $dir/second");
believed('the second of several files', "example.com $other{ed25519}\n", qr/\Q$dir\E\/second line 1/);
unlink $file;
believed('the first of them missing', undef, qr/\Q$dir\E\/second line 1/);
doubted('revoked in the first, known in the second', "\@revoked $name $own{ed25519}\n",
	[ qr/revoked/, qr/\Q$file\E line 1/ ]);
believed('changed in the first, known in the second', "$name $other{ed25519}\n", qr/\Q$dir\E\/second line 1/);
$w->write_ssh_config;

# ---- entries that do not ----

my $unknown = [ qr/it is not known/, $shown, qr/no entry for "\Q$name\E" in \Q$file\E/,
	qr/ssh-keyscan -t \w+ -p ${\$jump->port} 127\.0\.0\.1 >> \Q$file\E/ ];
doubted('an empty file', '', $unknown);
unlink $file;
doubted('no file', undef, $unknown);
doubted('entries of others', "example.com $own{ed25519}\n[127.0.0.1]:1 $own{ed25519}\n[127.0.0.2]:* $own{ed25519}\n",
	$unknown);
doubted('a comment', "# $name $own{ed25519}\n", $unknown);
doubted('the name negated', "[127.0.0.*]:*,!$name $own{ed25519}\n", $unknown);
doubted('a negation alone', "!example.com $own{ed25519}\n", $unknown);
doubted('an entry without a key', "$name ssh-ed25519\n", $unknown);
doubted('another one hashed', hashed("[127.0.0.1]:1 $own{ed25519}\n"), $unknown);
doubted('a certificate authority', "\@cert-authority $name $own{ed25519}\n",
	[ @$unknown[ 0, 1 ], qr/cert-authority.*cannot verify host certificates/ ]);
chmod 0000, $file;
doubted('a file that cannot be read', undef, [ qr/Could not be read: \Q$file\E/ ]) if $> != 0;
chmod 0600, $file;

my $changed = [ qr/its key has changed/, $any, qr/\Q$file\E line 1 has another one/,
	qr/ssh-keygen -f \Q$file\E -R '\Q$name\E'/ ];
doubted('another key', "$name $other{ed25519}\n", [ @$changed, qr/\Q$print{ed25519}\E/ ]);
doubted('another key, hashed', hashed("$name $other{ed25519}\n"), $changed);
doubted('another key, by a wildcard', "* $other{ed25519}\n", $changed);
doubted('other keys of both types', "$name $other{ed25519}\n$name $other{ecdsa}\n", [$changed->[0]]);
doubted('a key that is one character off', "$name " . ($own{ed25519} =~ s/(.)$/$1 eq 'A' ? 'B' : 'A'/er) . "\n",
	[$changed->[0]]);
doubted('a type that the server does not have', "$name $other{rsa}\n",
	[ qr/of another type/, $shown, qr/known for this host: ssh-rsa \(\Q$file\E line 1\)/, qr/ssh-keyscan/ ]);
my $revoked = [ qr/its key is revoked/, qr/\@revoked in \Q$file\E line 1/, $any ];
doubted('the key revoked', "\@revoked $name $own{ed25519}\n$name $own{ed25519}\n", $revoked);
doubted('the key revoked behind the entry', "$name $own{ed25519}\n\@revoked $name $own{ed25519}\n", [$revoked->[0]]);
doubted('the key revoked for all', "\@revoked * $own{ed25519}\n$name $own{ed25519}\n", $revoked);
doubted('the key revoked, hashed', '@revoked ' . hashed("$name $own{ed25519}\n") . "$name $own{ed25519}\n", $revoked);

# in a pull: in full, and not tried again
known_hosts("$name $other{ed25519}\n");
$w->write_env;
my $heard = heard($jump);
my $run = $w->refused("'users'", 'a changed key in a pull', before => $before, sqlstate => '28000',
	message => $changed);
unlike($run->{err}, qr/attempt 2|retry/i, 'is not tried again');
is(heard($jump), $heard, 'and nothing was said about the user');

# ---- pinned ----

$w->write_ssh_config(HostKeyAlgorithms => 'ssh-ed25519');
believed('pinned, known_hosts has nothing', '', qr/^ssh-ed25519 \Q$print{ed25519}\E \(pinned by PGSYNC_SSH_HOST_KEY\)$/,
	PGSYNC_SSH_HOST_KEY => $print{ed25519});
believed('pinned with the padding of base64', '', qr/pinned/, PGSYNC_SSH_HOST_KEY => "$print{ed25519}=");
believed('pinned, known_hosts has another', "$name $other{ed25519}\n", qr/pinned/,
	PGSYNC_SSH_HOST_KEY => $print{ed25519});
doubted('pinned and revoked', "\@revoked $name $own{ed25519}\n", [$revoked->[0]],
	PGSYNC_SSH_HOST_KEY => $print{ed25519});
doubted('another one pinned, although known_hosts has it', "$name $own{ed25519}\n",
	[ qr/it is not the pinned key/, qr/\Q$print{ed25519}\E; PGSYNC_SSH_HOST_KEY is \Q$print{other}\E/ ],
	PGSYNC_SSH_HOST_KEY => $print{other});
$w->write_ssh_config;
foreach my $value ('SHA256:', 'MD5:aa:bb', substr($print{ed25519}, 0, -1), $print{ed25519} . 'x', 'nonsense')
{
	$w->write_env(PGSYNC_SSH_HOST_KEY => $value);
	is(PgTunsync::Steps->of($w)->failed, 'ssh target', "PGSYNC_SSH_HOST_KEY=$value is no fingerprint");
}

# ---- accept-new ----

my $new = "$dir/new/known_hosts";
my %accept = (StrictHostKeyChecking => 'accept-new', UserKnownHostsFile => $new);
$w->write_ssh_config(%accept);
believed('accept-new: a new key', undef, qr/new, added to known_hosts/);
like(slurp_file($new), qr/^\Q$name\E (?:\Q$own{ed25519}\E|\Q$own{ecdsa}\E)\n\z/,
	'stands in known_hosts afterwards, which is made with its directory');
is((stat $new)[2] & 0777, 0600, 'for its owner only');
believed('accept-new: the second time', undef, qr/known: \Q$new\E line 1/);
is(scalar(() = slurp_file($new) =~ /\n/g), 1, 'it is not added again');
known_hosts("example.com $other{ed25519}", $new);
$w->write_ssh_config(%accept, HashKnownHosts => 'yes');
believed('accept-new with HashKnownHosts', undef, qr/new, added/);
like(slurp_file($new), qr/^example\.com \Q$other{ed25519}\E\n\|1\|\S+\|\S+ \S+ \S+\n\z/,
	'adds a line of its own, and no name');
is(system("ssh-keygen -F '$name' -f '$new' >/dev/null"), 0, 'which ssh-keygen finds');
believed('and which is found again', undef, qr/known: \Q$new\E line 2/);
known_hosts("$name $other{ed25519}\n$name $other{ecdsa}\n", $new);
doubted('accept-new: a changed key', undef, [qr/has changed/]);
known_hosts("$name $other{rsa}\n", $new);
doubted('accept-new: a key of another type', undef, [qr/of another type/]);
known_hosts("\@revoked * $own{ed25519}\n\@revoked * $own{ecdsa}\n", $new);
doubted('accept-new: a revoked key', undef, [qr/revoked/]);
known_hosts('', $new);
chmod 0400, $new;
doubted('accept-new: a file that cannot be written', undef, [qr/could not be stored/]) if $> != 0;
chmod 0000, $new;
doubted('accept-new: a file that cannot be read', undef, [qr/Could not be read/]) if $> != 0;
unlink $new;
$w->write_env;
$run = $w->pulls("'users'", 'accept-new in a pull', ['users'], );
like($run->{err}, qr/NOTICE: .*was new and is now known/, 'says so');
$before = $w->snapshot;

# ---- a certificate instead of a key ----

system_or_bail('ssh-keygen', '-q', '-s', "$dir/other_ed25519", '-h', '-I', 'host', $jump->host_key('ed25519') . '.pub');
$jump->stop;
$jump->start(HostCertificate => $jump->host_key('ed25519') . '-cert.pub');
$w->write_ssh_config;
believed('a server with a certificate, its key is known', "$name $own{ed25519}\n", qr/^ssh-ed25519 /);
doubted('a server with a certificate, its authority is known', "\@cert-authority $name $other{ed25519}\n",
	[qr/cannot verify host certificates/]);
$jump->stop;
$jump->start;

cmp_ok(heard($jump), '>', 0, 'what sshd is told about users shows in its log')  # else the tests above would be blind
  or diag(slurp_file($jump->log));

# ---- at the second hop ----

my $gate = PgTunsync::Sshd->new("$dir/gate", 'gate')->start->trust;
$w->write_ssh_config_text($gate->host_block('gate') . $jump->host_block('hatchbox', ProxyJump => 'gate'));
my %second = (
	'an unknown key'   => [ '', qr/it is not known/ ],
	'a wrong key'      => [ "$name $other{ed25519}\n$name $other{ecdsa}\n", qr/its key has changed/ ],
	'the first one\'s key' => [ "$name " . public($gate->host_key('ed25519')) . "\n", qr/its key has changed/ ],
	'a revoked key'    => [ "$name $own{ed25519}\n\@revoked * $own{ed25519}\n", qr/its key is revoked/ ]);
foreach my $case (sort keys %second)
{
	my ($text, $message) = @{ $second{$case} };
	$heard = heard($jump);
	known_hosts($text);
	$w->refused("'users'", "at the second hop: $case", before => $before, sqlstate => '28000',
		message => [ qr/hop 2/, $message ]);
	is(heard($jump), $heard, 'which heard nothing about the user');
}
known_hosts("$name $own{ed25519}\n");
$heard = heard($gate);
known_hosts("[127.0.0.1]:${\$gate->port} $other{ed25519}\n", $gate->known_hosts);
$w->refused("'users'", 'a wrong key at the first hop', before => $before, sqlstate => '28000',
	message => [ qr/hop 1/, qr/its key has changed/ ]);
is(heard($gate), $heard, 'which heard nothing about the user');
$w->write_env(PGSYNC_SSH_HOST_KEY => $print{ed25519});
$w->refused("'users'", 'a pinned key is the jump host\'s, not that of those before it', before => $before,
	sqlstate => '28000', message => [ qr/hop 1/, qr/its key has changed/ ]);
known_hosts('', $gate->known_hosts);
$gate->trust;
known_hosts('');
$w->write_ssh_config_text($gate->host_block('gate') . $jump->host_block('hatchbox', ProxyJump => 'gate',
	HostKeyAlgorithms => 'ssh-ed25519'));
$w->pulls("'users'", 'through two hops, the second one pinned', ['users']);
$gate->stop;

done_testing();
