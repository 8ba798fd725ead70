# What the source answers is read in one place: no other file takes values out of a result.

use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use Test::More;

my $src = abs_path(dirname($0) . '/../../src');
my %uses;
foreach my $file (glob("$src/*/*.c $src/*/*.h"))
{
	open(my $in, '<', $file) or die "$file: $!";
	local $/;
	my $text = <$in>;
	my $name = substr($file, length($src) + 1);
	$uses{$name} = 1 if $text =~ /\b(?:PQgetvalue|PQgetisnull|PQgetlength|PQntuples|PQbinaryTuples)\b/;
}
is(join(' ', sort keys %uses), 'source/result_reader.c', 'one file reads values of the source');

done_testing();
