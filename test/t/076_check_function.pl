# pgtunsync.check() goes through every step of a pull up to the plan and
# returns a row for each.  The first step that fails is the last row and has a
# hint.  The function changes and records nothing and leaves nothing open.

use strict;
use warnings;
use IO::Socket::INET;
use PgTunsync;
use PgTunsync::Steps;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $w = PgTunsync->new(users => 60, local_conf => 'log_min_messages = warning');
my $dir = $w->dir;
my $jump = $w->jump;
my @way = ('environment file', 'destination', 'configuration', 'ssh target', 'hop 1: connect', 'hop 1: host key',
	'hop 1: login', 'tunnel', 'workers', 'source', 'connections', 'plan');
my $before = $w->snapshot;

my $runs = "SELECT count(*), max(id) FROM pgtunsync.runs";
my $recorded = $w->local_sql($runs);
$w->setting(connect_attempts => 1);

# A subtest: every step succeeds, with these rows.
sub all_well
{
	my ($title, $expected, %params) = @_;
	my $steps;
	subtest $title => sub {
		$steps = PgTunsync::Steps->of($w, %params);
		is($steps->{call}{rc}, 0, 'the call succeeds') or diag($steps->{call}{err});
		is_deeply([ $steps->names ], $expected, 'every step of the way is there, in order');
		is(join(' ', map { $_->{ok} } $steps->rows), join(' ', ('t') x @$expected), 'all went well')
		  or diag($steps->text);
		is(scalar(grep { $_->{detail} eq '' } $steps->rows), 0, 'each has something to say');
		unlike($steps->text, qr/S3cret/, 'and keeps the secrets');
		unchanged();
	};
	return $steps;
}

sub unchanged
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($w->local_sql($runs), $recorded, 'no run was recorded');
	$w->unchanged($before);
	$w->nothing_left;
	return;
}

