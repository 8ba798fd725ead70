# Standbys: a pull on one is refused.  A source may be one, and may be promoted
# in mid-pull.  A local standby that is promoted while its primary pulls cleans
# up what it has of that run.

use strict;
use warnings;
use PgTunsync;
use PgTunsync::Process;
use PostgreSQL::Test::Cluster;
use Test::More;

my $w = PgTunsync->new(users => 200, local_init => { allows_streaming => 1 },
	source_conf => "wal_level = replica\nmax_wal_senders = 5\n");
my $source = $w->source;
my @tables = qw(users orders);

sub standby_of
{
	my ($primary, $name, $conf) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$primary->backup($name);
	$node->init_from_backup($primary, $name, has_streaming => 1);
	$node->append_conf('postgresql.conf', $conf || '');
	$node->start;
	return $node;
}

# Starts a session that holds up the pull: it locks a table of the source.
sub hold_source
{
	my $session = $w->call("BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE; SELECT 'held';",
		node => $source, database => 'production', more => 1);
	$session->wait_message(qr/held/, 'out');
	return $session;
}

$source->append_conf('pg_hba.conf', 'local replication all trust');
$source->reload;
my $local_standby = standby_of($w->local_node, 'local_standby');
my $source_standby = standby_of($source, 'source_standby', "listen_addresses = '127.0.0.1'\n");

# ---- on a standby ----

foreach my $call ("SELECT pgtunsync.pull('users')", 'SELECT * FROM pgtunsync.check()',
	"SELECT * FROM pgtunsync.plan('users')")
{
	my $run = $w->call($call, node => $local_standby)->finish;
	is($run->{sqlstate}, '25006', "$call is refused on a standby");
	like($run->{message}, qr/^cannot execute pgtunsync\.\w+\(\) (?:during recovery|in a read-only transaction)$/, 'with the reason');
}
is($w->call('SELECT count(*) FROM pgtunsync.progress', node => $local_standby)->finish->{out}, "0\n", 'looking is allowed');

# ---- the local standby is promoted in mid-pull ----

my $held = hold_source();
my $call = $w->start_pull("'users,orders'");
my $heaps = q{SELECT count(*) FROM pg_class WHERE relnamespace = 'pgtunsync_staging'::regnamespace AND relkind = 'r'};
PgTunsync::Process::wait_until('staging heaps on the standby',
	sub { return $local_standby->safe_psql('dev', $heaps) > 0 });
$local_standby->promote;
is($local_standby->safe_psql('dev', 'SELECT status FROM pgtunsync.runs'), 'running', 'it has a run without a leader');
is($w->call('SELECT count(*) FROM pgtunsync.progress', node => $local_standby)->finish->{rc}, 0, 'a call of any function');
is($local_standby->safe_psql('dev', 'SELECT status FROM pgtunsync.runs'), 'crashed', 'marks the run as crashed');
is($local_standby->safe_psql('dev', $heaps), 0, 'and drops its staging heaps');
is($local_standby->safe_psql('dev', 'SELECT count(*) FROM users'), 20, 'the rows are the old ones');
$held->finish;
is($call->finish->{rc}, 0, 'the run of the primary is not affected') or diag($call->{err});
$w->both_equal(@tables);
my $run = $w->call("SELECT pgtunsync.pull('users,orders')", node => $local_standby)->finish;
is($run->{rc}, 0, 'the new primary pulls, too') or diag($run->{err});
is($local_standby->safe_psql('dev', 'SELECT count(*) FROM users'), 200, 'and has the rows');
$local_standby->stop;

# ---- the source is a standby, which is promoted in mid-pull ----

$w->write_env(PGSYNC_REMOTE_PORT => $source_standby->port);
$source->safe_psql('production', q{UPDATE users SET name = 'on the standby'});
$source->wait_for_catchup($source_standby);
$w->pulls("'users,orders'", 'from a standby', \@tables);
$source->safe_psql('production', q{UPDATE users SET name = 'before the promotion' WHERE id < 50});
$source->wait_for_catchup($source_standby);
$held = hold_source();
$source->safe_psql('production', 'CREATE TABLE flushes_the_wal ()');
PgTunsync::Process::wait_until('the lock on the standby', sub { return $source_standby->safe_psql('production',
	q{SELECT count(*) FROM pg_locks WHERE relation = 'users'::regclass AND mode = 'AccessExclusiveLock'}) > 0 });
$call = $w->start_pull("'users,orders'");
PgTunsync::Process::wait_until('a COPY that waits on the standby', sub { return $source_standby->safe_psql('postgres',
	q{SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'pgtunsync/%' AND wait_event_type = 'Lock'}) > 0 });
$source_standby->promote;
is($call->finish->{rc}, 0, 'a pull outlives the promotion of its source') or diag($call->{err});
$held->finish;
$w->both_equal(@tables);
is($w->local_sql(q{SELECT count(*) FROM users WHERE name = 'before the promotion'}), 49, 'with the rows of its snapshot');
$w->nothing_left;

done_testing();
