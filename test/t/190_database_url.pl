# A DATABASE_URL as it is: the source's own host and port, and the parameters of
# frameworks and drivers.  The URL decides through which entrance the source is
# reached; what contradicts itself is refused.

use strict;
use warnings;
use PgTunsync;
use PgTunsync::Steps;
use PostgreSQL::Test::Utils;
use Test::More;

# To the jump host, the source is 127.0.0.2, which is no name of the entrance.
my $w = PgTunsync->new(users => 50);
my $source = $w->source;
my $host = '127.0.0.2';
my $there = $source->port;
my $port = $w->port;
my $password = $PgTunsync::password;
$source->append_conf('postgresql.conf', "listen_addresses = '127.0.0.1,$host'");
$source->append_conf('pg_hba.conf', "host all all 127.0.0.0/8 scram-sha-256");
$source->restart;
my $real = "postgresql://reader:$password\@$host:$there/production";

# The environment file with a URL, and only the variables that are given.
sub use_url
{
	my ($url, %env) = @_;
	$w->write_env(
		PGSYNC_LOCAL_PORT  => undef,
		PGSYNC_REMOTE_HOST => undef,
		PGSYNC_REMOTE_PORT => undef,
		PGSYNC_FROM_URL    => $url,
		%env);
	return;
}

sub bad_url
{
	my ($title, $message, $url, %env) = @_;
	use_url($url, %env);
	return $w->refused("'users'", $title, sqlstate => 'F0000', message => $message, before_tunnel => 1);
}

# ---- the source's own address ----

my %jump = (PGSYNC_SSH_HOST => 'hatchbox');
use_url($real, %jump);
my $run = $w->pulls("'users'", 'a URL with the address of the source', ['users']);
like($run->{err}, qr/opening the tunnel to \Q$host:$there\E through "hatchbox"/, 'the remote end is that of the URL');
like($run->{err}, qr/ -L <private socket>:\Q$host:$there\E hatchbox/, 'the entrance is private');
is($w->last_run('tunnel'), "a private Unix socket -> $host:$there", 'so says the audit');
my $steps = PgTunsync::Steps->of($w);
is($steps->detail('environment file'), $w->env_file . "; the source is $host:$there, reached by a private Unix socket",
	'check() shows what was understood');
is($steps->detail('tunnel'), "a private Unix socket to $host:$there", 'and the way');

use_url(undef, %jump, DATABASE_URL => $real);
$w->pulls("'users'", 'DATABASE_URL', ['users']);
use_url($w->source_url(port => $port), PGSYNC_LOCAL_PORT => $port, PGSYNC_REMOTE_HOST => $host,
	PGSYNC_REMOTE_PORT => $there, DATABASE_URL => 'postgresql://x@nowhere.invalid/x');
$run = $w->pulls("'users'", 'PGSYNC_FROM_URL goes before DATABASE_URL', ['users']);
like($run->{err}, qr/ -L 127\.0\.0\.1:$port:\Q$host:$there\E hatchbox/, 'and has the entrance of its own port');
use_url($real, %jump, PGSYNC_LOCAL_PORT => 0);
$w->pulls("'users'", 'with PGSYNC_LOCAL_PORT=0', ['users']);
use_url($real, %jump, PGSYNC_REMOTE_HOST => $host, PGSYNC_REMOTE_PORT => $there);
$w->pulls("'users'", 'beside the same PGSYNC_REMOTE_HOST', ['users']);
use_url("postgresql://reader:$password\@db.invalid:$there/production?hostaddr=$host", %jump);
$w->pulls("'users'", 'with hostaddr, which the jump host connects to', ['users']);

