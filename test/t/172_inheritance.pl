# Tables that inherit: their rows come, and their parents' rules hold for them.

use strict;
use warnings;
use PgTunsync;
use Test::More;

my $w = PgTunsync->new(empty => 1);
my $relay = $w->relay;
$w->write_env(PGSYNC_REMOTE_PORT => $relay->port, PGSYNC_MASK_KEY => 'a-key-for-pseudonyms-0123456789');
$relay->set(record => 1);

# "table status reason", a line for each row of plan()
sub planned
{
	my ($arguments) = @_;
	return $w->local_sql("SET client_min_messages = warning;
		SELECT concat_ws(' ', table_name, status, reason) FROM pgtunsync.plan($arguments) ORDER BY 1");
}

my $tree = 'CREATE SCHEMA old; CREATE TABLE logs (id int, line text); CREATE TABLE logs_2020 () INHERITS (logs);
	CREATE TABLE old.logs_q1 (q int) INHERITS (logs_2020); CREATE TABLE logs_2021 () INHERITS (logs);';
$w->source_sql("$tree INSERT INTO logs VALUES (1, 'parent'); INSERT INTO logs_2020 VALUES (2, 'child');
	INSERT INTO old.logs_q1 VALUES (3, 'grandchild', 1); INSERT INTO logs_2021 VALUES (4, 'other child')");

# A test: a query on each of these tables returns the same rows on both sides.
sub same_queries
{
	my ($title, @tables) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	foreach my $table (@tables)
	{
		my $sql = "SELECT id, line FROM $table ORDER BY id";
		is($w->local_sql($sql), $w->source_sql($sql), "$title: SELECT FROM $table");
	}
	return;
}

# ---- a plain table here ----

$w->local_sql("CREATE TABLE logs (id int PRIMARY KEY, line text); INSERT INTO logs VALUES (9, 'stale')");
is(planned("'logs'"),
	'logs pulled with the rows of its children on the source: logs_2020, old.logs_q1, logs_2021',
	'plan() says what comes along');
my $run = $w->succeeds("'logs'", 'a parent whose children are not here');
same_queries('all rows come', 'logs');
is($w->last_run('rows'), 4, 'and are counted');
like($run->{err}, qr/NOTICE:  00000: table logs comes with the rows of its children on the source: logs_2020,/,
	'a NOTICE too');
$w->succeeds('', 'every table');
same_queries('the same without names', 'logs');
$w->succeeds("'logs', filter => 'logs.id % 2 = 0 ORDER BY logs.id LIMIT 1', mode => 'replace'",
	'a clause with a limit');
is($w->local_sql('SELECT string_agg(id::text, $$,$$) FROM logs'), 2, 'chooses among all rows');
$w->succeeds("'logs', filter => 'JOIN generate_series(3, 4) g ON g = logs.id', mode => 'overwrite'", 'a join');
is($w->local_sql('SELECT string_agg(id::text, $$,$$ ORDER BY id) FROM logs'), '2,3,4', 'too');
$w->succeeds("'logs', mode => 'append', batch_size => 1", 'an append');
is($w->local_sql('SELECT count(*) FROM logs'), 3, 'goes by the highest key');
$w->succeeds("'logs', exclude => '{logs_2020}'", 'an excluded child');
is($w->local_sql('SELECT string_agg(id::text, $$,$$ ORDER BY id) FROM logs'), '1,4',
	'stays away, with what inherits from it');

$w->write_config("empty: [logs_2021]\n");
$w->succeeds("'logs'", 'an emptied child');
is($w->local_sql('SELECT string_agg(id::text, $$,$$ ORDER BY id) FROM logs'), '1,2,3', 'gives no rows');
$w->write_config("filters:\n  old.logs_q1: \"q > 5\"\n");
$w->refused("'logs'", 'a child with a filter of its own', sqlstate => '0A000',
	message => [qr/cannot pull logs: rows of table old\.logs_q1 come with it, which has a filter of its own/]);
$w->write_config('');

# ---- the same tree, and a part of it ----

$w->local_sql("DROP TABLE logs; $tree INSERT INTO logs_2021 VALUES (9, 'stale')");
$w->succeeds("'logs'", 'a parent with the same children');
same_queries('brings them', 'logs', 'ONLY logs', 'logs_2020', 'ONLY logs_2020', 'old.logs_q1', 'logs_2021');
is(planned("'logs'"), "logs pulled\nlogs_2020 pulled\nlogs_2021 pulled\nold.logs_q1 pulled",
	'plan() has a row for each');
$w->local_sql("TRUNCATE logs; INSERT INTO logs_2021 VALUES (9, 'stale')");
$w->succeeds("'logs', exclude => '{logs_2021}'", 'an excluded child');
is($w->local_sql('SELECT string_agg(id::text, $$,$$ ORDER BY id) FROM logs'), '1,2,3,9', 'stays as it is');
$w->succeeds("'logs', filter => 'logs.id > 2', mode => 'replace'", 'a clause');
is($w->local_sql('SELECT string_agg(id::text, $$,$$ ORDER BY id) FROM logs'), '3,4', 'is for the children as well');
$w->refused("'logs', filter => 'WHERE id > 0 LIMIT 1'", 'a limit', sqlstate => '0A000',
	message => [qr/cannot pull logs by this clause: its inheritance children come with their parent/]);
$w->write_config("groups:\n  some:\n    logs: id = 1\n    logs_2021: id > 100\n");
$w->succeeds("grp => 'some', mode => 'replace'", 'a child that has a clause of its own');
is($w->local_sql('SELECT string_agg(id::text, $$,$$ ORDER BY id) FROM logs'), 1, 'goes by it');
$w->write_config("exclude: [logs]\n");
$w->local_sql("INSERT INTO logs_2020 VALUES (7, 'mine')");
$w->both_sql('CREATE TABLE something (id int)');
$w->succeeds('', 'an excluded parent');
is($w->local_sql('SELECT string_agg(id::text, $$,$$ ORDER BY id) FROM logs'), '1,7', 'leaves its children as they are');
$w->write_config("filters:\n  logs: \"logs.id <> 3\"\n");
$w->succeeds("'logs_2020,old.logs_q1'", 'a filter for a parent');
is($w->local_sql('SELECT string_agg(id::text, $$,$$ ORDER BY id) FROM logs'), '1,2', 'chooses rows of its children');
$w->write_config("empty: [logs]\n");
$w->succeeds("'logs_2020,old.logs_q1'", 'an emptied parent');
is($w->local_sql('SELECT string_agg(id::text, $$,$$ ORDER BY id) FROM logs'), '1', 'empties its children');
$w->write_config('');

$w->local_sql("DROP TABLE logs_2021, old.logs_q1; CREATE TABLE logs_q2 (own text) INHERITS (logs_2020);
	INSERT INTO logs_q2 VALUES (50, 'mine')");
$run = $w->succeeds("'logs'", 'a tree that lacks some and has others');
is($w->local_sql('SELECT string_agg(format($$%s %s$$, tableoid::regclass, id), $$,$$ ORDER BY id) FROM logs'),
	'logs 1,logs_2020 2,logs_2020 3,logs 4,logs_q2 50', 'the nearest table takes the rows');
like($run->{err},
	qr/table logs comes with the rows of its children on the source: logs_2021; without its children here: logs_q2\n/,
	'both are told');
like($run->{err}, qr/table logs_2020 comes with the rows of its children on the source: old\.logs_q1; without/,
	'for each');

# a table here that has the name of a child, but is none
$w->local_sql('CREATE TABLE logs_2021 (id int, line text)');
$w->succeeds("'logs,logs_2021'", 'a namesake that does not inherit');
same_queries('is a table of its own', 'logs_2021');
is($w->local_sql('SELECT string_agg(id::text, $$,$$ ORDER BY id) FROM logs'), '1,2,3,4,50',
	'and its rows are in the parent as well');

# ---- several parents, a partitioned table here ----

$w->source_sql(q{CREATE TABLE a (id int, x text); CREATE TABLE b (id int, y text); CREATE TABLE ab () INHERITS (a, b);
	INSERT INTO ab VALUES (1, 'x', 'y'); INSERT INTO a VALUES (2, 'x'); INSERT INTO b VALUES (3, 'y');
	CREATE TABLE m (id int, line text); CREATE TABLE m_low (CHECK (id < 10)) INHERITS (m);
	CREATE TABLE m_high (CHECK (id >= 10)) INHERITS (m); INSERT INTO m VALUES (-1, 'top');
	INSERT INTO m_low VALUES (1, 'low'); INSERT INTO m_high VALUES (11, 'high')});
$w->local_sql(q{CREATE TABLE a (id int, x text); CREATE TABLE b (id int, y text);
	CREATE TABLE m (id int, line text) PARTITION BY RANGE (id);
	CREATE TABLE m_low PARTITION OF m FOR VALUES FROM (MINVALUE) TO (10);
	CREATE TABLE m_high PARTITION OF m FOR VALUES FROM (10) TO (MAXVALUE)});
$w->succeeds("'a,b'", 'a child of two parents');
is($w->local_sql('SELECT (SELECT count(*) FROM a), (SELECT count(*) FROM b)'), '2|2', 'is in both');
$w->succeeds("'m'", 'a tree that is partitioned here');
same_queries('no row is lost', 'm');

# ---- masks ----

$w->source_sql(q{
	CREATE TABLE persons (id int, email text, note text);
	CREATE TABLE staff (id int, email text, note text, room text) INHERITS (persons);
	CREATE TABLE guests (card text) INHERITS (persons);
	CREATE TABLE accounts (login text PRIMARY KEY);
	INSERT INTO accounts VALUES ('hidden-1'), ('hidden-2');
	ALTER TABLE guests ADD FOREIGN KEY (note) REFERENCES accounts;
	INSERT INTO persons VALUES (1, 'hidden', 'n'); INSERT INTO staff VALUES (2, 'hidden', 'n', 'r');
	INSERT INTO guests VALUES (3, 'hidden', 'hidden-1', 'c')});
$w->local_sql('CREATE TABLE persons (id int, email text, note text); CREATE TABLE staff (room text) INHERITS (persons);
	CREATE TABLE guests (card text) INHERITS (persons); CREATE TABLE accounts (login text PRIMARY KEY)');
$w->write_config("data_rules:\n  persons.email: {value: covered}\n  accounts.login: pseudonym\n"
	. "  persons.room: {value: x}\n");
$w->succeeds("'persons,accounts'", 'a rule of the parent');
is($w->local_sql('SELECT string_agg(format($$%s %s$$, id, email), $$,$$ ORDER BY id) FROM persons'),
	'1 covered,2 covered,3 covered', 'holds for inherited columns');
is($w->local_sql('SELECT room FROM staff'), 'r', "not for a child's own");
is($w->local_sql('SELECT count(*) FROM guests JOIN accounts ON note = login'), 1, 'keys of the child are followed');
$w->succeeds("'staff,guests'", 'children alone');
is($w->local_sql('SELECT string_agg(email, $$,$$) FROM persons'), 'covered,covered,covered', 'are masked as well');
$w->nothing_hidden($relay, 'the same tree');
$w->local_sql('DROP TABLE staff, guests; CREATE TABLE staff (id int, email text, note text, room text)');
$w->succeeds("'staff'", 'a child that is none here');
is($w->local_sql('SELECT email, room FROM staff'), 'covered|r', 'is masked, too');
$w->succeeds("'persons'", 'a parent that stands for all');
is($w->local_sql('SELECT string_agg(email, $$,$$) FROM persons'), 'covered,covered,covered',
	'is masked by its own rule');
is($w->local_sql('SELECT count(*) FROM persons JOIN accounts ON note = login'), 1, "by the children's keys");
$w->nothing_hidden($relay, 'a parent alone');
$w->write_config("data_rules:\n  public.guests.email: {value: covered}\n  accounts.login: pseudonym\n");
$relay->forget;
$w->succeeds("'persons', exclude => '{staff}', filter => 'id > 1', mode => 'replace'", 'a rule of a child');
is($w->local_sql('SELECT email FROM persons'), 'covered', 'holds for its rows in the parent');
$w->nothing_hidden($relay, 'a rule of a child');

# generated columns of children
$w->source_sql(q{CREATE TABLE base (id int, email text, tag text);
	CREATE TABLE derived (tag text GENERATED ALWAYS AS ('t-' || email) STORED) INHERITS (base);
	INSERT INTO base VALUES (1, 'e', 't'); INSERT INTO derived (id, email) VALUES (2, 'hidden')})
  if $w->major('source') < 16;
SKIP: {
	skip 'children cannot generate what their parents do not', 2 if $w->major('source') >= 16;
	$w->local_sql('CREATE TABLE base (id int, email text, tag text)');
	$w->write_config("data_rules:\n  base.email: {value: e}\n");
	$w->refused("'base'", 'a column that only a child generates', sqlstate => '0A000',
		message => [qr/tables below this one have other expressions for it/]);
	$w->nothing_hidden($relay, 'a child that generates');
}
$w->healthy;
$w->nothing_left;

done_testing();
