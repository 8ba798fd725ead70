# A rule on a column also applies to columns that refer to it, even if only the
# source has the foreign key.  Excluding a partitioned table excludes its
# partitions, however they are selected.

use strict;
use warnings;
use PgTunsync;
use Test::More;

my $w = PgTunsync->new(empty => 1);
my $relay = $w->relay;
$w->write_env(PGSYNC_REMOTE_PORT => $relay->port, PGSYNC_MASK_KEY => 'a-key-for-pseudonyms-0123456789');
$relay->set(record => 1);

# ---- foreign keys that only the source has ----

my $tables = 'CREATE TABLE people (email text PRIMARY KEY, n int); CREATE TABLE logins (id int PRIMARY KEY, who text);';
$w->source_sql("$tables ALTER TABLE logins ADD FOREIGN KEY (who) REFERENCES people;"
	  . q{INSERT INTO people SELECT 'hidden' || i || '@example.org', i FROM generate_series(1, 20) i;
		INSERT INTO logins SELECT i, 'hidden' || i || '@example.org' FROM generate_series(1, 20) i});
$w->local_sql($tables);
$w->write_config("data_rules:\n  people.email: pseudonym\n");

foreach my $arguments ("'people,logins'", "'logins'")
{
	my $run = $w->pull($arguments);
	is($run->{rc}, 0, "pull($arguments)") or diag($run->{err});
	my $seen = $relay->recorded;
	cmp_ok(length $seen, '>', 1000, 'bytes were captured');
	unlike($seen, qr/hidden\d/, 'no value of the masked column, nor of the one that refers to it, crossed the wire');
	$relay->forget;
	is($w->local_sql("SELECT count(*), count(*) FILTER (WHERE who LIKE '%hidden%') FROM logins"), '20|0',
		'the rows came, masked');
}
is($w->local_sql('SELECT count(*) FROM logins JOIN people ON who = email'), 20, 'and still refer to each other');

# ---- an excluded partitioned table ----

my $parted = q{
	CREATE TABLE events (id int, at date) PARTITION BY RANGE (at);
	CREATE TABLE events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
	CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
	CREATE TABLE eventually (id int);
};
$w->source_sql("$parted INSERT INTO events VALUES (1, '2025-05-05'), (2, '2026-06-06');
	INSERT INTO eventually VALUES (7)");
$w->local_sql("$parted INSERT INTO events VALUES (100, '2025-05-05')");
$w->write_config("exclude: [events]\n");
foreach my $arguments ("'events_2025,eventually'", "'event*'", "'events,eventually'", "'*'", '')
{
	$w->local_sql('TRUNCATE eventually');
	my $run = $w->pull($arguments);
	is($run->{rc}, 0, "pull($arguments)") or diag($run->{err});
	is($w->local_sql('SELECT * FROM events'), '100|2025-05-05',
		'the partitions of an excluded table are left as they are');
	is($w->local_sql('SELECT * FROM eventually'), 7, 'the other table came');
}
my $run = $w->pull("'events_2025'");
like($run->{err}, qr/excluded table is left out: events_2025/,
	'a partition that is named alone: the call says that it is excluded');
is($w->local_sql('SELECT * FROM events'), '100|2025-05-05', 'and changes nothing');
$w->nothing_left;

done_testing();
