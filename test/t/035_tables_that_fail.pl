# A table that cannot be pulled fails by name.  Depending on on_error, the
# other tables are replaced or nothing changes.

use strict;
use warnings;
use PgTunsync;
use Test::More;

my $w = PgTunsync->new(empty => 1);
my $good = 'CREATE TABLE good (id int PRIMARY KEY, t text); CREATE TABLE better (id int PRIMARY KEY, t text);';

$w->source_sql($good . q{
	INSERT INTO good SELECT i, 'source ' || i FROM generate_series(1, 500) i;
	INSERT INTO better SELECT i, 'source ' || i FROM generate_series(1, 500) i;
	CREATE TABLE only_there (id int);
	CREATE TABLE too_long (id int PRIMARY KEY, t text);
	INSERT INTO too_long SELECT i, repeat('x', i) FROM generate_series(1, 20) i;
	CREATE TABLE not_a_number (id int, n text);
	INSERT INTO not_a_number SELECT i, CASE WHEN i = 77 THEN 'seventy' ELSE i::text END FROM generate_series(1, 100) i;
	CREATE TABLE has_null (id int, t text);
	INSERT INTO has_null VALUES (1, 'a'), (2, NULL);
	CREATE TABLE checked (id int, n int);
	INSERT INTO checked SELECT i, i FROM generate_series(1, 100) i;
	CREATE TABLE doubled (id int, t text);
	INSERT INTO doubled SELECT i / 2, 'x' FROM generate_series(1, 100) i;
	CREATE TABLE excluding (r int4range);
	INSERT INTO excluding VALUES ('[1,5)'), ('[4,9)');
	CREATE TABLE labelled (id int, state text);
	INSERT INTO labelled VALUES (1, 'known'), (2, 'unknown');
	CREATE TABLE no_right (id int);
	REVOKE pg_read_all_data FROM reader;
	GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader;
	REVOKE SELECT ON no_right FROM reader;
});
$w->local_sql($good . q{
	INSERT INTO good VALUES (-1, 'local'); INSERT INTO better VALUES (-1, 'local');
	CREATE TABLE only_here (id int); INSERT INTO only_here VALUES (1);
	CREATE TABLE too_long (id int PRIMARY KEY, t varchar(10)); INSERT INTO too_long VALUES (1, 'local');
	CREATE TABLE not_a_number (id int, n int); INSERT INTO not_a_number VALUES (1, 1);
	CREATE TABLE has_null (id int, t text NOT NULL); INSERT INTO has_null VALUES (9, 'local');
	CREATE TABLE checked (id int, n int CONSTRAINT under_fifty CHECK (n < 50)); INSERT INTO checked VALUES (1, 1);
	CREATE TABLE doubled (id int CONSTRAINT doubled_once UNIQUE, t text); INSERT INTO doubled VALUES (1, 'local');
	CREATE TABLE excluding (r int4range, CONSTRAINT no_overlap EXCLUDE USING gist (r WITH &&));
	INSERT INTO excluding VALUES ('[1,2)');
	CREATE TYPE state AS ENUM ('known');
	CREATE TABLE labelled (id int, state state); INSERT INTO labelled VALUES (1, 'known');
	CREATE TABLE no_right (id int); INSERT INTO no_right VALUES (1);
	CREATE TABLE ruled (id int);
	CREATE VIEW a_view AS SELECT 1 AS id;
});
$w->source_sql('CREATE TABLE a_view (id int); GRANT SELECT ON a_view TO reader');

my $before = $w->snapshot;

# each alone, then beside good ones
my @failing = (
	[ 'only_there', '42P01', qr/only_there/ ],
	[ 'only_here', '42P01', qr/only_here/ ],
	[ 'a_view', '42809|0A000', qr/a_view/, qr/view/ ],
	[ 'too_long', '22001', qr/too_long/, qr/character varying\(10\)|column t/ ],
	[ 'not_a_number', '22P02', qr/not_a_number/, qr/seventy/, qr/77/ ],
	[ 'has_null', '23502', qr/has_null/, qr/"t"/ ],
	[ 'checked', '23514', qr/checked/, qr/under_fifty/ ],
	[ 'doubled', '23505', qr/doubled/, qr/doubled_once/ ],
	[ 'excluding', '23P01', qr/excluding/, qr/no_overlap/ ],
	[ 'labelled', '22P02', qr/labelled/, qr/unknown/ ],
	[ 'no_right', '42501', qr/no_right/ ]);

foreach (@failing)
{
	my ($table, $sqlstate, @message) = @$_;
	$w->refused("'$table'", "$table alone", before => $before, sqlstate => $sqlstate, message => \@message,
		audit => 'failed');
	$w->refused("'{good,$table}', on_error => 'abort'", "$table with on_error => abort", before => $before,
		sqlstate => $sqlstate, message => \@message, audit => 'failed');
}

# ---- the others go on ----

my $list = join(',', map { $_->[0] } @failing);
my $run = $w->pull("'{good,$list,better}'");
isnt($run->{rc}, 0, 'a pull of good and bad tables ends in an error');
like($run->{err}, qr/\b$_->[0]\b/, "which names $_->[0]") foreach @failing;
$w->both_equal('good', 'better');
is($w->last_run('status'), 'partial', 'the audit says partial');
is($w->last_run('tables'), 2, 'and how many tables were replaced');
is($w->local_sql("SELECT string_agg(table_name || ' ' || status, ', ' ORDER BY table_name) FROM pgtunsync.run_tables
	WHERE run_id = (SELECT max(id) FROM pgtunsync.runs)"),
	join(', ', sort((map { "$_->[0] failed" } @failing), 'good succeeded', 'better succeeded')),
	'every table has its outcome');
is($w->local_sql("SELECT count(*) FROM pgtunsync.run_tables WHERE run_id = (SELECT max(id) FROM pgtunsync.runs)
	AND status = 'failed' AND (error IS NULL OR sqlstate IS NULL)"),
	0, 'and every failure its reason');
is_deeply([ grep { !/^rows public\.(good|better) / } @{ $w->snapshot } ],
	[ grep { !/^rows public\.(good|better) / } @$before ],
	'the failed tables are as they were');
$w->healthy;
$w->nothing_left;

# ---- with abort nothing changes ----

$w->source_sql("UPDATE good SET t = 'changed'");
$run = $w->refused("'{good,better,checked}', on_error => 'abort'", 'on_error => abort', sqlstate => '23514',
	message => [ qr/checked/, qr/under_fifty/ ]);
is($w->local_sql("SELECT string_agg(table_name || ' ' || status, ', ' ORDER BY table_name) FROM pgtunsync.run_tables
	WHERE run_id = (SELECT max(id) FROM pgtunsync.runs) AND status = 'succeeded'"), '',
		'no table is said to have been replaced');

# ---- a pull of everything leaves what is on one side only out ----

$w->local_sql("DROP TABLE too_long, not_a_number, has_null, checked, doubled, excluding, labelled, no_right");
$w->pulls('', 'pull() takes the tables that both sides have', [ 'good', 'better' ]);

done_testing();
