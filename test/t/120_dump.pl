# pg_dump and pg_dumpall work for every role that could dump the database before
# the extension was created, at rest and while a pull runs.

use strict;
use warnings;
use PgTunsync;
use PostgreSQL::Test::Utils;
use Test::More;

my $w = PgTunsync->new(users => 1000, no_extension => 1);
my $node = $w->local_node;

# pg_dump as a role; returns exit status, output and messages.
sub dump_as
{
	my ($role, @options) = @_;
	my ($out, $err) = ('', '');
	my @role = $role ? ('-U', $role) : ();
	IPC::Run::run([ $node->installed_command('pg_dump'), @role, '-d', $node->connstr('dev'), @options ], '>', \$out,
		'2>', \$err);
	return ($?, $out, $err);
}

# ---- roles that can dump the database before the extension is there ----

$w->local_sql(q{
	CREATE ROLE own_tables LOGIN; CREATE ROLE db_owner LOGIN; CREATE ROLE reads_all LOGIN IN ROLE pg_read_all_data;
	CREATE ROLE caller LOGIN; CREATE ROLE bypasses LOGIN BYPASSRLS;
	ALTER DATABASE dev OWNER TO db_owner;
	GRANT ALL ON SCHEMA public TO db_owner;
	DO $$ DECLARE t regclass; BEGIN
		FOR t IN SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') LOOP
			EXECUTE format('ALTER TABLE %s OWNER TO db_owner', t);
		END LOOP; END $$;
	GRANT SELECT ON ALL TABLES IN SCHEMA public TO own_tables, caller, bypasses;
	GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO own_tables, caller, bypasses;
	GRANT INSERT, TRUNCATE ON ALL TABLES IN SCHEMA public TO caller;
});
my @roles = ('', qw(own_tables db_owner reads_all caller bypasses));
my @kinds = ([], ['-s'], ['--enable-row-security'], [ '-s', '--enable-row-security' ], ['-a'],
	[ '--inserts', '--clean', '--if-exists' ], [ '-n', 'public' ],
	[ '-t', 'users' ], [ '--extension=*', '-n', 'public' ]);
foreach my $role (@roles)
{
	my ($status, undef, $err) = dump_as($role);
	is($status, 0, ($role || 'a superuser') . ' can dump without the extension') or diag($err);
}

# ---- the same with it, and with runs of several roles in the audit ----

$w->local_sql('CREATE EXTENSION pgtunsync; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pgtunsync TO caller');
$w->pulls('', 'a pull of the superuser', [@PgTunsync::shop]);
is($w->pull("'reviews'", user => 'caller')->{rc}, 0, 'a pull of another role');
is($w->local_sql('SELECT count(DISTINCT role) FROM pgtunsync.runs'), 2, 'the audit has both');

# All kinds of dumps by all roles: none has anything of the audit or of staging heaps.
sub all_dump
{
	my ($when, @of_kinds) = @_;
	foreach my $role (@roles)
	{
		foreach my $kind (@of_kinds)
		{
			my $title = join(' ', 'pg_dump', @$kind, 'by', $role || 'a superuser') . ", $when";
			my ($status, $out, $err) = dump_as($role, @$kind);
			ok($status == 0 && $err !~ /error:/, $title) or diag($err);
			unlike($out, qr/^(?:COPY|INSERT INTO|CREATE TABLE|SELECT pg_catalog.setval\(')[^\n]*pgtunsync/m,
				'without the audit') or diag($title);
		}
	}
	return;
}

all_dump('at rest', @kinds);
foreach my $role (@roles)
{
	my @role = $role ? ('-U', $role) : ();
	my $directory = PostgreSQL::Test::Utils::tempdir() . '/dump';
	is(system_log($node->installed_command('pg_dump'), @role, '-d', $node->connstr('dev'), '-Fd', '-j', 2, '-f',
		$directory), 0,
		'pg_dump in parallel by ' . ($role || 'a superuser'));
	foreach my $wanted ([ '-n', 'pgtunsync' ], [ '--extension=pgtunsync' ])
	{
		my ($status, $out, $err) = dump_as($role, @$wanted);
		is("$status $err", '0 ', "pg_dump @$wanted by " . ($role || 'a superuser'));
		unlike($out, qr/^(?:COPY|CREATE TABLE|CREATE VIEW) pgtunsync/m, 'has no table and no view of the extension');
	}
}
foreach my $role ('', 'reads_all')
{
	my @role = $role ? ('-U', $role, '--no-role-passwords') : ();
	my ($out, $err) = ('', '');
	ok(IPC::Run::run([ $node->installed_command('pg_dumpall'), @role, '-d', $node->connstr('postgres') ], '>',
		\$out, '2>', \$err),
		'pg_dumpall by ' . ($role || 'a superuser')) or diag($err);
	like($out, qr/^CREATE EXTENSION IF NOT EXISTS pgtunsync /m, 'has the extension');
	unlike($out, qr/^COPY pgtunsync/m, 'without the audit');
}

my $relay = $w->relay;
$relay->set(stall_after => 60_000);
my $call = $w->start_pull('jobs => 2');
$relay->wait_stalled;
$w->wait_worker('loader');
cmp_ok($w->local_sql("SELECT count(*) FROM pg_class WHERE relnamespace = 'pgtunsync_staging'::regnamespace
	AND relkind = 'r'"), '>', 0, 'there are staging heaps');
all_dump('while a pull runs', [], ['-s'], ['--enable-row-security']);
$relay->set;
is($call->finish->{rc}, 0, 'which succeeds') or diag($call->{err});

# ---- what a restore has ----

my (undef, $dump) = dump_as('');
like($dump, qr/^GRANT ALL ON FUNCTION pgtunsync\.pull\(.*\) TO caller;/m, 'a dump has the rights that were granted');
append_to_file($w->dir . '/dump.sql', $dump);
$node->safe_psql('postgres', 'CREATE DATABASE restored');
is(system_log($node->installed_command('psql'), '-Xqv', 'ON_ERROR_STOP=1', '-d', $node->connstr('restored'), '-f',
	$w->dir . '/dump.sql'), 0, 'a dump can be restored');
is($node->safe_psql('restored', 'SELECT count(*) FROM users'), $w->local_sql('SELECT count(*) FROM users'),
	'with its rows');
is($node->safe_psql('restored', 'SELECT count(*) FROM pgtunsync.runs'), 0, 'and an audit that begins there');
is($node->safe_psql('restored', "SELECT has_function_privilege('caller', 'pgtunsync.wait(bigint)', 'EXECUTE')"),
	't', 'and the rights');
my ($env_file, $config_file) = ($w->env_file, $w->config_file);
$call = $w->call("SET pgtunsync.env_file = '$env_file'; SET pgtunsync.config_file = '$config_file';
	SELECT pgtunsync.pull('users');", database => 'restored')->finish;
is($call->{id}, 1, 'in which pulls work') or diag($call->{err});

$w->nothing_left;

done_testing();
