# Source and local table have different partitions.  The rows are routed to the
# local partitions.  All rows of a table arrive, or the table stays unchanged.

use strict;
use warnings;
use PgTunsync;
use PgTunsync::Agreement;
use PgTunsync::Compare;
use Test::More;

my $w = PgTunsync->new(empty => 1);

# The same rows, kept here and there by these definitions.
sub table
{
	my ($name, $columns, $there, $here) = @_;
	$w->source_sql("CREATE TABLE $name ($columns) $there");
	$w->local_sql("CREATE TABLE $name ($columns) $here");
	return;
}

# A test: the whole table is pulled, each row into its partition.
sub comes
{
	my ($table, $title, $arguments) = @_;
	my $before = $w->snapshot;
	my $run = $w->pull($arguments || "'$table'");
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	subtest $title => sub {
		is($run->{rc}, 0, 'the call succeeds') or diag($run->{err});
		$w->both_equal($table);
		$w->catalog_unchanged($before);
		$w->healthy;
		$w->nothing_left;
	};
	return $run;
}

# ---- a plain table there, partitions here ----

table('events', 'id int, at date, kind text, n int', '',
	"PARTITION BY RANGE (at);
	 CREATE TABLE events_old PARTITION OF events FOR VALUES FROM (MINVALUE) TO ('2024-01-01');
	 CREATE TABLE events_2024 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')
	 	PARTITION BY LIST (kind);
	 CREATE TABLE events_2024_a PARTITION OF events_2024 FOR VALUES IN ('a', 'it''s', NULL);
	 CREATE TABLE events_2024_rest PARTITION OF events_2024 DEFAULT;
	 CREATE TABLE \"events none\" PARTITION OF events DEFAULT");
$w->source_sql(q{INSERT INTO events SELECT i, CASE WHEN i % 50 > 0 THEN '2023-06-01'::date + i * 5 END,
	(ARRAY['a', 'b', 'it''s', NULL])[1 + i % 4], i FROM generate_series(1, 400) i});
