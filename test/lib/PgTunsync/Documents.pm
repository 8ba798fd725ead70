# The fenced blocks of a Markdown file, for test/t/130_documents.pl.
#
#     foreach my $block (PgTunsync::Documents::blocks('doc/masking.md'))
#     $block->{language}, {line}, {text}, {info}   info: words of the info string
#
# An info string begins with the language.  The words after it mean:
#
#     sql               psql runs it in the local database, as superuser
#     sql user=alice    this role runs it
#     sql on=source     it runs in the source's database
#     sql error=23503   it must fail with this SQLSTATE
#     sql needs=pg_cron it runs only where this extension is installed
#     sh                bash runs it; sudo, psql and ssh-keyscan lead into the
#                       test's world
#     sh to=authorized_keys     the jump host admits what it prints
#     yaml file=.pgsync.yml, dotenv file=.env.pgsync, ssh-config file=~/.ssh/config
#                       it is this file, until the next one or the page's end
#     dotenv add=.env.pgsync    it is added to the environment file
#     text output       the block before prints this, exactly
#     text output=like  the same, with other numbers and lines in another order
#     sql name=pull, text output of=pull
#                       the block of this name prints this
#     norun reason="…"  it is not run; the test lists it with the reason

package PgTunsync::Documents;

use strict;
use warnings;
use PostgreSQL::Test::Utils;

our %languages = map { $_ => 1 } qw(sql sh yaml dotenv ssh-config text ruby python js dockerfile);

# Returns the blocks of a file, in order.
sub blocks
{
	my ($file) = @_;
	my (@blocks, $open);
	my $number = 0;

	foreach my $line (split /\n/, slurp_file($file))
	{
		$number++;
		if ($open && $line =~ /^\s*```\s*$/)
		{
			push @blocks, $open;
			undef $open;
		}
		elsif ($open)
		{
			$open->{text} .= "$line\n";
		}
		elsif ($line =~ /^\s*```(\S*)\s*(.*?)\s*$/)
		{
			$open = { language => $1, info => _words($2), line => $number, text => '' };
		}
	}
	die "$file: a block is not closed" if $open;
	return @blocks;
}

# 'file=a norun' as a hash; a word without a value has the value 1.
sub _words
{
	my ($text) = @_;
	my %words;

	while ($text =~ /\G\s*(\w+)(?:=(?:"([^"]*)"|(\S+)))?/g)
	{
		$words{$1} = defined $2 ? $2 : defined $3 ? $3 : 1;
	}
	return \%words;
}

# The text outside of fenced blocks.
sub prose
{
	my ($file) = @_;
	my $text = slurp_file($file);
	$text =~ s/^\s*```.*?^\s*```\s*$//msg;
	return $text;
}

# The anchors that GitHub makes of the headings.
sub anchors
{
	my ($file) = @_;
	my %anchors;

	foreach my $heading (prose($file) =~ /^#+\s+(.*?)\s*$/mg)
	{
		my $anchor = lc $heading;
		$anchor =~ s/[^\w\- ]//g;
		$anchor =~ tr/ /-/;
		$anchors{$anchor} = 1;
	}
	return \%anchors;
}

1;
