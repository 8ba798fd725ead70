# Many objects in one pull.  The time grows with their number.  The lock table
# and memory suffice, or an error names the setting before anything changes.
# TABLES=2000 runs the long version (default 300).

use strict;
use warnings;
use PgTunsync;
use PgTunsync::Agreement;
use PgTunsync::Compare;
use Test::More;
use Time::HiRes qw(time);

my $tables = $ENV{TABLES} || 300;
my $w = PgTunsync->new(empty => 1,
	local_conf => "max_connections = 20\nmax_wal_senders = 0\nmax_locks_per_transaction = " . ($tables * 2)
		. "\nshared_buffers = 256MB\n",
	source_conf => "max_locks_per_transaction = $tables\n");

# Five indexes and a toast table each, every table refers to the one before.
sub schema_sql
{
	my ($prefix, $from, $to) = @_;
	return join '', map {
		my $refers = $_ > $from ? " REFERENCES ${prefix}_" . ($_ - 1) : '';
		"CREATE TABLE ${prefix}_$_ (id int PRIMARY KEY$refers, a int UNIQUE, b text, c int, d int[]);"
		  . "CREATE INDEX ON ${prefix}_$_ (c); CREATE INDEX ON ${prefix}_$_ (lower(b)); CREATE INDEX ON ${prefix}_$_ "
		  . "USING gin (d);\n"
	} $from .. $to;
}

sub in_batches
{
	my ($side, $from, $to, $make) = @_;
	for (my $i = $from; $i <= $to; $i += 100)
	{
		PgTunsync::Compare::script($w, $side,
			'SET search_path = public; ' . $make->($i, $i + 99 < $to ? $i + 99 : $to));
	}
	return;
}
foreach my $side ('source', 'local')
{
	in_batches($side, 1, $tables, sub { schema_sql('t', @_) });
	my $rows = $side eq 'source' ? 20 : 3;
	in_batches($side, 1, $tables,
		sub { join '', map { "INSERT INTO t_$_ SELECT i, i, '$side' || i, i % 5, ARRAY[i] FROM generate_series(1, "
			. "$rows) i;\n" } $_[0] .. $_[1] });
}

sub timed
{
	my ($arguments) = @_;
	my $start = time();
	my $run = $w->pull($arguments, timeout => 900);
	return ($run, time() - $start);
}

# a tenth of them, then all
my ($few, $few_seconds) = timed("'{" . join(',', map { "t_$_" } 1 .. $tables / 10) . "}'");
is($few->{rc}, 0, 'a tenth of the tables') or diag($few->{err});
my ($run, $seconds) = timed('');
is($run->{rc}, 0, "$tables tables") or diag($run->{err});
note(sprintf('%d tables: %.1f s, %d tables: %.1f s', $tables / 10, $few_seconds, $tables, $seconds));
cmp_ok($seconds, '<', 10 * $few_seconds * 2 + 5, 'time grows with their number');
is($w->last_run('status, tables, rows'), "succeeded|$tables|" . 20 * $tables, 'the audit has them all');
PgTunsync::Compare::all_equal($w);
$w->nothing_left;

# a violation of one of many keys
$w->source_sql("ALTER TABLE t_50 DROP CONSTRAINT t_50_id_fkey; INSERT INTO t_50 VALUES (21, 21, 'orphan')");
my $before = $w->snapshot;
$run = $w->pull('', timeout => 900);
is($run->{sqlstate}, '23503', 'one orphan among all') or diag($run->{err});
like($run->{err}, qr/t_50_id_fkey/, 'is named');
$w->unchanged($before);
$w->nothing_left;
$w->source_sql('DELETE FROM t_50 WHERE id = 21');

# ---- a lock table that is too small ----

my $node = $w->local_node;
$node->stop;
$node->append_conf('postgresql.conf', "max_locks_per_transaction = 10\nmax_worker_processes = 8");
$node->start;
$w->source_sql("UPDATE t_1 SET b = 'changed'");
$run = $w->pull('', timeout => 900);
isnt($run->{rc}, 0, 'a lock table that is too small');
$w->server_is_up;
like($run->{err}, qr/max_locks_per_transaction/, 'the message names the setting') or diag($run->{err});
like($run->{err}, qr/HINT:[^\n]*max_locks_per_transaction[^\n]*\d/, 'and a value') or diag($run->{err});
is($w->local_sql("SELECT count(*) FROM t_1 WHERE b = 'changed'"), 0, 'nothing has changed');
is($w->last_run('status'), 'failed', 'as the audit says');
my ($needed) = $run->{err} =~ /HINT:[^\n]*max_locks_per_transaction\D*(\d+)/;
is($w->pull("'t_1'")->{rc}, 0, 'a single table can be pulled');
is($w->local_sql("SELECT count(*) FROM pg_class WHERE relname LIKE 'staging%'"), 0, 'and nothing is left');

# the value in the HINT is sufficient
$needed ||= 2 * $tables;
$node->stop;
$node->append_conf('postgresql.conf', "max_locks_per_transaction = $needed");
$node->start;
$run = $w->pull('', timeout => 900);
is($run->{rc}, 0, "max_locks_per_transaction = $needed is enough") or diag($run->{err});
PgTunsync::Compare::all_equal($w);

# a lock table that is too small on the source
$w->source->stop;
$w->source->append_conf('postgresql.conf',
	"max_locks_per_transaction = 10\nmax_connections = 10\nmax_wal_senders = 0\nmax_worker_processes = 0\n"
		. "autovacuum_max_workers = 1");
$w->source->start;
$run = $w->pull('', timeout => 900);
note("a small lock table on the source: rc $run->{rc} " . ($run->{message} || ''));
like($run->{err}, qr/max_locks_per_transaction/, 'the message names the setting') if $run->{rc} ne '0';
PgTunsync::Compare::all_equal($w, title => 'all right with a small lock table on the source') if $run->{rc} eq '0';
$w->nothing_left;

done_testing();
