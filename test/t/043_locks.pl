# Locks of the caller, of other sessions, and of two concurrent pulls.

use strict;
use warnings;
use PgTunsync;
use Test::More;
use Time::HiRes qw(sleep time);

my $w = PgTunsync->new(users => 300);
is($w->pull('')->{rc}, 0, 'both sides are equal');
my $before = $w->snapshot;
my @all = @PgTunsync::shop;

# ---- the caller's own locks: refused at once, never a hang ----

foreach my $case (
	[ 'a row was changed', "UPDATE users SET name = 'mine' WHERE id = 1;", "'users'" ],
	[ 'a table was read', 'SELECT count(*) FROM users;', "'users'" ],
	[ 'LOCK TABLE', 'LOCK TABLE users IN SHARE MODE;', "'users'" ],
	[ 'a child of the table is locked', 'LOCK TABLE order_items;', "'users,order_items'" ],
	[ 'a locked table comes by a glob', 'LOCK TABLE orders;', "'order*'" ],
	[ 'a locked table comes with everything', 'LOCK TABLE reviews;', '' ],
	[ 'an open cursor', 'DECLARE c CURSOR FOR SELECT * FROM users; FETCH 1 FROM c;', "'users'" ],
	[ 'a subtransaction', 'SAVEPOINT s; DELETE FROM shipments;', "'shipments'" ],
	[ 'an index is locked by REINDEX', 'REINDEX INDEX users_email_key;', "'users'" ])
{
	my ($title, $setup, $arguments) = @$case;
	my $start = time();
	my $run = $w->call("BEGIN; $setup SELECT pgtunsync.pull($arguments); COMMIT;", timeout => 60)->finish;
	subtest "in a transaction: $title" => sub {
		$w->check_refused($run, $before, sqlstate => '55006', message => [qr/transaction|lock/]);
		cmp_ok(time() - $start, '<', 15, 'without waiting for long');
	};
}
my $run = $w->call("BEGIN; SELECT count(*) FROM categories; SELECT pgtunsync.pull('reviews'); COMMIT;")->finish;
is($run->{rc}, 0, 'a lock on another table does not matter') or diag($run->{err});

# a lock that is let go in time by another session of the same client
my $holder = $w->call("BEGIN; LOCK TABLE users IN ROW EXCLUSIVE MODE; SELECT 'locked';", more => 1);
$holder->wait_message(qr/locked/, 'out');
my $call = $w->start_pull("'users'");
sleep 1.5;
ok($call->running, 'a pull waits for another session');
$holder->say('COMMIT;');
$holder->finish;
is($call->finish->{rc}, 0, 'and goes on when that commits') or diag($call->{err});

# ---- lock_timeout ----

$before = $w->snapshot;
$holder = $w->call("BEGIN; LOCK TABLE users IN ROW EXCLUSIVE MODE; SELECT 'locked';", more => 1);
$holder->wait_message(qr/locked/, 'out');
$call = $w->start_pull("'users'", options => '-c pgtunsync.lock_timeout=1s');
my $reader_start = time();
is($w->call("SET lock_timeout = '5s';
	SELECT count(*) FROM users;")->finish->{rc}, 0, 'readers pass while the pull waits');
cmp_ok(time() - $reader_start, '<', 3, 'at once');
$call->finish;
is($call->{sqlstate}, '55P03', 'lock_timeout ends the waiting') or diag($call->{err});
like($call->{err}, qr/users/, 'naming the table');
like($call->{err}, qr/pgtunsync\.lock_timeout|pid|process/i, 'and the setting or the holder');
$holder->finish;
$w->unchanged($before);
$w->nothing_left;

# ---- two pulls at once ----

my $relay = $w->relay;
$w->write_env(PGSYNC_LOCAL_PORT => 0, PGSYNC_REMOTE_PORT => $relay->port);
$relay->set(stall_after => 20_000);
my $first = $w->start_pull('');
$relay->wait_stalled;
$w->wait_worker('loader');
$run = $w->pull("'users'", options => '-c pgtunsync.lock_timeout=1s');
is($run->{sqlstate}, '55P03', 'a second pull of the same table gives up after lock_timeout') or diag($run->{err});
like($run->{err}, qr/users/, 'naming it');
ok($first->running, 'the first goes on');
my $second = $w->start_pull("'reviews'", options => '-c pgtunsync.lock_timeout=60s');
sleep 1;
$relay->set;
is($first->finish->{rc}, 0, 'and succeeds') or diag($first->{err});
is($second->finish->{rc}, 0, 'a second pull that may wait succeeds after it') or diag($second->{err});
$w->both_equal(@all);
$w->nothing_left;

# the same tables in many pulls at once: all succeed, one after the other
my @calls = map { $w->start_pull("'users,orders,order_items,shipments,reviews'",
	options => '-c pgtunsync.lock_timeout=100s -c pgtunsync.jobs=1') } 1 .. 4;
is($_->finish->{rc}, 0, 'one of four pulls at once') || diag($_->{err}) foreach @calls;
$w->both_equal(@all);
$w->nothing_left;

# one local port
$w->write_env(PGSYNC_REMOTE_PORT => $relay->port);
$relay->set(stall_after => 20_000);
$first = $w->start_pull("'users,orders,order_items,shipments,reviews'");
$relay->wait_stalled;
$run = $w->pull("'categories'", options => '-c pgtunsync.lock_timeout=1s');
isnt($run->{rc}, 0, 'a second pull through the same local port gives up');
like($run->{err}, qr/\b${\$w->port}\b/, 'naming the port');
like($run->{err}, qr/PGSYNC_LOCAL_PORT/, 'and the variable');
$second = $w->start_pull("'categories'", options => '-c pgtunsync.lock_timeout=60s');
sleep 0.5;
$relay->set;
is($first->finish->{rc}, 0, 'the first succeeds') or diag($first->{err});
is($second->finish->{rc}, 0, 'and so does a second that may wait') or diag($second->{err});
$w->nothing_left;

# ---- DDL meanwhile ----

$relay->set(stall_after => 20_000);
$first = $w->start_pull('');
$relay->wait_stalled;
$w->wait_worker('loader');
my $ddl = $w->call("SET lock_timeout = '500ms'; ALTER TABLE users ADD COLUMN meanwhile int;")->finish;
is($ddl->{rc}, 0, 'DDL on a target does not wait for the run') or diag($ddl->{err});
$relay->set;
is($first->finish->{sqlstate}, '55006', 'in which that table fails');
like($first->{err}, qr/users.*altered meanwhile/, 'by name');
$w->healthy;
$w->nothing_left;

done_testing();