$w->local_sql("INSERT INTO events VALUES (-1, '2024-05-05', 'a', 0)");
comes('events', 'range and list, NULL and default');
is($w->local_sql('SELECT count(DISTINCT tableoid) FROM events'), 4, 'rows lie in all of them');
is( $w->local_sql("SELECT string_agg(table_name, ' ' ORDER BY table_name) FROM pgtunsync.run_tables
	WHERE run_id = (SELECT max(id) FROM pgtunsync.runs)"),
	'"events none" events_2024_a events_2024_rest events_old', 'the audit has the partitions');
$w->source_sql('UPDATE events SET n = -n');
comes('events', 'as part of everything', '');

# ---- other bounds, other levels, other strategies ----

table('ranges', 'id int, v text',
	'PARTITION BY RANGE (id); CREATE TABLE ranges_a PARTITION OF ranges FOR VALUES FROM (0) TO (50);
	CREATE TABLE ranges_b PARTITION OF ranges FOR VALUES FROM (50) TO (100)',
	'PARTITION BY RANGE (id); CREATE TABLE ranges_a PARTITION OF ranges FOR VALUES FROM (0) TO (30);
	CREATE TABLE ranges_b PARTITION OF ranges FOR VALUES FROM (30) TO (100)');
table('levels', 'id int, v text',
	'PARTITION BY RANGE (id);
	CREATE TABLE levels_a PARTITION OF levels FOR VALUES FROM (0) TO (50) PARTITION BY LIST (id);
	CREATE TABLE levels_a1 PARTITION OF levels_a DEFAULT; CREATE TABLE levels_b PARTITION OF levels DEFAULT',
	'PARTITION BY RANGE (id); CREATE TABLE levels_a PARTITION OF levels FOR VALUES FROM (0) TO (50);
	CREATE TABLE levels_b PARTITION OF levels DEFAULT');
table('strategy', 'id int, v text',
	'PARTITION BY HASH (id); CREATE TABLE strategy_a PARTITION OF strategy FOR VALUES WITH (MODULUS 2, REMAINDER 0);
	CREATE TABLE strategy_b PARTITION OF strategy FOR VALUES WITH (MODULUS 2, REMAINDER 1)',
	'PARTITION BY LIST (id); CREATE TABLE strategy_a PARTITION OF strategy FOR VALUES IN (1, 2, 3);
	CREATE TABLE strategy_b PARTITION OF strategy DEFAULT');
table('expression', 'id int, v text', '',
	"PARTITION BY LIST (lower(v)); CREATE TABLE expression_a PARTITION OF expression FOR VALUES IN ('row 1', 'row 2');
	CREATE TABLE expression_b PARTITION OF expression DEFAULT");
table('columns_two', 'id int, v text', '',
	"PARTITION BY RANGE (id, v);
	CREATE TABLE columns_two_a PARTITION OF columns_two FOR VALUES FROM (0, 'm') TO (50, 'm');
	CREATE TABLE columns_two_b PARTITION OF columns_two DEFAULT");
foreach my $table (qw(ranges levels strategy expression columns_two))
{
	$w->source_sql("INSERT INTO $table SELECT i, (ARRAY['row ', 'Row '])[1 + i % 2] || i
		FROM generate_series(1, 99) i");
	$w->local_sql("INSERT INTO $table VALUES (40, 'stale')");
	comes($table, "partitions that differ: $table");
}

# different types, columns in another order
$w->source_sql('CREATE TABLE retyped (v varchar(20), id int)');
$w->local_sql('CREATE TABLE retyped (id bigint, v text) PARTITION BY RANGE (id);
	CREATE TABLE retyped_a PARTITION OF retyped FOR VALUES FROM (0) TO (50);
	CREATE TABLE retyped_b (v text, gone int, id bigint); ALTER TABLE retyped_b DROP gone;
	ALTER TABLE retyped ATTACH PARTITION retyped_b FOR VALUES FROM (50) TO (6000000000)');
$w->source_sql("INSERT INTO retyped SELECT 'v' || i, i FROM generate_series(1, 99) i");
comes('retyped', 'another type, another order');

# ---- rows that no partition takes ----

my $good = 'good';
table($good, 'id int, v text', '', '');
$w->source_sql("INSERT INTO good VALUES (1, 'new')");
$w->local_sql("INSERT INTO good VALUES (1, 'stale')");
table('narrow', 'id int, v text', '',
	'PARTITION BY RANGE (id); CREATE TABLE narrow_a PARTITION OF narrow FOR VALUES FROM (0) TO (10);
	CREATE TABLE narrow_b PARTITION OF narrow FOR VALUES FROM (10) TO (20)');
$w->source_sql("INSERT INTO narrow SELECT i FROM generate_series(0, 19) i");
comes('narrow', 'every row has its partition');
$w->source_sql('INSERT INTO narrow VALUES (20), (NULL), (21)');
my $rows = $w->local_sql('SELECT count(*), sum(id) FROM narrow');
$w->refused("'narrow'", 'rows that no partition takes', sqlstate => '23514',
	message => [ qr/no partition of narrow takes 3 of its rows/, qr/narrow_a/, qr/HINT:.*default partition/ ]);
my $run = $w->pull("'{narrow,good}'");
is($run->{sqlstate}, '23514', 'with another table: the call fails');
is($w->local_sql('SELECT count(*), sum(id) FROM narrow'), $rows, 'the partitions are as they were');
is($w->local_sql('SELECT v FROM good'), 'new', 'the other table is replaced');
$w->nothing_left;

# ---- all or none ----

$w->source_sql('DELETE FROM narrow WHERE id IS NULL OR id >= 20; UPDATE narrow SET v = 2147483648 WHERE id = 15');
$w->local_sql("DELETE FROM narrow; ALTER TABLE narrow ALTER v TYPE int USING 0;
	INSERT INTO narrow VALUES (1, 1), (11, 1)");
$run = $w->refused("'narrow'", 'one partition fails', sqlstate => '22003',
	message => [qr/narrow_a is left as it is.*narrow_b/]);
$run = $w->pull("'{narrow,good}'");
is($w->local_sql('SELECT array_agg(id ORDER BY id) FROM narrow'), '{1,11}', 'no partition is replaced alone');
$w->nothing_left;

table('same', 'id int, v int', 'PARTITION BY RANGE (id);
	CREATE TABLE same_a PARTITION OF same FOR VALUES FROM (0) TO (10);
	CREATE TABLE same_b PARTITION OF same FOR VALUES FROM (10) TO (20)',
	'PARTITION BY RANGE (id); CREATE TABLE same_a PARTITION OF same FOR VALUES FROM (0) TO (10);
	CREATE TABLE same_b PARTITION OF same FOR VALUES FROM (10) TO (20)');
$w->source_sql('INSERT INTO same SELECT i, i FROM generate_series(0, 19) i');
comes('same', 'the same partitions');
$w->local_sql('ALTER TABLE same_b ADD CHECK (v < 100)');
$w->source_sql('UPDATE same SET v = v + 100');
$w->refused("'same'", 'the same partitions, one fails', sqlstate => '23514', message => [qr/same_a is left as it is/]);

# ---- clauses ----

# A test: exactly those rows of the table are pulled.
sub brings
{
	my ($table, $clause, $wanted, $title) = @_;
	my $run = $w->pull("'$table', filter => \$f\$$clause\$f\$, mode => 'replace'");
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return subtest $title => sub {
		is($run->{rc}, 0, 'the call succeeds') or diag($run->{err});
		is($w->local_sql("SELECT * FROM $table ORDER BY 1, 2"), $w->source_sql("$wanted ORDER BY 1, 2"), 'these rows');
	};
}
$w->local_sql('ALTER TABLE same_b DROP CONSTRAINT same_b_v_check');
$w->source_sql('CREATE TABLE chosen (id int, v int); INSERT INTO chosen SELECT i, i FROM generate_series(0, 99, 3) i;
	CREATE TABLE chosen_twice AS TABLE chosen UNION ALL TABLE chosen');
foreach my $table (qw(same ranges levels events))
{
	my $columns = "$table.*";
	brings($table, 'id % 2 = 0', "SELECT * FROM $table WHERE id % 2 = 0", "$table: WHERE");
	brings($table, "JOIN chosen c ON c.id = $table.id WHERE c.v > 5",
		"SELECT $columns FROM $table JOIN chosen c USING (id) WHERE c.v > 5", "$table: JOIN");
	brings($table, "JOIN chosen_twice c USING (id) LEFT JOIN chosen d ON false ORDER BY d.id",
		"SELECT $columns FROM $table JOIN chosen_twice c USING (id)", "$table: each row as often as the joins have it");
	brings($table, ", chosen c WHERE c.id = $table.id AND c.id < (SELECT max(id) / 2 FROM $table)",
		"SELECT $columns FROM $table, chosen c WHERE c.id = $table.id AND c.id < (SELECT max(id) / 2 FROM $table)",
		"$table: a list, a subquery over all partitions");
	foreach my $clause ('ORDER BY id LIMIT 3', 'OFFSET 2', 'TABLESAMPLE system (50)',
		"RIGHT JOIN chosen c ON c.id = $table.id", "FULL JOIN chosen c ON c.id = $table.id",
		"JOIN chosen c ON c.id = $table.id LIMIT 1")
	{
		$w->refused("'$table', filter => '$clause', mode => 'replace'", "$table: $clause", sqlstate => '0A000',
			message => [ qr/cannot pull/, qr/choose among all rows/ ]);
	}
}
$w->source_sql('UPDATE narrow SET v = 1; INSERT INTO narrow VALUES (30, 1), (31, 1)');
brings('narrow', 'JOIN chosen c ON c.id = narrow.id WHERE c.id < 20',
	'SELECT narrow.* FROM narrow JOIN chosen c USING (id) WHERE narrow.id < 20',
	'rows without a partition that the clause leaves there');
$w->refused("'narrow', filter => 'JOIN chosen c ON c.id = narrow.id', mode => 'replace'", 'and one that it does not',
	sqlstate => '23514', message => [qr/no partition of narrow takes 1 of its rows/]);

# ---- what the source cannot tell ----

table('hashes', 'id int, v text',
	'PARTITION BY HASH (id); CREATE TABLE hashes_0 PARTITION OF hashes FOR VALUES WITH (MODULUS 2, REMAINDER 0);
	CREATE TABLE hashes_1 PARTITION OF hashes FOR VALUES WITH (MODULUS 2, REMAINDER 1)',
	'PARTITION BY HASH (id); CREATE TABLE hashes_0 PARTITION OF hashes FOR VALUES WITH (MODULUS 3, REMAINDER 0);
	CREATE TABLE hashes_1 PARTITION OF hashes FOR VALUES WITH (MODULUS 3, REMAINDER 1);
	CREATE TABLE hashes_2 PARTITION OF hashes FOR VALUES WITH (MODULUS 3, REMAINDER 2)');
$w->source_sql('INSERT INTO hashes SELECT i FROM generate_series(1, 9) i');
$w->refused("'hashes'", 'another modulus', sqlstate => '0A000', message => [ qr/hashes/, qr/hash that only/ ]);

$w->$_("CREATE TYPE mood AS ENUM ('sad', 'ok')") foreach qw(source_sql local_sql);
table('moods', 'id int, m mood', '', "PARTITION BY LIST (m);
	CREATE TABLE moods_sad PARTITION OF moods FOR VALUES IN ('sad')");
$w->refused("'moods'", 'bounds of a type of its own', sqlstate => '0A000',
	message => [qr/moods_sad.*do not come with PostgreSQL/]);

$w->source_sql('CREATE TABLE keyless (v text)');
$w->local_sql('CREATE TABLE keyless (id int DEFAULT 1, v text) PARTITION BY RANGE (id);
	CREATE TABLE keyless_a PARTITION OF keyless FOR VALUES FROM (0) TO (10)');
$w->refused("'keyless'", 'no key column on the source', sqlstate => '42703',
	message => [ qr/keyless/, qr/partition key/ ]);

$w->source_sql("CREATE TABLE other_type (id text); INSERT INTO other_type VALUES ('1')");
$w->local_sql('CREATE TABLE other_type (id int) PARTITION BY RANGE (id);
	CREATE TABLE other_type_a PARTITION OF other_type FOR VALUES FROM (0) TO (10)');
$run = $w->refused("'other_type'", 'a key that cannot be compared', sqlstate => '42883',
	message => [ qr/other_type_a/, qr/operator does not exist/ ]);
is($w->pull("'{other_type,good}'", options => '-c client_min_messages=error')->{sqlstate}, '42883',
	'and the run goes on without it');
is($w->last_run('status'), 'partial', 'to the end');

table('bare', 'id int', '', 'PARTITION BY RANGE (id)');
$w->refused("'bare'", 'no partition at all', sqlstate => '0A000', message => [qr/has no partitions/]);

# an excluded partition stays unchanged, the others are pulled
$w->write_config("exclude: [events_old]\n");
$w->local_sql("DELETE FROM events; INSERT INTO events VALUES (-1, '2000-01-01', 'x', 0)");
is($w->pull("'events'")->{rc}, 0, 'with an excluded partition');
is($w->local_sql("SELECT count(*) FROM events WHERE at < '2024-01-01'"), 1, 'which is left alone');
is($w->local_sql("SELECT count(*) FROM events WHERE at >= '2024-01-01'"),
	$w->source_sql("SELECT count(*) FROM events WHERE at >= '2024-01-01'"), 'the others come');

done_testing();
