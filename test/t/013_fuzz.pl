# Runs the corpus of the fuzzers through the parsers, with sanitizers.  With
# FUZZ_SECONDS=n, libFuzzer also searches for new failures, n seconds for each
# parser.  test/fuzz/Makefile runs the fuzzers by hand.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use Test::More;

my $fuzz = abs_path(dirname($0) . '/../fuzz');
my $tmp = tempdir(CLEANUP => 1);

sub run_make
{
	my @arguments = @_;
	my $output = `make -s -C '$fuzz' OUT='$tmp' @arguments 2>&1`;
	return ($?, $output);
}

my ($status, $output) = run_make('check');
is($status, 0, 'the corpus passes') or diag($output);
like($output, qr/^[1-9]\d* files$/m, 'there is one');

SKIP:
{
	my $seconds = $ENV{FUZZ_SECONDS} // 0;
	skip 'FUZZ_SECONDS is not set', 1 unless $seconds > 0;
	skip 'no clang', 1 if system('clang --version >/dev/null 2>&1') != 0;
	($status, $output) = run_make('fuzz', "SECONDS=$seconds");
	is($status, 0, "libFuzzer finds nothing in $seconds s each") or diag($output);
}

done_testing();
