# A hot standby as the source: it has other defaults, ends sessions for reasons
# of its own, cannot read every table, and may be one of several.

use strict;
use warnings;
use PgTunsync;
use PgTunsync::Process;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $w = PgTunsync->new(users => 100, source_conf => "wal_level = replica\nmax_wal_senders = 10\n");
my $primary = $w->source;

$w->both_sql('CREATE TABLE big (id int PRIMARY KEY, what text); CREATE TABLE t (id int PRIMARY KEY);
	CREATE UNLOGGED TABLE volatile (id int PRIMARY KEY)');
$w->source_sql("INSERT INTO big SELECT i, repeat('x', 1000) FROM generate_series(1, 4000) i;
	INSERT INTO t SELECT generate_series(1, 1000); INSERT INTO volatile VALUES (1)");
$w->local_sql('INSERT INTO t VALUES (7); INSERT INTO volatile VALUES (7)');
$primary->append_conf('pg_hba.conf', 'local replication all trust');
$primary->reload;
$primary->backup('base');

my @standbys = map {
	my $node = PostgreSQL::Test::Cluster->new("standby$_");
	$node->init_from_backup($primary, 'base', has_streaming => 1);
	$node->append_conf('postgresql.conf', "max_standby_streaming_delay = 0\nlisten_addresses = '127.0.0.1'");
	$node->start;
	$node
} 1, 2;
$primary->wait_for_catchup($_) foreach @standbys;
my $slow = "filters:\n  big: pg_sleep(0.002) IS NOT NULL\n";

sub from_standby { return $w->write_env(PGSYNC_REMOTE_PORT => $standbys[0]->port); }
from_standby();

# ---- what a standby cannot do ----

my $run = $w->pulls("'{users,t}'", 'a pull from a standby', [qw(users t)]);
$primary->safe_psql('postgres', 'ALTER DATABASE production SET default_transaction_isolation = serializable');
$primary->wait_for_catchup($_) foreach @standbys;
$run = $w->pulls("'{users,t}'", 'a database that is serializable by default', [qw(users t)]);
like($w->call('SELECT step, ok FROM pgtunsync.check()')->finish->{out}, qr/^plan\|t$/m, 'which check() takes, too');

is($w->call("SELECT status, reason, hint FROM pgtunsync.plan('volatile')")->finish->{out},
	"refused|cannot pull volatile: it is unlogged, and the source is a standby\n"
	. "A standby has no rows of unlogged tables.|Pull it from the primary, or leave it out.\n", 'plan() tells that an unlogged table cannot be read there');
$w->refused("'{t,volatile}', on_error => 'abort'", 'nor pulled', sqlstate => '55000',
	message => [ qr/cannot pull volatile: it is unlogged, and the source is a standby/ ]);
$w->write_env;
$w->pulls("'volatile'", 'the primary can read it', ['volatile']);
from_standby();

# ---- sessions that end ----

# Starts a slow pull, does something when rows flow, and returns the call's end.
sub interrupted
{
	my ($meanwhile) = @_;
	$w->write_config($slow);
	my $call = $w->start_pull("'{big,t}', mode => 'replace', jobs => 2, on_error => 'abort'");
	$standbys[0]->poll_query_until('postgres', "SELECT EXISTS (SELECT FROM pg_stat_activity
		WHERE application_name LIKE 'pgtunsync/%' AND query LIKE '%pg_sleep%TO STDOUT%' AND state = 'active'
		AND query_start < now() - interval '0.3 s')") or die;
	$meanwhile->();
	$call->finish;
	$w->write_config('');
	return $call;
}

my $before = $w->snapshot;
$run = interrupted(sub {
	$w->source_sql('DELETE FROM t WHERE id > 10');
	$w->source_sql('VACUUM t');
	$w->source_sql('VACUUM FULL big');
});
$w->check_refused($run, $before, sqlstate => '40001|40P01',
	message => [ qr/due to conflict with recovery/, qr/HINT: .*hot_standby_feedback.*max_standby_streaming_delay/ ]);
is($w->last_run('sqlstate'), $run->{sqlstate}, 'the audit has the SQLSTATE');
like($w->last_run('error'), qr/conflict with recovery/, 'and the reason');

# the leader's connection keeps the snapshot and executes nothing
$run = interrupted(sub {
	$standbys[0]->safe_psql('postgres', "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE application_name LIKE 'pgtunsync/%' AND state = 'idle in transaction'");
});
$w->check_refused($run, $before, sqlstate => '57P01',
	message => [ qr/the source \S+ has ended the session: terminating connection due to administrator command/,
		qr/HINT:  The source's server stops, or somebody has called pg_terminate_backend/ ]);
is($w->last_run('sqlstate'), '57P01', 'the audit has the SQLSTATE');

# a loader's connection
$run = interrupted(sub {
	$standbys[0]->safe_psql('postgres', "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE application_name LIKE 'pgtunsync/%' AND state = 'active'");
});
$w->check_refused($run, $before, sqlstate => '57P01',
	message => [ qr/terminating connection due to administrator command/, qr/HINT:  The source's server stops/ ]);

# ---- a name that leads to several standbys ----

my $control = "$w->{dir}/turns";
my $port = PostgreSQL::Test::Cluster::get_free_port();
my $turns = PgTunsync::Process->start("$control.log", $^X, "$PgTunsync::fixtures/../lib/PgTunsync/turns.pl", $port,
	map { $_->port } @standbys);
PgTunsync::Process::wait_until('the name', sub { return PgTunsync::listening($port); });
$w->write_env(PGSYNC_REMOTE_PORT => $port);
$w->refused("'{users,t}', jobs => 1", 'the connections lead to different servers', sqlstate => '55000',
	message => [ qr/the connections to the source \S+ lead to different servers/,
		qr/DETAIL:  One server was started at .+, another one at /,
		qr/HINT: .*Let PGSYNC_REMOTE_HOST name one of them/ ], unlike => [ qr/invalid snapshot identifier/ ]);
$turns->stop('KILL');

done_testing();
