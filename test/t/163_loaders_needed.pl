# A pull takes as many loaders, worker slots, SSH sessions and connections of
# the source as its tables can use.  One that finds no worker slot has its row
# in the audit.

use strict;
use warnings;
use PgTunsync;
use PgTunsync::Process;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $w = PgTunsync->new(empty => 1, source_conf => "log_connections = on\n");
my $schema = q{
	CREATE TABLE one (id int PRIMARY KEY, t text);
	CREATE TABLE two (id int PRIMARY KEY, t text);
	CREATE TABLE three (id int PRIMARY KEY, t text);
	CREATE TABLE logs (id int, at int) PARTITION BY RANGE (at);
	CREATE TABLE logs_a PARTITION OF logs FOR VALUES FROM (0) TO (50);
	CREATE TABLE logs_b PARTITION OF logs FOR VALUES FROM (50) TO (100);
};
$w->both_sql("$schema
	INSERT INTO one SELECT i, repeat(md5(i::text), 100) FROM generate_series(1, 1200) i;
	INSERT INTO two VALUES (1, 'a'); INSERT INTO three VALUES (1, 'a');
	INSERT INTO logs SELECT i, i % 100 FROM generate_series(1, 300) i; ANALYZE");

# Pulls and returns the numbers of SSH sessions, of connections of the source,
# and of loaders that were seen while the first table is locked there.
sub takes
{
	my ($arguments, $locked) = @_;
	my ($ssh_start, $log_start) = (-s $w->jump->log, -s $w->source->logfile);
	my $holder = $w->call("BEGIN; LOCK TABLE $locked; SELECT 'has';", node => $w->source,
		database => 'production', more => 1);
	$holder->wait_message(qr/has/, 'out');
	my $pull = $w->start_pull($arguments);
	$pull->wait_message(qr/is locked on the source/);
	my @loaders = $w->worker_pids('loader');
	$holder->finish;
	is($pull->finish->{rc}, 0, "$arguments: succeeds") or diag($pull->{err});
	my $sessions = () = slurp_file($w->jump->log, $ssh_start) =~ /Accepted publickey/g;
	my $connections = () = slurp_file($w->source->logfile, $log_start)
	  =~ /connection authorized: user=reader .*application_name=pgtunsync/g;
	unlike($pull->{err}, qr/going on with/, 'and is not told that loaders are missing');
	return "$sessions $connections " . @loaders;
}

is(takes("'one', jobs => 4", 'one'), '2 2 1', 'one small table: one loader');
is(takes("'one,two', jobs => 4", 'one'), '3 3 2', 'two tables: two');
is(takes("'logs', jobs => 4", 'logs_a'), '3 3 2', 'a table of two partitions: two');
is(takes("'logs,one,two,three', jobs => 4", 'one'), '5 5 4', 'five: as many as allowed');
is(takes("'logs,one,two,three', jobs => 2", 'one'), '3 3 2', 'or as the call says');
is(takes("'one', mode => 'append', jobs => 4", 'one'), '2 2 1', 'an append: one');

# a table that was never analyzed here may become large; the plan knows better
$w->local_sql('TRUNCATE one; CREATE TABLE fresh (id int PRIMARY KEY, t text)');
$w->source_sql('CREATE TABLE fresh (id int PRIMARY KEY, t text); INSERT INTO fresh VALUES (1, 1)');
my $holder = $w->call("BEGIN; LOCK TABLE fresh; SELECT 'has';", node => $w->source, database => 'production', more => 1);
$holder->wait_message(qr/has/, 'out');
my $pull = $w->start_pull("'fresh', jobs => 4");
$pull->wait_message(qr/is locked on the source/);
PgTunsync::Process::wait_until('loaders that are not needed end', sub { $w->worker_pids('loader') == 1 });
pass('the loaders that the plan cannot use have ended');
$holder->finish;
is($pull->finish->{rc}, 0, 'the pull succeeds') or diag($pull->{err});
$w->both_equal('fresh');

# large here: all of them from the beginning; large there: steps
$w->source_sql("UPDATE pg_class SET relpages = 300 * 128 WHERE oid = (SELECT reltoastrelid FROM pg_class
	WHERE oid = 'one'::regclass)");
$w->local_sql("UPDATE pg_class SET relpages = 100000, reltuples = 1 WHERE oid = 'one'::regclass");
is(takes("'one', jobs => 4", 'one'), '5 5 4', 'a large table: all loaders');
$w->both_equal(qw(one two three logs fresh));
$w->nothing_left;

# ---- no slot ----

# the launcher of logical replication has one
$w->local_node->append_conf('postgresql.conf', "max_worker_processes = 2\n");
$w->local_node->restart;
my $before = $w->snapshot;
$w->refused("'one'", 'no slot for the tunnel', sqlstate => '53400', before_tunnel => 1,
	message => [ qr/no free background worker slot for the tunnel/, qr/Raise "max_worker_processes"/ ]);
$w->local_node->append_conf('postgresql.conf', "max_worker_processes = 3\n");
$w->local_node->restart;
$w->refused("'one'", 'no slot for a loader', sqlstate => '53400',
	message => [ qr/no free background worker slot for the loaders/, qr/Raise "max_worker_processes"/ ]);
is($w->last_run('finished_at IS NOT NULL'), 't', 'the audit has a final state');

done_testing();
