# A migration on the source locks several tables in one transaction while a pull
# reads them.  Neither waits for the other without end, whatever the order; the
# application's reads behind the migration go on, the source never finds a
# deadlock, and the pull brings the rows of its snapshot.

use strict;
use warnings;
use PgTunsync;
use PgTunsync::Compare;
use PgTunsync::Process;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $w = PgTunsync->new(empty => 1, source_conf => "log_statement = all\nmax_connections = 60\n");
my $schema = q{
	CREATE TABLE users (id serial PRIMARY KEY, email text);
	CREATE TABLE orders (id int PRIMARY KEY, user_id int, note text);
	CREATE TABLE logs (id int, at int) PARTITION BY RANGE (at);
	CREATE TABLE logs_a PARTITION OF logs FOR VALUES FROM (0) TO (50);
	CREATE TABLE logs_b PARTITION OF logs FOR VALUES FROM (50) TO (100);
	CREATE TABLE config (id int PRIMARY KEY, v text);
	CREATE TABLE events (id int PRIMARY KEY, v text);
};
$w->source_sql($schema . q{
	INSERT INTO users(email) SELECT 'u' || i FROM generate_series(1, 10) i;
	INSERT INTO orders SELECT i, 1 + i % 10, 'x' FROM generate_series(1, 1000) i;
	INSERT INTO logs SELECT i, i % 100 FROM generate_series(1, 300) i;
	INSERT INTO config VALUES (1, 'a');
	INSERT INTO events SELECT i, repeat('x', 500) FROM generate_series(1, 2000) i;
	CREATE TABLE whole (id int, at int) PARTITION BY RANGE (at);
	CREATE TABLE whole_a PARTITION OF whole FOR VALUES FROM (0) TO (50);
	CREATE TABLE whole_b PARTITION OF whole FOR VALUES FROM (50) TO (100);
	INSERT INTO whole SELECT i, i % 100 FROM generate_series(1, 300) i;
	ALTER SYSTEM SET autovacuum = off; SELECT pg_reload_conf(); VACUUM ANALYZE});
$w->local_sql($schema . 'CREATE TABLE whole (id int, at int)');
my $column = 0;

sub on_source { return $w->call($_[0], node => $w->source, database => 'production', more => 1); }

# Begins a migration with one statement, pulls, and goes on with the other when
# the pull waits for the first table.  Then an application reads both.
sub migrates_meanwhile
{
	my ($title, $first, $second, $arguments, $read) = @_;
	my $name = 'added_' . ++$column;
	my $migration = on_source("BEGIN; ALTER TABLE $first ADD COLUMN $name text; SELECT 'begun';");
	$migration->wait_message(qr/begun/, 'out');
	my $pull = $w->start_pull($arguments);
	$pull->wait_message(qr/is locked on the source/);
	sleep 0.3;
	my $start = time();
	$migration->say("ALTER TABLE $second ADD COLUMN $name text; SELECT 'second';");
	my $reader = on_source("SET statement_timeout = '20s'; SELECT count(*) FROM $second; SELECT 'read'");
	$migration->wait_message(qr/second/, 'out');
	cmp_ok(time() - $start, '<', 5, "$title: the migration gets its second lock");
	$migration->say('COMMIT;');
	is($migration->finish->{rc}, 0, "$title: the migration ends well") or diag($migration->{err});
	is($reader->finish->{rc}, 0, "$title: the application reads") or diag($reader->{err});
	cmp_ok(time() - $start, '<', 5, "$title: and does not wait longer than the timeout");
	is($pull->finish->{rc}, 0, "$title: the pull succeeds") or diag($pull->{err});
	PgTunsync::Compare::all_equal($w, tables => [ map { "public.$_" } @$read ]);
	unlike(slurp_file($w->source->logfile), qr/deadlock detected/, "$title: no deadlock on the source");
	return $pull;
}

foreach my $jobs (1, 4)
{
	migrates_meanwhile("users, then orders, jobs => $jobs", 'users', 'orders', "'users,orders', jobs => $jobs",
		[qw(users orders)]);
	migrates_meanwhile("orders, then users, jobs => $jobs", 'orders', 'users', "'users,orders', jobs => $jobs",
		[qw(users orders)]);
	# the COPY reads two tables; the pull locks orders first
	migrates_meanwhile("a clause reads users, jobs => $jobs", 'users', 'orders',
		"'orders', filter => 'user_id IN (SELECT id FROM users)', mode => 'replace', jobs => $jobs", ['orders']);
}

# ---- partitions ----

# a partition cannot get a column of its own, but a CHECK

