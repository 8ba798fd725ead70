# Another session alters a table during a pull.  That session does not wait.
# If the change affects rows or indexes, only that table fails, by name.  Other
# changes are ignored.

use strict;
use warnings;
use PgTunsync;
use Test::More;
use Time::HiRes qw(sleep time);

my $w = PgTunsync->new(local_conf => "allow_in_place_tablespaces = on\n");
my $relay = $w->relay;

# its COPY stalls half-way
$w->source_sql("CREATE TABLE big AS SELECT i AS id, repeat('x', 100) AS filler FROM generate_series(1, 20000) i");
$w->local_sql('CREATE TABLE big (id int, filler text)');
my $half = 1_000_000;

# Each case has its own table, with different rows on each side.
# [ name, commands on table T, expected DETAIL or undef ]
my @cases = (
	[ 'add_column', 'ALTER TABLE T ADD COLUMN more int', 'Column "more" was added' ],
	[ 'drop_add', 'ALTER TABLE T DROP COLUMN v; ALTER TABLE T ADD COLUMN v int', 'Column "v" was changed' ],
	[ 'type', 'ALTER TABLE T ALTER v TYPE bytea USING NULL', 'Column "v" was changed' ],
	[ 'typmod', 'ALTER TABLE T ALTER n TYPE numeric(20,3)', 'Column "n" was changed' ],
	[ 'collation', 'ALTER TABLE T ALTER s TYPE text COLLATE "C"', 'Column "s" was changed' ],
	[ 'storage', 'ALTER TABLE T ALTER s SET STORAGE EXTERNAL', 'Column "s" was changed' ],
	[ 'not_null', 'UPDATE T SET v = 0 WHERE v IS NULL; ALTER TABLE T ALTER v SET NOT NULL', 'Column "v" was changed' ],
	[ 'rename_column', 'ALTER TABLE T RENAME v TO w', 'Column "v" was changed' ],
	[ 'rename', 'ALTER TABLE T RENAME TO T_renamed', 'Its name was changed' ],
	[ 'schema', 'CREATE SCHEMA moved; ALTER TABLE T SET SCHEMA moved', 'Its schema was changed' ],
	[ 'index', 'DROP INDEX T_s_idx; CREATE INDEX T_s_idx ON T (s)', 'Index "T_s_idx" was dropped' ],
	[ 'new_index', 'CREATE INDEX T_v_idx ON T (v)', 'Index "T_v_idx" was added' ],
	[ 'owner', 'ALTER TABLE T OWNER TO somebody', 'Its owner was changed' ],
	[ 'method', 'ALTER TABLE T SET ACCESS METHOD heap2', 'Its access method was changed' ],
	[ 'identity', 'ALTER TABLE T REPLICA IDENTITY FULL', 'Its replica identity was changed' ],
	[ 'check', 'ALTER TABLE T ADD CONSTRAINT few CHECK (v IS NULL OR v < 1000000)', 'Constraint "few" was added' ],
	[ 'validated', 'ALTER TABLE T VALIDATE CONSTRAINT T_later', 'Constraint "T_later" was changed' ],
	[ 'generated', 'ALTER TABLE T DROP COLUMN g; ALTER TABLE T ADD COLUMN g int GENERATED ALWAYS AS (id * 3) STORED',
		'Column "g" was changed' ],
	[ 'domain', 'ALTER DOMAIN T_domain ADD CONSTRAINT small CHECK (VALUE < 2000000)',
		'Domain constraint "small" was added' ],
	[ 'inherit', 'CREATE TABLE T_parent (id int); ALTER TABLE T INHERIT T_parent',
		'Inheritance from "T_parent" was added' ],
	[ 'attach', 'ALTER TABLE T_root ATTACH PARTITION T FOR VALUES FROM (0) TO (1000000)',
		'Its place among partitions was changed' ],
	[ 'tablespace', 'ALTER TABLE T SET TABLESPACE elsewhere', 'Its tablespace was changed' ],
	[ 'index_tablespace', 'ALTER INDEX T_s_idx SET TABLESPACE elsewhere', 'Index "T_s_idx" was changed' ],
	[ 'dropped', 'DROP TABLE T', undef ],

	# none of these affects rows or indexes
	[ 'ok_there_and_back', 'ALTER TABLE T ALTER v TYPE bigint; ALTER TABLE T ALTER v TYPE int', '' ],
	[ 'ok_grant', 'GRANT SELECT ON T TO somebody; COMMENT ON TABLE T IS $$said$$', '' ],
	[ 'ok_analyze', 'ANALYZE T; ALTER TABLE T ALTER v SET STATISTICS 500; CREATE STATISTICS T_st ON id, v FROM T', '' ],
	[ 'ok_vacuum', 'VACUUM T', '' ],
	[ 'ok_full', 'VACUUM FULL T', '' ],
	[ 'ok_cluster', 'CLUSTER T USING T_pkey', '' ],
	[ 'ok_reindex', 'REINDEX TABLE T', '' ],
	[ 'ok_options', 'ALTER TABLE T SET (fillfactor = 70)', '' ],
	[ 'ok_default', 'ALTER TABLE T ALTER v SET DEFAULT 7', '' ],
	[ 'ok_names', 'ALTER INDEX T_s_idx RENAME TO T_named; ALTER TABLE T RENAME CONSTRAINT T_later TO T_named_c', '' ],
	[ 'ok_foreign_key', 'ALTER TABLE T ADD FOREIGN KEY (id) REFERENCES t_ok_analyze', '' ],
	[ 'ok_rows', 'DELETE FROM T', '' ]);

