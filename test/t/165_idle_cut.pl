# Something on the way cuts connections that are idle for two seconds: a proxy
# before the source, or sshd itself.  A pull that takes longer goes on.

use strict;
use warnings;
use PgTunsync;
use PostgreSQL::Test::Utils;
use Test::More;

my $w = PgTunsync->new(users => 100);
my $relay = $w->relay;

$w->both_sql('CREATE TABLE big (id int PRIMARY KEY, what text); CREATE TABLE after (id int PRIMARY KEY);
	CREATE TABLE slow_index (id int PRIMARY KEY)');
$w->source_sql("INSERT INTO big SELECT i, repeat('x', 1000) FROM generate_series(1, 4000) i;
	INSERT INTO after SELECT generate_series(1, 10); INSERT INTO slow_index SELECT generate_series(1, 10)");
$w->local_sql('CREATE FUNCTION slow(int) RETURNS int LANGUAGE plpgsql IMMUTABLE
	AS $$ BEGIN PERFORM pg_sleep(0.4); RETURN $1; END $$; CREATE INDEX ON slow_index (slow(id))');
# rows flow all the time, for some 5 s
$w->write_config("filters:\n  big: pg_sleep(0.001) IS NOT NULL\n");

# the tables in the order of their sizes: one is read while another is not
my $tables = '{big,after,slow_index}';

sub pulls_all
{
	my ($title, $jobs) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$w->local_sql('TRUNCATE big, after, slow_index');
	my $run = $w->pull("'$tables', mode => 'replace', jobs => $jobs");
	is($run->{rc}, 0, "$title, jobs $jobs") or diag($run->{err});
	$w->both_equal(qw(big after slow_index));
	return;
}

$relay->set(cut_idle => 2);
pulls_all('a relay cuts idle connections', $_) foreach 1, 4;

# an append: the loader is idle while the leader commits, and the other way round
$w->local_sql('TRUNCATE big, after, slow_index');
my $run = $w->pull("'$tables', mode => 'append', batch_size => 1000");
is($run->{rc}, 0, 'an append') or diag($run->{err});
$w->both_equal(qw(big after slow_index));

# pings are no statements
my $log = slurp_file($w->source->logfile);
unlike($log, qr/statement: *$/m, 'the log of the source shows no empty statement');

SKIP:
{
	$relay->set;
	eval { $w->jump->stop; $w->jump->start(ChannelTimeout => 'direct-tcpip=2s'); 1 }
	  or skip 'this sshd has no ChannelTimeout', 4;
	pulls_all('sshd has a ChannelTimeout', $_) foreach 1, 4;
	$w->jump->stop;
	$w->jump->start;
}

# a source whose client disappears without a word finds out
$w->source_sql("CREATE VIEW keepalive AS SELECT current_setting('tcp_keepalives_idle') || ' ' ||
	current_setting('tcp_keepalives_interval') || ' ' || current_setting('tcp_keepalives_count') AS set;
	CREATE TABLE seen (id int PRIMARY KEY, set text); INSERT INTO seen VALUES (1, '');
	GRANT SELECT ON keepalive TO reader");
$w->local_sql('CREATE TABLE seen (id int PRIMARY KEY, set text)');
$w->write_config('');
$run = $w->pull("'seen', filter => \$\$(SELECT set FROM keepalive) = '30 10 3'\$\$, mode => 'replace'");
is($run->{rc}, 0, 'a pull with a clause that looks at the keepalives') or diag($run->{err});
is($w->local_sql('SELECT count(*) FROM seen'), 1, 'the source has them at 30, 10 and 3');
$w->source->safe_psql('postgres', 'ALTER ROLE reader SET tcp_keepalives_idle = 5');
$run = $w->pull("'seen', filter => \$\$(SELECT set FROM keepalive) = '5 10 3'\$\$, mode => 'replace'");
is($run->{rc}, 0, 'the role has a shorter time') or diag($run->{err});
is($w->local_sql('SELECT count(*) FROM seen'), 1, 'which stays');
$w->nothing_left;

done_testing();
