# Masks of values and columns at the edge: sentinel dates, short texts, partition keys.

use strict;
use warnings;
use PgTunsync;
use Test::More;

my $w = PgTunsync->new(empty => 1);
$w->write_env(PGSYNC_MASK_KEY => 'a-key-for-pseudonyms-0123456789');

# ---- dates that are none ----

my @sentinels = qw(infinity -infinity 9999-12-31 9999-01-01 0001-01-01 0001-12-31);
$w->both_sql('CREATE TABLE dates (id int PRIMARY KEY, d date, t timestamp, z timestamptz)');
my $n = 0;
foreach my $value (@sentinels, '4714-11-24 BC', '5874897-12-31', undef, '0002-01-01', '9998-12-31', '2024-02-29')
{
	my $text = defined $value ? "'$value'" : 'NULL';
	# timestamps end before dates do
	my $stamp = ($value || '') eq '5874897-12-31' ? "'294276-12-31 23:59:59.999999'" : $text;
	$n++;
	$w->source_sql("SET timezone = 'UTC'; INSERT INTO dates VALUES ($n, $text, $stamp, $stamp)");
}
$w->source_sql("SET timezone = 'UTC'; INSERT INTO dates VALUES (13, '9999-12-31', '9999-12-31 23:59:59.999999',
	'9999-12-31 23:59:59+00')");
$w->write_config("data_rules:\n  d: shift_date\n  t: {shift_date: 365}\n  z: shift_date\n");
$w->succeeds("'dates'", 'no date is too far');
my $kept = 'SELECT string_agg(d::text || $$ $$ || t || $$ $$ || z, $$,$$ ORDER BY id) FROM dates
	WHERE id NOT BETWEEN 10 AND 12';
is($w->local_sql("SET timezone = 'UTC'; $kept"), $w->source_sql("SET timezone = 'UTC'; $kept"), 'sentinels stay');
is($w->local_sql('SELECT id FROM dates WHERE d IS NULL AND t IS NULL AND z IS NULL'), 9, 'null stays null');
my $moved = $w->local_sql('SELECT string_agg(d::text, $$,$$ ORDER BY id) FROM dates WHERE id BETWEEN 10 AND 12');
isnt($moved, '0002-01-01,9998-12-31,2024-02-29', 'others move');
is($w->local_sql(q{SELECT bool_and(abs(d - o) BETWEEN 1 AND 365 AND t = d AND z::date - d BETWEEN -1 AND 1)
	FROM dates JOIN (VALUES (10, '0002-01-01'::date), (11, '9998-12-31'), (12, '2024-02-29')) v (id, o) USING (id)}), 't',
	'by days, together with their row');
$w->succeeds("'dates'", 'again');
is($w->local_sql('SELECT string_agg(d::text, $$,$$ ORDER BY id) FROM dates WHERE id BETWEEN 10 AND 12'),
	$moved, 'to the same days');

# ---- values no longer than what is kept ----

$w->both_sql('CREATE TABLE cards (id int PRIMARY KEY, a text, b varchar(8), c char(6))');
$w->source_sql("INSERT INTO cards SELECT i, left('PQRSTUVW', i), left('PQRSTUVW', i), left('PQRSTU', i)
	FROM generate_series(0, 8) i");
$w->write_config("data_rules:\n  a: {partial: {keep_last: 4}}\n  b: {partial: {keep_first: 2, keep_last: 2}}\n"
	. "  c: {partial: {keep_first: 6}}\n");
$w->succeeds("'cards'", 'short values');
is($w->local_sql(q{SELECT string_agg(id::text, ',' ORDER BY id) FROM cards WHERE a ~ '[P-W]'}), '5,6,7,8',
	'a value that has no more than is kept shows nothing');
is($w->local_sql(q{SELECT string_agg(id::text, ',' ORDER BY id) FROM cards WHERE b ~ '[P-W]'}), '5,6,7,8',
	'from both ends');
is($w->local_sql(q{SELECT count(*) FROM cards WHERE c ~ '[P-W]'}), 0, 'nor with blanks behind it');
is($w->local_sql('SELECT bool_and(length(a) = id AND length(b) = id) FROM cards'), 't', 'lengths stay');

# ---- partition keys ----

my $parts = 'CREATE TABLE events (id int, at date, kind text, note text, PRIMARY KEY (id, at, kind))
		PARTITION BY RANGE (at);
	CREATE TABLE events_a PARTITION OF events FOR VALUES FROM (MINVALUE) TO (\'2024-01-01\') PARTITION BY LIST (kind);
	CREATE TABLE events_a_x PARTITION OF events_a FOR VALUES IN (\'x\');
	CREATE TABLE events_a_y PARTITION OF events_a DEFAULT;
	CREATE TABLE events_b PARTITION OF events FOR VALUES FROM (\'2024-01-01\') TO (MAXVALUE);
	CREATE TABLE single (id int PRIMARY KEY, note text) PARTITION BY RANGE (id);
	CREATE TABLE single_all PARTITION OF single FOR VALUES FROM (MINVALUE) TO (MAXVALUE)';
$w->both_sql($parts);
$w->source_sql(q{INSERT INTO events SELECT i, '2023-12-01'::date + i, CASE i % 2 WHEN 0 THEN 'x' ELSE 'z' END, 'n'
	FROM generate_series(1, 60) i; INSERT INTO single VALUES (1, 'n')});
foreach (
	[ 'events.at: shift_date', qr/its partition key is masked \(at: shift_date\)/ ],
	[ 'kind: random_string', qr/its partition key is masked \(kind: random_string\)/ ],
	[ 'events_a.kind: pseudonym', qr/its partition key is masked \(kind: pseudonym\)/ ])
{
	my ($rule, $message) = @$_;
	$w->write_config("data_rules:\n  $rule\n");
	my $run = $w->pull("'events'");
	is($run->{sqlstate}, '55000', "refused: $rule");
	like($run->{err}, $message, 'the rule is named');
	like($run->{err}, qr/a statement whose values stay in the partition/, 'with what would do');
	is($w->local_sql('SELECT bool_or(status = $$refused$$), bool_or(reason LIKE $$%partition key is masked%$$)
		FROM pgtunsync.plan($$events$$)'), 't|t', 'plan() knows');
}
$w->write_config("data_rules:\n  kind: {value: y}\n");
$w->refused("'events', on_error => 'abort'", 'a value that only one partition takes', sqlstate => '23514',
	message => [qr/a row does not belong into this partition once its partition key is masked/,
		qr/The data rule is kind: value/]);
$w->write_config("data_rules:\n  events.at: {statement: \"date_trunc('month', at)::date\"}\n  note: pseudonym\n"
	. "  single.id: pseudonym_number\n");
$w->succeeds("'events,single'", 'a statement that stays inside, and a partition that takes all');
is($w->local_sql(q{SELECT count(*), count(*) FILTER (WHERE extract(day FROM at) = 1) FROM events}), '60|60', 'work');
$w->nothing_left;

done_testing();
