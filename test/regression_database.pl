#!/usr/bin/env perl
# PostgreSQL's own regression database, by hand: made on the source by
# pg_regress, restored here, made stale, pulled, compared.
#
#     REGRESS_SRC=…/src/test/regress REGRESS_LIB=directory-of-regress.so perl test/regression_database.pl
#
# in test/check.sh's surroundings (PATH, TESTDIR, PG_REGRESS, -I test/lib and
# PostgreSQL's perl modules).  Tables that cannot be pulled are printed with their reasons.

use strict;
use warnings;
use PgTunsync;
use PgTunsync::Agreement;
use PgTunsync::Compare;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my ($src, $lib) = ($ENV{REGRESS_SRC}, $ENV{REGRESS_LIB});
plan skip_all => 'REGRESS_SRC and REGRESS_LIB are not set' unless $src && $lib;

my $conf = "max_prepared_transactions = 10\nmax_locks_per_transaction = 1000\nallow_in_place_tablespaces = on\n"
	. "fsync = off\n";
my $w = PgTunsync->new(empty => 1, source_conf => $conf, local_conf => $conf);
my ($source, $local) = ($w->source, $w->local_node);
my $output = $w->dir . '/regress';
mkdir $output or die;

# ---- the source ----

my $log = "$output/pg_regress.log";
my $bindir = $source->config_data('--bindir');
system("$ENV{PG_REGRESS} --inputdir=$src --outputdir=$output --bindir=$bindir --dlpath=$lib --host=${\$source->host} "
	. "--port=${\$source->port} --max-connections=6 --schedule=$src/parallel_schedule >$log 2>&1");
diag(slurp_file($log) =~ /(\d+ of \d+ tests failed|All \d+ tests passed)/ ? $1 : slurp_file($log));
diag("  $_") foreach grep { /^not ok|\.\.\. FAILED/ } split /\n/, slurp_file($log);
ok($source->safe_psql('postgres', "SELECT count(*) FROM pg_database WHERE datname = 'regression'"),
	'there is a regression database')
  or BAIL_OUT(slurp_file($log));
$source->safe_psql('postgres', 'DROP DATABASE production; ALTER DATABASE regression RENAME TO production;
	ALTER ROLE reader BYPASSRLS');
# what a test of pg_upgrade drops too: no dump can carry it
$source->psql('production', 'DROP OPERATOR IF EXISTS public.#@%# (pg_catalog.int8, NONE)');

# ---- here: its dump, stale ----

my $dump = "$output/dump.sql";
my @from = ('-d', $source->connstr('production'), '--no-sync');
system("$bindir/pg_dumpall -g -d \"${\$source->connstr('postgres')}\" | grep -v 'ROLE postgres' | $bindir/psql -XAtq "
	. "-d \"${\$local->connstr('dev')}\" >/dev/null 2>&1");
PostgreSQL::Test::Utils::run_log([ "$bindir/pg_dump", @from, '-f', $dump ]) or die 'pg_dump';
my $restore = "$output/restore.log";
system("$bindir/psql -Xq -d \"${\$local->connstr('dev')}\" -f $dump >$restore 2>&1");
diag("restore: $_") foreach grep { /ERROR/ } split /\n/, slurp_file($restore);
# publications may forbid it
PgTunsync::Compare::script($w, 'local', q{\set ON_ERROR_STOP 0
	SET session_replication_role = replica; SET lock_timeout = '5s';
	SELECT format('DELETE FROM ONLY %I.%I WHERE ctid IN (SELECT ctid FROM ONLY %1$I.%2$I
		LIMIT 1 + (SELECT count(*) / 2 FROM ONLY %1$I.%2$I))', nspname, relname)
	FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
	WHERE relkind = 'r' AND nspname !~ '^(pg_|information_schema|pgtunsync)'
		AND NOT EXISTS (SELECT FROM pg_rewrite WHERE ev_class = c.oid) \gexec});

# ---- the pull ----

my @schemas = split /\n/,
	$local->safe_psql('dev', "SELECT nspname FROM pg_namespace
	WHERE nspname !~ '^(pg_(catalog|toast|temp)|information_schema|pgtunsync)'");
$w->write_config('schemas: [' . join(', ', map { '"' . s/(["\\])/\\$1/gr . '"' } @schemas) . "]\n");
my $before = PgTunsync::Compare::facts($w, 'local');
my $before_source = PgTunsync::Compare::facts($w, 'source');
# some tests leave partitioned indexes that lack a part
my $incomplete = $w->local_sql("SELECT format('index %s is not usable', indexrelid::regclass) FROM pg_index
	JOIN pg_class c ON c.oid = indexrelid WHERE relkind = 'I' AND NOT indisvalid ORDER BY indexrelid");
$incomplete .= "\n" if $incomplete ne '';
my $start = time();
my $run = $w->pull('', timeout => 900);
diag(sprintf('rc %s, %s in %.1f s', $run->{rc}, $w->last_run('status, tables, rows'), time() - $start));
my @failures = split /\n/, $w->local_sql("SELECT table_name, sqlstate, error FROM pgtunsync.run_tables
	WHERE run_id = (SELECT max(id) FROM pgtunsync.runs) AND status <> 'succeeded'");
diag("  $_") foreach @failures;
# the database has some of an access method of its own, and partitions beside them
my $may_fail = qr/its table access method is not "heap"|is left as it is, because/;
# a value that servers before 17 do not have
$may_fail = qr/$may_fail|type interval: "-?infinity"/ if $w->major('source') >= 17 && $w->major('local') < 17;
my @others = grep { !/$may_fail/ } @failures;
is("@others", '', 'all tables of heaps can be pulled');
like($w->last_run('status'), qr/succeeded|partial/, 'the regression database is pulled') or diag($run->{err});
$w->server_is_up;
my %failed = map { $_ => 1 } split /\n/,
	$w->local_sql("SELECT table_name FROM pgtunsync.run_tables WHERE run_id = (SELECT max(id) FROM pgtunsync.runs)
	AND status <> 'succeeded'");
my @differs = grep { my ($table) = /^(.*?): local/; my ($name) = $table =~ /\.(.*)/;
	!$failed{$table} && !$failed{$name} } PgTunsync::Compare::differences($w);
ok(!@differs, 'the rows of all tables are those of the source') or diag(join("\n", @differs));
PgTunsync::Compare::same_facts(PgTunsync::Compare::facts($w, 'local'), $before, 'the catalog is as it was',
	catalog_only => 1);
PgTunsync::Compare::same_facts(PgTunsync::Compare::facts($w, 'source'), $before_source, 'the source is as it was');
$w->healthy(known => $incomplete);
$w->nothing_left;
unlike(slurp_file($local->logfile), qr/TRAP|terminated by signal/, 'no process has crashed');

done_testing();
