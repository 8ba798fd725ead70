# pgtunsync.plan() shows what a pull with the same arguments would do, a row
# for each table.  It changes and records nothing, and reads only catalogs from
# the source.

use strict;
use warnings;
use PgTunsync;
use PgTunsync::Sshd;
use PostgreSQL::Test::Utils;
use Test::More;

my $w = PgTunsync->new(empty => 1, source_conf => "log_statement = 'all'\n");

$w->both_sql(q{
	CREATE TABLE stores (id int PRIMARY KEY, name text);
	CREATE TABLE products (id int PRIMARY KEY, store_id int, email text, v varchar(10));
	CREATE TABLE sessions (id int PRIMARY KEY, data text);
	CREATE TABLE audit_log (id int);
	CREATE TABLE strict (id int PRIMARY KEY);
	CREATE TABLE logs (id int, at date) PARTITION BY RANGE (id);
	CREATE TABLE logs_a PARTITION OF logs FOR VALUES FROM (0) TO (50);
	CREATE TABLE logs_b PARTITION OF logs FOR VALUES FROM (50) TO (1000)});
$w->source_sql(q{ALTER TABLE stores ADD COLUMN only_there int; ALTER TABLE products ALTER COLUMN v TYPE text;
	CREATE TABLE only_there (id int);
	INSERT INTO stores SELECT i, 'a store with a name ' || i FROM generate_series(1, 1000) i;
	INSERT INTO logs SELECT i FROM generate_series(0, 99) i; INSERT INTO audit_log VALUES (1); ANALYZE});
$w->local_sql(q{ALTER TABLE stores ADD COLUMN mine int; ALTER TABLE strict ADD COLUMN needed int NOT NULL;
	CREATE VIEW seen AS SELECT 1 AS id; CREATE TABLE only_here (id int);
	INSERT INTO stores VALUES (1, 'stale'), (2, 'stale'); ANALYZE});
$w->source_sql('CREATE TABLE seen (id int); INSERT INTO strict VALUES (1); ANALYZE strict');
my $config = <<'YML';
exclude: [audit_*]
empty: [sessions]
filters: {logs: id < 70}
data_rules: {email: unique_email, v: random_letter}
groups: {some: [stores, products, nonesuch]}
YML
$w->write_config($config);

my $before = $w->snapshot;
my $recorded = $w->local_sql('SELECT count(*) FROM pgtunsync.runs');

# The rows of a plan by table: {column => value}, null as ''.
my @names = qw(table_name status mode filter columns columns_masked columns_unmasked columns_missing columns_extra
	columns_retyped source_rows source_bytes local_rows reason hint);
sub planned
{
	my ($arguments, %params) = @_;
	my $all = join(', ', map { "coalesce($_\::text, '')" } @names);
	my $call = $w->call("SELECT concat_ws(chr(31), $all) || chr(30) FROM pgtunsync.plan($arguments);", %params)->finish;
	my %rows;
	foreach my $line (split /\x1e\n?/, $call->{out})
	{
		my %row;
		@row{@names} = split /\x1f/, $line, -1;
		$rows{ $row{table_name} } = \%row;
	}
	return ($call, \%rows);
}

# A test: the call had no effects.
sub nothing_happened
{
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	subtest 'nothing happened' => sub {
		$w->unchanged($before);
		$w->nothing_left;
		is($w->local_sql('SELECT count(*) FROM pgtunsync.runs'), $recorded, 'no run was recorded');
		unlike(slurp_file($w->source->logfile), qr/statement: .*COPY/, 'no row was asked for');
	};
	return;
}

# ---- all tables ----

my ($call, $rows) = planned('');
is($call->{rc}, 0, 'plan() of all tables') or diag($call->{err});
is($call->{err}, '', 'without a word');
is(join(' ', sort keys %$rows), 'audit_log logs_a logs_b only_here only_there products sessions stores strict',
	'a row for each');
