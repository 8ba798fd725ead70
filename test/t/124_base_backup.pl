# A base backup runs beside pulls and reads pages while loaders write them.  It
# verifies the checksum of every page and reports no failure.  The backup
# starts and holds the rows.

use strict;
use warnings;
use File::Path qw(rmtree);
use PgTunsync;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $w = PgTunsync->new(
	empty      => 1,
	local_conf => "max_worker_processes = 24\nmax_wal_size = 4GB\nfull_page_writes = on",
	local_init => { allows_streaming => 1, extra => ['--data-checksums'] });
my $local = $w->local_node;

my $schema = 'CREATE TABLE notes (id int PRIMARY KEY, body text); CREATE TABLE tags (id int, tag text);';
$w->source_sql($schema . q{
	INSERT INTO notes SELECT i, repeat(md5(i::text), 12) FROM generate_series(1, 60000) i;
	INSERT INTO tags SELECT i, md5(i::text) FROM generate_series(1, 200000) i;
	ANALYZE;
});
$w->local_sql($schema);

# ---- pages carry an LSN that a backup understands ----

is($w->local_sql(q{SELECT count(*) FROM pgtunsync.pull('{notes,tags}')}), 1, 'the tables are pulled');
SKIP: {
	skip 'pageinspect is not installed', 1
	  unless $w->local_sql("SELECT count(*) FROM pg_available_extensions WHERE name = 'pageinspect'");
	$w->local_sql('CREATE EXTENSION pageinspect');
	is( $w->local_sql(q{
			SELECT count(*) FILTER (WHERE lsn = '0/0') || ' of ' || (count(*) > 1000)
			FROM generate_series(0, pg_relation_size('notes') / 8192 - 1) n,
				page_header(get_raw_page('notes', n::int))}),
		'0 of true',
		'no page of a pulled table has the LSN of a page that was never logged');
}

# ---- backups beside pulls ----

my $session = $w->call(
	q{SELECT 'pulled ' || count(*) FROM generate_series(1, 8) i,
		LATERAL (SELECT pgtunsync.pull('{notes,tags}', jobs => 1 + i % 2)) p;});
my $backup;
my $backups = 0;
while ($session->running || $backups == 0)
{
	rmtree($backup) if $backup;
	$backup = $local->backup_dir . '/beside' . ++$backups;
	my ($out, $err) = run_command(
		[ $local->installed_command('pg_basebackup'), '--no-sync', '-c', 'fast', '-X', 'stream', '-D', $backup,
			'-d', $local->connstr('postgres') ]);
	my $failed = $err =~ /checksum/;
	fail("backup $backups: $err") if $failed || !-f "$backup/backup_manifest";
	last if $failed;
}
$session->finish;
like($session->{out}, qr/^pulled 8$/m, 'all pulls succeeded');
cmp_ok($backups, '>', 1, "backups ran beside the pulls: $backups");
unlike(slurp_file($local->logfile), qr/checksum verification failed/, 'no checksum was reported as wrong');

# ---- the last backup, started ----

my $restored = PostgreSQL::Test::Cluster->new('restored');
rmtree($restored->data_dir);
rename($backup, $restored->data_dir) or die "rename: $!";
$restored->append_conf('postgresql.conf', 'port = ' . $restored->port . "\narchive_mode = off");
$restored->start;
is($restored->safe_psql('dev', "SELECT count(*), md5(string_agg(body, ',' ORDER BY id)) FROM notes"),
	$w->local_sql("SELECT count(*), md5(string_agg(body, ',' ORDER BY id)) FROM notes"),
	'the backup holds the rows');
$restored->stop;
command_ok([ $restored->installed_command('pg_checksums'), '--check', '-D', $restored->data_dir ],
	'its checksums are right');

done_testing();
