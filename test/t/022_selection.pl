# Which tables a call selects: search_path, schemas, globs, exclusions and
# groups.

use strict;
use warnings;
use PgTunsync;
use Test::More;

my $w = PgTunsync->new(empty => 1);
my $tables = q{
	CREATE SCHEMA sales; CREATE SCHEMA "Odd.Name";
	CREATE TABLE users (id int PRIMARY KEY, t text);
	CREATE TABLE parts (id int PRIMARY KEY, t text);
	CREATE TABLE pages (id int PRIMARY KEY, t text);
	CREATE TABLE audit_log (id int PRIMARY KEY, t text);
	CREATE TABLE sales.users (id int PRIMARY KEY, t text);
	CREATE TABLE sales.plans (id int PRIMARY KEY, t text);
	CREATE TABLE sales.people (id int PRIMARY KEY, t text);
	CREATE TABLE "Odd.Name"."My Table" (id int PRIMARY KEY, t text);
	CREATE TABLE "star*" (id int PRIMARY KEY, t text);
	CREATE TABLE starfish (id int PRIMARY KEY, t text);
};
$w->source_sql($tables);
$w->local_sql($tables);
$w->source_sql("CREATE TABLE only_there (id int)");
$w->local_sql("CREATE TABLE only_here (id int); CREATE VIEW a_view AS SELECT 1 AS x;
	CREATE MATERIALIZED VIEW a_matview AS SELECT 1 AS x");
$w->source_sql("CREATE VIEW a_view AS SELECT 1 AS x; CREATE MATERIALIZED VIEW a_matview AS SELECT 1 AS x");
foreach my $table (qw(users parts pages audit_log sales.users sales.plans sales.people "star*" starfish),
	q{"Odd.Name"."My Table"})
{
	$w->source_sql(qq{INSERT INTO $table SELECT i, 'source ' || i FROM generate_series(1, 5) i});
	$w->local_sql(qq{INSERT INTO $table VALUES (99, 'local')});
}

# A test: this call, in this session, replaces exactly these tables.
sub replaces
{
	my ($arguments, $expected, $setup) = @_;
	my $run = $w->call(($setup || '') . "SELECT pgtunsync.pull($arguments);", go_on => 1)->finish;
	is( $w->local_sql("SELECT coalesce(string_agg(table_name, ' ' ORDER BY table_name COLLATE \"C\"), '')
		FROM pgtunsync.run_tables
			WHERE status = 'succeeded' AND run_id = (SELECT max(id) FROM pgtunsync.runs)"),
		$expected, "pull($arguments) " . ($setup || '')) or diag($run->{err});
	return $run;
}

# ---- no argument: the schemas of the caller's search path ----

replaces('', '"star*" audit_log pages parts starfish users');
replaces('', 'sales.people sales.plans sales.users', 'SET search_path = sales;');
replaces('',
	'audit_log pages parts sales.people sales.plans sales.users starfish users "star*"' =~ s/(.*) ("star\*")/$2 $1/r,
	'SET search_path = public, sales;');

# ---- names ----

replaces("'users'", 'users');
replaces("'users'", 'sales.users', 'SET search_path = sales, public;');
replaces("'sales.users'", 'sales.users');
replaces("'sales.users,users'", 'sales.users users');
replaces(q{'"Odd.Name"."My Table"'}, '"Odd.Name"."My Table"');
replaces(q{ARRAY['"Odd.Name"."My Table"', 'users']}, '"Odd.Name"."My Table" users');
replaces("'sales.p*'", 'sales.people sales.plans');
replaces("'pa*'", 'pages parts');
replaces("'p*,sales.p*'", 'pages parts sales.people sales.plans');
replaces("'sales.*'", 'sales.people sales.plans sales.users');
replaces("'star*'", '"star*"');
$w->both_equal('users', 'parts', 'pages', 'sales.users', 'sales.plans', 'sales.people',
	'"Odd.Name"."My Table"', '"star*"');

# ---- names that cannot be meant ----

$w->refused("'nowhere'", 'a name that neither side knows', sqlstate => '42P01', message => [qr/nowhere/]);
$w->refused("'users,nowhere'", 'one such name among others', sqlstate => '42P01', message => [qr/nowhere/]);
$w->refused("'no_such_schema.users'", 'an unknown schema', sqlstate => '42P01', message => [qr/no_such_schema/]);
$w->refused("'zz*'", 'a glob that matches nothing', sqlstate => '42P01', message => [qr/zz\*/]);
$w->refused("'a_view'", 'a view', sqlstate => '42809', message => [qr/a_view/]);
$w->refused("'a_matview'", 'a materialised view', sqlstate => '42809', message => [qr/a_matview/, qr/REFRESH/i]);
$w->refused("'pg_catalog.pg_class'", 'a system table', sqlstate => '42809', message => [qr/pg_class/]);
$w->refused("'pgtunsync.runs'", "the extension's own table", sqlstate => '42809', message => [qr/runs/]);

# ---- exclusions always win ----

$w->write_config("exclude:\n  - audit_log\n  - sales.pl*\n");
replaces('', '"star*" pages parts starfish users');
like(replaces("'audit_log,users'", 'users')->{err}, qr/NOTICE.*audit_log/, 'a NOTICE says so');
replaces("'sales.*'", 'sales.people sales.users');
$w->write_config("exclude: [p*]\ngroups:\n  all_p:\n    - pages\n    - parts\n    - users\n");
like(replaces("grp => 'all_p'", 'users')->{err}, qr/NOTICE.*(pages|parts)/, 'also over a group');

# ---- groups ----

$w->write_config("groups:\n  one:\n    - users\n    - sales.plans\n  two: [parts, pa*]\n");
replaces("grp => 'one'", 'sales.plans users');
replaces("'group:two'", 'pages parts');
replaces("'group:one,group:two'", 'pages parts sales.plans users');
my $run = replaces("'{*}'::text[], 'two'", 'pages parts');
is($w->last_run('requested_group'), 'two', 'the audit names the group');
$w->refused("grp => 'three'", 'an unknown group', sqlstate => '42704', message => [ qr/three/, qr/pgsync\.yml/ ]);
$w->refused("'group:three'", 'an unknown group in the list', sqlstate => '42704', message => [qr/three/]);

# ---- schemas in the configuration ----

$w->write_config("schemas:\n  - sales\n");
replaces('', 'sales.people sales.plans sales.users');

# ---- other ways to name tables ----

$w->write_config("groups:\n  one:\n    - users\n    - sales.plans\n  some:\n    parts: \"where id <= {1}\"\n");
replaces("'users parts'", 'parts users');
replaces("'users  parts,pages'", 'pages parts users');
replaces(q{'"Odd.Name"."My Table",users parts'}, '"Odd.Name"."My Table" parts users');
replaces("'one'", 'sales.plans users');
replaces("'parts one'", 'parts sales.plans users');
replaces("'some:2'", 'parts');
$w->write_config("groups:\n  users: [parts]\n");
replaces("'users'", 'users');
replaces("'group:users'", 'parts');
$w->refused("'users nowhere'", 'an unknown name among several', sqlstate => '42P01',
	message => [qr/"nowhere" does not exist/]);
$w->refused("'users where id = 1'", 'a clause in the place of a name', sqlstate => '42P01',
	message => [qr/"where" does not exist/, qr/HINT:  To choose rows, write filter => /]);
$w->refused("'{users}', 'where id = 1'", 'a clause in the place of a group', sqlstate => '42704',
	message => [qr/group "where id = 1" does not exist/,
	qr/HINT:  The second argument names a group.  To choose rows, write filter => 'id = 1'/]);

# ---- globs in schemas; schemas that match nothing ----

replaces("'sal*.users'", 'sales.users');
replaces("'sal*.pe*'", 'sales.people');
replaces("schemas => '{sal*}'", 'sales.people sales.plans sales.users');
$w->refused("'zz*.users'", 'a schema glob that matches nothing', sqlstate => '42P01', message => [qr/zz\*/]);
foreach my $schema ('sale', 'zz*')
{
	my $run = $w->pull("schemas => '{$schema}'");
	is($run->{sqlstate}, '3F000', "the unknown schema $schema is an error of the call") or diag($run->{err});
	like($run->{message}, $schema eq 'sale' ? qr/^schema "sale" does not exist in the local database$/
		: qr/^no schema of the local database matches "zz\*"$/, 'naming it');
	unlike($run->{err}, qr/opening the tunnel/, 'before the tunnel');
}
$w->write_config("schemas: [sales, sale]\n");
like(replaces('', 'sales.people sales.plans sales.users')->{err},
	qr/WARNING:  01000: "sale" in "schemas" of file "[^"]*" matches no local schema$/m, 'in the file it is a warning');

# ---- excludes that match nothing ----

$w->source_sql('CREATE TABLE "Session" (id int PRIMARY KEY, t text)');
$w->local_sql('CREATE TABLE "Session" (id int PRIMARY KEY, t text)');
$w->write_config("exclude: [session, schema_migrations, '\"star*\"', p*, a*, users, starfish]\n");
$run = replaces('', '"Session"');
like($run->{err}, qr/WARNING:  01000: "session" in "exclude" of file "[^"]*" matches no table
HINT:  Perhaps you meant "Session"\./,
	'a name in other case is a warning with the right name');
is(scalar(() = $run->{err} =~ /matches no table/g), 1, 'and the only one');
$w->write_config("exclude: [Session, nowhere.*]\n");
$run = replaces('', '"star*" audit_log pages parts starfish users');
like($run->{err}, qr/"nowhere\.\*" in "exclude" of file "[^"]*" matches no table$/m, 'in an unknown schema, too');
$w->refused("exclude => '{sesion}'", 'an exclude of the call that matches nothing', sqlstate => '42P01',
	message => [qr/"sesion" in "exclude" matches no table/, qr/HINT:  Perhaps you meant "Session"\./]);
$w->write_config('');

# ---- tables of one side, and those of frameworks ----

$run = replaces('', '"Session" "star*" audit_log pages parts starfish users');
like($run->{err}, qr/NOTICE:  00000: tables that only one side has are left as they are
DETAIL:  Only on the source: only_there\.\nOnly here: only_here\.$/m,
	'tables that one side has are told');
unlike(replaces("'users'", 'users')->{err}, qr/only one side/, 'not to a call that names its tables');

my $state = 'CREATE TABLE schema_migrations (version text); CREATE TABLE ar_internal_metadata (key text, value text);
	CREATE TABLE "__EFMigrationsHistory" (id text); CREATE TABLE migrations (id int, migration text, batch int);
	CREATE TABLE sales.migrations (id int, bird text);';
$w->source_sql("$state INSERT INTO ar_internal_metadata VALUES ('environment', 'production');
	INSERT INTO sales.migrations VALUES (1, 'swallow')");
$w->local_sql("$state INSERT INTO ar_internal_metadata VALUES ('environment', 'development')");
foreach my $arguments ('', "'*'")
{
	$run = replaces($arguments, '"Session" "star*" audit_log pages parts starfish users');
	is($w->local_sql('SELECT value FROM ar_internal_metadata'), 'development', 'this database stays what it is');
	my $names = '"__EFMigrationsHistory", ar_internal_metadata, migrations, schema_migrations';
	like($run->{err}, qr/NOTICE:  00000: migration tables of frameworks are left out: $names$/m,
		'one NOTICE names them');
}
replaces("'sales.*'", 'sales.migrations sales.people sales.plans sales.users');
is($w->local_sql('SELECT bird FROM sales.migrations'), 'swallow',
	'a table of the user that is called migrations comes');
replaces("'ar_internal_metadata'", 'ar_internal_metadata');
is($w->local_sql('SELECT value FROM ar_internal_metadata'), 'production', 'named, it comes');
$w->write_config(qq{exclude: ["!default", p*, users, audit_log, star*, Session]\n});
$run = replaces('', '"__EFMigrationsHistory" ar_internal_metadata migrations schema_migrations');
unlike($run->{err}, qr/left out|!default/, '"!default" lets them come');
$w->write_config("exclude: [schema_migrations]\n");
my $kept = 'a framework keeps its migration state in it';
like($w->call("SELECT table_name, status, reason, hint FROM pgtunsync.plan() WHERE status = 'excluded'
	ORDER BY 1")->finish->{out},
	qr/\A"__EFMigrationsHistory"\|excluded\|$kept\|Name it to pull it, or add "!default" to exclude\.
ar_internal_metadata\|.*\nmigrations\|.*\nschema_migrations\|excluded\|excluded by "schema_migrations"\|$/,
	'the plan has a row for each');

done_testing();
