# TLS through the tunnel verifies the source's own name, which the file gives:
# in the URL, or in PGSYNC_REMOTE_HOST.  A URL of the source itself that demands
# TLS has an entrance that carries it.

use strict;
use warnings;
use File::Copy qw(copy);
use PgTunsync;
use PgTunsync::Steps;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'no openssl program' if system('openssl version >/dev/null 2>&1') != 0;
my ($headers) = `pg_config --includedir-server` =~ /(.*)/;
plan skip_all => 'a server without TLS' if slurp_file("$headers/pg_config.h") !~ /define USE_OPENSSL 1/;

my $w = PgTunsync->new(users => 50);
my $source = $w->source;
my $dir = $w->dir;
my $password = $PgTunsync::password;
my $host = '127.0.0.2';
my $there = $source->port;

sub openssl { system_or_bail('openssl', @_); return; }

# A certificate for the source's name and address, but not for localhost.
append_to_file("$dir/names", "subjectAltName = DNS:db.example.com, IP:$host\n");
my @quiet = ('-batch', '-nodes', '-newkey', 'rsa:2048', '-out');
openssl('req', '-x509', '-days', 10, '-subj', '/CN=authority', '-keyout', "$dir/ca.key", @quiet, "$dir/ca.crt");
openssl('req', '-subj', '/CN=db.example.com', '-keyout', "$dir/server.key", @quiet, "$dir/server.csr");
openssl('x509', '-req', '-days', 10, '-in', "$dir/server.csr", '-CA', "$dir/ca.crt", '-CAkey', "$dir/ca.key",
	'-CAcreateserial', '-extfile', "$dir/names", '-out', "$dir/server.crt");
foreach my $part ('key', 'crt')
{
	copy("$dir/server.$part", $source->data_dir . "/server.$part");
	chmod 0600, $source->data_dir . "/server.$part";
}
unlink $source->data_dir . '/pg_hba.conf';
append_to_file($source->data_dir . '/pg_hba.conf', "local all all trust\nhostssl all all 127.0.0.0/8 scram-sha-256\n");
$source->append_conf('postgresql.conf', "ssl = on\nlisten_addresses = '127.0.0.1,$host'");
$source->restart;

my $verified = "sslmode=verify-full&sslrootcert=$dir/ca.crt";
my $real = "postgresql://reader:$password\@$host:$there/production";
my %only_url = (PGSYNC_LOCAL_PORT => undef, PGSYNC_REMOTE_HOST => undef, PGSYNC_REMOTE_PORT => undef);

# ---- through the port of the file ----

sub through_port
{
	my ($parameters, %env) = @_;
	$w->write_env(PGSYNC_FROM_URL => $w->source_url(host => 'localhost') . "?$parameters", %env);
	return;
}

through_port($verified, PGSYNC_REMOTE_HOST => $host);
$w->pulls("'users'", 'the name is that of PGSYNC_REMOTE_HOST', ['users']);
through_port($verified);
$w->refused("'users'", 'which for a local name is the host of the URL', sqlstate => '08001',
	message => [qr/server certificate for "db\.example\.com".*does not match host name "localhost"/]);
through_port("$verified&hostaddr=127.0.0.1", PGSYNC_REMOTE_HOST => $host);
$w->refused("'users'", 'beside a hostaddr, the name is the host of the URL', sqlstate => '08001',
	message => [qr/does not match host name "localhost"/]);
$w->write_env(PGSYNC_FROM_URL =>
	  $w->source_url(host => 'db.example.com') . "?hostaddr=127.0.0.1&$verified");
$w->pulls("'users'", 'also another one', ['users']);

# ---- the source's own URL ----

foreach my $parameters ($verified, 'sslmode=require', 'ssl=true', 'sslmode=no-verify')
{
	$w->write_env(%only_url, PGSYNC_SSH_HOST => 'hatchbox', PGSYNC_FROM_URL => "$real?$parameters");
	my $run = $w->pulls("'{users,orders}'", "a URL of the source with $parameters", [ 'users', 'orders' ]);
	like($run->{err}, qr/Local entrance: a free port on 127\.0\.0\.1,/, 'the entrance carries TLS');
}
$w->write_env(%only_url, PGSYNC_SSH_HOST => 'hatchbox',
	PGSYNC_FROM_URL => "postgresql://reader:$password\@db.example.com:$there/production?hostaddr=$host&$verified");
