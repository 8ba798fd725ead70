# The server behind the tunnel is no PostgreSQL server, or sends false answers.
# Its answers are validated before they are used.

use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use PgTunsync;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $w = PgTunsync->new(users => 20);
my $before = $w->snapshot;
my $postmaster = $w->postmaster_pid;
my $program = abs_path(dirname($0) . '/../lib/PgTunsync/odd_source.pl');
my $port = PostgreSQL::Test::Cluster::get_free_port();

$w->write_env(PGSYNC_REMOTE_PORT => $port);
$w->setting(connect_attempts => 1);
$w->write_config("data_rules: {no_such_column: null}\n");

# What each mode breaks: the query, and the DETAIL.
my %expected = (
	no_results     => [ 'facts about the server', 'The number of rows is 0, expected 1.' ],
	no_rowsets     => [ 'facts about the server', 'It has no rows and no columns.' ],
	one_column     => [ 'facts about the server', 'The number of columns is 1, expected 6.' ],
	no_facts       => [ 'facts about the server', 'The number of rows is 0, expected 1.' ],
	short_facts    => [ 'facts about the server', 'The number of columns is 4, expected 6.' ],
	thin_relations => [ 'relations',              'The number of columns is 3, expected 14.' ],
	circle         => [ 'relations',
	'A partition is a part of itself, or is nested more than 100 levels deep.' ],
	itself         => [ 'relations',
	'A partition is a part of itself, or is nested more than 100 levels deep.' ],
	thin_columns   => [ 'columns',                'The number of columns is 2, expected 9.' ],
	thin_sequences => [ 'sequences',              'The number of columns is 2, expected 8.' ],
	no_keys        => [ 'foreign keys',           'It has no rows and no columns.' ],
	many_patterns  => [ 'patterns of columns',    'The number of rows exceeds 1.' ],
	wide_patterns  => [ 'patterns of columns',    'The number of columns is 0, expected 1.' ]);

foreach my $mode (split /\n/, scalar `$^X '$program' 0 list`)
{
	my $server = PgTunsync::Process->start($w->dir . '/odd.log', $^X, $program, $port, $mode);
	PgTunsync::Process::wait_until("odd source $mode", sub { PgTunsync::listening($port) });
	my $run = $w->pull("'users'");
	my ($query, $detail) = @{ $expected{$mode} };
	is($run->{message}, "invalid answer from the source to the query for $query", "$mode: the call fails")
	  or diag($run->{err});
	is($run->{sqlstate}, '08P01', "$mode: with the SQLSTATE");
	like($run->{err}, qr/^DETAIL:  \Q$detail\E$/m, "$mode: and says why") or diag($run->{err});
	$server->stop('KILL');
}
is($w->postmaster_pid, $postmaster, 'the server lives');
unlike(slurp_file($w->local_node->logfile), qr/terminated by signal|TRAP|PANIC/, 'no process crashed');
$w->unchanged($before);
$w->nothing_left;

done_testing();
