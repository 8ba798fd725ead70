# The password within TLS.  It is sent in clear text only to a server whose
# certificate was verified.  The test servers have their own certificates and
# ask for the password in pieces.

use strict;
use warnings;
use File::Copy qw(copy);
use PgTunsync;
use PgTunsync::AskingSource;
use PgTunsync::Steps;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'no openssl program' if system('openssl version >/dev/null 2>&1') != 0;
my ($headers) = `pg_config --includedir-server` =~ /(.*)/;
plan skip_all => 'a server without TLS' if slurp_file("$headers/pg_config.h") !~ /define USE_OPENSSL 1/;

my $w = PgTunsync->new(users => 100);
my $source = $w->source;
my $dir = $w->dir;
my $password = $PgTunsync::password;

sub openssl { system_or_bail('openssl', @_); return; }

# An authority, and a certificate of it for localhost.
sub make_certificates
{
	my ($name) = @_;
	my @quiet = ('-batch', '-nodes', '-newkey', 'rsa:2048', '-out');
	openssl('req', '-x509', '-days', 10, '-subj', "/CN=authority $name", '-keyout', "$dir/$name.ca.key",
		@quiet, "$dir/$name.ca.crt");
	openssl('req', '-subj', '/CN=localhost', '-keyout', "$dir/$name.key", @quiet, "$dir/$name.csr");
	openssl('x509', '-req', '-days', 10, '-in', "$dir/$name.csr",
		'-CA', "$dir/$name.ca.crt", '-CAkey', "$dir/$name.ca.key", '-CAcreateserial', '-out', "$dir/$name.crt");
	append_to_file("$dir/$name.pem", slurp_file("$dir/$name.key") . slurp_file("$dir/$name.crt"));
	chmod 0600, "$dir/$name.pem";
	return;
}

make_certificates('good');
make_certificates('other');
foreach my $part ('key', 'crt')
{
	copy("$dir/good.$part", $source->data_dir . "/server.$part");
	chmod 0600, $source->data_dir . "/server.$part";
}
$source->append_conf('postgresql.conf', "ssl = on\nlog_connections = on");
$source->restart;

# The source lets the reader in over TLS only, by this method.
sub source_asks
{
	my ($method) = @_;
	my $file = $source->data_dir . '/pg_hba.conf';
	unlink $file;
	append_to_file($file, "local all all trust\nhostssl all all 127.0.0.1/32 $method\n");
	$source->reload;
	return;
}

sub use_url
{
	my ($parameters, %env) = @_;
	$w->write_env(PGSYNC_FROM_URL => $w->source_url(host => 'localhost') . "?$parameters", %env);
	return;
}

# How often has the source got a password in clear text?
sub passwords_seen
{
	my $pattern = qr/identity="reader" method=password|password authentication failed/;
	return scalar(() = slurp_file($source->logfile) =~ /$pattern/g);
}

sub method { return PgTunsync::Steps->of($w)->detail('source') =~ /password by (.*)/ ? $1 : 'unknown'; }

my $verified = "sslmode=verify-full&sslrootcert=$dir/good.ca.crt";
my @refused = (sqlstate => '28000', message => [ qr/asks for the password in clear text/, qr/sslmode=verify-full/ ]);

# ---- a real source ----

foreach my $version ('TLSv1.3', 'TLSv1.2')
{
	$source->append_conf('postgresql.conf', "ssl_max_protocol_version = '$version'");
	$source->restart;
	source_asks('scram-sha-256');
	use_url('sslmode=require');
	$w->pulls("'users'", "$version: SCRAM, not verified", ['users']);
	is(method(), 'SCRAM-SHA-256', 'check() names it');
	use_url('sslmode=require&channel_binding=require');
	$w->pulls("'users'", "$version: with channel binding", ['users']);
	use_url($verified);
	$w->pulls("'users'", "$version: SCRAM, verified", ['users']);

	source_asks('password');
	foreach my $mode ('sslmode=require', 'sslmode=prefer', 'application_name=x')
	{
		use_url($mode);
		$w->refused("'users'", "$version: clear text with $mode", @refused);
	}
	is(passwords_seen(), 0, 'the source has seen no password') if $version eq 'TLSv1.3';
	my $before = passwords_seen();
	use_url("sslmode=verify-full&sslrootcert=$dir/other.ca.crt");
	$w->refused("'users'", "$version: clear text to a server that is not the one",
		sqlstate => '08\w{3}', message => [qr/certificate verify failed/]);
	is(passwords_seen(), $before, 'the source has seen no password');
	use_url($verified);
	my $run = $w->pulls('', "$version: clear text, verified", \@PgTunsync::shop);
	unlike($run->{err}, qr/WARNING/, 'needs no warning');
	is(method(), 'clear text', 'check() names it');
	cmp_ok(passwords_seen(), '>', $before, 'the source has seen the password: it would have been seen above');
}
use_url('sslmode=require', PGSYNC_ALLOW_CLEARTEXT => 'yes');
$w->pulls("'users'", 'clear text, not verified, allowed', ['users']);

$source->safe_psql('postgres',
	"SET log_statement = none; SET password_encryption = 'md5'; ALTER ROLE reader PASSWORD '$password'");
source_asks('md5');
use_url('sslmode=require');
my $run = $w->pulls("'users'", 'MD5, not verified', ['users']);
is(scalar(() = $run->{err} =~ /uses MD5 for the password/g), 1, 'is told of once');
use_url($verified);
$run = $w->pulls("'users'", 'MD5, verified', ['users']);
unlike($run->{err}, qr/WARNING/, 'needs no warning');

# ---- a server that asks ----

my ($cleartext, $sasl) = ($PgTunsync::AskingSource::cleartext, $PgTunsync::AskingSource::sasl);
my $asking = PgTunsync::AskingSource->new($dir, "$dir/other.pem");
my %asks = (
	'at once'                        => [$cleartext],
	'in a record for each byte'      => [ join('.', $cleartext =~ /../g) ],
	'after SCRAM'                    => [ $sasl, 'r', $cleartext ],
	'with SCRAM, in one record'      => ["$sasl$cleartext"],
	'with SCRAM, cut in the request' => [ substr("$sasl$cleartext", 0, 62) . '.' . substr("$sasl$cleartext", 62) ]);

foreach my $how (sort keys %asks)
{
	$asking->start(@{ $asks{$how} });
	use_url('sslmode=require', PGSYNC_REMOTE_PORT => $asking->port);
	$w->refused("'users'", "a server that asks $how", @refused);
	like($asking->received, qr/reader\0/, 'it was asked for a connection');
	unlike($asking->received, qr/\Q$password\E/, 'and did not get the password');
}
$asking->start($cleartext, 'r');
use_url('sslmode=require', PGSYNC_REMOTE_PORT => $asking->port, PGSYNC_ALLOW_CLEARTEXT => 'yes');
$w->setting(connect_timeout => '2s');
isnt($w->pull("'users'")->{rc}, 0, 'a server that is allowed to ask');
like($asking->received, qr/p\0\0\0.\Q$password\E\0/, 'gets the password');
$asking->start($cleartext);
use_url($verified, PGSYNC_REMOTE_PORT => $asking->port);
$w->refused("'users'", 'a server with another authority\'s certificate',
	sqlstate => '08\w{3}', message => [qr/certificate verify failed/]);
unlike($asking->received, qr/reader|\Q$password\E/, 'gets nothing');

done_testing();
