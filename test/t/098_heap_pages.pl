# Pulled rows are on pages that the server could have written itself.  They
# pass its checks, are frozen and all-visible, are as many as after a rewrite,
# and have correct checksums.  They survive a crash, also one during
# checkpoints, and reach a standby.

use strict;
use warnings;
use PgTunsync;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $w = PgTunsync->new(
	empty      => 1,
	local_conf => "max_worker_processes = 24\ncheckpoint_timeout = 1h\nmax_wal_size = 4GB",
	local_init => { allows_streaming => 1, extra => ['--data-checksums'] });
my $local = $w->local_node;
my $map = $w->local_sql("SELECT count(*) FROM pg_available_extensions WHERE name IN ('pg_visibility', 'amcheck')") == 2;
my $generated = $w->major('local') >= 18 ? 'virtual int GENERATED ALWAYS AS (n + 1) VIRTUAL,' : '';

# random text, which does not compress
my $noise = "(SELECT string_agg(md5((i * 1000 + j)::text), '') FROM generate_series(1, %d) j)";
my $columns = join(', ', map { "c$_ smallint" } 1 .. 1598);
my $few = join(', ', map { "f$_ int" } 1 .. 40);
my $schema = qq{
	CREATE TABLE inline (id int PRIMARY KEY, body text);
	CREATE TABLE toasted (id int PRIMARY KEY, body text, packed text, plain text);
	ALTER TABLE toasted ALTER plain SET STORAGE EXTERNAL;
	CREATE TABLE half (id int PRIMARY KEY, body text) WITH (fillfactor = 50);
	CREATE TABLE full_rows (id int, body text) WITH (toast_tuple_target = 8160);
	CREATE TABLE nulls (id int, $few, body text);
	CREATE TABLE tiny (n bool);
	CREATE TABLE nothing ();
	CREATE TABLE wide (id int, $columns);
	CREATE UNLOGGED TABLE scratch (id int PRIMARY KEY, body text);
	CREATE TABLE computed (id int, n int, $generated body text, twice text GENERATED ALWAYS AS (body || body) STORED);
	CREATE TABLE large (id int PRIMARY KEY, body text);
};
my @logged = qw(inline toasted half full_rows nulls tiny nothing wide computed large dropped filled rewritten);
my @all = (@logged, 'scratch');

