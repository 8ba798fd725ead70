# Secrets stay in the environment file.  They do not show in messages, verbose
# logs, process titles, views, the audit or a dump.

use strict;
use warnings;
use PgTunsync;
use PostgreSQL::Test::Utils;
use Test::More;

my $w = PgTunsync->new(users => 100,
	local_conf => "log_min_messages = debug5\nlog_error_verbosity = verbose\nlog_statement = all\n"
		. "log_parameter_max_length = -1\ndebug_print_parse = on");
push @{ $w->{secrets} }, 'S3cret';
my $relay = $w->relay;

# while it runs: titles, environments, command lines, views
$relay->set(stall_after => 5_000);
my $call = $w->start_pull('');
$relay->wait_stalled;
is_deeply([ $w->leaked ], [], 'nowhere while the run goes on');
my @workers = $w->worker_pids;
cmp_ok(scalar(@workers), '>=', 3, 'with its workers');
foreach my $pid (@workers)
{
	foreach my $what (qw(cmdline environ))
	{
		open(my $file, '<', "/proc/$pid/$what") or next;
		local $/ = undef;
		unlike(<$file> || '', qr/S3cret/, "not in the $what of a worker");
	}
}
unlike($w->local_sql("SELECT string_agg(s::text, ' ') FROM pg_settings s"), qr/S3cret/, 'not in the settings');
$relay->set;
is($call->finish->{rc}, 0, 'the run succeeds');
unlike($call->{err} . $call->{out}, qr/S3cret/, 'not in its messages');
$w->nothing_left;

# the most talkative client, and a failure
$call = $w->pull("'users'", options => '-c client_min_messages=debug5');
unlike($call->{err}, qr/S3cret/, 'not in messages at debug5');
$w->write_env(PGSYNC_FROM_URL => $w->source_url(password => 'S3cret-but-wrong'));
$call = $w->pull("'users'", options => '-c client_min_messages=debug5');
isnt($call->{rc}, 0, 'a refused login');
unlike($call->{err}, qr/S3cret/, 'does not show the password');
$w->write_env(PGSYNC_FROM_URL => 'postgresql://reader:S3cret@:::/nonsense[');
$call = $w->pull("'users'", options => '-c client_min_messages=debug5');
isnt($call->{rc}, 0, 'a URL that cannot be read');
unlike($call->{err}, qr/S3cret/, 'is not shown');

# a dump has neither a secret nor the audit, which is a log of this server
$w->write_env;
my ($dump) = run_command([ $w->local_node->installed_command('pg_dump'), '-d', $w->local_node->connstr('dev') ]);
like($dump, qr/^CREATE EXTENSION IF NOT EXISTS pgtunsync /m, 'pg_dump dumps the extension');
unlike($dump, qr/pgtunsync(?:_internal|_staging)?\./, 'and nothing that belongs to it');
unlike($dump, qr/S3cret/, 'and no secret');

# and can be restored
$w->local_node->safe_psql('postgres', 'CREATE DATABASE restored');
append_to_file($w->dir . '/dump.sql', $dump);
is(system_log($w->local_node->installed_command('psql'), '-Xqv', 'ON_ERROR_STOP=1', '-d',
	$w->local_node->connstr('restored'), '-f', $w->dir . '/dump.sql'), 0, 'which restores');
is($w->local_node->safe_psql('restored', 'SELECT count(*) FROM pgtunsync.runs'), 0, 'with an audit that begins there');

is_deeply([ $w->leaked ], [], 'nowhere at the end');

# the extension goes without a trace
$w->local_sql('DROP EXTENSION pgtunsync');
is($w->local_sql("SELECT count(*) FROM pg_namespace WHERE nspname ~ '^pgtunsync'"), 0,
	'DROP EXTENSION takes its schemas with it');
$w->local_sql('CREATE EXTENSION pgtunsync');
is($w->pull("'users'")->{id}, 1, 'and it can be created again');

done_testing();
