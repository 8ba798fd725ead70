# pg_upgrade keeps the audit, which pg_dump leaves out.  It also keeps the
# leftovers of a crash, and they are found although pg_upgrade resets
# relrewrite.

use strict;
use warnings;
use PgTunsync;
use PgTunsync::Install;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'the server is started by a wrapper' unless PgTunsync::Install->possible;

my $w = PgTunsync->new(users => 1000);
my $relay = $w->relay;
my $old = $w->local_node;

sub staged { return $w->local_sql("SELECT count(*) FROM pg_class
	WHERE relnamespace = 'pgtunsync_staging'::regnamespace AND relkind = 'r'$_[0]"); }

# ---- a server with runs of two roles and the leftovers of a crash ----

$w->local_sql(q{CREATE ROLE caller LOGIN; CREATE ROLE other LOGIN;
	GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pgtunsync TO caller;
	GRANT SELECT, INSERT, TRUNCATE ON ALL TABLES IN SCHEMA public TO caller});
$w->pulls('', 'a run of a superuser', [@PgTunsync::shop]);
is($w->pull("'reviews'", user => 'caller')->{rc}, 0, 'a run of a role');
$relay->set(stall_after => 60_000);
my $call = $w->start_pull('jobs => 2');
$relay->wait_stalled;
$w->wait_worker('loader');
$w->kill_hard($w->wait_worker('leader'));
$call->finish;
$relay->set;
$w->server_is_up;
cmp_ok(staged(' AND relrewrite <> 0'), '>=', 1, 'a crash has left staging heaps');
my $runs = $w->local_sql('SELECT * FROM pgtunsync.runs ORDER BY id');
my $tables = $w->local_sql('SELECT * FROM pgtunsync.run_tables ORDER BY run_id, table_name');
my $before = $w->snapshot;
$old->stop;

# ---- pg_upgrade ----

my $new = PostgreSQL::Test::Cluster->new('upgraded');
$new->init;
$new->append_conf('postgresql.conf', "max_worker_processes = 24\nautovacuum = off");
my $bindir = $old->config_data('--bindir');
my $directory = PostgreSQL::Test::Utils::tempdir_short();
chdir $directory or die;
foreach my $check ([qw(--check)], [])
{
	is(system_log("$bindir/pg_upgrade", '--no-sync', '-d', $old->data_dir, '-D', $new->data_dir, '-b', $bindir,
		'-B', $bindir,
			'-s', $directory, '-p', $old->port, '-P', $new->port, @$check), 0, "pg_upgrade @$check");
}
$new->start;
$w->{local} = $new;

# ---- the same database, with the audit ----

is($w->local_sql('SELECT * FROM pgtunsync.runs ORDER BY id'), $runs, 'the audit is as it was');
is($w->local_sql('SELECT * FROM pgtunsync.run_tables ORDER BY run_id, table_name'), $tables,
	'with the tables of the runs');
is($new->safe_psql('dev', 'SELECT string_agg(id::text, $$ $$) FROM pgtunsync.runs', extra_params => [qw(-U caller)]),
	'2', 'a role sees its own runs');
is($new->safe_psql('dev', 'SELECT count(*) FROM pgtunsync.runs', extra_params => [ '-U', 'other' ]), '0',
	'and another one none');
cmp_ok(staged(' AND relrewrite = 0'), '>=', 1, 'the staging heaps are there, without the mark relrewrite');

$call = $w->call('SELECT * FROM pgtunsync.check();', user => 'caller')->finish;
is($call->{rc}, 0, 'check() works') or diag($call->{err});
is(staged(''), 0, 'and has dropped them');
is($w->local_sql("SELECT string_agg(status, ' ' ORDER BY id) FROM pgtunsync.runs"), 'succeeded succeeded crashed',
	'and marked the run');
$w->unchanged($before, 'every table is as it was');
$w->pulls('', 'pulls work', [@PgTunsync::shop]);
is($w->local_sql('SELECT count(*), max(id) > 3 FROM pgtunsync.runs'), '4|t', 'no id comes twice');

done_testing();
