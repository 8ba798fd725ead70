#!/usr/bin/env perl
# Draws what a program prints as an animated SVG of a terminal.
#
#     PROGRAM 2>&1 | terminal.pl FILE TITLE
#
# Each line appears when the program printed it; pauses last at most $longest
# seconds.  The screen scrolls, stays for $rest seconds at the end, and begins
# again.  Who prefers reduced motion sees the last screen.  Input is passed on.

use strict;
use warnings;
use utf8;
use open qw(:std :encoding(UTF-8));
use Time::HiRes qw(time);

my ($file, $title) = @ARGV;
die "usage: terminal.pl FILE TITLE\n" unless defined $title;

my ($columns, $rows) = (112, 30);
my ($width, $height) = (7.23, 17);
my ($left, $top) = (14, 44);
my ($longest, $shortest, $rest) = (1.2, 0.06, 5);

# ---- recording ----

# Returns the lines with the seconds at which they appear.
sub record
{
	my @lines = ({ at => 0, text => "\$ $title" });
	my ($last, $clock) = (time(), 0.8);

	while (my $text = <STDIN>)
	{
		print $text;
		chomp $text;
		my $pause = time() - $last;
		$last = time();
		$clock += $pause > $longest ? $longest : $pause < $shortest ? $shortest : $pause;
		push @lines, map { { at => $clock, text => $_ } } fold(steady($text));
	}
	return (\@lines, $clock);
}

# Names that are the same in every recording.
BEGIN
{
	my %ports;
	my @names = (25432, 20022, 25433);		# source, sshd, entrance; as wide as what they replace

	sub steady
	{
		my ($text) = @_;

		$text =~ s{/tmp/pgts\.\w+}{/tmp/demo}g;
		$text =~ s/(127\.0\.0\.1:|localhost:|_PORT=)(2\d{4})\b/$1 . ($ports{$2} ||= shift(@names) || $2)/ge;
		$text =~ s/pid \d+/pid 4711/;
		$text =~ s/SSH target: \w+@/SSH target: deploy@/;
		return $text;
	}
}

# Long lines go on in the next, as in a terminal.
sub fold
{
	my ($text) = @_;
	return ('') if $text eq '';
	return $text =~ /(.{1,$columns})/g;
}

# ---- drawing ----

sub escape
{
	my ($text) = @_;
	$text =~ s/&/&amp;/g;
	$text =~ s/</&lt;/g;
	return $text;
}

sub class_of
{
	my ($text) = @_;
	return ' class="p"' if $text =~ /^\$/;
	return ' class="s"' if $text =~ /^==>/;
	return ' class="n"' if $text =~ /^(?:NOTICE|DETAIL|HINT):/;
	return '';
}

# The screen scrolls by the lines that no longer fit.
sub scroll_frames
{
	my ($lines, $total) = @_;
	my @frames = ('0%{transform:translateY(0)}');

	foreach my $i ($rows .. $#$lines)
	{
		my $percent = 100 * $lines->[$i]{at} / $total;
		push @frames, sprintf('%.2f%%{transform:translateY(%dpx)}', $percent, -$height * ($i - $rows + 1));
	}
	return join('', @frames);
}

# The lines as text, and the style that lets each appear in its time.
sub draw_lines
{
	my ($lines, $total) = @_;
	my ($text, $style) = ('', '');

	foreach my $i (0 .. $#$lines)
	{
		my ($shown, $at) = ($lines->[$i]{text}, 100 * $lines->[$i]{at} / $total);
		next if $shown !~ /\S/;
		$text .= sprintf(qq{<text id="l%d"%s y="%d">%s</text>\n},
			$i, class_of($shown), ($i + 1) * $height - 4, escape($shown));
		$style .= sprintf("#l%d{animation-name:k%d}\@keyframes k%d{0%%,%.2f%%{opacity:0}%.2f%%,100%%{opacity:1}}\n",
			$i, $i, $i, $at, $at + 0.01)
		  if $i > 0;
	}
	return ($text, $style);
}

sub draw
{
	my ($lines, $end) = @_;
	my $total = sprintf('%.2f', $end + $rest);
	my $last_screen = @$lines > $rows ? -$height * (@$lines - $rows) : 0;
	my ($inner_width, $inner_height) = (int($columns * $width) + 4, $rows * $height);
	my ($w, $h) = ($inner_width + 2 * $left, $inner_height + $top + 14);
	my ($text, $style) = draw_lines($lines, $total);
	my $frames = scroll_frames($lines, $total);
	my $middle = $w / 2;
	my $name = escape($title);

	return <<"END";
<svg xmlns="http://www.w3.org/2000/svg" width="$w" height="$h" viewBox="0 0 $w $h" role="img" aria-label="$name">
<style>
text{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:#d7dee6;white-space:pre}
text{animation:${total}s step-end infinite}
.p{fill:#8fd18f;font-weight:bold}.s{fill:#7fb8ea;font-weight:bold}.n{fill:#e6c07b}.t{fill:#8b97a3;animation:none}
#screen{animation:scroll ${total}s step-end infinite;transform:translateY(${last_screen}px)}
\@keyframes scroll{$frames}
$style\@media (prefers-reduced-motion:reduce){text,#screen{animation:none}}
</style>
<rect width="$w" height="$h" rx="8" fill="#16202b"/>
<circle cx="18" cy="18" r="5" fill="#ee6a5f"/>
<circle cx="36" cy="18" r="5" fill="#f5bf4f"/>
<circle cx="54" cy="18" r="5" fill="#61c554"/>
<text class="t" x="$middle" y="22" text-anchor="middle">$name</text>
<svg x="$left" y="$top" width="$inner_width" height="$inner_height" overflow="hidden"><g id="screen" xml:space="preserve">
$text</g></svg>
</svg>
END
}

my ($lines, $end) = record();
open(my $out, '>', $file) or die "$file: $!\n";
print $out draw($lines, $end);
close $out or die "$file: $!\n";
