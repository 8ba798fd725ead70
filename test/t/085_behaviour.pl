# A pull copies rows and does not replay events.  Concurrent sessions see all
# the old rows or all the new ones.

use strict;
use warnings;
use PgTunsync;
use PgTunsync::Agreement;
use PgTunsync::Compare;
use Test::More;
use Time::HiRes qw(sleep time);

my $w = PgTunsync->new(empty => 1,
	local_conf => "wal_level = logical\nautovacuum = on\nautovacuum_naptime = 1s\nmax_prepared_transactions = 5\n"
		. "max_wal_senders = 5\nmax_replication_slots = 5\n");

$w->both_sql(q{
	CREATE TABLE things (id int PRIMARY KEY, v text, u int);
	CREATE TABLE parts (id int PRIMARY KEY, thing int REFERENCES things ON DELETE CASCADE);
	CREATE TABLE other (id int PRIMARY KEY, v text);
	CREATE TABLE keyless (v int);
});
$w->source_sql(q{INSERT INTO things SELECT i, 'new ' || i, i FROM generate_series(1, 3000) i;
	INSERT INTO parts SELECT i, i FROM generate_series(1, 3000) i;
	INSERT INTO other SELECT i, 'new' FROM generate_series(1, 100) i; INSERT INTO keyless VALUES (1), (1)});
$w->local_sql(q{INSERT INTO things SELECT i, 'old ' || i, i FROM generate_series(1, 2000) i;
	INSERT INTO parts SELECT i, i FROM generate_series(1, 2000) i;
	INSERT INTO other SELECT i, 'old' FROM generate_series(1, 50) i});

# ---- nothing fires, and every state stays ----

$w->local_sql(q{
	CREATE TABLE fired (what text);
	CREATE FUNCTION fire() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.fired VALUES (TG_NAME);
	RETURN NULL; END $$;
	CREATE FUNCTION reject() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
		IF (SELECT backend_type FROM pg_stat_activity WHERE pid = pg_backend_pid()) <> 'client backend' THEN RAISE
			EXCEPTION 'no DDL here: %', TG_TAG; END IF; END $$;
	CREATE TRIGGER origin_row BEFORE INSERT OR UPDATE OR DELETE ON things FOR EACH ROW EXECUTE FUNCTION fire();
	CREATE TRIGGER always_row AFTER INSERT OR UPDATE OR DELETE ON things FOR EACH ROW EXECUTE FUNCTION fire();
	CREATE TRIGGER always_statement BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON things EXECUTE FUNCTION fire();
	CREATE TRIGGER replica_row BEFORE INSERT OR DELETE ON things FOR EACH ROW EXECUTE FUNCTION fire();
	CREATE TRIGGER disabled_row BEFORE INSERT ON things FOR EACH ROW EXECUTE FUNCTION fire();
	CREATE TRIGGER of_column AFTER UPDATE OF v ON things FOR EACH ROW WHEN (OLD.v IS DISTINCT FROM NEW.v)
		EXECUTE FUNCTION fire();
	CREATE TRIGGER transition AFTER INSERT ON things REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT
		EXECUTE FUNCTION fire();
	CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT OR DELETE ON things DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
		EXECUTE FUNCTION fire();
	ALTER TABLE things ENABLE ALWAYS TRIGGER always_row, ENABLE ALWAYS TRIGGER always_statement,
		ENABLE REPLICA TRIGGER replica_row, DISABLE TRIGGER disabled_row;
	CREATE RULE loud AS ON INSERT TO things DO ALSO INSERT INTO fired VALUES ('rule');
	CREATE RULE silent AS ON DELETE TO things DO INSTEAD NOTHING;
	CREATE RULE replaced AS ON INSERT TO other DO INSTEAD NOTHING;
	ALTER TABLE things ENABLE ALWAYS RULE loud, DISABLE RULE silent;
	ALTER TABLE parts DISABLE TRIGGER ALL;
	CREATE EVENT TRIGGER reject_start ON ddl_command_start EXECUTE FUNCTION reject();
	CREATE EVENT TRIGGER reject_end ON ddl_command_end EXECUTE FUNCTION reject();
	CREATE EVENT TRIGGER reject_drop ON sql_drop EXECUTE FUNCTION reject();
	CREATE EVENT TRIGGER reject_rewrite ON table_rewrite EXECUTE FUNCTION reject();
	ALTER EVENT TRIGGER reject_start ENABLE ALWAYS; ALTER EVENT TRIGGER reject_drop ENABLE REPLICA;
	CREATE VIEW thing_view AS SELECT id, v FROM things;
	CREATE MATERIALIZED VIEW summary AS SELECT count(*) AS n FROM thing_view;
	CREATE FUNCTION count_things() RETURNS bigint LANGUAGE plpgsql STABLE AS $$ BEGIN
		RETURN (SELECT count(*) FROM things WHERE v LIKE 'new%'); END $$;
	CREATE FUNCTION first_thing() RETURNS things LANGUAGE sql BEGIN ATOMIC SELECT * FROM things ORDER BY id LIMIT 1;
	END;
	CREATE PUBLICATION listed FOR TABLE things (id, v) WHERE (id > 0), other;
	TRUNCATE fired;
});