is_deeply([ map { $rows->{$_}{status} } qw(audit_log logs_a logs_b products sessions stores strict) ],
	[qw(excluded pulled pulled pulled emptied pulled refused)], 'what becomes of them');
is_deeply([ map { @{ $rows->{$_} }{qw(status reason)} } qw(only_here only_there) ],
	[ 'only here', 'the source does not have it', 'only on the source', 'the local database does not have it' ],
	'tables of one side');
is_deeply([ @{ $rows->{stores} }{qw(mode filter columns columns_missing columns_extra columns_retyped source_rows
	local_rows reason)} ], [ 'replace', '', '{id,name}', '{only_there}', '{mine}', '', 1000, 2, '' ],
	'a table as it is');
cmp_ok($rows->{stores}{source_bytes}, '>=', 8192, 'with its size there');
is_deeply([ @{ $rows->{products} }{qw(columns columns_masked columns_retyped)} ],
	[ '{id,store_id,email,v}', '{"email: unique_email","v: random_letter"}', '{"v: text -> character varying(10)"}' ],
	'masks and types');
is_deeply([ @{ $rows->{logs_b} }{qw(filter source_rows)} ], [ 'id < 70', 50 ], 'partitions, by their filter');
is_deeply([ @{ $rows->{sessions} }{qw(mode filter reason)} ], [ 'replace', '', '' ], 'one that is emptied');
is_deeply([ @{ $rows->{audit_log} }{qw(mode columns source_rows reason)} ], [ '', '', 1, 'excluded by "audit_*"' ],
	'one that is excluded');
like($rows->{strict}{reason}, qr/NOT NULL.*\nColumns: needed\./, 'one that is refused, and why');
like($rows->{strict}{hint}, qr/default/, 'and what to do');
nothing_happened();

# ---- names, groups, filters ----

($call, $rows) = planned("'stores,nonesuch,storse,only_here,only_there,seen,audit_log'");
is($call->{rc}, 0, 'unknown names are no end of it') or diag($call->{err});
is(join(' ', map { "$_:$rows->{$_}{status}" } sort keys %$rows),
	'audit_log:excluded nonesuch:refused only_here:refused only_there:refused seen:refused stores:pulled '
		. 'storse:refused', 'but rows');
like($rows->{nonesuch}{reason}, qr/does not exist on either side/, 'a name that nobody knows');
is($rows->{storse}{hint}, 'Perhaps you meant stores.', 'or a misspelt one');
like($rows->{only_here}{reason}, qr/not exist on the source/, 'one that only we have');
like($rows->{only_there}{reason}, qr/not exist in the local/, 'one that only the source has');
like($rows->{seen}{reason}, qr/a view/, 'a view');
($call, $rows) = planned("grp => 'some'");
like($rows->{nonesuch}{reason}, qr/group "some", line 5/, 'a group with an unknown name') or diag($call->{err});
($call, $rows) = planned(q{'{stores,products}'::text[], filter => 'id < {n}', mode => 'replace',
	variables => '{"n": 5}', exclude => '{prod*}', jobs => 1, wait => false, on_error => 'abort'});
is_deeply([ map { @{ $rows->{$_} }{qw(status filter reason)} } qw(products stores) ],
	[ 'excluded', '', 'excluded by "prod*"', 'pulled', 'id < {n}', '' ], 'all arguments of a pull')
  or diag($call->{err});
($call, $rows) = planned("'stores', filter => 'only_there = nowhere', mode => 'replace'");
like($rows->{stores}{reason}, qr/by its clause: .*column "nowhere" does not exist\n.*only_there = nowhere/,
	'a filter that the source refuses') or diag($call->{err});
is(join(' ', map { "$_->{table_name}:$_->{status}" } map { $_->{table_name} =~ /^logs/ ? $_
	: () } @{ (planned("'logs', exclude => '{logs_b}'"))[1] }{qw(logs_a logs_b)}), 'logs_a:pulled logs_b:excluded',
	'an excluded partition lets the others be');
nothing_happened();

# ---- rules ----

