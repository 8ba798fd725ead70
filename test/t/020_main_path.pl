# The main path: one call replaces stale local rows by the rows of the source,
# through a tunnel.  Checks what the caller sees and what the audit records.

use strict;
use warnings;
use PgTunsync;
use Test::More;

my $w = PgTunsync->new(users => 1000, stale => 30);
my $before = $w->snapshot;
my $source_before = $w->snapshot('source');

# ---- everything ----

my $run = $w->pulls('', 'pull() brings every table', [@PgTunsync::shop]);
$w->catalog_unchanged($before);
is_deeply($w->snapshot('source'), $source_before, 'the source is as it was');

# ---- the audit ----

is( $w->last_run(
		'id = ' . $run->{id}
		  . ", status, role = current_user, database, tables, error IS NULL, sqlstate IS NULL, requested_tables IS "
		  . "NULL, requested_group IS NULL"
	),
	't|succeeded|t|dev|7|t|t|t|t',
	'the run is in the audit');
is($w->last_run('rows'),
	$w->local_sql(join(' + ', map { "(SELECT count(*) FROM $_)" } @PgTunsync::shop) =~ s/^/SELECT /r),
	'with the number of rows');
is($w->last_run('finished_at >= started_at AND bytes > 10000'), 't', 'its time and its size');
like($w->last_run('source'), qr/^reader\@127\.0\.0\.1:\d+\/production$/, 'the source, without password');
like($w->last_run('ssh_host'), qr/hatchbox|127\.0\.0\.1/, 'the jump host');
like($w->last_run('tunnel'), qr/${\$w->port}.*${\$w->source->port}/s, 'both ends of the tunnel');
is( $w->local_sql(
		"SELECT string_agg(table_name || ' ' || status, ', ' ORDER BY table_name) FROM pgtunsync.run_tables
			WHERE run_id = $run->{id}"
	),
	join(', ', map { "$_ succeeded" } sort @PgTunsync::shop),
	'every table is in the audit');
is( $w->local_sql("SELECT rows, seconds >= 0, bytes > 0 FROM pgtunsync.run_tables WHERE run_id = $run->{id}
	AND table_name = 'orders'"),
	'3000|t|t', 'with rows, seconds and bytes');

# ---- messages ----

my ($banner) = $run->{err} =~ /\A(.*?)(?:users|orders|products)\b/s;
like($run->{err}, qr/hatchbox/, 'the banner names the alias');
like($run->{err}, qr/ssh .*-N .*-L ?\S*:?${\$w->port}:127\.0\.0\.1:${\$w->source->port}/,
	'and the equivalent ssh command');
like($run->{err}, qr/ExitOnForwardFailure=yes/, 'which fails when the forward does');
like($run->{err}, qr/NOTICE:  00000: .*\b$_\b.*\b\d+ rows/, "a line tells of $_") foreach @PgTunsync::shop;
cmp_ok(scalar(() = $run->{err} =~ /^NOTICE:/mg), '>=', 8, 'banner, a line per table, closing line');

# ---- sequences ----

foreach my $pair ([ users => 'id' ], [ products => 'id' ], [ orders => 'id' ], [ reviews => 'id' ])
{
	my ($table, $column) = @$pair;
	my $sql = "SELECT format('SELECT last_value, is_called FROM %s', pg_get_serial_sequence('$table', '$column'))";
	is($w->local_sql($w->local_sql($sql)), $w->source_sql($w->source_sql($sql)),
		"the sequence of $table goes on where the source's does");
}
is($w->local_sql("INSERT INTO users (email, name) VALUES ('new\@example.com', 'new') RETURNING id"),
	1001, 'a new row takes the next value');

# ---- again, named, quietly ----

$run = $w->pulls("'{users,orders,order_items,shipments,reviews}'", 'pull of named tables',
	[qw(users orders order_items shipments reviews)]);
is($w->last_run('requested_tables'), '{users,orders,order_items,shipments,reviews}',
	'the audit has what was asked for');

$run = $w->pull("'{reviews}'", options => '-c client_min_messages=warning');
is($run->{rc}, 0, 'another pull');
is($run->{err}, '', 'is silent at client_min_messages = warning');

# ---- what the planner and the executor know afterwards ----

is($w->local_sql("SELECT reltuples FROM pg_class WHERE relname = 'orders'"), 3000, 'the table is analyzed');
like($w->local_sql("SET enable_seqscan = off; EXPLAIN SELECT * FROM users WHERE lower(name) = 'fresh 5'"),
	qr/users_lower_name/, 'the expression index is used');
is($w->local_sql("SET enable_seqscan = off; SELECT count(*) FROM products WHERE tags \@> '{fresh}'"),
	250, 'the GIN index finds the new rows');
is( $w->local_sql("SELECT count(*) FROM products WHERE price_with_tax = round(price * 1.2, 2)"),
	250, 'generated columns are computed');

# ---- a changed source, also when a session has plans and caches ----

my $session = $w->call("PREPARE q AS SELECT count(*) FROM reviews; EXECUTE q; SELECT 'ready';", more => 1);
$session->wait_message(qr/ready/, 'out');
$w->source_sql("DELETE FROM reviews WHERE id > 400; UPDATE reviews SET body = 'changed' WHERE id <= 100");
$w->pulls("'reviews'", 'a changed table is pulled again', ['reviews']);
$session->say("EXECUTE q;");
is((split /\n/, $session->finish->{out})[-1], 400, 'a prepared statement sees the new rows');

# ---- empty tables, both ways ----

$w->source_sql('TRUNCATE shipments');
$w->pulls("'shipments'", 'a table that is empty at the source', ['shipments']);
is($w->local_sql('SELECT count(*) FROM shipments'), 0, 'is empty here');

done_testing();
