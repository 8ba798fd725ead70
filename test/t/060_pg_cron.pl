# pg_cron schedules a pull, and the audit has its row.

use strict;
use warnings;
use PgTunsync;
use PostgreSQL::Test::Utils;
use Test::More;

my ($share) = run_command([ 'pg_config', '--sharedir' ]);
plan skip_all => 'pg_cron is not installed' unless -e "$share/extension/pg_cron.control";

my $w = PgTunsync->new(users => 200,
	local_conf => "shared_preload_libraries = 'pg_cron'\ncron.database_name = 'dev'\ncron.use_background_workers = on");
$w->local_sql('CREATE EXTENSION pg_cron');
my $before = $w->snapshot;

$w->local_sql("SELECT cron.schedule('nightly', '* * * * *', 'SELECT pgtunsync.pull()')");
PgTunsync::Process::wait_until('the scheduled run',
	sub { ($w->last_run('status') || 'running') ne 'running'; }, 100);
$w->local_sql("SELECT cron.unschedule('nightly')");

is($w->last_run('status'), 'succeeded', 'the run of the schedule is in the audit');
is($w->last_run('tables'), scalar(@PgTunsync::shop), 'with its tables');
$w->both_equal(@PgTunsync::shop);
PgTunsync::Process::wait_until('pg_cron to note it',
	sub { $w->local_sql("SELECT count(*) FROM cron.job_run_details WHERE status = 'succeeded'") > 0 }, 20);
is($w->local_sql("SELECT status FROM cron.job_run_details ORDER BY runid LIMIT 1"), 'succeeded', 'pg_cron agrees');
$w->catalog_unchanged($before);
$w->nothing_left;

done_testing();
