# Which tables a call means: search_path, schemas, globs, exclusions, groups.

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
$w->local_sql("CREATE TABLE only_here (id int); CREATE VIEW a_view AS SELECT 1 AS x; CREATE MATERIALIZED VIEW a_matview AS SELECT 1 AS x");
$w->source_sql("CREATE VIEW a_view AS SELECT 1 AS x; CREATE MATERIALIZED VIEW a_matview AS SELECT 1 AS x");
foreach my $table (qw(users parts pages audit_log sales.users sales.plans sales.people "star*" starfish), q{"Odd.Name"."My Table"})
{
	$w->source_sql(qq{INSERT INTO $table SELECT i, 'source ' || i FROM generate_series(1, 5) i});
	$w->local_sql(qq{INSERT INTO $table VALUES (99, 'local')});
}

# A test: this call, in this session, replaced exactly these tables.
sub replaces
{
	my ($arguments, $expected, $setup) = @_;
	my $run = $w->call(($setup || '') . "SELECT pgtunsync.pull($arguments);", go_on => 1)->finish;
	is( $w->local_sql("SELECT coalesce(string_agg(table_name, ' ' ORDER BY table_name COLLATE \"C\"), '') FROM pgtunsync.run_tables
			WHERE status = 'succeeded' AND run_id = (SELECT max(id) FROM pgtunsync.runs)"),
		$expected, "pull($arguments) " . ($setup || '')) or diag($run->{err});
	return $run;
}

# ---- no argument: the schemas of the caller's search path ----

replaces('', '"star*" audit_log pages parts starfish users');
replaces('', 'sales.people sales.plans sales.users', 'SET search_path = sales;');
replaces('', 'audit_log pages parts sales.people sales.plans sales.users starfish users "star*"' =~ s/(.*) ("star\*")/$2 $1/r, 'SET search_path = public, sales;');

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
$w->both_equal('users', 'parts', 'pages', 'sales.users', 'sales.plans', 'sales.people', '"Odd.Name"."My Table"', '"star*"');

# ---- names that cannot be meant ----

$w->refused("'nowhere'", 'a name that neither side knows', sqlstate => '42P01', message => [qr/nowhere/]);
$w->refused("'users,nowhere'", 'one such name among others', sqlstate => '42P01', message => [qr/nowhere/]);
$w->refused("'no_such_schema.users'", 'an unknown schema', sqlstate => '42P01|3F000', message => [qr/no_such_schema/]);
$w->refused("'zz*'", 'a glob that matches nothing', sqlstate => '42P01', message => [qr/zz\*/]);
$w->refused("'a_view'", 'a view', sqlstate => '42809|0A000', message => [qr/a_view/]);
$w->refused("'a_matview'", 'a materialised view', sqlstate => '42809|0A000', message => [qr/a_matview/, qr/REFRESH/i]);
$w->refused("'pg_catalog.pg_class'", 'a system table', sqlstate => '\w{5}', message => [qr/pg_class/]);
$w->refused("'pgtunsync.runs'", "the extension's own table", sqlstate => '\w{5}', message => [qr/runs/]);

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
my $run = replaces("NULL, 'two'", 'pages parts');
is($w->last_run('requested_group'), 'two', 'the audit names the group');
$w->refused("grp => 'three'", 'an unknown group', sqlstate => '42704|F0000', message => [ qr/three/, qr/pgsync\.yml/ ]);
$w->refused("'group:three'", 'an unknown group in the list', sqlstate => '42704|F0000', message => [qr/three/]);

# ---- schemas in the configuration ----

$w->write_config("schemas:\n  - sales\n");
replaces('', 'sales.people sales.plans sales.users');

done_testing();
