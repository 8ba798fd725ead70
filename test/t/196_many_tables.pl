# What a pull of many tables says: a NOTICE for what is slow, large or odd, sums
# by schema, the WARNINGs once more, and one message for what many tables have
# in common.  A pull of few tables has a NOTICE for each.

use strict;
use warnings;
use PgTunsync;
use PgTunsync::Agreement;
use PostgreSQL::Test::Utils;
use Test::More;

my $w = PgTunsync->new(empty => 1);
my $tables = 25;
my $sql = join('', map {
		my $schema = $_;
		"CREATE SCHEMA $schema;" . join('', map { "CREATE TABLE $schema.t$_ (id int PRIMARY KEY, x text);" } 1 .. $tables)
} qw(app log));
$w->both_sql($sql);
foreach my $schema (qw(app log))
{
	$w->source_sql(join('',
		map { "INSERT INTO $schema.t$_ SELECT i, 'new' FROM generate_series(1, 10) i;" } 1 .. $tables));
}
$w->local_sql("INSERT INTO app.t7 VALUES (1, 'old'); ANALYZE app.t7");
$w->source_sql('TRUNCATE app.t7');

# The messages of a finished call: [level, message, detail].
sub messages
{
	my ($call) = @_;
	return map {
		my ($level, $message) = /^(\w+):  \w{5}: (.*)/;
		my ($detail) = /^DETAIL:  (.*?)(?=^(?:HINT|LOCATION|CONTEXT):|\z)/ms;
		[ $level, $message, defined $detail ? $detail =~ s/\n\z//r : '' ]
	} grep { /^\w+:  \w{5}: / } split /^(?=(?:NOTICE|WARNING|ERROR):)/m, $call->{err};
}

my @all = map { my $schema = $_; map { "$schema.t$_" } 1 .. $tables } qw(app log);
my $all = 'schemas => \'{app,log}\'';

# ---- many ----

my $run = $w->pulls($all, 'many tables', \@all);
my @messages = messages($run);
is(scalar(@messages), 3, 'three messages') or diag($run->{err});
like($messages[0][1], qr/opening the tunnel/, 'the tunnel');
like($messages[1][1], qr/^app\.t7: 0 rows, \d+ bytes in \d+\.\d s$/, 'a table that has lost all its rows')
  or diag($run->{err});
is($messages[2][1] =~ s/, \d+ bytes in \d+\.\d s/, B in S/r =~ s/, \d+ kB in \d+\.\d s/, B in S/r,
	"run $run->{id}: 50 tables replaced, 490 rows, B in S", 'the sums');
is($messages[2][2] =~ s/, \d+ (?:bytes|kB)$/, B/mgr,
	"log: 25 tables, 250 rows, B\napp: 25 tables, 240 rows, B\nEach table is in pgtunsync.run_tables, "
	  . "run_id $run->{id}.", 'by schema, and where to find the rest');
is($w->local_sql("SELECT count(*), sum(rows) FROM pgtunsync.run_tables WHERE run_id = $run->{id}"), '50|490',
	'which is there');

# ---- few ----

$run = $w->pulls("'app.t1,app.t2', jobs => 1", 'few tables', [ 'app.t1', 'app.t2' ]);
is_deeply([ map { $_->[1] =~ s/, \d+ bytes in .*//r =~ s/:.*tunnel.*/: tunnel/r } messages($run) ],
	[ "run $run->{id}: tunnel", (map { "app.t$_: 10 rows" } 1 .. 2), "run $run->{id}: 2 tables replaced, 20 rows" ],
	'each has its NOTICE') or diag($run->{err});
@messages = messages($run);
like($messages[0][2], qr/\ASSH target: \S+ \(alias "hatchbox"\); as a command: ssh -N .* hatchbox\z/,
	'a banner of two lines');
$run = $w->pulls("'app.t1'", 'with client_min_messages = debug1', ['app.t1'],
	options => '-c client_min_messages=debug1');
like((grep { $_->[1] =~ /opening the tunnel/ } messages($run))[0][2],
	qr/\ASSH target: .*\nJump host: .*\nLocal entrance: .*\nRemote end: .*\nWhy: .*\nAs a command: ssh .*
Tunnel worker: pid \d+\z/,
	'all that is known of the tunnel');

# ---- a warning in the middle ----

$w->local_sql(q{CREATE FUNCTION app.warn(text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
	RAISE WARNING 'look at %', $1; RETURN true; END $$;
	ALTER TABLE log.t3 ADD CHECK (app.warn(x))});
$run = $w->pull($all);
is($run->{rc}, 0, 'a WARNING in the middle') or diag($run->{err});
@messages = messages($run);
is($messages[-1][1], "run $run->{id}: there was 1 warning", 'is there again at the end') or diag($run->{err});
is($messages[-1][2], 'table log.t3: look at new', 'with its text, once');
is($messages[-1][0], 'NOTICE', 'as a NOTICE');
$run = $w->pull("'log.t3'");
unlike($run->{err}, qr/there (?:was|were) \d+ warning/, 'few tables need no second time');
$w->local_sql('ALTER TABLE log.t3 DROP CONSTRAINT t3_x_check');

# ---- what many have in common ----

$w->source_sql(join('', map { "ALTER TABLE app.t$_ ADD COLUMN more int;" } 1 .. $tables));
$run = $w->pull($all);
is($run->{rc}, 0, 'columns differ') or diag($run->{err});
my @differ = grep { $_->[1] =~ /differ/ } messages($run);
is(scalar(@differ), 1, 'one NOTICE for all tables');
like($differ[0][1], qr/^columns of 25 tables differ from the source's: app\.t1, app\.t\d+, .* and 15 more$/,
	'has some names');
$run = $w->pull("'app.t1,app.t2'");
is(scalar(() = $run->{err} =~ /columns of table app\.t\d differ from the source's/g), 2, 'few have one each');

# partitions that fail with one
$w->both_sql('CREATE TABLE parted (id int) PARTITION BY LIST (id);'
	  . join('', map { "CREATE TABLE part$_ PARTITION OF parted FOR VALUES IN ($_);" } 1 .. 40));
$w->source_sql('INSERT INTO parted SELECT generate_series(1, 40); REVOKE pg_read_all_data FROM reader;
	GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader; REVOKE ALL ON part9 FROM reader');
$run = $w->pull("'parted'");
is($run->{sqlstate}, '42501', 'a partition that may not be read');
my @warnings = grep { $_->[0] eq 'WARNING' } messages($run);
is(scalar(@warnings), 2, 'is a WARNING, and one for all the others') or diag($run->{err});
like((grep { $_->[1] =~ /left as it is/ } @warnings)[0][2],
	qr/^The same is true of 38 more tables: part\d+, .* and 28 more\.$/,
	'which are counted') or diag($run->{err});

# a local partition that is missing
$w->source_sql('GRANT SELECT ON part9 TO reader; CREATE TABLE part41 PARTITION OF parted FOR VALUES IN (41);
	GRANT SELECT ON part41, parted TO reader; INSERT INTO parted VALUES (41)');
$run = $w->pull("'parted'");
is($run->{sqlstate}, '23514', 'a partition that is missing here');
@warnings = grep { $_->[0] eq 'WARNING' } messages($run);
is(scalar(@warnings), 1, 'is one WARNING for 40 partitions') or diag($run->{err});
like($warnings[0][2], qr/^The same is true of 39 more tables: /, 'with their number');
$w->source_sql('GRANT pg_read_all_data TO reader');

# tables that fail by their rows, while others are loaded
$w->local_sql(join('', map { "TRUNCATE log.t$_; ALTER TABLE log.t$_ ADD CHECK (id < 5);" } 1 .. 20));
$run = $w->pull($all);
is($run->{sqlstate}, '23514', 'rows that violate a constraint');
@warnings = grep { $_->[0] eq 'WARNING' } messages($run);
is(scalar(@warnings), 6, 'five are told one by one, then the rest') or diag($run->{err});
like($warnings[-1][2], qr/^14 more with this SQLSTATE: log\.t\d+, /, 'with their names') or diag($run->{err});
is($w->local_sql("SELECT count(*) FROM pgtunsync.run_tables WHERE run_id = (SELECT max(id) FROM pgtunsync.runs)
	AND status = 'failed' AND error LIKE '%violates check constraint%'"), 20, 'the audit has each');

done_testing();
