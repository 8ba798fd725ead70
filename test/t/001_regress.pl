# Runs pg_regress: sql/test_*.sql against expected/, in a cluster of its own.

use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $top = abs_path(dirname(__FILE__) . '/../..');
my @tests = map { basename($_, '.sql') } sort glob("$top/sql/test_*.sql");

plan skip_all => 'no regression scripts' unless @tests;

my $node = PostgreSQL::Test::Cluster->new('regress');
$node->init;
$node->append_conf('postgresql.conf', 'max_worker_processes = 16');
$node->start;

my $output = PostgreSQL::Test::Utils::tempdir();
foreach my $test (@tests)
{
	my $passed = system_log($ENV{PG_REGRESS}, '--inputdir', $top, '--outputdir', $output,
		'--bindir', $node->config_data('--bindir'), '--host', $node->host,
		'--port', $node->port, '--dbname', $test, $test) == 0;
	ok($passed, $test);
	diag(slurp_file("$output/regression.diffs"))
	  if !$passed && -e "$output/regression.diffs";
}

done_testing();
