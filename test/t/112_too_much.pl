# A source that sends more than anybody could keep: endless answers, messages that claim to be huge, floods of
# parameters, notices and notifications.  The run ends with an error in time, or goes on without keeping them.

use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use PgTunsync;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $w = PgTunsync->new(empty => 1);
my $program = abs_path(dirname($0) . '/../lib/PgTunsync/odd_source.pl');
my $port = PostgreSQL::Test::Cluster::get_free_port();

$w->local_sql('CREATE TABLE odd (id int, name text, code varchar, at timestamp, marks int[])');
$w->write_env(PGSYNC_REMOTE_PORT => $port);
$w->setting(connect_attempts => 1);
$w->setting(connect_timeout => '60s');
my $before = $w->snapshot;
my $postmaster = $w->postmaster_pid;

# Runs a mode; returns the call.
sub run_mode
{
	my ($mode, $arguments) = @_;
	my $server = PgTunsync::Process->start($w->dir . '/odd.log', $^X, $program, $port, $mode);
	PgTunsync::Process::wait_until("odd source $mode", sub { return `ss -Hltn "sport = :$port"` =~ /:$port/ });
	my $run = $w->pull($arguments || "'odd'", timeout => 300);
	$server->stop('KILL');
	return $run;
}

# Without mallinfo2() (glibc 2.33) only libpq's own limits hold.
my ($glibc) = `ldd --version 2>&1` =~ /(?:GLIBC|GNU libc).* 2\.(\d+)/;
my $measured = defined $glibc && $glibc >= 33 && !$ENV{LD_PRELOAD};

# Tests: the mode ends the run with PROTOCOL_VIOLATION.
sub refused_as
{
	my ($mode, $message, $detail) = @_;
	my $run = run_mode($mode);
	is($run->{sqlstate}, '08P01', "$mode: the run ends") or diag($run->{err});
	like($run->{message} || '', $message, "$mode: with a message");
	like($run->{err}, qr/^DETAIL:  $detail/m, "$mode: that says what was too much") or diag($run->{err});
	return;
}

refused_as('endless_relations', qr/^invalid answer from the source to the query for relations$/,
	'Its size exceeds 512 MB\.$');
refused_as('wide_copy', qr/^invalid description of a COPY from the source$/, 'It has 2000 columns');
SKIP:
{
	skip 'the C library does not tell how much memory is in use', 15 unless $measured;
	my $too_much = qr/^the source reader\@\S+ sent too much at once$/;
	refused_as('claimed_row',  $too_much, 'More than 64 MB ');
	refused_as('parameters',   $too_much, 'More than 64 MB ');
	refused_as('login',        $too_much, 'More than 64 MB ');
	refused_as('chatter',      $too_much, 'More than 64 MB ');
	refused_as('claimed_copy', $too_much, 'More than 10\d\d MB ');
}

# 100 MB that nobody keeps: the run goes on, and finds that the table is not there
foreach my $mode (qw(notifications notices))
{
	my $run = run_mode($mode);
	is($run->{sqlstate}, '42P01', "$mode: dropped, and the run goes on") or diag($run->{err});
}

# four texts of 5 MB
my $run = run_mode('error');
is($run->{sqlstate}, '22012', 'a large error: its SQLSTATE');
cmp_ok(length($run->{err}), '<', 50_000, 'its texts are cut');
unlike($run->{err}, qr/\e/, 'and cannot speak to the terminal');

is($w->postmaster_pid, $postmaster, 'the server lives');
unlike(slurp_file($w->local_node->logfile), qr/terminated by signal|TRAP|PANIC|reinitializing/,
	'no process has crashed');
$w->unchanged($before);
$w->nothing_left;

done_testing();