$_->[0] = "t_$_->[0]" foreach @cases;

sub of
{
	my ($table, $text) = @_;
	$text =~ s/\bT(?=\b|_)/$table/g;
	return $text;
}

$w->local_sql('CREATE ROLE somebody; GRANT CREATE ON SCHEMA public TO somebody;
	CREATE ACCESS METHOD heap2 TYPE TABLE HANDLER heap_tableam_handler');
$w->local_sql("CREATE TABLESPACE elsewhere LOCATION ''");
foreach my $side (qw(source local))
{
	my $sql = "SET client_min_messages = warning;";
	my $from = $side eq 'source' ? 100 : 1;

	foreach my $case (@cases)
	{
		my $t = $case->[0];

		$sql .= of($t, "CREATE DOMAIN T_domain AS int;
			CREATE TABLE T (id int CONSTRAINT T_pkey PRIMARY KEY, v int, n numeric(10,2), s text, d T_domain,
				g int GENERATED ALWAYS AS (id * 2) STORED);
			CREATE INDEX T_s_idx ON T (s);
			ALTER TABLE T ADD CONSTRAINT T_later CHECK (id > 0) NOT VALID;
			INSERT INTO T SELECT i, i, i, 'row ' || i, i FROM generate_series($from, $from + 20) i;");
		$sql .= of($t, "CREATE TABLE T_root (LIKE T INCLUDING GENERATED) PARTITION BY RANGE (id);") if $t eq 't_attach';
	}
	$w->{$side}->safe_psql($w->database($side), $sql);
}

sub table_rows
{
	my ($side, $table) = @_;
	return $w->{$side}->safe_psql($w->database($side), "SELECT count(*), min(id), max(id) FROM $table");
}

# ---- the rows of the small tables are loaded, those of "big" on their way ----

my $names = join(',', (map { $_->[0] } @cases), 'big');
$relay->set(stall_after => $half);
my $call = $w->start_pull("'{$names}', jobs => 2");
$w->local_node->poll_query_until('dev',
	"SELECT count(*) >= " . @cases . " FROM pg_class WHERE relname ~ '^staging_' AND relkind = 'r' AND reltuples > 0")
  or die 'not loaded';
$relay->wait_stalled;

foreach my $case (@cases)
{
	my ($table, $sql) = @$case;
	my $start = time();
	my $ddl = $w->call("SET lock_timeout = '5s';\n"
		. join("\n", map { of($table, $_) . ';' } split /; /, $sql))->finish;
	ok($ddl->{rc} == 0 && time() - $start < 4, "$table: the command does not wait") or diag($ddl->{err});
}
$relay->set;
$call->finish;
is($call->{sqlstate}, '55006', 'the run says that tables were altered') or diag($call->{err});
my $run = $w->last_run('id');

foreach my $case (@cases)
{
	my ($table, $sql, $detail) = @$case;
	my $result = $w->local_sql(
		"SELECT status, sqlstate FROM pgtunsync.run_tables WHERE run_id = $run AND table_name = '$table'");

	if (defined $detail && $detail eq '')
	{
		is($result, 'succeeded|', "$table: the table is pulled");
		is(table_rows('local', $table), table_rows('source', $table), "$table: with the rows of the source");
		next;
	}
	is($result, 'failed|55006', "$table: the table fails");
	$detail = of($table, $detail) if defined $detail;
	like($call->{err},
		defined $detail ?
		  qr/table\ $table\ could\ not\ be\ pulled:\ it\ was\ altered\ meanwhile\n
			.*?DETAIL:\s+\Q$detail\E\ while\ its\ rows\ were\ loaded\.\n.*?HINT:\s+Pull\ again/x :
		  qr/table $table could not be pulled: it was dropped meanwhile/,
		"$table: and says what was altered");
	next if !defined $detail;
	my $now = $table eq 't_rename' ? 't_rename_renamed' : $table eq 't_schema' ? 'moved.t_schema' : $table;
	is(table_rows('local', $now), '21|1|21', "$table: the rows stay");
}
$w->both_equal('big');
is($w->local_sql("SELECT reltablespace <> 0 FROM pg_class WHERE relname = 't_index_tablespace_s_idx'"), 't',
	'ALTER INDEX … SET TABLESPACE is not undone');
is($w->local_sql(
		"SELECT convalidated FROM pg_constraint WHERE conrelid = 't_ok_foreign_key'::regclass AND contype = 'f'"),
	't', 'a foreign key that was added meanwhile holds');
$w->healthy;
$w->nothing_left;

# ---- the same at the end, between two attempts at the last lock ----

my $holder = $w->call("BEGIN; SELECT count(*) FROM t_domain; SELECT 'read';", more => 1);
$holder->wait_message(qr/read/, 'out');
$call = $w->start_pull("'{t_domain,big}'");
$w->local_node->poll_query_until('dev',
	"SELECT count(*) > 0 FROM pg_stat_activity WHERE backend_type = 'pgtunsync leader' AND query LIKE '%swapping%'")
  or die 'no swap';
sleep 0.5;
my $ddl = $w->call("SET lock_timeout = '20s';
	ALTER DOMAIN t_domain_domain ADD CONSTRAINT odd CHECK (VALUE > -5);")->finish;
is($ddl->{rc}, 0, 'a domain gets a constraint between two attempts') or diag($ddl->{err});
$holder->say('COMMIT;');
$holder->finish;
$call->finish;
is($call->{sqlstate}, '55006', 'the swap finds it') or diag($call->{err});
like($call->{err}, qr/table t_domain could not be pulled: it was altered meanwhile/, 'and names the table');
$w->both_equal('big');
is(table_rows('local', 't_domain'), '21|1|21', 'whose rows stay');
$w->nothing_left;

# ---- rights that are taken away meanwhile ----

$w->local_sql('CREATE ROLE puller LOGIN; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pgtunsync TO puller;
	GRANT USAGE ON SCHEMA pgtunsync TO puller; GRANT INSERT, TRUNCATE ON t_domain, big TO puller');
$relay->set(stall_after => $half);
$call = $w->start_pull("'{t_domain,big}', jobs => 2", user => 'puller');
$relay->wait_stalled;
$w->local_sql('REVOKE TRUNCATE ON t_domain FROM puller');
$relay->set;
$call->finish;
is($call->{sqlstate}, '42501', 'a right that was revoked meanwhile counts') or diag($call->{err});
like($call->{err}, qr/table t_domain could not be pulled: TRUNCATE and INSERT on it is needed/, 'by name');
is(table_rows('local', 't_domain'), '21|1|21', 'the rows stay');
$w->nothing_left;

# ---- REASSIGN OWNED, which changes the owner of the staging heap, too ----

$w->local_sql('CREATE ROLE leaving; GRANT CREATE ON SCHEMA public TO leaving; ALTER TABLE t_domain OWNER TO leaving');
$relay->set(stall_after => $half);
$call = $w->start_pull("'{t_domain,big}', jobs => 2");
$w->local_node->poll_query_until('dev',
	"SELECT count(*) = 1 FROM pg_class WHERE relname ~ '^staging_' AND relkind = 'r' AND reltuples > 0")
  or die 'not loaded';
$relay->wait_stalled;
$ddl = $w->call("SET lock_timeout = '5s'; REASSIGN OWNED BY leaving TO somebody;")->finish;
is($ddl->{rc}, 0, 'REASSIGN OWNED works') or diag($ddl->{err});
$relay->set;
$call->finish;
is($call->{sqlstate}, '55006', 'the run tells of it') or diag($call->{err});
like($call->{err}, qr/table t_domain could not be pulled: it was altered meanwhile
.*?DETAIL:\s+Its owner was changed/,
	'by the name of the table');
$w->both_equal('big');
$w->nothing_left;

done_testing();
