# keep preserves local rows during a replace.  They are merged into the same
# swap.

use strict;
use warnings;
use PgTunsync;
use PgTunsync::Agreement;
use Test::More;
use Time::HiRes qw(sleep time);

my $w = PgTunsync->new(empty => 1,
	local_conf => "wal_level = logical\nmax_wal_senders = 5\nmax_replication_slots = 5\n");

$w->both_sql(q{
	CREATE EXTENSION btree_gist;
	CREATE TABLE tenants (id int PRIMARY KEY, schema_name text UNIQUE);
	CREATE TABLE orders (id serial PRIMARY KEY, tenant_id int REFERENCES tenants, code text, note text, doc text);
	CREATE UNIQUE INDEX orders_code ON orders (code);
	CREATE UNIQUE INDEX orders_lower ON orders (lower(note)) WHERE tenant_id > 0;
	CREATE TABLE bookings (id int PRIMARY KEY, tenant_id int, room int, during int4range, EXCLUDE
		USING gist (room WITH =, during WITH &&));
	CREATE TABLE logs (id int, tenant_id int, at int, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
	CREATE TABLE logs_a PARTITION OF logs FOR VALUES FROM (0) TO (50);
	CREATE TABLE logs_b PARTITION OF logs FOR VALUES FROM (50) TO (1000);
	CREATE TABLE plain (id int, v text);
	CREATE TABLE slow (id int)});
$w->source_sql(q{
	INSERT INTO tenants SELECT i, 'shop_' || i FROM generate_series(1, 10) i;
	INSERT INTO orders SELECT i, 1 + i % 10, 'code ' || i, 'Note ' || i FROM generate_series(1, 100) i;
	SELECT setval('orders_id_seq', 100);
	INSERT INTO bookings SELECT i, 1, i % 5, int4range(i, i + 2) FROM generate_series(1, 50, 5) i;
	INSERT INTO logs SELECT i, 1 + i % 10, i FROM generate_series(0, 99) i;
	INSERT INTO plain SELECT i, 'source' FROM generate_series(1, 5) i;
	INSERT INTO slow VALUES (1)});
my $big = "(SELECT string_agg(md5(i::text), '') FROM generate_series(1, 3000) i)";
$w->local_sql(qq{
	INSERT INTO tenants VALUES (900, 'test_a'), (901, 'test_b'), (3, 'stale');
	INSERT INTO orders VALUES (900, 900, 'test 1', NULL, $big), (901, 901, 'test 2', NULL, NULL),
		(902, 3, 'stale', NULL, NULL);
	SELECT setval('orders_id_seq', 950);
	INSERT INTO bookings VALUES (900, 900, 77, '[1,9)'), (5, 3, 78, '[1,9)');
	INSERT INTO logs VALUES (900, 900, 7), (901, 901, 70), (902, 3, 70);
	INSERT INTO plain VALUES (7, 'mine'), (8, 'theirs'), (NULL, 'mine'), (9, NULL)});
# rows older than the columns, and a dropped column
$w->local_sql(q{ALTER TABLE orders ADD COLUMN region text NOT NULL DEFAULT 'here';
	ALTER TABLE orders ADD COLUMN len int GENERATED ALWAYS AS (length(code)) STORED;
	ALTER TABLE tenants ADD COLUMN gone int DEFAULT 5; ALTER TABLE tenants DROP COLUMN gone;
	ALTER TABLE tenants ADD COLUMN flag bool DEFAULT true});
my $yml = <<'YML';
keep:
  tenants: "schema_name like 'test_%'"
  "*.tenant_id": "tenant_id in (select id from tenants where schema_name like 'test_%')"
  plain: where v = 'mine'
exclude: [slow]
YML
$w->write_config($yml);

# Returns the rows that a table should have: those of the source and the kept
# ones.
sub rows_of
{
	my ($query) = @_;
	return $w->local_sql("SELECT coalesce(string_agg(t::text, '/' ORDER BY t::text COLLATE \"C\"), '')
		FROM ($query) t");
}
my $kept_orders = 'SELECT id, tenant_id, code, md5(doc), region, len FROM orders WHERE tenant_id >= 900';
my $orders_before = rows_of($kept_orders);

# ---- kept rows among those that come ----

my $run = $w->pull('');
is($run->{rc}, 0, 'all tables, with rows that are kept') or diag($run->{err});
is($w->local_sql('SELECT count(*), count(*) FILTER (WHERE id >= 900), count(*) FILTER (WHERE flag) FROM tenants'),
	'12|2|12', 'tenants: those of the source, and the kept ones');
is(rows_of($kept_orders), $orders_before,
	'kept as they were: values out of line, generated columns, and columns that only we have');
is($w->local_sql('SELECT count(*), count(*) FILTER (WHERE tenant_id < 900) FROM orders'), '102|100',
	'beside those of the source');
is($w->local_sql('SELECT count(*), max(id) FROM bookings'), '11|900', 'by the column that another pattern names');
is($w->local_sql('SELECT count(*), count(*) FILTER (WHERE id >= 900), (SELECT count(*) FROM logs_b) FROM logs'),
	'102|2|51', 'in partitions');
is($w->local_sql("SELECT count(*), count(*) FILTER (WHERE v = 'mine'), count(*) FILTER (WHERE id IS NULL) FROM plain"),
	'7|2|1', 'without any key, and with NULLs');
like($run->{err}, qr/orders: 100 rows, .*; kept: 2 local rows, to which 0 pulled rows yielded/, 'a line for the table');
like($run->{err}, qr/tables replaced, 225 rows.*; 9 local rows kept, to which 0 pulled rows yielded/,
	'and the closing line');
is($w->local_sql("SELECT string_agg(table_name || ' ' || rows || ' ' || coalesce(rows_kept || ' ' || rows_yielded, '-'),
	', ' ORDER BY table_name) FROM pgtunsync.run_tables WHERE run_id = $run->{id}"),
	'bookings 10 1 0, logs_a 50 1 0, logs_b 50 1 0, orders 100 2 0, plain 5 2 0, tenants 10 2 0', 'the audit');
like($w->local_sql("SELECT keep[1] FROM pgtunsync.plan('tenants')"), qr/schema_name.*like 'test_%'/,
	'has the condition');
cmp_ok($w->local_sql("SELECT nextval('orders_id_seq')"), '>', 950, 'a sequence does not fall back behind kept rows');
is($w->pull('')->{rc}, 0, 'again');
is(rows_of($kept_orders), $orders_before, 'and they are still there');
$w->healthy;
$w->nothing_left;

# ---- clashes ----

$w->local_sql(q{DELETE FROM orders WHERE tenant_id < 900; DELETE FROM bookings WHERE id < 900;
	INSERT INTO tenants VALUES (903, 'test_c');
	INSERT INTO orders VALUES (7, 903, 'mine 7', NULL), (990, 903, 'code 8', 'X'), (991, 903, 'x', 'NOTE 9'),
		(10, 903, 'code 11', 'note 12'), (992, 903, NULL, NULL);
	UPDATE bookings SET room = 1, during = '[1,9)' WHERE id = 900});
$run = $w->pull("'tenants,orders,bookings'");
is($run->{rc}, 0, 'kept rows have keys of pulled ones') or diag($run->{err});
is($w->local_sql('SELECT string_agg(id || chr(32) || code, chr(44) ORDER BY id) FROM orders WHERE tenant_id = 903
	AND id < 992'), '7 mine 7,10 code 11,990 code 8,991 x', 'the kept rows win');
is($w->local_sql("SELECT count(*) FROM orders WHERE tenant_id < 900"), 94,
	'by primary key, second unique index, and one over an expression');
is($w->local_sql("SELECT string_agg(id::text, ',') FROM generate_series(1, 100) id
	WHERE NOT EXISTS (SELECT FROM orders o WHERE o.id = id.id AND tenant_id < 900)"), '7,8,9,10,11,12',
	'just those yielded');
is($w->local_sql('SELECT rows, rows_kept, rows_yielded FROM pgtunsync.run_tables WHERE table_name = \'orders\'
	ORDER BY run_id DESC LIMIT 1'), '94|7|6', 'they are counted');
like($run->{err}, qr/kept: 7 local rows, to which 6 pulled rows yielded/, 'and told');
is($w->local_sql('SELECT count(*), max(id) FROM bookings'), '9|900', 'an exclusion constraint');
is($w->local_sql("SELECT rows_yielded FROM pgtunsync.run_tables WHERE table_name = 'bookings' ORDER BY run_id DESC
	LIMIT 1"), 2, 'may cost several');
$w->local_sql('DELETE FROM orders WHERE tenant_id = 903; DELETE FROM tenants WHERE id = 903;
	UPDATE bookings SET room = 77 WHERE id = 900');
is($w->pull("'tenants,orders,bookings'")->{rc}, 0, 'once they are gone');
is($w->local_sql('SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM bookings)'), '102|11',
	'the pulled rows are back');
$w->healthy;
$w->nothing_left;

# ---- foreign keys over all rows ----

$w->local_sql("INSERT INTO orders VALUES (995, 3, 'keep me', NULL)");
$w->write_config($yml . "filters: {tenants: id <> 3, orders: tenant_id <> 3}\n");
is($w->pull("'tenants,orders'")->{rc}, 0, 'a row that is not kept goes with what it refers to');
$w->write_config($yml =~ s/keep:\n/keep:\n  orders: "code = 'keep me'"\n/r
	. "filters: {tenants: id <> 3, orders: tenant_id <> 3}\n");
$w->local_sql("INSERT INTO tenants VALUES (3, 'x'); INSERT INTO orders VALUES (995, 3, 'keep me', NULL)");
$w->refused("'tenants,orders'", 'a kept row refers to one that vanishes', sqlstate => '23503',
	message => [ qr/orders_tenant_id_fkey/, qr/\(tenant_id\)=\(3\)/ ]);
$w->local_sql("DELETE FROM orders WHERE id = 995");
$w->write_config($yml);
is($w->pull("'tenants,orders'")->{rc}, 0, 'else all is well');

# ---- what cannot be ----

my $before = $w->snapshot;
foreach my $case (
	[ 'no condition', 'tenants: "id + 1"', '42804', qr/must be type boolean.*keep of "tenants", line 2 of file/ ],
	[ 'an unknown column', 'tenants: "nowhere = 1"', '42703',
	qr/"nowhere" does not exist.*keep of "tenants", line 2 of file/ ],
	[ 'a column that some table lacks', '"*": "tenant_id = 1"', '42703', qr/"tenant_id" does not exist/ ],
	[ 'more than a condition', 'tenants: "id > 1 order by id limit 1"', '0A000', qr/by a condition, and nothing else/ ],
	[ 'no SQL', 'tenants: "id ="', '42601', qr/syntax error/ ],
	[ 'a way out of it', 'tenants: "true) or (select 1; drop table tenants"', '42601', qr/semicolon/ ],
	[ 'a lock', 'tenants: "id in (select id from orders for update)"', '0A000', qr/FOR UPDATE/ ],
	[ 'an aggregate', 'tenants: "max(id) = 1"', '42803', qr/aggregate/ ],
	[ 'an error in a row', 'tenants: "1 / (id - id) = 1"', '22012', qr/division by zero.*keep of "tenants"/s ])
{
	my ($title, $line, $sqlstate, $message) = @$case;
	$w->write_config("keep:\n  $line\n");
	$w->refused("'tenants'", $title, sqlstate => $sqlstate, message => [$message], before => $before);
}
$w->write_config("keep: {nothing: 'true', 'no.column': 'true', tenant_id: 'true', plain: v = 'mine'}\n");
$run = $w->pull("'plain'");
is($run->{rc}, 0, 'patterns that match nothing');
like($run->{err}, qr/WARNING:  01000: "$_" in "keep", line 1 of file/, "a WARNING for $_")
  foreach qw(nothing no\.column tenant_id);
unlike($run->{err}, qr/WARNING.*"plain"/, 'and no other');
$w->write_config("keep: {plain: \"v = 'mine'\", '*.v': \"v = 'other'\", 'public.pl*': id = 4}\n"
	. "rewrite: {plain.v: \"'new'\"}\n");
$w->local_sql("INSERT INTO plain VALUES (20, 'other')");
is($w->pull("'plain'")->{rc}, 0, 'several that match a table');
is(rows_of('SELECT * FROM plain'), '(,mine)/(1,new)/(2,new)/(20,other)/(3,new)/(4,new)/(4,source)/(5,new)/(7,mine)',
	'add up, and are not rewritten');
$w->write_config($yml);

# a virtual column is computed when it is read and is not stored in the row
if ($w->major('local') >= 18)
{
	$w->both_sql('CREATE TABLE virtuals (id int PRIMARY KEY, v int)');
	$w->local_sql('ALTER TABLE virtuals ADD twice int GENERATED ALWAYS AS (v * 2) VIRTUAL;
		INSERT INTO virtuals VALUES (7, 7)');
	$w->write_config("keep: {virtuals: twice = 14}\n");
	$w->refused("'virtuals'", 'a virtual column', sqlstate => '42703',
		message => [qr/"twice" does not exist.*keep of "virtuals", line 1/]);
	$w->both_sql('DROP TABLE virtuals');
	$w->write_config($yml);
}

# ---- local writes while the run goes on ----

# Starts a pull that waits for another table after the relevant ones are
# loaded.
sub held_up
{
	my ($arguments) = @_;
	$w->write_config($yml =~ s/^exclude.*\n//mr . "filters: {slow: pg_sleep(4) is not null}\n");
	my $call = $w->start_pull("$arguments, jobs => 3");
	foreach my $table (grep { $_ ne 'slow' } $arguments =~ /\w+/g)
	{
		$call->wait_message(qr/NOTICE:  00000: $table: /);
	}
	return $call;
}
my $old = $w->call("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM plain;", more => 1);
$old->wait_message(qr/\d/, 'out');
$w->local_sql("UPDATE orders SET tenant_id = 900, code = 'clash ' || id WHERE id IN (20, 21)");
my $middle = held_up("'tenants,orders,slow'");
$w->local_sql("UPDATE orders SET code = 'changed', doc = doc || 'x' WHERE id = 900;
	DELETE FROM orders WHERE id IN (20, 30); UPDATE orders SET tenant_id = 900, code = 'clash 22' WHERE id = 22;
	INSERT INTO orders VALUES (998, 901, 'code 30', NULL);
	UPDATE orders SET tenant_id = 1 WHERE id = 901; UPDATE orders SET code = 'late' WHERE id = 5;
	INSERT INTO tenants VALUES (905, 'test_late')");
my $reader = $w->call("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 'ready';", more => 1);
$reader->wait_message(qr/ready/, 'out');
$run = $middle->finish;
is($run->{rc}, 0, 'kept rows were changed, deleted and added during the run') or diag($run->{err});
is($w->local_sql("SELECT string_agg(id || chr(32) || code, ',' ORDER BY id) FROM orders WHERE tenant_id >= 900"),
	'21 clash 21,22 clash 22,900 changed,998 code 30', 'they are as they were at the swap');
is($w->local_sql("SELECT length(doc), len FROM orders WHERE id = 900"), '96001|7', 'with their values');
is($w->local_sql("SELECT string_agg(id::text, ',') FROM generate_series(1, 100) id
	WHERE NOT EXISTS (SELECT FROM orders o WHERE o.id = id.id AND tenant_id < 900)"), '21,22,30',
	'pulled rows yield to those of now');
is($w->local_sql("SELECT code FROM orders WHERE id = 20"), 'code 20', 'and are back where a kept row went');
is($w->local_sql("SELECT rows, rows_kept, rows_yielded FROM pgtunsync.run_tables WHERE table_name = 'orders'
	ORDER BY run_id DESC LIMIT 1"), '97|4|3', 'counted as they are now');
is($w->local_sql('SELECT count(*) FROM tenants WHERE id >= 900'), 3, 'the other table too');
# A reader with an older snapshot sees each key once, and all rows that were
# kept at the time of loading.
$_->say('SET enable_indexscan = off; SET enable_bitmapscan = off; SELECT $$keys $$ || count(*) || chr(32) || '
	. 'count(DISTINCT id) || chr(32) || count(*) FILTER (WHERE id = 900) FROM orders; COMMIT;') foreach $old, $reader;
like($_->finish->{out}, qr/keys (\d+) \g1 1/, 'an older snapshot') foreach $old, $reader;
$w->healthy;
$w->nothing_left;

# a new foreign key violation by a late row
$w->source_sql('DELETE FROM orders WHERE tenant_id = 4; DELETE FROM tenants WHERE id = 4');
my $late = "keep:\n  orders: note = 'pinned'\nfilters: {slow: pg_sleep(4) is not null}\n";
$w->write_config($late);
my $call = $w->start_pull("'tenants,orders,slow', jobs => 3");
$call->wait_message(qr/NOTICE:  00000: orders: /);
$w->local_sql("INSERT INTO orders VALUES (996, 4, 'late', 'pinned')");
$before = $w->snapshot;
$run = $call->finish;
is($run->{sqlstate}, '23503', 'a late kept row that refers to a vanishing one') or diag($run->{err});
$w->unchanged($before);
$w->nothing_left;
$w->local_sql("DELETE FROM orders WHERE id = 996");

# a writer is active when the swap begins
$middle = held_up("'tenants,orders,slow'");
my $writer = $w->call("BEGIN; INSERT INTO orders VALUES (960, 900, 'in time', NULL); SELECT 'ready';", more => 1);
$writer->wait_message(qr/ready/, 'out');
sleep 5;
ok($middle->running, 'the run waits for a writer');
my $reading = $w->call('SELECT count(*) FROM orders;')->finish;
is($reading->{rc}, 0, 'while readers go on');
$writer->say('COMMIT;');
$writer->finish;
$run = $middle->finish;
is($run->{rc}, 0, 'then it goes on') or diag($run->{err});
is($w->local_sql('SELECT code FROM orders WHERE id = 960'), 'in time', 'with what was committed in the meantime');

# ---- partitions that differ, other modes, a group's clause ----

$w->source_sql('CREATE TABLE moved (id int PRIMARY KEY, v text);
	INSERT INTO moved SELECT i, $$source$$ FROM generate_series(1, 20) i');
$w->local_sql(q{CREATE TABLE moved (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
	CREATE TABLE moved_a PARTITION OF moved FOR VALUES FROM (0) TO (10);
	CREATE TABLE moved_b PARTITION OF moved FOR VALUES FROM (10) TO (99);
	INSERT INTO moved VALUES (5, 'mine'), (6, 'x'), (40, 'mine')});
$w->write_config("keep: {moved: moved.v = 'mine'}\n");
is($w->pull("'moved'")->{rc}, 0, 'partitions that the source has not');
is($w->local_sql("SELECT count(*), string_agg(id::text, ',' ORDER BY id) FILTER (WHERE v = 'mine') FROM moved"),
	'21|5,40', 'keep their rows by a condition for the whole table');
is($w->pull("'moved', filter => 'id < 3', mode => 'replace'")->{rc}, 0, 'with a clause');
is(rows_of('SELECT * FROM moved'), '(1,source)/(2,source)/(40,mine)/(5,mine)', 'as well');
$w->write_config("keep: {plain: 'true', '*.at': 'true'}\n");
$w->local_sql("DELETE FROM logs WHERE id < 900 AND id % 3 = 0; UPDATE logs SET tenant_id = 4 WHERE id < 900");
is($w->pull("'logs', mode => 'preserve'")->{rc}, 0, 'a mode that leaves all rows anyway');
is($w->local_sql("SELECT count(*), count(*) FILTER (WHERE tenant_id = 4 AND id % 3 <> 0) >= 60, (SELECT count(rows_kept)
	FROM pgtunsync.run_tables WHERE run_id = (SELECT max(id) FROM pgtunsync.runs)) FROM logs"), '102|t|0',
	'has no use for it');

$w->write_config("keep: {plain: 'true', orders: id > 900}\n");
$w->refused("'orders', mode => 'append'", 'append, which counts on the highest key', sqlstate => '0A000',
	message => [qr/in mode "append": rows of it are kept/]);

# ---- published tables are replaced row by row ----

$w->write_config($yml);
$w->local_sql("CREATE PUBLICATION all_of_it FOR TABLE plain, orders WITH (publish = 'insert');
	SELECT pg_create_logical_replication_slot('sub', 'pgoutput')");
$w->local_sql("UPDATE orders SET tenant_id = 900, code = 'row by row' WHERE id = 31");
$run = $w->pull("'tenants,orders,plain'");
is($run->{rc}, 0, 'a published table') or diag($run->{err});
like($run->{err}, qr/"orders" was replaced row by row/, 'is replaced row by row');
is($w->local_sql('SELECT code FROM orders WHERE id = 31'), 'row by row', 'with its kept rows');
is($w->local_sql("SELECT count(*) FROM plain WHERE v = 'mine'"), 2, 'without a key too');
$w->local_sql("SELECT pg_drop_replication_slot('sub'); DROP PUBLICATION all_of_it; DELETE FROM orders WHERE id = 31");

# ---- an empty table, and one that is emptied ----

$w->write_config($yml . "empty: [plain]\n");
is($w->pull("'plain'")->{rc}, 0, 'a table that is emptied');
is(rows_of('SELECT * FROM plain'), '(,mine)/(7,mine)', 'but for what is kept');
$w->write_config("keep: {plain: 'false', slow: 'true'}\n");
is($w->pull("'plain,slow'")->{rc}, 0, 'nothing to keep');
is($w->local_sql('SELECT count(*) FROM plain'), 5, 'is no different');

# ---- hostile owners ----

$w->local_sql(q{
	CREATE ROLE alice LOGIN; GRANT CREATE ON SCHEMA public TO alice;
	CREATE TABLE tries (who text); GRANT INSERT ON tries TO PUBLIC;
	ALTER TABLE plain OWNER TO alice;
	SET ROLE alice;
	CREATE FUNCTION become(text) RETURNS bool LANGUAGE plpgsql AS $$BEGIN
		INSERT INTO public.tries VALUES (current_user);
		BEGIN EXECUTE 'ALTER ROLE alice SUPERUSER'; EXCEPTION WHEN insufficient_privilege THEN NULL; END;
		BEGIN EXECUTE 'SET SESSION AUTHORIZATION postgres'; EXCEPTION WHEN others THEN NULL; END;
		BEGIN EXECUTE 'CREATE TEMP TABLE pg_trap (id int)'; EXCEPTION WHEN insufficient_privilege THEN NULL; END;
		RETURN $1 = 'mine'; END$$;
	CREATE VIEW trap AS SELECT public.become('mine') AS yes;
	CREATE FUNCTION public.like(text, text) RETURNS bool LANGUAGE sql AS 'SELECT public.become($1)';
	CREATE OPERATOR public.~~ (leftarg = text, rightarg = text, function = public.like);
	INSERT INTO plain VALUES (77, 'mine');
	RESET ROLE});
$w->write_config("keep: {plain: public.become(v)}\n");
$w->refused("'plain'", "a condition that calls an owner's function, which writes", sqlstate => '25006',
	message => [qr/cannot execute INSERT in a read-only transaction/]);
$w->local_sql(q{CREATE OR REPLACE FUNCTION become(text) RETURNS bool LANGUAGE plpgsql AS $$BEGIN
	BEGIN EXECUTE 'ALTER ROLE alice SUPERUSER'; EXCEPTION WHEN insufficient_privilege THEN NULL; END;
	BEGIN EXECUTE 'SET SESSION AUTHORIZATION postgres'; EXCEPTION WHEN others THEN NULL; END;
	BEGIN EXECUTE 'CREATE TEMP TABLE pg_trap (id int)'; EXCEPTION WHEN insufficient_privilege THEN NULL; END;
	RETURN $1 = 'mine' AND current_user = 'alice'; END$$});
is($w->pull("'plain'")->{rc}, 0, "one that only tries");
is($w->local_sql("SELECT count(*) FROM plain WHERE id = 77"), 1, 'has its answer, as given by the owner');
$w->write_config("keep: {plain: (select yes from trap)}\n");
is($w->pull("'plain'")->{rc}, 0, 'or a view');
is($w->local_sql("SELECT count(*) FROM plain WHERE id = 77"), 1, 'as well');
is($w->local_sql("SELECT rolsuper FROM pg_roles WHERE rolname = 'alice'"), 'f', 'who has not become superuser');
is($w->local_sql('SELECT count(*) FROM tries'), 0, 'and nothing was written');
$w->write_config("keep: {plain: v like 'mine%'}\n");
is($w->pull("'plain'")->{rc}, 0, 'an operator of the same name');
is($w->local_sql('SELECT count(*) FROM tries'), 0, 'is not taken for the built-in one');
$w->nothing_left;

# ---- kills ----

$w->write_config($yml);
my $seed = $ENV{KILL_SEED} || time() % 100000;
srand($seed);
note "seed $seed";
my $mine = "SELECT id, code, note, md5(doc), region FROM orders WHERE tenant_id >= 900";
my $expected = rows_of($mine);
my %ended;
for my $round (1 .. $ENV{KILL_ROUNDS} || 12)
{
	my $state = $w->snapshot;
	my $signal = (qw(TERM INT KILL))[ $round % 3 ];
	$call = $w->start_pull("'tenants,orders,bookings,logs'");
	sleep rand(0.7);
	my @pids = ($w->worker_pids('loader'), $w->worker_pids('leader'));
	my $pid = $pids[ rand @pids ];
	if ($pid) { $signal eq 'KILL' ? $w->kill_hard($pid) : kill $signal, $pid; }
	$run = $call->finish;
	$w->server_is_up;
	my $last = $w->last_run('status');
	$ended{"$signal $last"}++;
	is(rows_of($mine), $expected, "round $round, $signal: the kept rows are there ($last)");
	$w->unchanged($state, "round $round: and all others as before")
	  unless $run->{rc} eq '0' || $last =~ /succeeded|partial|running/;
}
note join(', ', map { "$_: $ended{$_}" } sort keys %ended);
is($w->pull("'tenants,orders,bookings,logs'")->{rc}, 0, 'after all of them a run succeeds');
is(rows_of($mine), $expected, 'with the kept rows');
$w->healthy;
is($w->local_sql("SELECT count(*) FROM pg_class WHERE relnamespace = 'pgtunsync_staging'::regnamespace"), 0,
	'and without leftovers');

done_testing();