$w->source_sql($schema . qq{
	CREATE TABLE dropped (id int, body text);
	CREATE TABLE filled (id int);
	CREATE TABLE rewritten (id int, body text);
});
$w->local_sql($schema . qq{
	CREATE TABLE dropped (gone text NOT NULL, id int, gone_too int, body text, last numeric);
	ALTER TABLE dropped DROP gone, DROP gone_too, DROP last;
	CREATE TABLE elsewhere (body text);
	INSERT INTO elsewhere SELECT ${\sprintf($noise, 3000)} FROM generate_series(1, 1) i;
	CREATE FUNCTION of_elsewhere() RETURNS text LANGUAGE sql VOLATILE AS 'SELECT body FROM public.elsewhere';
	CREATE TABLE filled (id int, added text DEFAULT of_elsewhere());
	CREATE TABLE rewritten (id int, body text);
});
$w->source_sql(qq{
	INSERT INTO inline SELECT i, ${\sprintf($noise, 50)} FROM generate_series(1, 500) i;
	INSERT INTO toasted SELECT i, ${\sprintf($noise, 400)}, repeat('packed ' || i, 3000), repeat('x', i * 100)
		FROM generate_series(1, 100) i;
	INSERT INTO half SELECT i, md5(i::text) FROM generate_series(1, 3000) i;
	INSERT INTO full_rows SELECT i, left(${\sprintf($noise, 300)}, 7900 + i) FROM generate_series(1, 200) i;
	INSERT INTO nulls (id, f7, body) SELECT i, CASE WHEN i % 3 = 0 THEN i END, CASE WHEN i % 5 = 0 THEN md5(i::text) END
		FROM generate_series(1, 3000) i;
	INSERT INTO tiny SELECT CASE WHEN i % 2 = 0 THEN i % 4 = 0 END FROM generate_series(1, 2000) i;
	INSERT INTO nothing SELECT FROM generate_series(1, 1000);
	INSERT INTO wide (id, c1, c800, c1598) SELECT i, i, -i, 7 FROM generate_series(1, 50) i;
	INSERT INTO scratch SELECT i, md5(i::text) FROM generate_series(1, 1000) i;
	INSERT INTO computed (id, n, body) SELECT i, i * 2, repeat(md5(i::text), i) FROM generate_series(1, 200) i;
	INSERT INTO dropped SELECT i, CASE WHEN i % 2 = 0 THEN md5(i::text) END FROM generate_series(1, 1000) i;
	INSERT INTO filled SELECT i FROM generate_series(1, 20) i;
	INSERT INTO rewritten SELECT i, md5(i::text) FROM generate_series(1, 30) i;
	INSERT INTO large SELECT i, repeat(md5(i::text), 5) FROM generate_series(1, 60000) i;
	UPDATE large SET body = (SELECT string_agg(md5((id * j)::text), '') FROM generate_series(1, 200) j)
		WHERE id % 3000 = 1;
});
# every row of "wide" with all of its columns
$w->source_sql('INSERT INTO wide SELECT i, ' . join(', ', ('i') x 1598) . ' FROM generate_series(100, 120) i');
# the source takes it for a large one, which is read in parts
$w->source_sql("VACUUM ANALYZE large;
	UPDATE pg_class SET relpages = 300 * 128 WHERE oid = (SELECT reltoastrelid FROM pg_class
	WHERE oid = 'large'::regclass)");
$w->local_sql('CREATE EXTENSION pg_visibility; CREATE EXTENSION amcheck') if $map;
$w->write_config(qq{rewrite:
  {"rewritten.body": "repeat(body, 3000) || (SELECT string_agg(md5(j::text), '') FROM generate_series(1, 500) j)"}\n});

sub ask { my ($node, $sql) = @_; return $node->safe_psql('dev', $sql); }

# A table's rows as one string, those of the source as the local side should have them.
sub expected
{
	my ($table) = @_;
	return $w->source_sql(rows_of("(SELECT id, repeat(body, 3000) || (SELECT string_agg(md5(j::text), '') FROM "
		. "generate_series(1, 500) j) FROM rewritten)"))
	  if $table eq 'rewritten';
	return $w->source_sql(rows_of("(SELECT id, '" . $w->local_sql('SELECT md5(body)
		FROM elsewhere') . "' FROM filled)"))
	  if $table eq 'filled';
	return $w->source_sql(rows_of("(SELECT id, n, body, body || body FROM computed)")) if $table eq 'computed';
	return $w->source_sql(rows_of($table));
}

sub found
{
	my ($node, $table) = @_;
	return ask($node, rows_of("(SELECT id, md5(added) FROM filled)")) if $table eq 'filled';
	return ask($node, rows_of("(SELECT id, n, body, twice FROM computed)")) if $table eq 'computed';
	return ask($node, rows_of($table));
}

sub rows_of { return "SELECT count(*), sum(hashtextextended(t::text, 0)) FROM $_[0] t"; }

my %expected = map { $_ => expected($_) } @all;

# Tests: the rows, and what the server's own checks say of where they lie.
sub sound
{
	my ($node, $title, @tables) = @_;
	foreach my $table (@tables)
	{
		my $rows = (split /\|/, $expected{$table})[0];
		is(found($node, $table), $expected{$table}, "$title: the rows of $table");
		is(ask($node, "SELECT count(DISTINCT ctid) FROM $table"), $rows, "$title: each in its place in $table");
		next unless $map;
		is(ask($node, "SELECT (SELECT count(*) FROM pg_check_frozen('$table')),
			(SELECT count(*) FROM pg_check_visible('$table'))"),
			'0|0', "$title: all rows of $table are frozen and visible")
		  unless $node->safe_psql('postgres', 'SELECT pg_is_in_recovery()') eq 't';
		my $pages = ask($node, "SELECT pg_relation_size('$table') / current_setting('block_size')::int");
		cmp_ok($pages, '>', 0, "$title: $table has pages");
		is(ask($node, "SELECT * FROM pg_visibility_map_summary('$table')"), "$pages|$pages",
			"$title: the map knows all pages of $table");
		is(ask($node, "SELECT count(*) FROM pg_visibility('$table') WHERE NOT pd_all_visible"), 0,
			"$title: and they know it, too");
		is(ask($node, "SELECT * FROM verify_heapam('$table', check_toast => true)"), '',
			"$title: verify_heapam() finds nothing in $table");
	}
	return;
}

sub pulls
{
	my ($title) = @_;
	my $run = $w->pull('jobs => 3');
	is($run->{rc}, 0, "$title: the pull succeeds") or diag($run->{err});
	is($w->last_run('status'), 'succeeded', "$title: with all tables");
	return;
}

sub crash
{
	$local->stop('immediate');
	$local->start;
	return;
}

note('pg_visibility and amcheck are not there: rows only') unless $map;

# ---- as they are ----

pulls('first');
sound($local, 'first', @all);
cmp_ok(scalar(() = slurp_file($w->local_node->logfile) =~ /PANIC|TRAP|terminated by signal/g), '==', 0,
	'nothing crashed');

sub pages
{
	return $w->local_sql(join ' UNION ALL ',
		map { "SELECT '$_ ' || pg_relation_size('$_')" } grep { $_ ne 'large' } @all);
}

my $pages = pages();
$w->local_sql("VACUUM FULL $_") foreach @all;
is($pages, pages(), 'as many pages as a rewrite by the server makes, fillfactor and all');

# ---- checksums ----

pulls('for the checksums');
$local->stop;
command_ok([ $local->installed_command('pg_checksums'), '--check', '-D', $local->data_dir ], 'the checksums are right');
$local->start;

# ---- a crash ----

sub survives_crash
{
	my ($title) = @_;
	crash();
	sound($local, $title, @logged);
	is($w->local_sql('SELECT count(*) FROM scratch'), 0, "$title: the unlogged table is empty, as ever");
	return;
}

pulls('before the crash');
survives_crash('crash');

foreach my $full_page_writes ('on', 'off')
{
	$w->local_sql("ALTER SYSTEM SET full_page_writes = $full_page_writes");
	$local->reload;
	my $checkpoints = $w->call("CHECKPOINT;\n" x 5000);
	pulls("amid checkpoints, full_page_writes = $full_page_writes");
	ok($checkpoints->running, 'they went on for all of its time');
	$checkpoints->kill_client;

	# the first change of a page that was never in a buffer
	$w->local_sql("DELETE FROM half WHERE id % 2 = 0; UPDATE half SET body = 'new'");
	crash();
	is($w->local_sql('SELECT count(*), min(body), max(body) FROM half'), '1500|new|new',
		'changes of pulled rows survive as well');
	pulls('once more');
	survives_crash("amid checkpoints, full_page_writes = $full_page_writes");
}
$w->local_sql('ALTER SYSTEM RESET full_page_writes');
$local->reload;

# ---- a standby ----

$local->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($local, 'base', has_streaming => 1);
$standby->start;
$w->local_sql("DELETE FROM $_") foreach @logged;
pulls('with a standby');
$local->wait_for_catchup($standby, 'replay', $local->lsn('insert'));
sound($standby, 'standby', @logged);
$standby->promote;
sound($standby, 'promoted', @logged);
$standby->stop;

# ---- no more WAL than a single server needs ----

$local->append_conf('postgresql.conf', "wal_level = minimal\nmax_wal_senders = 0\n");
$local->restart;
pulls('wal_level = minimal');
survives_crash('wal_level = minimal');

done_testing();
