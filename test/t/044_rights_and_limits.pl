# Requirements of a pull: rights, row security, read-only transactions,
# standbys and worker slots.

use strict;
use warnings;
use PgTunsync;
use PgTunsync::Agreement;
use PostgreSQL::Test::Cluster;
use Test::More;

my $w = PgTunsync->new(
	users => 100,
	local_init => { allows_streaming => 1 },
	local_conf => "max_connections = 60\nmax_locks_per_transaction = 64");
is($w->pull('')->{rc}, 0, 'a superuser pulls');
$w->source_sql("UPDATE users SET name = 'changed'");
my $before = $w->snapshot;

# ---- rights ----

$w->local_sql("CREATE ROLE dev LOGIN; CREATE ROLE owner_role NOLOGIN; CREATE ROLE watcher LOGIN;
	GRANT pg_monitor TO watcher");
foreach my $call ('pgtunsync.pull()', "pgtunsync.pull('users')", 'pgtunsync.wait(1)', 'pgtunsync.cancel(1)')
{
	$w->refused('', "$call without EXECUTE", sql => "SELECT $call;", user => 'dev', before => $before,
		sqlstate => '42501',
		message => [qr/permission denied for function/], audit => 'none');
}
$w->local_sql('GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pgtunsync TO dev');
$before = $w->snapshot;
foreach my $rights ('', 'INSERT', 'TRUNCATE', 'INSERT, SELECT, UPDATE, DELETE')
{
	$w->local_sql("REVOKE ALL ON users FROM dev" . ($rights ? "; GRANT $rights ON users TO dev" : ''));
	$w->refused("'users'", "with " . ($rights || 'no rights') . ' on the target', user => 'dev', sqlstate => '42501',
		message => [ qr/users/, $rights =~ /INSERT/ ? qr/TRUNCATE|permission/ : qr/INSERT|permission/ ],
		audit => 'failed');
}
$w->local_sql('REVOKE ALL ON users FROM dev; GRANT INSERT, TRUNCATE ON users TO dev');
is($w->pull("'users'", user => 'dev')->{rc}, 0, 'INSERT and TRUNCATE are enough');
$w->both_equal('users');
$w->local_sql('ALTER TABLE shipments OWNER TO owner_role; GRANT owner_role TO dev');
my $run = $w->pull("'shipments'", user => 'dev');
is($run->{rc}, 0, "a member of the owner's role pulls") or diag($run->{err});

# ---- row security ----

$w->local_sql("ALTER TABLE reviews ENABLE ROW LEVEL SECURITY; GRANT ALL ON reviews TO dev;
	CREATE POLICY p ON reviews TO dev USING (stars > 3)");
$w->refused("'reviews'", 'row security that applies to the caller', user => 'dev', sqlstate => '42501',
	message => [ qr/reviews/, qr/row.level.security|row security/i ]);
is($w->pull("'reviews'")->{rc}, 0, 'row security that does not apply to the caller');
$w->both_equal('reviews');

# ---- code of the table's owner never runs as superuser ----

$_->("CREATE TABLE hostile (id int PRIMARY KEY, v int)") foreach sub { $w->source_sql(@_) }, sub { $w->local_sql(@_) };
$w->source_sql('INSERT INTO hostile SELECT i, i FROM generate_series(1, 10) i');
$w->local_sql(q{
	ALTER TABLE hostile OWNER TO dev; CREATE TABLE ran_as (who text, how text); GRANT ALL ON ran_as TO PUBLIC;
	GRANT CREATE ON SCHEMA public TO dev;
	SET ROLE dev;
	CREATE FUNCTION spy(i int, how text) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
		IF current_user <> 'dev' OR (SELECT setting FROM pg_settings WHERE name = 'is_superuser') = 'on'
			AND how = 'x' THEN RAISE EXCEPTION 'runs as % in %', current_user, how; END IF;
		RETURN i; END $$;
	CREATE INDEX ON hostile (spy(v, 'index'));
	CREATE INDEX ON hostile (v) WHERE spy(v, 'predicate') > 0;
	ALTER TABLE hostile ADD CHECK (spy(v, 'check') IS NOT NULL), ADD extra int DEFAULT spy(1, 'default'),
		ADD g int GENERATED ALWAYS AS (spy(v, 'generated')) STORED;
});
$w->pulls("'hostile'", 'index, CHECK, default and generated expressions run as the owner', ['hostile']);
$w->local_sql(q{SET ROLE dev;
	CREATE OR REPLACE FUNCTION spy(i int, how text) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN
	IF how = 'check' THEN RESET ROLE; CREATE ROLE pwned SUPERUSER; END IF; RETURN i; END $$;});
$w->refused("'hostile'", 'an owner who tries to be more', sqlstate => '0A000',
	message => [qr/security-restricted|RESET|role|permission|cannot/i]);
is($w->local_sql("SELECT count(*) FROM pg_roles WHERE rolname = 'pwned'"), 0, 'does not become it');
$w->local_sql('DROP TABLE hostile');

# ---- the audit: one's own rows, all for pg_monitor, nobody writes ----

is($w->local_node->safe_psql('dev', 'SELECT count(DISTINCT role), min(role) FROM pgtunsync.runs',
	extra_params => [ '-U', 'dev' ]), '1|dev', 'callers see their own runs');
is( $w->local_node->safe_psql('dev', 'SELECT count(*) FROM pgtunsync.runs', extra_params => [ '-U', 'watcher' ]),
	$w->local_sql('SELECT count(*) FROM pgtunsync.runs'), 'pg_monitor sees all');
is( $w->local_node->safe_psql('dev', 'SELECT count(*) FROM pgtunsync.run_tables t
	WHERE NOT EXISTS (SELECT FROM pgtunsync.runs r WHERE r.id = run_id)', extra_params => [ '-U', 'dev' ]),
	0, 'and the tables of those runs only');
is($w->call($_, user => 'dev')->finish->{sqlstate}, '42501', "dev may not: $_")
  foreach ("DELETE FROM pgtunsync.runs;", "UPDATE pgtunsync.runs SET status = 'failed';",
  	"INSERT INTO pgtunsync.run_tables VALUES (1, 'x', 'failed');",
  	'TRUNCATE pgtunsync_internal.runs, pgtunsync_internal.run_tables;',
	'SELECT * FROM pgtunsync_internal.runs;', 'SELECT * FROM pgtunsync_internal.progress_rows();');
my $other = $w->local_sql("SELECT max(id) FROM pgtunsync.runs WHERE role <> 'dev'");
is($w->call("SELECT pgtunsync.cancel($other);", user => 'dev')->finish->{sqlstate}, '42704',
	"another's run cannot be cancelled");

# a condition that reports its input does not see other roles' rows
$w->local_sql(q{CREATE FUNCTION tells(name) RETURNS boolean LANGUAGE plpgsql COST 0.0001 AS $$ BEGIN
	RAISE NOTICE 'saw %', $1; RETURN true; END $$});
$run = $w->call('SELECT count(*) FROM pgtunsync.runs WHERE tells(role);', user => 'dev')->finish;
like($run->{err}, qr/saw dev/, 'a condition of the caller sees its own runs');
unlike($run->{err}, qr/saw (?!dev)/, 'and no others');

# ---- a role is its OID, not its name ----

$w->local_sql('CREATE ROLE again LOGIN; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pgtunsync TO again');
$w->pull("'users'", user => 'again');
my $old_run = $w->last_run('id');
sub seen_by
{
	return $w->local_node->safe_psql('dev', 'SELECT count(*) FROM pgtunsync.runs', extra_params => [ '-U', $_[0] ]);
}
is(seen_by('again'), 1, 'a role sees its run');
$w->local_sql('ALTER ROLE again RENAME TO renamed');
is(seen_by('renamed'), 1, 'also under another name');
$w->local_sql('DROP OWNED BY renamed; DROP ROLE renamed; CREATE ROLE again LOGIN;
	GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pgtunsync TO again');
is(seen_by('again'), 0, 'a role that is created again under the old name does not');
is($w->call("SELECT pgtunsync.$_($old_run);", user => 'again')->finish->{sqlstate}, '42704', "nor does $_()")
  foreach qw(wait cancel);
is($w->local_node->safe_psql('dev', "SELECT role FROM pgtunsync.runs WHERE id = $old_run",
	extra_params => [ '-U', 'watcher' ]), 'again', 'pg_monitor sees it with the name of then');

# ---- read-only ----

$before = $w->snapshot;
$w->refused('', 'in a read-only transaction', sql => "BEGIN READ ONLY; SELECT pgtunsync.pull('users');",
	before => $before, sqlstate => '25006', message => [qr/read-only/], audit => 'none');
$w->refused('', 'with default_transaction_read_only',
	sql => "SET default_transaction_read_only = on; SELECT pgtunsync.pull('users');", before => $before,
	sqlstate => '25006', message => [qr/read-only/], audit => 'none');

# ---- a standby ----

$w->local_node->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($w->local_node, 'copy', has_streaming => 1);
$standby->start;
$run = $w->call("SELECT pgtunsync.pull('users');", node => $standby)->finish;
is($run->{sqlstate}, '25006', 'on a standby') or diag($run->{err});
like($run->{err}, qr/recovery|standby|read-only/, 'the reason is told');

# and the pulled rows arrive there
$w->source_sql("UPDATE users SET name = 'replicated'");
is($w->pull("'users'")->{rc}, 0, 'a pull on the primary');
$w->local_node->wait_for_catchup($standby, 'replay', $w->local_node->lsn('insert'));
is( $standby->safe_psql('dev', "SET enable_seqscan = off;
	SELECT count(*), count(*) FILTER (WHERE name = 'replicated') FROM users WHERE id > 0"),
	'100|100', 'is the same on the standby');
$standby->stop;

# ---- worker slots ----

my $node = $w->local_node;
foreach my $slots (0, 1, 2)
{
	$node->safe_psql('postgres', "ALTER SYSTEM SET max_worker_processes = $slots;
		ALTER SYSTEM SET max_logical_replication_workers = 0");
	$node->restart;
	$before = $w->snapshot;
	$w->refused("'users,reviews'", "$slots worker slots", before => $before, sqlstate => '53400',
		message => [qr/max_worker_processes/],
		audit => $slots == 0 ? 'none' : 'failed');
}
$node->safe_psql('postgres', 'ALTER SYSTEM SET max_worker_processes = 4');
$node->restart;
$run = $w->pulls("'users,reviews,shipments,categories', jobs => 4", 'fewer slots than loaders asked for',
	[qw(users reviews shipments categories)]);
like($run->{err}, qr/NOTICE.*1 (of|loader)|max_worker_processes/s, 'goes on with fewer, and says so');

done_testing();