$w->pulls("'users'", 'the name of the URL, the address that the jump host connects to', ['users']);
my @two = map { $w->start_pull("'$_'") } 'users', 'categories';
is($_->finish->{rc}, 0, 'two at one time, each with a port of its own') or diag($_->{err}) foreach @two;
$w->write_env(%only_url, PGSYNC_SSH_HOST => 'hatchbox', PGSYNC_LOCAL_PORT => 0, PGSYNC_FROM_URL => "$real?sslmode=require");
$w->refused("'users'", 'TLS and PGSYNC_LOCAL_PORT=0', sqlstate => 'F0000', before_tunnel => 1,
	message => [ qr/sslmode "require" of PGSYNC_FROM_URL cannot be had/, qr/Leave PGSYNC_LOCAL_PORT out/ ]);
$w->write_env(%only_url, PGSYNC_SSH_HOST => 'hatchbox', PGSYNC_FROM_URL => $real);
$w->refused("'users'", 'a source that demands TLS, and a URL that does not', sqlstate => '28000',
	message => [ qr/no encryption/, qr/HINT:  Write sslmode=require/ ]);

# ---- ssl=… does not weaken what sslmode says ----

$w->write_env(%only_url, PGSYNC_SSH_HOST => 'hatchbox',
	PGSYNC_FROM_URL => "$real?sslmode=verify-full&sslrootcert=$dir/server.crt&ssl=true&connect_timeout=5");
$w->refused("'users'", 'another authority', sqlstate => '08001', message => [qr/certificate verify failed/]);

# ---- sslrootcert=system, with any libpq ----

$w->write_env(%only_url, PGSYNC_SSH_HOST => 'hatchbox', PGSYNC_FROM_URL => "$real?sslrootcert=system&sslmode=require");
$w->refused("'users'", 'a weak sslmode with sslrootcert=system', sqlstate => 'F0000|08001',
	message => [qr/verify-full/]);
$w->write_env(%only_url, PGSYNC_SSH_HOST => 'hatchbox', PGSYNC_FROM_URL => "$real?sslrootcert=system");
$w->refused("'users'", 'the authority is none of the public ones', sqlstate => 'F0000|08001',
	message => [qr/certificate verify failed|cannot be "system"/]);

# ---- without a tunnel ----

my %direct = (%only_url, PGSYNC_SSH_HOST => 'none', PGSYNC_DIRECT => 'yes');
my $before = -s $w->jump->log;
$w->write_env(%direct, PGSYNC_FROM_URL => "$real?$verified");
my $run = $w->pulls("'{users,orders}'", 'PGSYNC_DIRECT=yes', [ 'users', 'orders' ]);
like($run->{err}, qr/connecting to \Q$host:$there\E without a tunnel\nDETAIL:  PGSYNC_DIRECT is set/, 'says so');
is(-s $w->jump->log, $before, 'no SSH connection was made');
like(PgTunsync::Steps->of($w)->detail('ssh target'), qr/^none \(PGSYNC_DIRECT\)/, 'check() names it');
$w->write_env(%direct, PGSYNC_FROM_URL => "postgresql://reader:$password\@localhost:$there/production?$verified");
$w->refused("'users'", 'localhost is a port that somebody forwards, with the name localhost', sqlstate => '08001',
	message => [qr/does not match host name "localhost"/]);
$w->write_env(%only_url, PGSYNC_SSH_HOST => 'none', PGSYNC_REMOTE_HOST => $host,
	PGSYNC_FROM_URL => "postgresql://reader:$password\@localhost:$there/production?$verified");
$w->pulls("'users'", 'unless PGSYNC_REMOTE_HOST names it', ['users']);

done_testing();