# sessions that began before
my $prepared = $w->call("PREPARE q AS SELECT count(*), min(v) FROM things WHERE id > \$1;
	SET plan_cache_mode = force_generic_plan; EXECUTE q(0); SELECT 'fn', count_things(); SELECT 'ready';", more => 1);
$prepared->wait_message(qr/ready/, 'out');
my $held = $w->call("BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT v FROM things ORDER BY id; FETCH 1 FROM c; COMMIT;
	SELECT 'ready';", more => 1);
$held->wait_message(qr/ready/, 'out');
my %readers = map {
	my $call = $w->call("BEGIN ISOLATION LEVEL $_; SELECT count(*) FROM keyless; SELECT 'ready';", more => 1);
	$call->wait_message(qr/ready/, 'out');
	($_ => $call)
} 'READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE', 'SERIALIZABLE READ ONLY';

my $run = PgTunsync::Compare::pulls_everything($w, "'{things,parts,other}'", 'a table with everything on it',
	tables => [ 'public.things', 'public.parts', 'public.other' ]);
is($w->local_sql('SELECT count(*) FROM fired'), 0, 'no trigger and no rule has fired');
like($run->{err}, qr/NOTICE:[^\n]*\n?[^\n]*summary/, 'a NOTICE tells of the materialised view') or diag($run->{err});
is($w->local_sql('SELECT n FROM summary'), 2000, 'which is left alone');
is($w->local_sql('SELECT count(*), (SELECT id FROM first_thing()) FROM thing_view'), '3000|1',
	'views and functions see the new rows');
$prepared->say("EXECUTE q(0); SELECT 'fn', count_things();");
like($prepared->finish->{out}, qr/2000\|old 1\nfn\|0\nready\n3000\|new 1\nfn\|3000/,
	'and so do plans that were made before');
$held->say('MOVE 1999 FROM c; FETCH BACKWARD 1 FROM c;');
like($held->finish->{out}, qr/old 1\nready\nold \d+/, 'a held cursor has the old rows');
foreach my $level (sort keys %readers)
{
	$readers{$level}->say("SELECT 'sees', count(*), count(*) FILTER (WHERE v LIKE 'new%'), (SELECT count(*) FROM "
		. "parts), (SELECT count(*) FROM parts JOIN things ON things.id = thing) FROM things; SET enable_seqscan = "
		. "off; SELECT 'index', count(*) FROM things WHERE id > 0; COMMIT;");
	like($readers{$level}->finish->{out},
		qr/sees\|(2000\|0\|2000\|2000\nindex\|2000|3000\|3000\|3000\|3000\nindex\|3000)/,
		"a transaction of $level sees all of the old or of the new")
	  or diag($readers{$level}{out} . $readers{$level}{err});
}
my ($rc, $out, $err) = $w->local_node->psql('dev', "INSERT INTO things VALUES (999999, 'fires', 1)");
ok($w->local_sql('SELECT count(*) FROM fired') > 0, 'triggers are as live as before');
$w->local_sql('DROP EVENT TRIGGER reject_start; DROP EVENT TRIGGER reject_end; DROP EVENT TRIGGER reject_drop;
	DROP EVENT TRIGGER reject_rewrite; DROP RULE loud ON things; DROP RULE silent ON things;
	DROP RULE replaced ON other; DROP TRIGGER origin_row ON things; DROP TRIGGER always_row ON things;
	DROP TRIGGER always_statement ON things; TRUNCATE fired');
# VACUUM clears relhasrules now, not during a comparison
$w->local_sql('VACUUM things; VACUUM other');

# ---- publications: what a subscriber is told ----

$w->local_node->safe_psql('postgres', 'CREATE DATABASE subscriber');
$w->local_node->safe_psql('subscriber', 'CREATE TABLE things (id int PRIMARY KEY, v text);
	CREATE TABLE other (id int PRIMARY KEY, v text)');
$w->local_sql("DROP PUBLICATION listed; CREATE PUBLICATION listed FOR TABLE things (id, v), other;
	SELECT pg_create_logical_replication_slot('sub', 'pgoutput')");
my $connstr = $w->local_node->connstr('dev');
$connstr =~ s/'/''/g;
$w->local_node->safe_psql('subscriber',
	"CREATE SUBSCRIPTION sub CONNECTION '$connstr' PUBLICATION listed WITH (create_slot = false, slot_name = 'sub')");
sub subscriber_agrees
{
	my ($title) = @_;
	my $rows = "SELECT count(*), md5(string_agg(id || v, ',' ORDER BY id)) FROM ";
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok( $w->local_node->poll_query_until('subscriber', "SELECT ROW((SELECT x FROM ($rows things) x),
		(SELECT x FROM ($rows other) x))::text = "
			  . PgTunsync::Compare::query_literal($w->local_sql("SELECT ROW((SELECT x FROM ($rows things) x),
			  	(SELECT x FROM ($rows other) x))::text"))),
		$title);
	return;
}
subscriber_agrees('the subscriber has the rows');
$w->source_sql("DELETE FROM parts WHERE id % 3 = 0; DELETE FROM things WHERE id % 3 = 0;
	UPDATE things SET v = 'changed' WHERE id % 5 = 0; UPDATE other SET v = 'changed'");
PgTunsync::Compare::pulls_everything($w, "'{things,parts,other}'", 'tables that somebody subscribes to',
	tables => [ 'public.things', 'public.parts', 'public.other' ]);
subscriber_agrees('the subscriber learns of it');
is($w->local_sql('SELECT count(*) FROM fired'), 0, 'and still no trigger has fired');
$w->source_sql('INSERT INTO keyless VALUES (2)');
PgTunsync::Compare::pulls_everything($w, "'keyless'", 'a table that nobody publishes',
	tables => ['public.keyless'], quick => 1);
$w->local_sql('ALTER PUBLICATION listed ADD TABLE keyless');
$w->refused("'keyless'", 'a published table without replica identity', sqlstate => '55000', message => [qr/keyless/]);
$w->local_sql('ALTER TABLE keyless REPLICA IDENTITY FULL');
$w->local_node->safe_psql('subscriber', 'CREATE TABLE keyless (v int)');
$w->local_node->safe_psql('subscriber', 'ALTER SUBSCRIPTION sub REFRESH PUBLICATION');
PgTunsync::Compare::pulls_everything($w, "'keyless'", 'with FULL', tables => ['public.keyless'], quick => 1);
ok($w->local_node->poll_query_until('subscriber', 'SELECT count(*) = 3 FROM keyless'), 'the subscriber has its rows');
subscriber_agrees('and all others');
$w->local_node->safe_psql('subscriber', 'DROP SUBSCRIPTION sub');
$w->local_sql("SELECT pg_create_logical_replication_slot('plain', 'test_decoding'); DROP PUBLICATION listed");
PgTunsync::Compare::pulls_everything($w, "'{things,parts,other}'", 'a slot, but no publication',
	tables => [ 'public.things', 'public.parts', 'public.other' ], quick => 1);
unlike($w->local_sql("SELECT string_agg(data, E'\\n') FROM pg_logical_slot_get_changes('plain', NULL, NULL)
	WHERE data LIKE 'table %'"), qr/staging/, 'decoding never sees a staging heap');
$w->local_sql("SELECT pg_drop_replication_slot('plain')");

# ---- row security on the source ----

$w->source_sql('ALTER TABLE other ENABLE ROW LEVEL SECURITY; CREATE POLICY half ON other USING (id % 2 = 0)');
$w->refused("'other'", 'a source whose row security would filter', sqlstate => '42501',
	message => [ qr/other/, qr/row.security/i ]);
$w->source_sql('ALTER TABLE other DISABLE ROW LEVEL SECURITY');

# ---- DDL and maintenance meanwhile ----

$w->both_sql(join '', map { "CREATE TABLE m$_ (id int PRIMARY KEY, v text);" } 1 .. 5);
$w->source_sql("INSERT INTO m$_ SELECT i, 'new' FROM generate_series(1, 500) i") foreach 1 .. 5;
my @ddl = ('VACUUM FULL m1', 'ANALYZE m1', 'ALTER TABLE m1 ALTER COLUMN v SET STATISTICS 10',
	'VACUUM (ANALYZE, FREEZE) m1', 'CREATE INDEX CONCURRENTLY m2_v ON m2 (v)', 'REINDEX TABLE CONCURRENTLY m3',
	'CLUSTER m4 USING m4_pkey', 'CREATE INDEX ON m4 (v)',
	'ALTER TABLE m4 ADD CHECK (id > 0)', 'CREATE TRIGGER late AFTER INSERT ON m4 FOR EACH ROW EXECUTE FUNCTION fire()',
	'ALTER TABLE m5 ADD COLUMN later int DEFAULT 5', 'COMMENT ON TABLE m5 IS $$meanwhile$$',
	'CREATE VIEW late_view AS SELECT * FROM m5');
my @pulled = ('things', 'parts', 'other', map { "m$_" } 1 .. 5);
my $pulled = "'{" . join(',', @pulled) . "}'";
my $relay = $w->relay;
$relay->set(stall_after => 24_000);
my $call = $w->start_pull($pulled, options => '-c pgtunsync.lock_timeout=100s');
$relay->wait_stalled;
$w->wait_worker('loader');
sleep 0.3;
my @ddl_calls = map { [ $_, $w->call("$_;", timeout => 60) ] } @ddl;
sleep 1;
is($w->call('SET lock_timeout = 3000; SELECT count(*) FROM keyless; INSERT INTO keyless VALUES (5);
	UPDATE fired SET what = what;')->finish->{rc}, 0, 'tables that are not pulled are free meanwhile');
$relay->set;
is($call->finish->{rc}, 3, 'the pull leaves out what was changed meanwhile') or diag($call->{err});
is($w->last_run('status, tables'), 'partial|4', 'and brings the rest');
foreach (@ddl_calls)
{
	my ($sql, $ddl) = @$_;
	is($ddl->finish->{rc}, 0, "$sql, meanwhile, ends well") or diag($ddl->{err});
}
is($w->local_sql("SELECT string_agg(table_name || ' ' || sqlstate, ', ' ORDER BY table_name) FROM pgtunsync.run_tables
		WHERE status = 'failed' AND run_id = (SELECT max(id) FROM pgtunsync.runs)"),
	'm2 55P03, m3 55P03, m4 55006, m5 55006', 'commands that wait for the pull win, altered tables stay as they are');
PgTunsync::Compare::all_equal($w, tables => [ map { "public.$_" } qw(things parts other m1) ]);
$w->healthy;
$w->nothing_left;
PgTunsync::Compare::pulls_everything($w, $pulled, 'and once more on what that has made',
	tables => [ map { "public.$_" } @pulled ], quick => 1);

# DDL that came first: the pull waits for it and uses the changed definition
my $old = $w->call("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM keyless; SELECT 'ready';", more => 1);
$old->wait_message(qr/ready/, 'out');
my $concurrently = $w->call('CREATE UNIQUE INDEX CONCURRENTLY things_u ON things (u);');
sleep 0.5;
$call = $w->start_pull("'things,parts'", options => '-c pgtunsync.lock_timeout=100s');
sleep 1.5;
ok($call->running, 'a pull waits for CREATE INDEX CONCURRENTLY');
$old->finish;
is($concurrently->finish->{rc}, 0, 'which ends');
is($call->finish->{rc}, 0, 'and so does the pull') or diag($call->{err});
is($w->local_sql("SET enable_seqscan = off;
	SELECT count(*) FROM things WHERE u > 0"), 2000, 'the index has the new rows');
$w->healthy;

foreach my $case ([ 'a column that is dropped', 'ALTER TABLE things DROP COLUMN u CASCADE' ],
	[ 'a column that is renamed', 'ALTER TABLE things RENAME COLUMN v TO w' ],
	[ 'a table that is dropped', 'DROP TABLE things CASCADE' ],
	[ 'a table that is renamed', 'ALTER TABLE things RENAME TO stuff' ])
{
	my ($title, $sql) = @$case;
	my $holder = $w->call("BEGIN; $sql; SELECT 'ready';", more => 1);
	$holder->wait_message(qr/ready/, 'out');
	$call = $w->start_pull("'things'");
	sleep 1;
	$holder->say('COMMIT;');
	$holder->finish;
	$call->finish;
	subtest "$title while a pull waits" => sub {
		$w->server_is_up;
		note("rc $call->{rc}: " . ($call->{message} || ''));
		isnt($call->{rc}, 'timeout', 'the call ends');
		like($call->{err}, qr/things/, 'with an error that names the table') if $call->{rc} ne '0';
		PgTunsync::Compare::all_equal($w, tables => ['public.things']) if $call->{rc} eq '0' && $title !~ /table/;
		$w->healthy;
		$w->nothing_left;
	};
	$w->local_sql(q{DROP TABLE IF EXISTS things, stuff CASCADE; CREATE TABLE things (id int PRIMARY KEY, v text, u int);
		INSERT INTO things VALUES (1, 'old', 1)});
}

# a prepared transaction holds its locks without a process
$w->local_sql("BEGIN; UPDATE things SET u = 7; PREPARE TRANSACTION 'forgotten'");
$w->refused("'things'", 'a prepared transaction that uses the table', sqlstate => '55P03',
	options => '-c pgtunsync.lock_timeout=1s', message => [qr/things|tables/]);
$w->local_sql("ROLLBACK PREPARED 'forgotten'");
PgTunsync::Compare::pulls_everything($w, "'things'", 'and afterwards', tables => ['public.things'], quick => 1);

done_testing();
