# A pull within a psql script of migrations and seeds: \set, variables,
# ON_ERROR_STOP, transactions, \if, and the id of the run stored by \gset.

use strict;
use warnings;
use PgTunsync;
use PostgreSQL::Test::Utils;
use Test::More;

my $w = PgTunsync->new(users => 150);

append_to_file($w->dir . '/migrate.sql', <<'SQL');
\set ON_ERROR_STOP on
SET client_min_messages = warning;

BEGIN;
CREATE TABLE schema_migrations (version text PRIMARY KEY);
ALTER TABLE users ADD COLUMN nickname text DEFAULT 'none';
INSERT INTO schema_migrations VALUES ('20260101_nickname');
COMMIT;

\set tables '{users,orders,order_items,shipments,reviews,products,categories}'
SELECT pgtunsync.pull(:'tables') AS run \gset
SELECT status = 'succeeded' AS well, tables FROM pgtunsync.runs WHERE id = :run \gset
\if :well
\echo pulled :tables tables
\else
\quit 1
\endif

BEGIN;
UPDATE users SET nickname = split_part(email, '@', 1);
CREATE INDEX users_nickname ON users (nickname);
ALTER TABLE users ALTER nickname SET NOT NULL;
INSERT INTO schema_migrations VALUES ('20260102_nicknames');
COMMIT;

DO $$
DECLARE run bigint;
BEGIN
	run := pgtunsync.pull('reviews');
	RAISE WARNING 'run %', (SELECT status FROM pgtunsync.runs WHERE id = run);
END $$;
SQL

my ($out, $err) = run_command([
	$w->local_node->installed_command('psql'), '-XAtq', '-d', $w->local_node->connstr('dev'), '-f',
		$w->dir . '/migrate.sql' ]);
is($out, 'pulled 7 tables', 'the script runs to its end') or diag($err);
like($err, qr/run succeeded/, 'a DO block can read the outcome of its own call');
unlike($err, qr/ERROR/, 'without an error');
$w->both_equal(@PgTunsync::shop);
is($w->local_sql("SELECT count(*) FROM users WHERE nickname = 'user' || id"), 150,
	'later steps work on the pulled rows');
$w->healthy;

# a failure stops the script and leaves the rest undone
append_to_file($w->dir . '/broken.sql',
	"\\set ON_ERROR_STOP on\nSELECT pgtunsync.pull('no_such_table');\nDROP TABLE users CASCADE;\n");
my $before = $w->snapshot;
($out, $err) = run_command([
	$w->local_node->installed_command('psql'), '-XAtq', '-d', $w->local_node->connstr('dev'), '-f',
		$w->dir . '/broken.sql' ]);
like($err, qr/no_such_table/, 'a failure is an error for psql');
$w->unchanged($before, 'the script stops there');

# --single-transaction: fine as long as the tables were not touched
append_to_file($w->dir . '/single.sql',
	"CREATE TABLE seeded (id int);\nSELECT pgtunsync.pull('reviews');\nINSERT INTO seeded SELECT count(*) FROM "
		. "reviews;\n");
($out, $err) = run_command([
	$w->local_node->installed_command('psql'), '-XAtq', '-1', '-v', 'ON_ERROR_STOP=1', '-d',
		$w->local_node->connstr('dev'), '-f', $w->dir . '/single.sql' ]);
unlike($err, qr/ERROR/, 'in a script run as a single transaction') or diag($err);
is($w->local_sql('SELECT id FROM seeded'), $w->source_sql('SELECT count(*) FROM reviews'),
	'later statements of the transaction see the new rows');

$w->nothing_left;

done_testing();
