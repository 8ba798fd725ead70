# The password is sent as SCRAM, or as MD5 with a warning.  It is sent in clear
# text only if the environment file allows that.  A server that asks for it in
# another way, in any pieces and at any time, never gets it.

use strict;
use warnings;
use PgTunsync;
use PgTunsync::AskingSource;
use PgTunsync::Steps;
use PostgreSQL::Test::Utils;
use Test::More;

my $w = PgTunsync->new(users => 100);
my $source = $w->source;
my $asking = PgTunsync::AskingSource->new($w->dir);
my $password = $PgTunsync::password;

my ($cleartext, $md5, $sasl) =
  ($PgTunsync::AskingSource::cleartext, $PgTunsync::AskingSource::md5, $PgTunsync::AskingSource::sasl);
my $bye = unpack('H*', 'E' . pack('N', 44) . "SFATAL\0VFATAL\0C28P01\0Mno such password\0\0");

# Rewrites pg_hba.conf of the source: the method for the reader.
sub source_asks
{
	my ($method) = @_;
	my $file = $source->data_dir . '/pg_hba.conf';
	unlink $file;
	append_to_file($file, "local all all trust\nhost all all 127.0.0.1/32 $method\n");
	$source->reload;
	return;
}

sub set_password
{
	my ($encryption) = @_;
	$source->safe_psql('postgres',
		"SET log_statement = none; SET password_encryption = '$encryption'; ALTER ROLE reader PASSWORD '$password'");
	return;
}

sub warnings { return scalar(() = $_[0]->{err} =~ /WARNING:  01000: the source \S+ uses MD5 for the password/g); }

# ---- a server that asks ----

my %asks = (
	'for clear text'                   => [$cleartext],
	'for clear text, byte by byte'     => [ join('.', $cleartext =~ /../g) ],
	'for SCRAM and then for clear text' => [ $sasl, 'r', $cleartext ],
	'for both at once'                 => ["$sasl$cleartext"],
	'for both at once, twice'          => [ "$sasl$cleartext$sasl$cleartext", 'r' ],
	'for MD5 and then for clear text'  => [ $md5, 'r', $cleartext ],
	'for both, cut in the second one'  => [ substr("$md5$cleartext", 0, 28) . '.' . substr("$md5$cleartext", 28) ]);
foreach my $entrance ($w->port, 0)
{
	foreach my $how (grep { $entrance || /SCRAM|both at once$/ } sort keys %asks)
	{
		$asking->start(@{ $asks{$how} });
		$w->write_env(PGSYNC_REMOTE_PORT => $asking->port, PGSYNC_LOCAL_PORT => $entrance);
		$w->refused("'users'", "a server that asks $how" . ($entrance ? '' : ', through the private socket'),
			sqlstate => '28000',
			message  => [
				qr/the source reader\@\S+ asks for the password in clear text/, qr/The password was not sent/,
				qr/password_encryption = 'scram-sha-256'/, qr/PGSYNC_ALLOW_CLEARTEXT=yes/
			]);
		like($asking->received, qr/reader\0/, 'it was asked for a connection');
		unlike($asking->received, qr/\Q$password\E/, 'and did not get the password');
	}
}

# the same server gets it where the file says so: the test above sees what is sent
$asking->start($cleartext, 'r', $bye);
$w->write_env(PGSYNC_REMOTE_PORT => $asking->port, PGSYNC_ALLOW_CLEARTEXT => 'yes');
$w->refused("'users'", 'a server that is allowed to ask, and refuses the login',
	sqlstate => '28P01', message => [qr/no such password/]);
like($asking->received, qr/p\0\0\0.\Q$password\E\0/, 'got the password');

# the check says it, too
$asking->start($cleartext);
$w->write_env(PGSYNC_REMOTE_PORT => $asking->port);
my $steps = PgTunsync::Steps->of($w);
is($steps->failed, 'source', 'check() stops there');
like($steps->detail('source'), qr/asks for the password in clear text/, 'and says why');

# what is no message of the protocol
foreach my $garbage ([ 'a long request' => unpack('H*', 'R' . pack('NN', 5000, 3)) ],
	[ 'a short request' => unpack('H*', 'R' . pack('NN', 4, 3)) ],
	[ 'an endless message' => unpack('H*', 'S' . pack('N', 0x7fffffff)) ])
{
	my ($what, $bytes) = @$garbage;
	$asking->start($bytes, 'r');
	$w->refused("'users'", "a server that sends $what",
		sqlstate => '08P01', message => [qr/invalid message during authentication/]);
	unlike($asking->received, qr/\Q$password\E/, 'does not get the password');
}
$asking->start($bye);
$w->refused("'users'", 'a server that refuses at once', sqlstate => '28P01', message => [qr/no such password/]);
$asking->stop;

# ---- a real source ----

$w->write_env;
my $run = $w->pulls("'users'", 'SCRAM', ['users']);
is(warnings($run), 0, 'needs no warning');
is(PgTunsync::Steps->of($w)->detail('source') =~ /password by (.*)/ && $1, 'SCRAM-SHA-256', 'check() names it');

set_password('md5');
source_asks('md5');
$run = $w->pulls("'users'", 'MD5', ['users']);
is(warnings($run), 1, 'is told of once') or diag($run->{err});
is(PgTunsync::Steps->of($w)->detail('source') =~ /password by (.*)/ && $1, 'MD5', 'check() names it');

source_asks('password');
$w->refused("'users'", 'a source that asks for clear text',
	sqlstate => '28000', message => [qr/asks for the password in clear text/]);
$w->write_env(PGSYNC_ALLOW_CLEARTEXT => 'Yes');
$run = $w->pulls('', 'the same, allowed', \@PgTunsync::shop);
is(PgTunsync::Steps->of($w)->detail('source') =~ /password by (.*)/ && $1, 'clear text', 'check() names it');
$w->write_env(PGSYNC_ALLOW_CLEARTEXT => 'no');
$w->refused("'users'", 'the same, forbidden',
	sqlstate => '28000', message => [qr/asks for the password in clear text/]);
$w->write_env(PGSYNC_ALLOW_CLEARTEXT => 'perhaps');
$w->refused("'users'", 'neither yes nor no',
	sqlstate => 'F0000', message => [qr/PGSYNC_ALLOW_CLEARTEXT must be yes or no/], unlike => [qr/perhaps/],
	before_tunnel => 1);

# the server's environment cannot allow it
{
	local $ENV{PGSYNC_ALLOW_CLEARTEXT} = 'yes';
	$w->local_node->restart;
}
$w->write_env;
$w->refused("'users'", 'the variable in the server\'s environment',
	sqlstate => '28000', message => [qr/asks for the password in clear text/]);

# without a password there is nothing to guard
source_asks('trust');
$w->pulls("'users'", 'trust, with a password in the URL', ['users']);
my $bare = $w->source_url =~ s/:\Q$password\E//r;
$w->write_env(PGSYNC_FROM_URL => $bare);
$w->pulls("'users'", 'trust, without one', ['users']);
source_asks('password');
$w->refused("'users'", 'no password where one is asked for',
	sqlstate => '\w{5}', message => [qr/Put the password into PGSYNC_FROM_URL/]);

done_testing();
