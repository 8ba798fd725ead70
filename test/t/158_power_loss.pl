# The power fails at some moment of a pull: all processes end, and of the files
# only what was synchronized survives.  Then the tables are as before or as
# pulled, the audit agrees, and a pull that had returned is not lost.

use strict;
use warnings;
use File::Basename;
use PgTunsync;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

plan skip_all => 'no C compiler' if system('cc --version >/dev/null 2>&1') != 0;
plan skip_all => 'files have no names in /proc' unless -l '/proc/self/fd/0';

my $rounds = $ENV{POWER_ROUNDS} || 5;
my $seed = $ENV{POWER_SEED} || time() % 100000;
srand($seed);
note "seed $seed";

my $w = PgTunsync->new(users => 1500, local_conf => "fsync = on\nwal_sync_method = fdatasync\n"
	  . ($ENV{POWER_CONF} || ''), local_init => { extra => ['--wal-segsize=1'] });
my $local = $w->local_node;
my $survives = $w->dir . '/survives';
my $library = $w->dir . '/power_loss.so';

is(system('cc', '-shared', '-fPIC', '-O1', '-Wall', '-o', $library,
		dirname($INC{'PgTunsync.pm'}) . '/PgTunsync/power_loss.c'), 0, 'the library is built');

# for a TOAST table, and an index that is built in many pages
$w->both_sql('CREATE TABLE documents (id int PRIMARY KEY, body text); CREATE INDEX ON documents (substr(body, 1, 500))');

# Starts the server on files that are all safe.
sub start_watched
{
	$local->stop;
	system_or_bail('rm', '-rf', $survives);
	system_or_bail('cp', '-a', $local->data_dir, $survives);
	local $ENV{LD_PRELOAD} = $library;
	local $ENV{POWER_DATA} = $local->data_dir;
	local $ENV{POWER_SURVIVES} = $survives;
	$local->start;
	return;
}

# Ends all processes at once.  Then the server starts with what has survived.
sub lose_power
{
	my @processes = PgTunsync::Process::descendants($w->postmaster_pid);

	kill 'KILL', $w->postmaster_pid, @processes;
	$local->kill9;
	sleep 0.01 while grep { kill 0, $_ } @processes;
	system_or_bail('rm', '-rf', $local->data_dir);
	unlink "$survives/postmaster.pid", glob("$survives/*.copy $survives/*/*.copy $survives/*/*/*.copy");
	system_or_bail('cp', '-a', $survives, $local->data_dir);
	# there is no need for real synchronization
	local $ENV{LD_PRELOAD} = $library;
	$local->start;
	return;
}

# Rows as one value; both sides have the same when a pull was successful.
sub rows
{
	my ($side) = @_;
	return join "\n", grep { /^rows / && !/ pgtunsync/ } @{ $w->snapshot($side) };
}

my $duration = 0;
my %seen;
foreach my $round (1 .. $rounds)
{
	$w->source_sql("UPDATE users SET name = 'round $round';
		TRUNCATE documents; INSERT INTO documents SELECT i, (SELECT string_agg(md5(($round * i * j)::text), '')
			FROM generate_series(1, 200) j) FROM generate_series(1, 300) i");
	start_watched();
	my $before = rows('local');
	my $runs = $w->local_sql('SELECT coalesce(max(id), 0) FROM pgtunsync.runs');
	my $start = time();
	my $call = $w->start_pull('');
	# the first round and the last lose power after the pull has returned
	my $after = $round == 1 || $round == $rounds;
	if ($after) { $call->finish; }
	else { sleep $duration * rand(1.1); }
	my $returned = !$call->running;
	$duration = time() - $start if $round == 1;
	lose_power();
	$call->finish;

	subtest sprintf('round %d: power lost %s', $round, $returned ? 'after the pull' : 'in mid-pull') => sub {
		is($call->{rc}, 0, 'the pull was successful') or diag($call->{err}) if $after;
		is($w->call('SELECT count(*) FROM pgtunsync.progress')->finish->{rc}, 0, 'a first call cleans up');
		my $status = $w->local_sql("SELECT status FROM pgtunsync.runs WHERE id > $runs") || 'none';
		my $new = rows('local') eq rows('source');
		like($status, qr/^(none|crashed|succeeded)$/, "the run: $status");
		is($status, 'succeeded', 'a pull that returned is not lost') if $returned && $call->{rc} eq '0';
		if ($status eq 'succeeded') { ok($new, 'the tables are as pulled'); }
		else { is(rows('local'), $before, 'the tables are as before'); }
		$w->healthy;
		$w->{has_crashed} = 1;
		$w->nothing_left;
		$seen{$status}++;
	};
}
note explain \%seen;
$w->pulls('', 'then a pull is successful', [@PgTunsync::shop]);

done_testing();
