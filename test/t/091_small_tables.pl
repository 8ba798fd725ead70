# Many small tables.  A hundred tables take as many queries on the source as
# one, and errors in the answers are noticed.

use strict;
use warnings;
use PgTunsync;
use PgTunsync::Process;
use PostgreSQL::Test::Utils;
use Test::More;

my $w = PgTunsync->new(users => 20);
my @small = map { "small_$_" } 1 .. 40;

foreach my $name (@small)
{
	my $sql = "CREATE TABLE $name (id serial PRIMARY KEY, note text, other serial);";
	$w->source_sql("$sql INSERT INTO $name (note) SELECT '$name ' || i FROM generate_series(1, 30) i;
		SELECT setval('${name}_other_seq', 77, false)");
	$w->local_sql($sql);
}
$w->source_sql('ANALYZE');
$w->source_sql('GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;
	GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO reader');

# Returns the messages that sessions of pgtunsync send to the source meanwhile.
# Loaders prepare their sessions while the leader plans: nothing waits for that.
sub messages
{
	my ($code) = @_;
	my $node = $w->source;
	$node->append_conf('postgresql.conf', "log_statement = 'all'\nlog_line_prefix = '%a|%p: '");
	$node->reload;
	my $from = -s $node->logfile;
	$code->();
	my $log = substr(slurp_file($node->logfile), $from);
	$node->append_conf('postgresql.conf', "log_statement = 'none'");
	$node->reload;
	return grep { !/LOG:  statement: (ROLLBACK$|COMMIT$|BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY; )/ } $log =~ /^(pgtunsync\/.*LOG:  statement: .*)$/mg;
}

my $list = join ',', @small;
my @one = messages(sub { is($w->pull("'small_1', jobs => 2")->{rc}, 0, 'one table'); });
my @all = messages(sub { is($w->pull("'$list', jobs => 2")->{rc}, 0, 'forty tables'); });
$w->both_equal(@small);
is(scalar(@one), 2, 'one table takes a message about it and one for its rows') or diag(join "\n", @one);
is(scalar(@all), 3, 'forty take one about them, and one for each loader\'s share')
  or diag(join "\n", map { substr $_, 0, 200 } @all);
is($w->local_sql("SELECT last_value, is_called FROM small_7_id_seq"), '30|t', 'sequences came along');
is($w->local_sql("SELECT last_value, is_called FROM small_7_other_seq"), '77|f', 'also one that was never called');
my $files = "SELECT string_agg(relfilenode::text, ',' ORDER BY relname) FROM pg_class WHERE relkind = 'S'
	AND relname LIKE 'small%'";
my $sequences = $w->local_sql($files);
is($w->pull("'$list', jobs => 2")->{rc}, 0, 'once more');
is($w->local_sql($files), $sequences, 'sequences that are in the state of the source\'s are not touched');
$w->nothing_left;

# ---- names in another spelling ----

is($w->pull("'{small_2,SMALL_3}'")->{rc}, 0, 'a name that is folded is found as well');
$w->both_equal(qw(small_2 small_3));

# ---- truncated while the run was under way ----

my $before = $w->local_sql('SELECT count(*) FROM small_5');
my $truncate = PgTunsync::Call->new($w->source, "BEGIN; TRUNCATE small_5; SELECT 'held';",
	database => 'production', more => 1);
$truncate->wait_message(qr/held/, 'out');
my $call = $w->start_pull("'{small_4,small_5,small_6}', jobs => 1");
PgTunsync::Process::wait_until('a loader at the lock',
	sub { $w->source_sql("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'pgtunsync/%'
		AND wait_event_type = 'Lock'") > 0 });
$truncate->say('COMMIT;');
$truncate->finish;
my $run = $call->finish;
isnt($run->{rc}, 0, 'a table that was truncated after the snapshot fails the call');
like($run->{err}, qr/small_5 was truncated or rewritten on the source during the run/, 'by its name');
is($w->local_sql('SELECT count(*) FROM small_5'), $before, 'it is left as it was');
$w->both_equal(qw(small_4 small_6));
is($w->local_sql("SELECT string_agg(status, ',' ORDER BY table_name) FROM pgtunsync.run_tables
	WHERE run_id = (SELECT max(id) FROM pgtunsync.runs)"),
	'succeeded,failed,succeeded', 'the audit says so');
$w->nothing_left;

done_testing();
