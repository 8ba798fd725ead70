# Which source the URL names.  The URL must point to the local entrance,
# PGSYNC_TO_URL must name this database, and the source must be another
# database.

use strict;
use warnings;
use PgTunsync;
use PostgreSQL::Test::Utils;
use Test::More;

my $w = PgTunsync->new(users => 50);
my $before = $w->snapshot;
my $port = $w->port;

# A subtest: refused with these variables.
sub bad_variables
{
	my ($title, $variables, $message, %params) = @_;
	$w->write_env(%$variables);
	return $w->refused("'users'", $title, before => $before, sqlstate => 'F0000', message => $message,
		before_tunnel => 1, %params);
}

# ---- the URL and the entrance ----

bad_variables('a URL of the source itself', { PGSYNC_FROM_URL => $w->source_url(host => 'db.example.com') },
	[ qr/PGSYNC_FROM_URL/, qr/localhost|127\.0\.0\.1/, qr/\b$port\b/, qr/PGSYNC_REMOTE_HOST/ ]);
bad_variables('a URL with another port', { PGSYNC_FROM_URL => $w->source_url(port => $port + 1) },
	[ qr/PGSYNC_FROM_URL/, qr/\b$port\b/ ]);
bad_variables('a URL without a port',
	{ PGSYNC_FROM_URL => "postgresql://reader:$PgTunsync::password\@localhost/production" },
	[ qr/PGSYNC_FROM_URL/, qr/\b$port\b/ ]);
bad_variables('keywords with another host',
	{ PGSYNC_FROM_URL => "host=10.1.2.3 port=$port user=reader password=$PgTunsync::password dbname=production" },
	[qr/PGSYNC_FROM_URL/]);
bad_variables('no connection string at all', { PGSYNC_FROM_URL => "postgresql://reader:$PgTunsync::password\@[oops" },
	[qr/PGSYNC_FROM_URL/]);

$w->write_env(PGSYNC_FROM_URL => "host=localhost port=$port user=reader password=$PgTunsync::password "
	. "dbname=production");
$w->pulls("'users'", 'keywords instead of a URL', ['users']);
$before = $w->snapshot;

# ---- PGSYNC_TO_URL ----

my $local = 'postgresql://127.0.0.1:' . $w->local_node->port . '/';
bad_variables('PGSYNC_TO_URL names another database', { PGSYNC_TO_URL => $local . 'postgres' },
	[ qr/PGSYNC_TO_URL/, qr/\bdev\b|postgres/ ]);
bad_variables('PGSYNC_TO_URL names another server', { PGSYNC_TO_URL => 'postgresql://127.0.0.1:1/dev' },
	[qr/PGSYNC_TO_URL/]);
bad_variables('PGSYNC_TO_URL names the source',
	{ PGSYNC_TO_URL => 'postgresql://127.0.0.1:' . $w->source->port . '/production' }, [qr/PGSYNC_TO_URL/]);
$w->write_env(PGSYNC_TO_URL => 'postgresql://localhost:' . $w->local_node->port . '/dev');
my $run = $w->pull("'users'");
is($run->{rc}, 0, 'PGSYNC_TO_URL may name this database') or diag($run->{err});

# ---- logins that the source refuses ----

$w->write_env(PGSYNC_FROM_URL => $w->source_url(password => 'wrong-S3cret'));
push @{ $w->{secrets} }, 'wrong-S3cret';
$w->refused("'users'", 'a wrong password', sqlstate => '28P01',
	message => [ qr/reader/, qr/password|authentication/i ]);
$w->write_env(PGSYNC_FROM_URL => $w->source_url(database => 'nowhere'));
$w->refused("'users'", 'an unknown database', sqlstate => '3D000', message => [qr/nowhere/]);
$w->write_env(PGSYNC_FROM_URL => $w->source_url(user => 'nobody_here'));
$w->refused("'users'", 'an unknown role', sqlstate => '28P01', message => [qr/nobody_here/]);

# ---- credentials come from the environment file alone ----

$w->local_node->stop;
{
	my $passfile = $w->dir . '/pgpass';
	PostgreSQL::Test::Utils::append_to_file($passfile, "*:*:*:*:$PgTunsync::password\n");
	chmod 0600, $passfile;
	local $ENV{PGPASSFILE} = $passfile;
	local $ENV{PGPASSWORD} = $PgTunsync::password;
	local $ENV{PGUSER} = 'reader';
	local $ENV{PGDATABASE} = 'production';
	$w->local_node->start;
	delete @ENV{qw(PGPASSFILE PGPASSWORD PGUSER)};
}
$w->write_env(PGSYNC_FROM_URL => "postgresql://reader\@localhost:$port/production");
$w->refused("'users'", 'a URL without password, though the server has PGPASSWORD', sqlstate => '08001',
	message => [qr/password/]);
$w->write_env(PGSYNC_FROM_URL => "postgresql://localhost:$port/production");
$w->refused("'users'", 'a URL without user', sqlstate => 'F0000', message => [qr/PGSYNC_FROM_URL|user/]);

# ---- how long to wait for the source ----

# The kernel accepts a connection for a stopped postmaster, and nobody answers.
sub times_out
{
	my ($title, $milliseconds) = @_;
	my ($postmaster) = slurp_file($w->source->data_dir . '/postmaster.pid') =~ /^(\d+)/;
	kill 'STOP', $postmaster;
	my $call = $w->pull("'users'");
	kill 'CONT', $postmaster;
	is($call->{sqlstate}, '08001', $title);
	like($call->{err}, qr/timed out\nDETAIL:  There was no answer within $milliseconds ms\./, 'and is told');
	return;
}

$w->setting(connect_timeout => '1s');
$w->setting(connect_attempts => 1);
$w->write_env(PGSYNC_FROM_URL => $w->source_url . '?connect_timeout=2');
times_out('the connect_timeout of the URL counts', 2000);
$w->write_env;
times_out('without one the setting does', 1000);
$w->setting(connect_timeout => undef);
$w->setting(connect_attempts => undef);

# ---- the very same database ----

$w->local_node->append_conf('postgresql.conf', "listen_addresses = '127.0.0.1'");
$w->local_node->restart;
my $me = (getpwuid($<))[0];
$w->write_env(PGSYNC_FROM_URL => "postgresql://$me:x\@127.0.0.1:$port/dev", PGSYNC_REMOTE_PORT => $w->local_node->port);
$w->refused("'users'", 'the source is this very database', sqlstate => '55000', message => [qr/same|itself|very/]);

# another database of the same server is a source like any other
$w->local_node->safe_psql('postgres', 'CREATE DATABASE twin TEMPLATE template0');
$w->local_node->safe_psql('twin', 'CREATE TABLE users (id int, email text, name text);
	INSERT INTO users SELECT i, i, i FROM generate_series(1, 9) i');
$w->local_sql('CREATE TABLE twin_users AS SELECT * FROM users LIMIT 0');
$w->local_node->safe_psql('twin', 'ALTER TABLE users RENAME TO twin_users');
$w->write_env(PGSYNC_FROM_URL => "postgresql://$me:x\@127.0.0.1:$port/twin",
	PGSYNC_REMOTE_PORT => $w->local_node->port);
$run = $w->pull("'twin_users'");
is($run->{rc}, 0, 'another database of the same server may be the source') or diag($run->{err});
is($w->local_sql('SELECT count(*) FROM twin_users'), 9, 'and is pulled');

done_testing();
