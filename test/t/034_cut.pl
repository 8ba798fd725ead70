# The connection to the source breaks during COPY.  Every local table stays
# unchanged.

use strict;
use warnings;
use PgTunsync;
use Test::More;

my $w = PgTunsync->new(users => 100);
$_->("CREATE TABLE big (id int PRIMARY KEY, payload text, user_id int REFERENCES users)")
  foreach sub { $w->source_sql(@_) }, sub { $w->local_sql(@_) };
$w->source_sql("INSERT INTO big SELECT i, repeat(md5(i::text), 20), 1 + i % 100 FROM generate_series(1, 20000) i;
	ANALYZE big");	# a large one: what fails in a batch of small ones is tried again
$w->local_sql("INSERT INTO big SELECT i, 'stale', 1 + i % 20 FROM generate_series(1, 10) i");
my $before = $w->snapshot;
my $relay = $w->relay;
$w->setting(connect_attempts => 1);

# A subtest: what happens in mid-COPY makes the run fail in full.
sub broken
{
	my ($title, $break, %params) = @_;
	subtest $title => sub {
		$relay->set(stall_after => 2_000_000);
		my $call = $w->start_pull($params{arguments} || '');
		$relay->wait_stalled;
		cmp_ok(scalar($w->worker_pids('loader')), '>=', 1, 'loaders are at work');
		$break->();
		$relay->set;			# the end of a connection gets through
		$call->finish;
		$params{repair}->() if $params{repair};
		$w->check_refused($call, $before, sqlstate => $params{sqlstate} || '08\w{3}|57P0\w',
			message => $params{message});
		like($w->last_run('status'), qr/^(failed|cancelled)$/, 'the audit has it');
		is($w->last_run('sqlstate'), $call->{sqlstate}, 'with the SQLSTATE');
		is($w->local_sql("SELECT count(*) FROM pgtunsync.run_tables WHERE status = 'succeeded'
			AND run_id = (SELECT max(id) FROM pgtunsync.runs)"),
			0, 'no table is said to have been replaced');
	};
	return;
}

broken('the connections of sshd are killed', sub { $w->jump->cut_connections });
broken('sshd is killed altogether', sub { $w->jump->stop('KILL') }, repair => sub { $w->jump->start });
broken('sshd is stopped', sub { $w->jump->stop }, repair => sub { $w->jump->start });
broken('the source terminates our sessions',
	sub { $w->source_sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE application_name LIKE 'pgtunsync/%'") });
broken('the source cancels our statements',
	sub { $w->source_sql("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'pgtunsync/%'
		AND state = 'active'"); },
	arguments => "on_error => 'abort'", sqlstate => '57014');
broken('the source is restarted at once', sub { $w->source->stop('immediate'); $w->source->start });
broken('the source is shut down', sub { $w->source->stop('fast') }, repair => sub { $w->source->start });
broken('a relay on the way is killed', sub { $relay->stop; delete $w->{relay}; $relay = $w->relay; });

# cut by bytes: at the very start, in the handshake, in the catalog queries, in the data
foreach my $bytes (1, 100, 400, 3000, 30_000, 100_000, 1_000_000, 5_000_000)
{
	$relay->set(cut_after => $bytes);
	$w->refused('', "the connection is cut after $bytes bytes", before => $before, sqlstate => '\w{5}');
}
$relay->set;

$w->pulls('', 'and then it works', [ @PgTunsync::shop, 'big' ]);

done_testing();