$w->write_config("data_rules: {id: random_letter}\n");
($call, $rows) = planned("'products,stores'");
like($rows->{products}{reason}, qr/data rule "random_letter" cannot work for column id/, 'a rule that cannot work');
$w->write_config("data_rules: {v: random_letter}\n");
($call, $rows) = planned("'products,stores'");
is($rows->{products}{columns_unmasked}, '{email}', 'columns that look sensitive');
is($rows->{products}{status}, 'pulled', 'are pulled');
$w->setting(require_rules => 'on');
($call, $rows) = planned("'products,stores'");
is($rows->{products}{status} . $rows->{stores}{status}, 'refusedrefused', 'unless rules are required');
like($rows->{products}{reason}, qr/look sensitive.*: email$/, 'and the reason is there');
$w->setting(require_rules => undef);
$w->write_config($config);

# ---- what stops a pull, stops a plan ----

is((planned('\'stores\', mode => \'x\''))[0]{sqlstate}, '22023', 'an argument that cannot be');
is((planned("grp => 'nonesuch'"))[0]{sqlstate}, '42704', 'an unknown group');
is((planned("'stores', rules => false"))[0]{sqlstate}, '42501', 'no rules');
$w->write_config("exclude: {a: b}\n");
is((planned(''))[0]{sqlstate}, 'F0000', 'a configuration that cannot be read');
$w->write_config($config);
$w->write_env(PGSYNC_REMOTE_PORT => 1);
like((planned(''))[0]{err}, qr/cannot be reached/, 'a source that cannot be reached');
$w->write_env;
nothing_happened();

# ---- rights ----

$w->local_sql('CREATE ROLE alice LOGIN; CREATE ROLE bob LOGIN; ALTER TABLE stores OWNER TO alice;
	GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pgtunsync TO alice');
$before = $w->snapshot;
is((planned('', user => 'bob'))[0]{sqlstate}, '42501', 'not everybody may ask');
($call, $rows) = planned("'stores,products'", user => 'alice');
is_deeply([ map { $rows->{$_}{status} } qw(stores products) ], [qw(pulled refused)], 'who may is shown what she may')
  or diag($call->{err});
like($rows->{products}{reason}, qr/permission denied.*\n.*TRUNCATE and INSERT/, 'and why not the rest');

# ---- locks ----

my $writer = $w->call("BEGIN; INSERT INTO stores VALUES (77, 'x'); SELECT 'ready';", more => 1);
$writer->wait_message(qr/ready/, 'out');
is((planned("'stores'"))[1]{stores}{status}, 'pulled', 'writers are not in its way');
$writer->say('ROLLBACK;');
$writer->finish;
$call = $w->call("BEGIN; INSERT INTO stores VALUES (77, 'x'); SELECT status FROM pgtunsync.plan('stores');
ROLLBACK;")->finish;
is($call->{out}, "pulled\n", 'nor what the caller has done') or diag($call->{err});
$call = $w->call("BEGIN READ ONLY; SELECT status FROM pgtunsync.plan('stores'); COMMIT;")->finish;
is($call->{out}, "pulled\n", 'in a read-only transaction') or diag($call->{err});
$w->setting(lock_timeout => '300ms');
my $altering = $w->call("BEGIN; ALTER TABLE stores ADD COLUMN later int; SELECT 'ready';", more => 1);
$altering->wait_message(qr/ready/, 'out');
is((planned("'stores'"))[0]{sqlstate}, '55P03', 'a table that is being altered cannot be looked at');
$altering->say('ROLLBACK;');
$altering->finish;
nothing_happened();

# ---- interrupted ----

kill 'STOP', $w->jump->pid;
$call = $w->call('SELECT * FROM pgtunsync.plan();', options => '-c statement_timeout=700ms')->finish;
is($call->{sqlstate}, '57014', 'it can be cancelled');
kill 'CONT', $w->jump->pid;
nothing_happened();
is((planned("'stores'"))[1]{stores}{status}, 'pulled', 'and then it works');

done_testing();