# A subtest: this step fails, with this reason and hint, and no step follows.
sub fails_at
{
	my ($step, $title, $detail, $hint, %params) = @_;
	subtest "$step: $title" => sub {
		my $steps = PgTunsync::Steps->of($w);
		my @names = $steps->names;
		my @failed = grep { $_->{ok} eq 'f' } $steps->rows;
		is($steps->{call}{rc}, 0, 'the call itself succeeds') or diag($steps->{call}{err});
		is(scalar(@failed), 1, 'one step failed') or diag($steps->text);
		is($failed[0]{step}, $step, 'this one');
		is($names[-1], $step, 'and it is the last');
		is_deeply([ @names[ 0 .. $#names - 1 ] ], [ @way[ 0 .. $#names - 1 ] ], 'those before it are there')
		  unless $params{other_way};
		like($failed[0]{detail}, $detail, 'it says why');
		like($failed[0]{hint}, $hint, 'and what to do');
		unlike($steps->text, qr/S3cret/, 'and keeps the secrets');
		unchanged();
	};
	return;
}

# ---- all is well ----

my $steps = all_well('all is well', \@way);
is($steps->detail('environment file'), $w->env_file, 'the file that was read');
like($steps->detail('configuration'), qr/^\Q${\$w->config_file}\E: 0 groups/, 'the configuration');
like($steps->detail('ssh target'), qr/^\S+\@127\.0\.0\.1:${\$jump->port} \(alias "hatchbox"\)/,
	'the alias as resolved');
like($steps->detail('hop 1: host key'), qr/^ssh-ed25519 SHA256:\S{43} \(known: \Q${\$jump->known_hosts}\E line \d+\)$/,
	'the host key and where it is known');
like($steps->detail('hop 1: login'), qr/by key \Q${\$jump->user_key}\E \(ssh-ed25519\)$/, 'what logged in');
is($steps->detail('tunnel'), "127.0.0.1:${\$w->port} to 127.0.0.1:${\$w->source->port}", 'from where to where');
like($steps->detail('workers'), qr/leader, tunnel and \d+ of \d+ loaders/, 'the workers');
like($steps->detail('source'),
	qr{^reader\@127\.0\.0\.1:${\$w->port}/production, PostgreSQL \d+\.\d+, password by SCRAM-SHA-256$},
	'the source and its version');
is($steps->detail('plan'), '7 tables on both sides', 'the tables');

$w->setting(config_file => '');
is(all_well('no configuration', \@way)->detail('configuration'), 'none', 'is one as well');
$w->setting(config_file => $w->config_file);
$w->write_config("exclude: [reviews]\ngroups:\n  core: [users, orders]\n");
like(all_well('with a configuration', \@way)->detail('configuration'), qr/: 1 groups, 1 exclusions, 0 data rules/,
	'it is counted');
$w->write_config('');
$w->write_env(PGSYNC_LOCAL_PORT => 0);
like(all_well('by a private socket', \@way)->detail('tunnel'), qr/private Unix socket/, 'it is named');
my $gate = PgTunsync::Sshd->new("$dir/gate", 'gate')->start->trust;
$w->write_ssh_config_text($gate->host_block('gate') . $jump->host_block('hatchbox', ProxyJump => 'gate'));
$w->write_env;
my @two_hops = (@way[ 0 .. 6 ], 'hop 1: jump', 'hop 2: host key', 'hop 2: login', @way[ 7 .. $#way ]);
all_well('through two hops', \@two_hops);
$gate->stop;
$w->write_ssh_config;

# ---- each step fails ----

my $env = $w->env_file;
unlink $env;
fails_at('environment file', 'none', qr/\Q$env\E/, qr/env_file|\.env\.pgsync\.example/);
$w->write_env_text("PGSYNC_FROM_URL='postgresql://reader:S3cret");
fails_at('environment file', 'an unclosed quote', qr/line 1/, qr/./);
$w->write_env_text("X=1\n");
fails_at('environment file', 'no PGSYNC_FROM_URL', qr/PGSYNC_FROM_URL/, qr/./);
$w->write_env;
chmod 0666, $env;
fails_at('environment file', 'others may write it', qr/\Q$env\E/, qr/chmod/);
$w->write_env(PGSYNC_TO_URL => 'postgresql:///postgres');
fails_at('destination', 'another database', qr/PGSYNC_TO_URL|postgres/, qr/./);
$w->write_env;
$w->write_config("groups:\n  core: [users\nexclude: x: y\n");
fails_at('configuration', 'malformed', qr/line \d/, qr/.*/);
unlink $w->config_file;
fails_at('configuration', 'none', qr/\Q${\$w->config_file}\E/, qr/config_file/);
$w->write_config('');
$w->write_ssh_config(ProxyCommand => 'nc %h %p');
fails_at('ssh target', 'ProxyCommand', qr/ProxyCommand/, qr/ProxyJump/);
$w->write_env(PGSYNC_SSH_HOST => '-oX=y');
fails_at('ssh target', 'an option', qr/invalid SSH host name/, qr/PGSYNC_SSH_HOST/);
$w->write_env(PGSYNC_SSH_HOST => 'nothing.invalid');
fails_at('tunnel', 'an unknown host', qr/nothing\.invalid/, qr/PGSYNC_SSH_HOST/);
$w->write_env;
$w->write_ssh_config(Port => 1);
fails_at('tunnel', 'nobody listens', qr/could not connect to SSH server.*refused/, qr/.*/);
$w->write_ssh_config(UserKnownHostsFile => "$dir/no_such_file");
fails_at('tunnel', 'an unknown host key', qr/hop 1.*it is not known\n.*SHA256:/, qr/ssh-keyscan/);
PgTunsync::Sshd::keygen("$dir/stranger", 'ed25519');
$w->write_ssh_config(IdentityFile => "$dir/stranger");
fails_at('tunnel', 'a key that is refused', qr/hop 1.*refused the login\n.*stranger/, qr/ssh -v/);
$w->write_ssh_config;
$w->write_env(PGSYNC_REMOTE_PORT => 1);
fails_at('tunnel', 'nobody listens at the remote port', qr/127\.0\.0\.1:1 cannot be reached/, qr/PGSYNC_REMOTE_PORT/);
$jump->stop;
$jump->start(AllowTcpForwarding => 'no');
$w->write_env;
fails_at('tunnel', 'forwarding is forbidden', qr/forbids forwarding/, qr/AllowTcpForwarding/);
$jump->stop;
$jump->start;
my $squatter = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $w->port, Listen => 1, ReuseAddr => 1)
  or die "port: $!";
$w->{port_is_taken} = 1;
$w->setting(lock_timeout => '500ms');
fails_at('tunnel', 'the local port is in use', qr/port ${\$w->port} on 127\.0\.0\.1 is in use/, qr/PGSYNC_LOCAL_PORT/);
close $squatter;
$w->{port_is_taken} = 0;
$w->setting(lock_timeout => undef);
$w->write_env(PGSYNC_FROM_URL => $w->source_url(password => 'S3cret-but-wrong'));
fails_at('source', 'a wrong password', qr/password authentication failed/, qr/PGSYNC_FROM_URL/);
$w->write_env(PGSYNC_FROM_URL => $w->source_url(database => 'nowhere'));
fails_at('source', 'a database that is not there', qr/nowhere/, qr/./);
$w->write_env;

# the plan: tables that a pull would refuse, or that differ
$w->local_sql('ALTER TABLE products DROP COLUMN tags; ALTER TABLE reviews ADD COLUMN mine int;
	ALTER TABLE shipments RENAME TO shipments_base; CREATE VIEW shipments AS SELECT * FROM shipments_base');
$before = $w->snapshot;
$steps = PgTunsync::Steps->of($w);
is($steps->failed, '', 'drift between the schemas is no failure') or diag($steps->text);
like($steps->detail('table products'), qr/missing here: 1\b/, 'but told: a column missing here');
like($steps->detail('table reviews'), qr/only here: 1\b/, 'and one only here');
unchanged();

# rights on both sides, and one database on both
$w->source_sql('REVOKE pg_read_all_data FROM reader; GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;
	REVOKE SELECT ON orders FROM reader');
$steps = PgTunsync::Steps->of($w);
is($steps->failed, 'table public.orders', 'a table that the source does not let us read fails')
  if $steps->failed =~ /public/;
like($steps->detail($steps->failed), qr/permission denied on the source for table .*orders/,
	'saying whose right it is');
$w->source_sql('GRANT pg_read_all_data TO reader; GRANT SELECT ON orders TO reader');
$w->local_sql('CREATE ROLE poor LOGIN; GRANT EXECUTE ON FUNCTION pgtunsync.check() TO poor;
	GRANT INSERT, TRUNCATE ON ALL TABLES IN SCHEMA public TO poor; REVOKE TRUNCATE ON users FROM poor');
$before = $w->snapshot;
$steps = PgTunsync::Steps->of($w, user => 'poor');
like($steps->failed, qr/users/, 'a table that the caller may not write fails');
like($steps->detail($steps->failed), qr/permission denied for table .*users/, 'saying so') or diag($steps->text);
like($steps->detail($steps->failed) . $steps->hint($steps->failed), qr/TRUNCATE/, 'and which right is missing')
  or diag($steps->text);
is(scalar(grep { $_->{ok} eq 'f' } $steps->rows), 1, 'the others are well');
unchanged();
$w->write_env(PGSYNC_REMOTE_PORT => $w->local_node->port,
	PGSYNC_FROM_URL => $w->source_url(user => 'itself', database => 'dev'));
$w->local_sql('CREATE ROLE itself LOGIN SUPERUSER');
$w->local_node->append_conf('postgresql.conf', "listen_addresses = '127.0.0.1'");
$w->local_node->append_conf('pg_hba.conf', 'host all all 127.0.0.1/32 trust');
$w->local_node->restart;
$steps = PgTunsync::Steps->of($w);
like($steps->detail($steps->failed), qr/never pulled into itself|same database/,
	'the local database as its own source is noticed') or diag($steps->text);
$w->write_env;
$before = $w->snapshot;

# ---- who may, and from where ----

$w->local_sql('CREATE ROLE dev_user LOGIN');
is(PgTunsync::Steps->of($w, user => 'dev_user')->{call}{sqlstate}, '42501', 'not everybody may');
$w->local_sql('GRANT EXECUTE ON FUNCTION pgtunsync.check() TO dev_user');
is((PgTunsync::Steps->of($w, user => 'dev_user')->names)[0], 'environment file', 'those who are granted it may');
is($w->call("BEGIN; SELECT count(*) > 5 FROM pgtunsync.check();
	ROLLBACK;")->finish->{out}, "t\n", 'in a transaction that is rolled back');
is($w->call("SELECT step FROM pgtunsync.check() WHERE step = 'plan';")->finish->{out}, "plan\n", 'in a query');
is($w->call("SELECT string_agg(step, ',') FROM pgtunsync.check() WHERE NOT ok;")->finish->{out}, "\n", 'aggregated');

# ---- it can be interrupted ----

$before = $w->snapshot;
kill 'STOP', $jump->pid;
$w->setting(connect_timeout => '60s');
foreach my $case ([ 'statement_timeout', '57014', options => '-c statement_timeout=700ms' ],
	[ 'pg_cancel_backend', '57014' ], [ 'pg_terminate_backend', '57P01' ])
{
	my ($how, $sqlstate, %params) = @$case;
	my $start = time();
	my $call = $w->call('SELECT * FROM pgtunsync.check();', %params);
	$w->wait_worker('tunnel');
	$w->local_sql("SELECT $how(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT * FROM pgtunsync.check%'")
	  unless %params;
	is($call->finish->{sqlstate}, $sqlstate, "ended by $how");
	cmp_ok(time() - $start, '<', 10, 'at once');
	unchanged();
}
kill 'CONT', $jump->pid;
$w->setting(connect_timeout => undef);
is(PgTunsync::Steps->of($w)->failed, '', 'and then it works');

# ---- the workers ----

$w->local_sql("ALTER SYSTEM SET max_worker_processes = 1");
$w->local_node->restart;
$steps = PgTunsync::Steps->of($w);
isnt($steps->{call}{rc} . $steps->failed, '0', 'without free workers it fails');
like($steps->text, qr/max_worker_processes/, 'naming the setting') or diag($steps->text);
unchanged();
$w->local_sql("ALTER SYSTEM SET max_worker_processes = 3");
$w->local_node->restart;
$steps = PgTunsync::Steps->of($w);
like($steps->detail('workers'), qr/0 of|could not|no /, 'with two free ones the loaders are missing')
  or diag($steps->text);
unchanged();
$w->local_sql("ALTER SYSTEM RESET max_worker_processes");
$w->local_node->restart;
is(PgTunsync::Steps->of($w)->failed, '', 'with enough of them all is well');
unchanged();

done_testing();
