# A source that has few connections for us: limits of the role, the database and
# the server, and a pooler that lets sessions wait.  A pull goes on with the
# loaders that get one, and says what is needed when there is none.

use strict;
use warnings;
use PgTunsync;
use PgTunsync::Process;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $w = PgTunsync->new(users => 100, source_conf => "max_connections = 20\n");
my @all = @PgTunsync::shop;
my $everything = q{'users,categories,products,orders,order_items,shipments,reviews', jobs => 4};

# Pulls and compares; expects this many loaders of 4 to have had a connection.
sub goes_on
{
	my ($title, $loaders, $detail, $hint) = @_;
	$w->refill('local', 20, 'stale');
	my $run = $w->pulls($everything, $title, \@all);
	my @notices = $run->{err} =~ /(going on with \d of \d loaders, .*)/g;
	is(scalar(@notices), 1, 'one NOTICE');
	like($run->{err}, qr/going on with $loaders of 4 loaders, the source has no connections for more\nDETAIL:  $detail\nHINT:  $hint\n/,
		'with the limit and the fix')
	  or diag($run->{err});
	return $run;
}

# Follows the HINT of a call, as the source's superuser.
sub follow
{
	my ($run) = @_;
	my ($statement) = $run->{err} =~ /HINT:  On the source: (ALTER [^;]*;)/;
	$w->source_sql($statement);
	return;
}

# ---- a limit of the role ----

foreach my $limit (2, 3)
{
	foreach my $attempt (1 .. 3)
	{
		$w->source_sql("ALTER ROLE reader CONNECTION LIMIT $limit");
		my $run = goes_on("a role limit of $limit, attempt $attempt", $limit - 1,
			"role reader: 0 of $limit in use by others, server: .*",
			'On the source: ALTER ROLE reader CONNECTION LIMIT 5;');
		next if $attempt < 3;
		follow($run);
		unlike($w->pull($everything)->{err}, qr/going on/, 'the HINT helps');
	}
}
$w->source_sql('ALTER ROLE reader CONNECTION LIMIT 1');
my $run = $w->refused($everything, 'a role limit of 1', sqlstate => '53300',
	message => [ qr/the source has too few connections for a pull/,
		qr/DETAIL:  A pull needs 2 at least, one that keeps the snapshot and one that reads\. role reader: 0 of 1 in use/,
		qr/too many connections for role "reader"/ ],
	unlike => [qr/fewer jobs/]);
follow($run);
is($w->pull($everything)->{rc}, 0, 'the HINT helps');

# other sessions of the role take connections
$w->source_sql('ALTER ROLE reader CONNECTION LIMIT 4');
my @others = map { $w->call('SELECT 1;', more => 1, connstr => $w->source->connstr('production'), user => 'reader') } 1, 2;
$_->wait_message(qr/1/, 'out') foreach @others;
goes_on('others use the role', 1, 'role reader: 2 of 4 in use by others, .*',
	'On the source: ALTER ROLE reader CONNECTION LIMIT 7;');
$_->finish foreach @others;
$w->source_sql('ALTER ROLE reader CONNECTION LIMIT -1');

# a table in parts, locks and kept rows with one loader of four
$w->source_sql('ALTER ROLE reader CONNECTION LIMIT 2');
is($w->pull(q{'users,orders', mode => 'overwrite', jobs => 4})->{rc}, 0, 'another mode');
my $holder = $w->call('BEGIN; LOCK TABLE users; SELECT 1;', node => $w->source, database => 'production', more => 1);
$holder->wait_message(qr/1/, 'out');
my $pull = $w->start_pull($everything);
$pull->wait_message(qr/users is locked on the source/);
$holder->finish;
is($pull->finish->{rc}, 0, 'a lock on the source') or diag($pull->{err});
$w->both_equal(@all);
$w->source_sql('ALTER ROLE reader CONNECTION LIMIT -1');

# ---- limits of database and server ----

$w->source_sql('ALTER DATABASE production CONNECTION LIMIT 3');
goes_on('a limit of the database', 2, 'database production: 0 of 3 in use by others, server: .*',
	'On the source: ALTER DATABASE production CONNECTION LIMIT 5;');
$w->source_sql('ALTER DATABASE production CONNECTION LIMIT -1');

# 17 for ordinary roles
my @busy = map { $w->call('SELECT 1;', more => 1, connstr => $w->source->connstr('postgres')) } 1 .. 14;
$_->wait_message(qr/1/, 'out') foreach @busy;
goes_on('a server that is nearly full', 2, 'server: 14 of 17 in use by others',
	'Wait until other sessions of the source have ended, or raise max_connections there\.');

# ---- check() ----

sub check
{
	my $call = $w->call(q{SELECT step, ok, detail, hint FROM pgtunsync.check() WHERE step IN ('connections', 'source')})->finish;
	return $call->{out};
}
like(check(), qr/^connections\|t\|server: 14 of 17 in use by others; a pull takes up to 5: 2 of 4 loaders\|$/m,
	'check() counts connections');
$_->finish foreach @busy;
PgTunsync::Process::wait_until('the sessions end', sub {
	$w->source_sql(q{SELECT count(*) FROM pg_stat_activity WHERE datname = 'postgres'}) == 0 });
like(check(), qr/^connections\|t\|server: \d of 17 in use by others; a pull takes up to 5: 4 of 4 loaders\|$/m,
	'enough of them');
$w->source_sql('ALTER ROLE reader CONNECTION LIMIT 1');
like(check(), qr/^connections\|f\|the source has too few connections for a pull\nA pull needs 2 at least\. role reader: 0 of 1 in use by others, .*\|On the source: ALTER ROLE reader CONNECTION LIMIT 2;$/m,
	'too few');
$w->source_sql('ALTER ROLE reader CONNECTION LIMIT -1');

$w->nothing_left;
done_testing();
