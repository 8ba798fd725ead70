# Floods of messages: code of table owners that sends one for each row, a
# source that never stops, a client that stops reading.  The run ends.  What it
# shows is bounded and names the table, and the suppressed messages are
# counted.

use strict;
use warnings;
use PgTunsync;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $w = PgTunsync->new(empty => 1);

# Returns how often a pattern occurs in the client's stderr.
sub count_of { my ($call, $pattern) = @_; return scalar(() = $call->{err} =~ /$pattern/g); }

$w->both_sql('CREATE TABLE loud (id int PRIMARY KEY); CREATE TABLE quiet (id int PRIMARY KEY);
	CREATE TABLE seen (id int PRIMARY KEY)');
$w->source_sql("INSERT INTO $_ SELECT generate_series(1, 30000)") foreach qw(loud quiet);
$w->local_sql(q{
	CREATE FUNCTION say(level text, id int, text text) RETURNS boolean LANGUAGE plpgsql AS $$
	BEGIN
		IF level ~ 'n' THEN RAISE NOTICE 'row %', id || text; END IF;
		IF level ~ 'i' THEN RAISE INFO 'info %', id || text; END IF;
		IF level ~ 'w' THEN RAISE WARNING 'oh %', id || text; END IF;
		IF level ~ 'd' THEN RAISE NOTICE 'row %', id USING DETAIL = text, HINT = text; END IF;
		RETURN true;
	END $$;
	ALTER TABLE loud ADD CONSTRAINT loud CHECK (public.say('n', id, ''))});

# ---- a NOTICE for each row ----

my $call = $w->pulls("'loud,quiet', jobs => 1", 'a CHECK that speaks', [qw(loud quiet)]);
is(count_of($call, qr/NOTICE:  00000: table loud: row \d+\n/), 20,
	'twenty NOTICEs are shown, with the name of the table');
is(count_of($call, qr/NOTICE:  00000: row/), 0, 'none without it');
is(count_of($call, qr/NOTICE:  00000: 29980 more messages were left out\n/), 1, 'the others are counted in one line');
is(count_of($call, qr/NOTICE:  00000: (?:loud|quiet): 30000 rows/), 2, 'messages of the run are not affected');

$w->local_sql(q{ALTER TABLE loud DROP CONSTRAINT loud, ADD CONSTRAINT loud CHECK (public.say('niw', id, ''))});
$call = $w->pulls("'loud', jobs => 1", 'NOTICEs, INFOs and WARNINGs for each row', ['loud']);
is(count_of($call, qr/(?:NOTICE|INFO):  00000: table loud: (?:row|info) \d+\n/), 20, 'twenty of the lesser ones');
is(count_of($call, qr/WARNING:  01000: table loud: oh \d+\n/), 100, 'a hundred WARNINGs');
is(count_of($call, qr/89880 more messages were left out\n/), 1, 'the others are counted');

# ---- a failure ----

$w->local_sql(q{TRUNCATE loud; ALTER TABLE loud DROP CONSTRAINT loud,
	ADD CONSTRAINT loud CHECK (public.say('n', id, '') AND id < 15000) NO INHERIT});
$call = $w->refused("'loud'", 'a table that fails after many messages', sqlstate => '23514',
	message => [ qr/table loud: row 1\n/, qr/more messages were left out/ ]);
$w->local_sql('ALTER TABLE loud DROP CONSTRAINT loud');

# ---- long ones ----

$w->source_sql('DELETE FROM loud WHERE id > 200');
$w->local_sql(q{ALTER TABLE loud ADD CONSTRAINT loud CHECK (public.say('n', id, repeat('ä', 1000000)))});
$call = $w->pulls("'loud', jobs => 1", 'messages of 2 MB', ['loud']);
cmp_ok(length $call->{err}, '<', 100_000, 'are cut');
is(count_of($call, qr/table loud: row \d+(?:ä)+\.\.\.\n/), 20, 'at a character');
$w->local_sql('ALTER TABLE loud DROP CONSTRAINT loud');

# ---- other places where code of others runs ----

$w->local_sql(q{CREATE MATERIALIZED VIEW shown AS SELECT id, public.say('n', id, '') FROM loud});
$call = $w->pulls("'loud', refresh => true", 'a materialized view that speaks', ['loud']);
is(count_of($call, qr/NOTICE:  00000: table (?:public\.)?shown: row \d+\n/), 20, 'is named');
is(count_of($call, qr/180 more messages were left out\n/), 1, 'and bounded');
$w->local_sql('DROP MATERIALIZED VIEW shown');
foreach my $mode (qw(overwrite preserve append))
{
	$w->local_sql('TRUNCATE loud');
	$w->local_sql(q{CREATE FUNCTION speak(id int) RETURNS int LANGUAGE plpgsql IMMUTABLE
		AS $$ BEGIN RAISE NOTICE 'key %', id; RETURN id; END $$}) if $mode eq 'overwrite';
	$w->local_sql('CREATE INDEX speaks ON loud (public.speak(id))');
	$call = $w->pulls("'loud', mode => '$mode'", "an index that speaks, $mode", ['loud']);
	my $lines = count_of($call, qr/NOTICE:  00000: table loud: key \d+\n/);
	cmp_ok($lines, '>', 0, 'is heard');
	cmp_ok($lines, '<=', 60, 'and bounded');
	is(count_of($call, qr/NOTICE:  00000: key/), 0, 'and never without the name');
	$w->local_sql('DROP INDEX speaks');
}

# ---- many tables, and a client that does not read ----

my @many = map { "many_$_" } 1 .. 60;
$w->both_sql("CREATE TABLE $_ (id int PRIMARY KEY)") foreach @many;
$w->source_sql("INSERT INTO $_ SELECT generate_series(1, 30)") foreach @many;
$w->local_sql("ALTER TABLE $_ ADD CONSTRAINT c
	CHECK (public.say(CASE WHEN id = 30 THEN 'w' ELSE 'd' END, id, repeat('x', 100000)))") foreach @many;
my $list = join(',', @many);
$call = $w->pulls("'$list', jobs => 1", 'sixty tables that speak', \@many);
is(count_of($call, qr/NOTICE:  00000: table many_\d+: row/), 1000, 'a thousand NOTICEs in all');
is(count_of($call, qr/WARNING:  01000: table many_\d+: oh 30/), 60, 'and each WARNING');
is(count_of($call, qr/740 more messages were left out/), 1, 'the others are counted');

# psql stops reading, as it does while its pager waits for the user
my $stopped = $w->start_pull("'$list', jobs => 1", options => '-c application_name=stopped');
$stopped->wait_message(qr/table many_\d+: row/);
my $psql = $stopped->{process}{pid};
kill 'STOP', $psql;
my $start = time();
PgTunsync::Process::wait_until('the end of the run', sub { return $w->last_run('status') eq 'succeeded'; });
pass(sprintf('the run goes on: %.1f s', time() - $start));
my ($leader) = $w->worker_pids('leader');
SKIP: {
	skip 'the leader has ended', 1 unless $leader && -r "/proc/$leader/status";
	my ($kb) = slurp_file("/proc/$leader/status") =~ /RssAnon:\s+(\d+)/;
	cmp_ok($kb, '<', 60_000, "the leader's memory is bounded");
}
kill 'CONT', $psql;
$stopped->finish;
is($stopped->{rc}, 0, 'the caller has its result') or diag(substr $stopped->{err}, -2000);
is(count_of($stopped, qr/WARNING:  01000: table many_\d+: oh 30/), 60, 'no WARNING was dropped');
my $shown = count_of($stopped, qr/NOTICE:  00000: table many_\d+: row/);
my ($left_out) = $stopped->{err} =~ /(\d+) more messages were left out/;
cmp_ok($shown, '<', 1000, 'but NOTICEs were');
# NOTICEs of the run itself may be among those that were left out
cmp_ok($shown + ($left_out || 0), '>=', 60 * 29, 'each message was shown or counted');
$w->nothing_left;

# ---- a source that speaks for each row ----

my $relay = $w->relay;
$relay->set(record => 1);
$w->source_sql(q{CREATE FUNCTION chatter(id int) RETURNS boolean LANGUAGE plpgsql
	AS $$ BEGIN RAISE NOTICE 'chatter %', id; RAISE WARNING 'chatter %', id; RETURN true; END $$});
$call = $w->pulls("'quiet', mode => 'replace', filter => 'chatter(id)'", 'a source that speaks', ['quiet']);
unlike($call->{err}, qr/chatter \d/, 'is not heard');
unlike($relay->recorded, qr/chatter \d/, 'nor do its messages travel');
$w->source_sql(q{CREATE OR REPLACE FUNCTION chatter(id int) RETURNS boolean LANGUAGE plpgsql
	AS $$ BEGIN PERFORM set_config('client_min_messages', 'debug5', false);
		RAISE NOTICE 'chatter %', id; RETURN true; END $$});
$call = $w->pulls("'quiet', mode => 'replace', filter => 'chatter(id)'", 'one that insists', ['quiet']);
unlike($call->{err}, qr/chatter \d/, 'is not heard either');

done_testing();
