# Mode append pulls the rows beyond the highest local value, in batches that
# commit one by one.  Checks which rows are pulled, where the next run
# continues, keys, what a failed run leaves, and the audit.

use strict;
use warnings;
use PgTunsync;
use PgTunsync::Agreement;
use Test::More;
use Time::HiRes qw(sleep);

my $w = PgTunsync->new(empty => 1);

sub last_table
{
	my ($columns, $table) = @_;
	return $w->local_sql("SELECT $columns FROM pgtunsync.run_tables WHERE run_id = (SELECT max(id) FROM pgtunsync.runs)
		AND table_name = '$table'");
}

# A test: the call succeeds, and the query returns this.
sub appends
{
	my ($arguments, $query, $expected, $title) = @_;
	my $run = $w->pull("$arguments, mode => 'append'");
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($run->{rc}, 0, $title) or diag($run->{err});
	is($w->local_sql($query), $expected, "$title: the rows");
	is($w->last_run('status'), 'succeeded', "$title: the status");
	$w->nothing_left("$title: nothing is left");
	return $run;
}
my $summary = 'SELECT count(*), min(id), max(id), sum(id) FROM';

# ---- pgsync's own cases ----

$w->both_sql('CREATE TABLE posts (id serial PRIMARY KEY, title text)');
$w->source_sql("INSERT INTO posts (title) VALUES ('one'), ('two'), ('three')");
appends("'posts', batch_size => 1", "$summary posts", '3|1|3|6', 'in batches of one');
is(last_table('mode, status, rows, rows_inserted, rows_updated', 'posts'), 'append|succeeded|3|3|0', 'the audit');
is($w->last_run("tables, rows, options ->> 'mode', options ->> 'batch_size'"), '1|3|append|1', 'and that of the run');
is($w->local_sql("SELECT nextval('posts_id_seq')"), 4, 'the sequence came along');
appends("'posts'", "$summary posts", '3|1|3|6', 'again: nothing');
is(last_table('status, rows', 'posts'), 'succeeded|0', 'which the audit says');
$w->local_sql("UPDATE posts SET title = 'mine' WHERE id = 2; DELETE FROM posts WHERE id = 1");
$w->source_sql("INSERT INTO posts (title) SELECT 'p' || i FROM generate_series(4, 25) i");
my $run = appends("'posts', batch_size => 10", "$summary posts", '24|2|25|324',
	'only rows beyond the highest, none below');
is($w->local_sql("SELECT title FROM posts WHERE id = 2"), 'mine', 'which stay as they are');
like($run->{err}, qr/posts: 22 inserted in 3 batches/, 'the caller is told');
$w->local_sql('TRUNCATE posts');
appends("'posts', batch_size => 5", "$summary posts", '25|1|25|325',
	'a number of rows that is a multiple of the batch');
$w->local_sql('DELETE FROM posts WHERE id > 10');
appends("'posts', filter => 'id % 2 = 0', batch_size => 3", "$summary posts", '17|1|24|181', 'with a filter');
$w->local_sql('TRUNCATE posts');
$w->write_config("filters: {posts: id < 15}\n");
appends("'posts'", "$summary posts", '14|1|14|105', "the configuration's filter");
$w->write_config('');

# ---- cursors ----

$w->both_sql(q{
	CREATE TABLE events (id bigint, at timestamptz NOT NULL, day date NOT NULL, name text NOT NULL, v int,
		gap int NOT NULL DEFAULT 0, PRIMARY KEY (id, at));
	CREATE INDEX ON events (at DESC); CREATE INDEX ON events (day, v); CREATE INDEX ON events (name);
	CREATE INDEX ON events (v);
	CREATE INDEX ON events (gap) WHERE v > 0});
$w->source_sql("INSERT INTO events SELECT i, '2024-01-01 00:00+02'::timestamptz + i * interval '1.5 s',
	'2024-01-01'::date + i / 7, 'n' || i, i FROM generate_series(1, 100) i");
$w->refused("'events', mode => 'append'", 'a key of two columns', sqlstate => '55000',
	message => [ qr/no primary key of one column/, qr/cursor => / ]);
appends("'events', cursor => 'at', batch_size => 30", "$summary events", '100|1|100|5050',
	'a timestamp, by a descending index');
$w->local_sql('TRUNCATE events');
appends("'events', cursor => 'day', batch_size => 10", "$summary events", '100|1|100|5050',
	'rows that share a value are not torn apart');
appends("'events', cursor => 'day', batch_size => 10", "$summary events", '100|1|100|5050', 'and not taken twice');
appends("'events', cursor => 'id'", "$summary events", '100|1|100|5050', 'the first column of the key');
foreach my $case ([ 'name', qr/"name" has type text|name has type text/ ], [ 'v', qr/may be null/ ],
	[ 'gap', qr/no index here/ ])
{
	$w->refused("'events', mode => 'append', cursor => '$case->[0]'", "a cursor that cannot be: $case->[0]",
		sqlstate => '55000', message => [ qr/cannot append to events/, $case->[1] ]);
}
$w->refused("'events', mode => 'append', cursor => 'x'", 'a column that is not there', sqlstate => '42703',
	message => [qr/Column x/]);
$w->write_env(PGSYNC_MASK_KEY => 'k' x 32);
$w->write_config("data_rules: {id: pseudonym_number}\n");
$w->refused("'events', mode => 'append', cursor => 'id'", 'a masked cursor', sqlstate => '55000',
	message => [qr/is masked/]);
$w->write_config("rewrite: {id: '1'}\n");
$w->refused("'events', mode => 'append', cursor => 'id'", 'a rewritten cursor', sqlstate => '55000',
	message => [qr/is rewritten/]);
$w->write_config('');
$w->refused("'events', mode => 'append', cursor => 'id', filter => 'id < 5 order by v limit 2'",
	'a clause with a limit', sqlstate => '0A000', message => [qr/Only WHERE/]);
$w->both_sql('CREATE TABLE ids (id uuid PRIMARY KEY); CREATE TABLE narrow (id int PRIMARY KEY)');
$w->source_sql("INSERT INTO ids SELECT md5(i::text)::uuid FROM generate_series(1, 50) i;
	ALTER TABLE narrow ALTER id TYPE bigint; INSERT INTO narrow SELECT generate_series(1, 20)");
appends("'ids', batch_size => 7", 'SELECT count(*) FROM ids', 50, 'uuids');
appends("'narrow', batch_size => 7", "$summary narrow", '20|1|20|210', 'integers of another width');

$w->both_sql('CREATE TABLE twins (id int NOT NULL)');
$w->local_sql('ALTER TABLE twins ADD PRIMARY KEY (id)');
$w->source_sql('INSERT INTO twins SELECT generate_series(1, 10); INSERT INTO twins VALUES (5)');
is($w->pull("'twins', mode => 'append', batch_size => 5")->{sqlstate}, '23505',
	'a value that is unique only here, at the end of a batch, is not taken for the only one');

# ---- arguments that contradict each other ----

$w->refused("'posts', mode => 'append', on_error => 'abort'", 'all or nothing', sqlstate => '22023',
	message => [qr/on_error/], audit => 'none');
$w->refused("'posts', batch_size => 5", 'a batch of all', sqlstate => '22023', message => [qr/needs mode => 'append'/],
	audit => 'none');
$w->refused("'posts', cursor => 'id', mode => 'overwrite'", 'a cursor without', sqlstate => '22023',
	message => [qr/needs mode => 'append'/], audit => 'none');
$w->refused("'posts', mode => 'append', batch_size => $_", "batches of $_", sqlstate => '22023', audit => 'none')
  foreach 0, -1;

# ---- columns, constraints ----

$w->both_sql('CREATE TABLE wide (id int PRIMARY KEY, v text, double int GENERATED ALWAYS AS (id * 2) STORED)');
$w->local_sql("ALTER TABLE wide ADD extra text DEFAULT 'd'; ALTER TABLE wide ADD CHECK (id <> 17);
	CREATE UNIQUE INDEX ON wide (v)");
$w->source_sql("INSERT INTO wide (id, v) SELECT i, repeat(md5(i::text), 200) FROM generate_series(1, 12) i");
appends("'wide', batch_size => 5", "SELECT count(*), sum(double), sum(length(v)), min(extra) FROM wide",
	'12|156|76800|d', 'generated columns, defaults, long values');
$w->source_sql("INSERT INTO wide (id, v) SELECT i, i FROM generate_series(13, 30) i");
$run = $w->pull("'wide,posts', mode => 'append', batch_size => 2");
is($run->{sqlstate}, '23514', 'a row that a CHECK refuses');
like($run->{err}, qr/wide_id_check.*What has landed stays/s, 'is named');
is($w->local_sql("$summary wide"), '16|1|16|136', 'the batches before it stay');
is($w->last_run('status, tables, rows'), 'partial|2|' . (4 + 11), 'the run says so');
is(last_table('status, rows, sqlstate', 'wide'), 'partial|4|23514', 'and the table');
is(last_table('status, rows', 'posts'), 'succeeded|11', 'the other one came');
$w->nothing_left;
$run = $w->pull("'wide', mode => 'append', batch_size => 2");
is($w->last_run('status, rows'), 'failed|0', 'when not one batch gets in, the run has failed');
is(last_table('status', 'wide'), 'failed', 'and the table');
$w->local_sql("ALTER TABLE wide DROP CONSTRAINT wide_id_check; INSERT INTO wide (id, v) VALUES (-1, '20')");
$run = $w->pull("'wide', mode => 'append', batch_size => 2");
is($run->{sqlstate}, '23505', 'a clash with another unique index');
like($run->{err}, qr/wide_v_idx/, 'by its name');
is($w->local_sql('SELECT max(id) FROM wide'), 18, 'up to there');
$w->local_sql('DELETE FROM wide WHERE id = -1');
appends("'wide', batch_size => 2", "$summary wide", '30|1|30|465', 'the next call goes on');
$w->healthy;

# ---- foreign keys ----

$w->both_sql(q{
	CREATE TABLE accounts (id int PRIMARY KEY);
	CREATE TABLE orders (id int PRIMARY KEY, account_id int REFERENCES accounts);
	CREATE TABLE aa_items (id int PRIMARY KEY, order_id int REFERENCES orders, previous int REFERENCES aa_items);
	CREATE TABLE egg (id int PRIMARY KEY, hen_id int);
	CREATE TABLE hen (id int PRIMARY KEY, egg_id int REFERENCES egg);
	ALTER TABLE egg ADD FOREIGN KEY (hen_id) REFERENCES hen});
$w->source_sql("INSERT INTO accounts SELECT generate_series(1, 30);
	INSERT INTO orders SELECT i, 31 - i FROM generate_series(1, 30) i;
	INSERT INTO aa_items SELECT i, i, nullif(i - 1, 0) FROM generate_series(1, 30) i");
$run = $w->pull("'orders', mode => 'append', batch_size => 10");
is($run->{sqlstate}, '23503', 'children without parents');
is($w->local_sql('SELECT count(*) FROM orders') . $w->last_run('status'), '0failed', 'no batch of them is in');
appends("'{aa_items,orders,accounts}', batch_size => 7",
	'SELECT (SELECT count(*) FROM aa_items), (SELECT count(*) FROM orders), (SELECT count(*) FROM accounts)',
	'30|30|30', 'parents come before children');
$w->source_sql("INSERT INTO accounts VALUES (40), (41), (50);
	INSERT INTO orders VALUES (40, 40), (41, 41), (42, NULL), (43, 50)");
$run = $w->pull("'{accounts,orders}', mode => 'append', batch_size => 2, filter => 'id < 50'");
is($run->{sqlstate}, '23503', 'a batch with a reference to a row that does not come');
like($run->{err}, qr/orders_account_id_fkey/, 'is named');
is($w->local_sql('SELECT max(id) FROM orders'), 41, 'those before it are in');
is($w->last_run('status, rows'), 'partial|4', 'and counted');
$w->refused("'egg,hen', mode => 'append'", 'a circle', sqlstate => '0A000',
	message => [ qr/circle/, qr/egg/, qr/hen/ ]);
$w->nothing_left;

# ---- a source that changes ----

$w->both_sql('CREATE TABLE first (id int PRIMARY KEY); CREATE TABLE second (id int PRIMARY KEY REFERENCES first)');
$w->source_sql('INSERT INTO first VALUES (1); INSERT INTO second VALUES (1)');
$w->write_config("filters: {first: pg_sleep(3) is not null}\n");
my $truncated = $w->start_pull("'first,second', mode => 'append'");
$w->source->poll_query_until('production', "SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE '%COPY%'
	AND wait_event = 'PgSleep'");
$w->source_sql('TRUNCATE second');
$run = $truncated->finish;
is($run->{sqlstate}, '55000', 'a table that is truncated while another one comes');
like($run->{err}, qr/ERROR:.*DETAIL:  second: table second was truncated or rewritten on the source/s,
	'is told in the end, too') or diag($run->{err});
is(last_table('error', 'second'), 'table second was truncated or rewritten on the source during the run',
	'and in the audit');
$w->write_config('');

# ---- partitions ----

$w->both_sql(q{
	CREATE TABLE logs (id int, at int, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
	CREATE TABLE logs_a PARTITION OF logs FOR VALUES FROM (0) TO (50);
	CREATE TABLE logs_b PARTITION OF logs FOR VALUES FROM (50) TO (100)});
$w->source_sql('INSERT INTO logs SELECT i, i FROM generate_series(1, 99) i');
$w->local_sql('INSERT INTO logs VALUES (60, 60)');
appends("'logs', cursor => 'id', batch_size => 20", "$summary logs", '89|1|99|' . (4950 - 495 - 50),
	'each partition goes by its own highest value');

# ---- rights ----

$w->local_sql("CREATE ROLE dev LOGIN; GRANT USAGE ON SCHEMA pgtunsync TO dev;
	GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pgtunsync TO dev; GRANT SELECT, UPDATE ON ids TO dev");
$w->refused("'ids', mode => 'append'", 'without INSERT', user => 'dev', sqlstate => '42501',
	message => [qr/needs INSERT on it/]);
$w->local_sql('GRANT INSERT ON ids TO dev');
is($w->pull("'ids', mode => 'append'", user => 'dev')->{rc}, 0, 'with INSERT');

# ---- the end in the middle ----

$w->both_sql('CREATE TABLE long (id int PRIMARY KEY, v text)');
$w->source_sql('INSERT INTO long SELECT i, repeat(md5(i::text), 5) FROM generate_series(1, 40000) i');
my $whole = 'SELECT count(*) = max(id) AND count(*) % 100 = 0, count(*) BETWEEN 1 AND 39999 FROM long';
my $call = $w->start_pull("'long', mode => 'append', batch_size => 100");
sleep 0.05 until $w->local_sql('SELECT count(*) FROM long') > 500;
ok($w->local_sql('SELECT rows > 0 AND status = $$running$$ FROM pgtunsync.runs ORDER BY id DESC LIMIT 1') eq 't',
	'the audit of a run that goes on has what is in');
$w->local_sql('SELECT pgtunsync.cancel(max(id)) FROM pgtunsync.runs');
$run = $call->finish;
is($run->{sqlstate}, '57014', 'a cancel');
is($w->local_sql($whole), 't|t', 'leaves whole batches');
is($w->local_sql('SELECT (SELECT count(*) FROM long) = r.rows AND t.rows = r.rows, r.status, t.status
	FROM pgtunsync.runs r JOIN pgtunsync.run_tables t ON t.run_id = r.id ORDER BY r.id DESC LIMIT 1'),
	't|cancelled|partial', 'and an audit that counts them');
$w->nothing_left;

$call = $w->start_pull("'long', mode => 'append', batch_size => 100");
my $before = $w->local_sql('SELECT count(*) FROM long');
sleep 0.05 until $w->local_sql('SELECT count(*) FROM long') > $before + 500;
$w->kill_hard($w->local_sql("SELECT pid FROM pg_stat_activity WHERE backend_type LIKE 'pgtunsync leader%'"));
$call->finish;
$w->server_is_up;
is($w->local_sql($whole), 't|t', 'so does a kill');
my $landed = $w->local_sql('SELECT count(*) FROM long');
$w->pull("'posts', mode => 'append'");
is($w->local_sql("SELECT status, rows = $landed - $before FROM pgtunsync.runs ORDER BY id DESC OFFSET 1 LIMIT 1"),
	'crashed|t', 'the next run marks it, with what was committed');
appends("'long'", "$summary long", '40000|1|40000|800020000', 'and the next call brings the rest');

# ---- side by side ----

$w->local_sql('TRUNCATE long');
$w->write_env(PGSYNC_LOCAL_PORT => 0);
my @calls = map { $w->start_pull("'long', mode => 'append', batch_size => 2000") } 1 .. 2;
is($_->finish->{rc}, 0, 'two appends to one table') or diag($_->{err}) foreach @calls;
is($w->local_sql("$summary long"), '40000|1|40000|800020000', 'bring each row once');
is($w->local_sql("SELECT sum(rows) FROM (SELECT rows FROM pgtunsync.runs ORDER BY id DESC LIMIT 2) r"), 40000,
	'one after the other');
$w->write_env;
$w->local_sql('TRUNCATE long');
$call = $w->start_pull("'long', mode => 'append', batch_size => 500");
sleep 0.02 until $w->local_sql('SELECT count(*) FROM long') > 2000;
$w->local_sql("INSERT INTO long VALUES (1000000, 'mine')");
is($call->finish->{rc}, 0, 'a writer whose row is beyond all') or diag($call->{err});
is($w->local_sql("$summary long WHERE id < 1000000"), '40000|1|40000|800020000',
	'does not hide the rows that are still to come');
$w->local_sql('DELETE FROM long WHERE id = 1000000');
$w->local_sql('TRUNCATE long');
$call = $w->start_pull("'long', mode => 'append', batch_size => 500");
sleep 0.02 until $w->local_sql('SELECT count(*) FROM long') > 2000;
$w->local_sql("SET lock_timeout = '20s'; ALTER TABLE long ADD COLUMN later int");
$run = $call->finish;
like($run->{err}, qr/altered meanwhile/, 'an ALTER TABLE gets in between two batches, and ends it');
is($w->last_run('status'), 'partial', 'with what is in');
appends("'long'", "$summary long", '40000|1|40000|800020000', 'the next call takes the table as it is');
$w->source_sql('INSERT INTO long SELECT i, i FROM generate_series(40001, 40100) i');
my $reader = $w->call("BEGIN ISOLATION LEVEL REPEATABLE READ;\nSELECT count(*) FROM long;\n", more => 1);
$reader->wait_message(qr/40000/, 'out');
appends("'long', batch_size => 10", "$summary long", '40100|1|40100|804025050',
	'a reader in the middle of its transaction is not in the way');
$reader->say("SELECT 'still', count(*) FROM long;\nCOMMIT;\n");
like($reader->finish->{out}, qr/still\|40000/, 'and reads what it has read');

$w->healthy;
done_testing();
