# What pgtunsync.check() says, step by step.
#
#     my $steps = PgTunsync::Steps->of($w);        # calls it
#     $steps->names;                               # in order
#     $steps->detail('hop 1: login');              # '' for a step that is not there
#     $steps->failed;                              # the name of the one that failed, or ''

package PgTunsync::Steps;

use strict;
use warnings;

sub of
{
	my ($class, $w, %params) = @_;
	my $call = $w->call("SELECT concat_ws(chr(31), step, ok, detail, coalesce(hint, '')) || chr(30)
		FROM pgtunsync.check();", %params)->finish;
	my $self = bless { call => $call, rows => [] }, $class;

	foreach my $row (split /\x1e\n?/, $call->{out})
	{
		my ($step, $ok, $detail, $hint) = split /\x1f/, $row, -1;
		push @{ $self->{rows} }, { step => $step, ok => $ok, detail => $detail, hint => $hint };
	}
	return $self;
}

sub rows { return @{ $_[0]->{rows} }; }
sub names { return map { $_->{step} } $_[0]->rows; }

sub row
{
	my ($self, $step) = @_;
	my ($row) = grep { $_->{step} eq $step } $self->rows;
	return $row || { ok => '', detail => '', hint => '' };
}

sub detail { return $_[0]->row($_[1])->{detail}; }
sub hint { return $_[0]->row($_[1])->{hint}; }

sub failed
{
	my ($self) = @_;
	my ($row) = grep { $_->{ok} eq 'f' } $self->rows;
	return $row ? $row->{step} : '';
}

# All of it, for diag().
sub text
{
	my ($self) = @_;
	return join("\n", map { "$_->{step}: $_->{ok}: $_->{detail} ($_->{hint})" } $self->rows) . "\n"
		. $self->{call}{err};
}

1;
