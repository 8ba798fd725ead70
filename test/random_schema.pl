#!/usr/bin/env perl
# Random schemas, as long as one likes: test/check.sh's surroundings (PATH,
# TESTDIR, -I test/lib and PostgreSQL's perl modules), then
#
#     perl test/random_schema.pl [--seeds N] [--start S] [--sql]
#
# Each seed is a test; a failure names it.  --sql prints the two schemas of the first
# seed instead of pulling.

use strict;
use warnings;
use Getopt::Long;
use PgTunsync;
use PgTunsync::RandomSchema;
use Test::More;

my ($seeds, $start, $sql) = (20, 1, 0);
GetOptions('seeds=i' => \$seeds, 'start=i' => \$start, 'sql' => \$sql)
  or die "usage: $0 [--seeds N] [--start S] [--sql]\n";
if ($sql)
{
	PgTunsync::RandomSchema::seed($start);
	my $schema = PgTunsync::RandomSchema::make_schema();
	print "-- $_\n" . PgTunsync::RandomSchema::side_sql($_, $schema) foreach 'source', 'local';
	exit 0;
}
my $w = PgTunsync->new(empty => 1);
$w->local_sql('CREATE ROLE somebody');
my @failed = grep { !PgTunsync::RandomSchema::check_seed($w, $_) } $start .. $start + $seeds - 1;
diag('seeds that failed: ' . join(' ', @failed)) if @failed;
done_testing();