foreach my $jobs (1, 4)
{
	foreach my $case ([ 'logs', 'two partitions', 'logs_a', 'logs_b' ], [ 'logs', 'in another order', 'logs_b', 'logs_a' ],
		[ 'whole', 'a table that is partitioned on the source', 'whole_b', 'whole' ],
		[ 'whole', 'its partitions', 'whole_a', 'whole_b' ])
	{
		my ($table, $title, $first, $second) = @$case;
		my $number = ++$column;
		my $migration = on_source("BEGIN; ALTER TABLE $first ADD CHECK (id > -$number); SELECT 'begun';");
		$migration->wait_message(qr/begun/, 'out');
		my $pull = $w->start_pull("'$table', jobs => $jobs");
		$pull->wait_message(qr/is locked on the source/);
		my $start = time();
		$migration->say("ALTER TABLE $second ADD CHECK (id > -1000 - $number); COMMIT; SELECT 'over';");
		$migration->wait_message(qr/over/, 'out');
		cmp_ok(time() - $start, '<', 5, "$title, jobs => $jobs: the migration gets through");
		is($migration->finish->{rc}, 0, 'and ends well') or diag($migration->{err});
		is($pull->finish->{rc}, 0, "$title: the pull succeeds") or diag($pull->{err});
		PgTunsync::Compare::all_equal($w, tables => ["public.$table"]);
	}
}

# ---- a table in parts ----

$w->source_sql("UPDATE pg_class SET relpages = 300 * 128 WHERE oid = (SELECT reltoastrelid FROM pg_class
	WHERE oid = 'events'::regclass)");
foreach my $jobs (2, 4)
{
	migrates_meanwhile("a table in parts, jobs => $jobs", 'events', 'config', "'events,config', jobs => $jobs",
		[qw(events config)]);
}
like(slurp_file($w->source->logfile), qr/COPY \(SELECT [^;\n]*ctid >= /, 'it was read in parts');

# a lock that is refused between two parts: the parts that are read count once
my $lock = on_source('SELECT 1;');
my $pull = $w->start_pull(q{'events,config', jobs => 2});
for (1 .. 40)
{
	$lock->say("BEGIN; LOCK TABLE events; SELECT pg_sleep(0.3); COMMIT; SELECT pg_sleep(0.02);");
}
is($pull->finish->{rc}, 0, 'a table that is locked again and again is pulled') or diag($pull->{err});
PgTunsync::Compare::all_equal($w, tables => ['public.events']);
$lock->kill_client;
$w->source_sql(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ~ 'LOCK TABLE events'
	AND pid <> pg_backend_pid()});

# ---- a table that is read early can be altered ----

$w->write_config("filters:\n  events: \"pg_sleep(0.002) is not null\"\n");
foreach my $jobs (1, 2)
{
	# with one loader, config comes after events; it gets its turn first here
	$w->source_sql("UPDATE pg_class SET relpages = 100000 WHERE oid = 'config'::regclass") if $jobs == 1;
	$pull = $w->start_pull("'config,events', jobs => $jobs");
	$pull->wait_message(qr/NOTICE:  \w+: config: 1 row/);
	$column++;
	is($w->source->psql('production', "SET lock_timeout = '1s'; ALTER TABLE config ADD COLUMN added_$column text"), 0,
		"jobs => $jobs: a table that was read can be altered while another one flows");
	is( $w->source_sql(q{SELECT string_agg(DISTINCT l.relation::regclass::text, ' ') FROM pg_locks l
		JOIN pg_stat_activity a USING (pid) WHERE a.application_name LIKE 'pgtunsync/%' AND l.locktype = 'relation'
		AND l.relation::regclass::text !~ 'events_pkey|pg_toast'}),
		'events', 'the pull holds a lock on nothing else, not even on a catalog');
	ok($pull->running, 'which still flows');
	is($pull->finish->{rc}, 0, 'the pull succeeds') or diag($pull->{err});
	PgTunsync::Compare::all_equal($w, tables => [ 'public.config', 'public.events' ]);
}
$w->write_config('');

# ---- what planning reads ----

# sequences: those of a table that is truncated with RESTART IDENTITY
my $holder = on_source("BEGIN; TRUNCATE users RESTART IDENTITY; SELECT 'begun';");
$holder->wait_message(qr/begun/, 'out');
$pull = $w->start_pull(q{'users'});
PgTunsync::Process::wait_until('a refused lock',
	sub { return slurp_file($w->source->logfile) =~ /canceling statement due to lock timeout/ });
$holder->say('ROLLBACK;');
$holder->finish;
is($pull->finish->{rc}, 0, 'a locked sequence is waited for') or diag($pull->{err});
PgTunsync::Compare::all_equal($w, tables => ['public.users']);
is($w->local_sql(q{SELECT nextval('users_id_seq')}), 11, 'and has its state');

# a clause that is tried while its table is locked
$holder = on_source("BEGIN; LOCK TABLE users; SELECT 'begun';");
$holder->wait_message(qr/begun/, 'out');
my $plan = $w->call(q{SELECT status FROM pgtunsync.plan('orders', filter => 'user_id IN (SELECT id FROM users)')})->finish;
is($plan->{out}, "pulled\n", 'plan() does not wait for it') or diag($plan->{err});
$holder->finish;

unlike(slurp_file($w->source->logfile), qr/deadlock detected/, 'the source has never found a deadlock');
$w->nothing_left;
done_testing();