bad_url('a jump host that nobody has named', [ qr/does not point at the tunnel's local entrance/, qr/PGSYNC_SSH_HOST/ ],
	$real);
bad_url('a port for the entrance', [ qr/does not point at the tunnel's local entrance/, qr/\b$port\b/ ],
	$real, %jump, PGSYNC_LOCAL_PORT => $port);
bad_url('another remote host',
	[ qr/PGSYNC_FROM_URL and PGSYNC_REMOTE_HOST name different servers/, qr/HINT:  Leave PGSYNC_REMOTE_HOST/ ],
	$real, %jump, PGSYNC_REMOTE_HOST => 'localhost');
bad_url('another remote port', [qr/name different servers/], $real, %jump, PGSYNC_REMOTE_PORT => 1);
bad_url('several hosts', [qr/PGSYNC_FROM_URL names several hosts/],
	"postgresql://reader:$password\@a.invalid,b.invalid/production", %jump);
bad_url('several ports', [qr/PGSYNC_FROM_URL names several hosts/],
	"postgresql://reader:$password\@localhost:$port,$port/production", PGSYNC_LOCAL_PORT => $port);

# ---- a Unix socket of the jump host ----

my $directory = $source->host;
my $me = (getpwuid($<))[0];
use_url($w->source_url, PGSYNC_LOCAL_PORT => $port, PGSYNC_REMOTE_HOST => $directory, PGSYNC_REMOTE_PORT => $there);
$run = $w->pulls("'users'", 'PGSYNC_REMOTE_HOST is the directory of a socket', ['users']);
like($run->{err}, qr{opening the tunnel to \Q$directory/.s.PGSQL.$there\E through}, 'which is named');
(my $encoded = $directory) =~ s{/}{%2F}g;
use_url("postgresql://reader\@/production?host=$encoded&port=$there", %jump);
$w->pulls("'users'", 'a URL with the directory of a socket', ['users']);
use_url($w->source_url, PGSYNC_LOCAL_PORT => $port, PGSYNC_REMOTE_HOST => $directory, PGSYNC_REMOTE_PORT => 1);
$w->refused("'users'", 'no such socket', sqlstate => '08001',
	message => [ qr{\Q$directory\E/\.s\.PGSQL\.1 cannot be reached}, qr/AllowStreamLocalForwarding/ ]);
bad_url('TLS through it', [ qr/sslmode "require" of PGSYNC_FROM_URL cannot be had through a Unix socket/ ],
	"postgresql://reader\@/production?host=$encoded&port=$there&sslmode=require", %jump);

# ---- parameters of others ----

my @ignored = ('schema=public', 'connection_limit=5', 'pgbouncer=true', 'pool_timeout=0', 'socket_timeout=3', 'pool=5',
	'statement_cache_size=0', 'sslaccept=accept_invalid_certs', 'currentSchema=public', 'prepareThreshold=0',
	'conn_max_age=60', 'serverVersion=15', 'charset=utf8', 'pool_max_conns=10', 'supa=base-pooler.x');
foreach my $parameter (@ignored)
{
	my ($name) = split /=/, $parameter;
	use_url("$real?$parameter&connect_timeout=30", %jump);
	$run = $w->pull("'users'");
	is($run->{rc}, 0, "$parameter is understood") or diag($run->{err});
	is(scalar(() = $run->{err} =~ /without effect on a pull: $name$/mg), 1, 'and named once');
}
use_url("$real?schema=app&pool=1", %jump);
$run = $w->pull("'users'");
like($run->{err},
	qr/NOTICE: .*parameters of PGSYNC_FROM_URL without effect on a pull: schema, pool\nHINT:  Name the schema/,
	'a schema other than public has a hint');
foreach my $scheme ('postgresql+psycopg2', 'jdbc:postgresql', 'ecto', 'postgis', 'postgres')
{
	use_url($real =~ s/^postgresql/$scheme/r, %jump);
	is($w->pull("'users'")->{rc}, 0, "the scheme $scheme");
}
use_url("jdbc:postgresql://$host:$there/production?user=reader&password=$password&ssl=false&connectTimeout=7", %jump);
is($w->pull("'users'")->{rc}, 0, 'a URL of JDBC, with user and password as parameters');

my $named = sub { my ($name, $hint) = @_; return [ qr/the parameter "$name" of PGSYNC_FROM_URL/, qr/HINT:.*$hint/ ]; };
bad_url('sslaccept=strict', $named->('sslaccept', 'sslmode=verify-full'), "$real?sslaccept=strict", %jump);
bad_url('sslidentity', $named->('sslidentity', 'sslcert=FILE'), "$real?sslidentity=x.p12", %jump);
bad_url('a misspelled one', $named->('sslmod', 'Correct or remove it'), "$real?sslmod=verify-full", %jump);
bad_url('one without a value', [qr/a parameter of PGSYNC_FROM_URL has no value/], "$real?sslmode", %jump);
push @{ $w->{secrets} }, 'hidden', 'S3';
foreach my $secret ("postgresql://reader:S3?hidden=x\@$host/production", "postgresql://reader:S3/?hidden=x\@$host/p",
	"postgresql://reader:S3?hidden=x",
	"postgresql://reader:a\@S3\@$host/production", "postgresql://reader:S3#\@$host/p",
	"postgresql://reader:x\@y\@$host/production?hidden=1")
{
	use_url($secret, %jump);
	$run = $w->pull("'users'");
	isnt($run->{rc}, 0, 'a URL with an unencoded password');
	unlike($run->{err}, qr/S3|hidden/, 'shows no piece of it');
}
bad_url('sslcert without sslkey, as the certificate of an authority',
	[ qr/has sslcert, but no sslkey/, qr/sslrootcert=FILE/ ],
	"$real?sslmode=require&sslcert=ca.pem", %jump);
bad_url('keywords with a parameter of others', [qr/the parameter "pgbouncer" of PGSYNC_FROM_URL is not one of libpq/],
	"host=$host user=reader dbname=production pgbouncer=true", %jump);
use_url($real, %jump, PGSYNC_TO_URL => 'postgresql://localhost:' . $w->local_node->port . '/dev?schema=public&pool=5');
is($w->pull("'users'")->{rc}, 0, 'PGSYNC_TO_URL may have them, too');
bad_url('the loopback by another address', [qr/does not point at the tunnel's local entrance/],
	"postgresql://reader:$password\@[::1]:$port/production", %jump);
bad_url('service', [qr/must not use the parameter "service"/], "$real?service=x", %jump);

$source->safe_psql('production', 'ALTER ROLE reader SET default_transaction_read_only = on');
use_url("$real?target_session_attrs=read-write", %jump);
$w->refused("'users'", 'target_session_attrs is kept', sqlstate => '08001', message => [qr/session is read-only/]);
$source->safe_psql('production', 'ALTER ROLE reader RESET default_transaction_read_only');
$w->pulls("'users'", 'and met', ['users']);

# ---- an entrance of others ----

my %none = (PGSYNC_SSH_HOST => 'none');
my $before = -s $w->jump->log;
use_url("postgresql://reader:$password\@localhost:$there/production", %none);
$run = $w->pulls("'{users,orders}', on_error => 'abort'", 'PGSYNC_SSH_HOST=none', [ 'users', 'orders' ]);
like($run->{err}, qr/connecting to 127\.0\.0\.1:$there without a tunnel\nDETAIL:  PGSYNC_SSH_HOST is none/, 'says so');
is($w->last_run("ssh_host || ', ' || tunnel"), "none, no tunnel -> 127.0.0.1:$there", 'so does the audit');
$steps = PgTunsync::Steps->of($w);
is(join(' ', map { $_->{ok} } $steps->rows), 't t t t t t t t t', 'check() goes the same way') or diag($steps->text);
like($steps->detail('ssh target'), qr/^none \(PGSYNC_SSH_HOST\)/, 'and names it');
is($w->call("SELECT count(*) FROM pgtunsync.plan('users')")->finish->{out}, "1\n", 'so does plan()');
is(-s $w->jump->log, $before, 'no SSH connection was made');
use_url("postgresql://reader:$password\@localhost:1/production", %none);
$w->refused("'users'", 'nobody forwards the port', sqlstate => '08001',
	message => [qr/could not connect to the source/]);
bad_url('another host', [ qr/PGSYNC_FROM_URL does not point at localhost/, qr/PGSYNC_DIRECT=yes/ ], $real, %none);
bad_url('PGSYNC_DIRECT without verified TLS', [qr/PGSYNC_DIRECT needs sslmode=verify-full/],
	"$real?sslmode=require", %none, PGSYNC_DIRECT => 'yes');
bad_url('PGSYNC_DIRECT beside a jump host', [qr/PGSYNC_DIRECT=yes needs PGSYNC_SSH_HOST=none/],
	"$real?sslmode=verify-full", %jump, PGSYNC_DIRECT => 'yes');
bad_url('two ports', [qr/PGSYNC_FROM_URL and PGSYNC_LOCAL_PORT name different ports/], $w->source_url(port => $there),
	%none, PGSYNC_LOCAL_PORT => $port);

done_testing();
