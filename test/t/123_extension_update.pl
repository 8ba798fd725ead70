# After ALTER EXTENSION pgtunsync UPDATE the objects are those of a new
# installation.  Recorded runs and granted rights are kept.

use strict;
use warnings;
use PgTunsync;
use PgTunsync::Install;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'the server is started by a wrapper' unless PgTunsync::Install->possible;

my ($current) = slurp_file("$PgTunsync::fixtures/../../pgtunsync.control") =~ /^default_version = '(.*)'/m;
my $install = PgTunsync::Install->new(PostgreSQL::Test::Utils::tempdir());
$install->add_extension_file("$PgTunsync::fixtures/pgtunsync--0.1.0.sql");
my $node = PostgreSQL::Test::Cluster->new('updated', install_path => $install->path);
$node->init;
$node->start;
$node->safe_psql('postgres', $_) foreach 'CREATE ROLE caller LOGIN', 'CREATE ROLE watcher LOGIN IN ROLE pg_monitor',
	'CREATE DATABASE fresh', 'CREATE DATABASE old';

# SQL in the database with the first version, as the superuser or the given role.
sub old
{
	my ($sql, $role) = @_;
	return $node->safe_psql('old', $sql, extra_params => [ $role ? ('-U', $role) : () ]);
}

sub objects
{
	my ($database) = @_;
	my ($out, $err);
	ok(IPC::Run::run([ $node->installed_command('psql'), '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d',
		$node->connstr($database),
			'-f', "$PgTunsync::fixtures/extension_objects.sql" ], '>', \$out, '2>', \$err), "objects of $database")
				or diag($err);
	return $out;
}

# ---- a database with the first version, and what it recorded ----

old("CREATE EXTENSION pgtunsync VERSION '0.1.0'");
is(old("SELECT extversion FROM pg_extension WHERE extname = 'pgtunsync'"), '0.1.0', 'the first version');
old(q{
	INSERT INTO pgtunsync.runs (started_at, finished_at, role, database, options, status, tables, rows, bytes,
		leader_pid, leader_started_at, progress_door)
	SELECT now(), now(), CASE WHEN i % 2 = 0 THEN 'caller' WHEN i = 5 THEN 'gone' ELSE current_user END, 'old',
		'{"jobs": 2}', 'succeeded', 1, 10 * i, 1000, 1, now(), 7
	FROM generate_series(1, 6) i;
	INSERT INTO pgtunsync.run_tables (run_id, table_name, status, rows, mode, columns_masked) SELECT id, 'users',
		'succeeded', rows, 'replace', '{email: x}' FROM pgtunsync.runs;
	SELECT nextval('pgtunsync.runs_id_seq');
	DO $$ DECLARE f regprocedure; BEGIN
		FOR f IN SELECT oid FROM pg_proc WHERE pronamespace = 'pgtunsync'::regnamespace AND proname IN ('pull',
			'wait') LOOP
			EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO caller', f);
		END LOOP; END $$;
});
my $columns = 'id, started_at, finished_at, role, database, application_name, client_addr, source, ssh_host, tunnel,
	requested_tables,
	requested_group, options, status, tables, rows, bytes, error, sqlstate, leader_pid';
my $runs = old("SELECT $columns FROM pgtunsync.runs ORDER BY id");
my $tables = old('SELECT * FROM pgtunsync.run_tables ORDER BY run_id');
like($runs, qr/^6\|.*caller/m, 'with runs');

# ---- not while a pull of the old version runs ----

old("INSERT INTO pgtunsync.runs (id, started_at, role, database, options, status, leader_pid, leader_started_at)
	SELECT 99, now(), current_user, 'old', '{}', 'running', pid,
		backend_start FROM pg_stat_activity WHERE backend_type = 'checkpointer'");
my ($rc, $out, $err) = $node->psql('old', 'ALTER EXTENSION pgtunsync UPDATE');
isnt($rc, 0, 'the update waits for a run');
like($err, qr/ERROR:  cannot update extension pgtunsync while a pull runs/, 'with a message');
is(old('SELECT count(*) FROM pgtunsync.runs'), 7, 'and changes nothing');
old('DELETE FROM pgtunsync.runs WHERE id = 99');

# ---- the update ----

old('ALTER EXTENSION pgtunsync UPDATE');
is(old("SELECT extversion FROM pg_extension WHERE extname = 'pgtunsync'"), $current, 'the current version');
is(old("SELECT $columns FROM pgtunsync.runs ORDER BY id"), $runs, 'has the runs');
is(old('SELECT * FROM pgtunsync.run_tables ORDER BY run_id'), $tables, 'and their tables');
is(old("SELECT nextval('pgtunsync_internal.runs_id_seq')"), 8, 'no id comes twice');
is(old('SELECT string_agg(id::text, $$ $$ ORDER BY id) FROM pgtunsync.runs', 'caller'), '2 4 6',
	'callers see their own runs');
is(old('SELECT string_agg(run_id::text, $$ $$ ORDER BY run_id) FROM pgtunsync.run_tables', 'caller'), '2 4 6',
	'and the tables of those');
is(old('SELECT count(*) FROM pgtunsync.runs', 'watcher'), 6, 'pg_monitor sees all');
is(old(q{SELECT string_agg(proname, ' ' ORDER BY proname) FROM pg_proc
	WHERE pronamespace = 'pgtunsync'::regnamespace AND has_function_privilege('caller', oid, 'EXECUTE')}),
	'pull pull wait', 'granted rights stay, and are the only ones');
old('CREATE ROLE gone LOGIN');
is(old('SELECT count(*) FROM pgtunsync.runs', 'gone'), 0, 'a role that is created under an old name sees nothing');
old('DROP ROLE gone');

# the same objects as a new installation, but for what was granted here
$node->safe_psql('old', 'REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA pgtunsync FROM caller');
$node->safe_psql('fresh', 'CREATE EXTENSION pgtunsync');
my ($fresh, $updated) = (objects('fresh'), objects('old'));
like($fresh, qr/^member view pgtunsync\.runs comment=./m, 'the objects are listed');
my @kinds = qw(member column function view trigger index constraint initial sequence class schema extension);
is(join(' ', grep { $fresh !~ /^$_ /m } @kinds), '', 'in all their kinds');
my %fresh = map { $_ => 1 } split /\n/, $fresh;
my %updated = map { $_ => 1 } split /\n/, $updated;
my @differs = ((map { "only after CREATE EXTENSION: $_" } grep { !$updated{$_} } sort keys %fresh),
	(map { "only after the update: $_" } grep { !$fresh{$_} } sort keys %updated));
is(join("\n", @differs), '', 'an updated extension is a new one');

# ---- which can be dropped ----

old('DROP EXTENSION pgtunsync');
is(old("SELECT count(*) FROM pg_namespace WHERE nspname ~ '^pgtunsync'"), 0, 'DROP EXTENSION removes everything');
$node->stop;

done_testing();
