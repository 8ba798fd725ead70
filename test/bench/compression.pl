# Run by compression.sh: the same pull at several rates, with and without compression.

use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use IO::Socket::INET;
use PgTunsync;
use PgTunsync::Network;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

BEGIN { PgTunsync::Network::enter(); }

my $bench = abs_path(dirname($0));
my @links = ([ 1, 0.005 ], [ 10, 0.03 ], [ 100, 0.1 ]);    # Mbit/s, and a size of the shop that takes a while there
my $w = PgTunsync->new(empty => 1, source_conf => "listen_addresses = '127.0.0.1,10.98.0.1'");
my $network = PgTunsync::Network->new($w->dir);
my $jump = $w->jump;
my @lines;

sub wire_bytes
{
	my ($end) = grep { /^\s*wire0:/ } split /\n/, slurp_file('/proc/self/net/dev');
	return (split ' ', $end =~ s/.*://r)[0];
}

sub fill
{
	my ($scale) = @_;
	my $sql = 'DROP SCHEMA public CASCADE; CREATE SCHEMA public';
	$w->source_sql($sql);
	$w->local_sql($sql);
	$w->sql_file($_, "$bench/shop_schema.sql") foreach 'source', 'local';
	$w->sql_file('source', "$bench/shop_rows.sql", scale => $scale);
	$w->source_sql('VACUUM (FREEZE, ANALYZE)');
	return;
}

sub measure
{
	my ($rate, $compression) = @_;
	$w->write_env(PGSYNC_REMOTE_HOST => '10.98.0.1', PGSYNC_SSH_COMPRESSION => $compression);
	my $bytes = wire_bytes();
	my $start = time();
	my $run = $w->pull('', timeout => 600);
	my $took = time() - $start;
	is($run->{rc}, 0, "$rate Mbit/s, compression $compression") or diag($run->{err});
	my $wire = (wire_bytes() - $bytes) / 1e6;
	push @lines, sprintf('| %d Mbit/s | %s | %.1f | %.1f |', $rate, $compression, $took, $wire);
	return;
}

$w->source->append_conf('pg_hba.conf', 'host all all 10.98.0.0/30 scram-sha-256');
$w->source->restart;
$jump->stop;
$jump->start(within => [ $network->far ], ListenAddress => "10.99.0.2:${\$jump->port}",
	listens => sub { return IO::Socket::INET->new(PeerAddr => '10.99.0.2', PeerPort => $jump->port); });
append_to_file($jump->known_hosts, join('', map { s/\[127\.0\.0\.1\]/[10.99.0.2]/r } split /^/, slurp_file($jump->known_hosts)));
$w->write_ssh_config(HostName => '10.99.0.2');

foreach my $link (@links)
{
	my ($rate, $scale) = @$link;
	fill($scale);

	# a queue of 100 ms, as routers have
	$network->limit(rate => "${rate}mbit", queue => int($rate * 12_500 + 20_000), burst => '16k');
	measure($rate, $_) foreach 'no', 'yes';
}
diag(join("\n", '| link | compression | s | MB on the wire |', '|---|---|---|---|', @lines));

done_testing();
