# timeline.pl LOCAL_LOG SOURCE_LOG: the lines of both server logs by time, in ms
# since the first line that a run has written.  For logs with
# log_line_prefix = '%n %b: '.

use strict;
use warnings;

my @lines;
foreach my $log ([ 'local', $ARGV[0] ], [ 'source', $ARGV[1] ])
{
	open(my $file, '<', $log->[1]) or die "$log->[1]: $!";
	while (my $line = <$file>)
	{
		push @lines, [ $1, $log->[0], $2, $3 ]
		  if $line =~ /^(\d+\.\d+) (.*?): (?:[A-Z0-9]+):\s+(.*)/;
	}
}
@lines = sort { $a->[0] <=> $b->[0] } @lines;
my ($start) = map { $_->[0] } grep { $_->[2] =~ /pgtunsync/ } @lines;
foreach my $line (@lines)
{
	next if !defined $start || $line->[0] < $start;
	printf "%7.0f  %-6s %-18s %.120s\n", ($line->[0] - $start) * 1000, @$line[ 1 .. 3 ];
}
