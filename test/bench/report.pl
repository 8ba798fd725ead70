# Medians of what run.sh has measured, as a table (Markdown) and a plot (SVG).
#
#     report.pl RAW DIRECTORY "machine, version, date, size"

use strict;
use warnings;

my ($raw, $dir, $where) = @ARGV;
my (%lines, %titles, @names, %trips);

open(my $in, '<', $raw) or die "$raw: $!";
while (<$in>)
{
	chomp;
	my ($name, $title, $trip, undef, @rest) = split /\t/;
	push @names, $name unless $titles{$name};
	$titles{$name} = $title;
	$trips{$trip} = 1;
	push @{ $lines{$trip}{$name} }, \@rest;
}
close $in;

sub median
{
	my @sorted = sort { $a <=> $b } @_;
	my $n = @sorted;
	return $n % 2 ? $sorted[ ($n - 1) / 2 ] : ($sorted[ $n / 2 - 1 ] + $sorted[ $n / 2 ]) / 2;
}

# column: 0 wall, then CPU of client, local, source, sshd, tunnel
sub of
{
	my ($trip, $name, $column) = @_;
	return median(map { $_->[$column] } @{ $lines{$trip}{$name} });
}

sub verdict
{
	my ($trip, $name) = @_;
	my ($bad) = grep { $_ ne 'ok' } map { $_->[6] } @{ $lines{$trip}{$name} };
	return defined $bad ? " **$bad**" : '';
}

my @trips = sort { $a <=> $b } keys %trips;
open(my $md, '>', "$dir/table.md") or die "$dir/table.md: $!";
foreach my $trip (@trips)
{
	my $ours = $lines{$trip}{pgtunsync} ? of($trip, 'pgtunsync', 0) : undef;
	my @peers = grep { $_ ne 'pgtunsync' && !verdict($trip, $_) } keys %{ $lines{$trip} };
	my ($best) = sort { of($trip, $a, 0) <=> of($trip, $b, 0) } @peers;

	print {$md} "Round trip $trip ms; CPU in seconds\n\n";
	print {$md} "| | runs | seconds | min–max | of pgtunsync's | local server | source | sshd | client and its ssh |\n";
	print {$md} "|---|---|---|---|---|---|---|---|---|\n";
	foreach my $name (sort { of($trip, $a, 0) <=> of($trip, $b, 0) } keys %{ $lines{$trip} })
	{
		my @walls = sort { $a <=> $b } map { $_->[0] } @{ $lines{$trip}{$name} };
		(my $title = $titles{$name}) =~ s/\|/\\|/g;
		printf {$md} "| %s%s | %d | %.1f | %.1f–%.1f | %s | %.1f | %.1f | %.1f | %.1f |\n",
		  $title, verdict($trip, $name), scalar @walls, of($trip, $name, 0), $walls[0], $walls[-1],
		  defined $ours ? sprintf('%.2f', of($trip, $name, 0) / $ours) : '',
		  of($trip, $name, 2), of($trip, $name, 3), of($trip, $name, 4),
		  of($trip, $name, 1) + of($trip, $name, 5);
	}
	printf {$md} "\npgtunsync takes %.2f of the time of the best other (%s).\n\n",
	  $ours / of($trip, $best, 0), $titles{$best}
	  if defined $ours && defined $best;
}
print {$md} "$where\n";
close $md;

# ---- the plot ----

sub escaped
{
	my ($text) = @_;
	$text =~ s/&/&amp;/g;
	$text =~ s/</&lt;/g;
	$text =~ s/>/&gt;/g;
	return $text;
}

my ($row, $left, $width) = (16, 250, 360);
my $max = (sort { $b <=> $a } map { my $t = $_; map { of($t, $_, 0) } keys %{ $lines{$t} } } @trips)[0];
my @order = sort { of($trips[0], $a, 0) <=> of($trips[0], $b, 0) } keys %{ $lines{ $trips[0] } };
my @colours = ('#336791', '#9db8cc', '#c9d8e3');
my $height = 40 + @order * (@trips * $row + 8) + 24;
my $y = 34;

open(my $svg, '>', "$dir/plot.svg") or die "$dir/plot.svg: $!";
printf {$svg} qq{<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-family="sans-serif" font-size="12">\n},
  $left + $width + 60, $height;
print {$svg} qq{<rect width="100%" height="100%" fill="white"/>\n};
for my $i (0 .. $#trips)
{
	printf {$svg} qq{<rect x="%d" y="8" width="12" height="12" fill="%s"/><text x="%d" y="18">%s ms round trip</text>\n},
	  $left + $i * 150, $colours[$i], $left + $i * 150 + 17, $trips[$i];
}
foreach my $name (@order)
{
	printf {$svg} qq{<text x="%d" y="%d" text-anchor="end"%s>%s</text>\n}, $left - 8,
	  $y + @trips * $row / 2 + 4, $name eq 'pgtunsync' ? ' font-weight="bold"' : '', escaped($titles{$name});
	for my $i (0 .. $#trips)
	{
		next unless $lines{ $trips[$i] }{$name};
		my $wall = of($trips[$i], $name, 0);
		my $bar = $wall / $max * $width;
		printf {$svg} qq{<rect x="%d" y="%d" width="%.1f" height="%d" fill="%s"/><text x="%.1f" y="%d">%.1f s</text>\n},
		  $left, $y, $bar, $row - 2, $colours[$i], $left + $bar + 5, $y + 11, $wall;
		$y += $row;
	}
	$y += 8;
}
printf {$svg} qq{<text x="8" y="%d" font-size="10" fill="#555">%s</text>\n</svg>\n}, $height - 8, escaped($where);
close $svg;

open($md, '<', "$dir/table.md") or die;
print while <$md>;
