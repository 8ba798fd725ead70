# plan() and pull() agree: a pull of PgTunsync.pm is preceded by a plan of the
# same call, and what the audit has of the run is compared with it.
#
#     use PgTunsync::Agreement;       # each $w->pull() of this file is compared
#
# Tables, mode, filter and columns must be those of the plan.  A table that the
# plan refuses must fail, and no other, unless only its rows can tell
# (@of_rows).  A call that cannot be planned must fail by the same SQLSTATE.
# A pull with unplanned => 1 is not compared: something happens meanwhile.

package PgTunsync::Agreement;

use strict;
use warnings;
use PgTunsync;
use Test::More;

# SQLSTATEs of what is in the rows, of foreign keys among them, and of what
# happens during the run.
our @of_rows = (
	qr/^2[123]/, qr/^25006$/, qr/^38/, qr/^P0/, qr/^XX/,    # values and owners' code
	qr/^08/, qr/^40/, qr/^53/, qr/^55P03$/, qr/^55006$/, qr/^57/    # connections, locks, cancels
);

our @compared = qw(mode filter columns_missing columns_extra columns_retyped columns_masked columns_rewritten);

sub import { $PgTunsync::pull_hook = \&pull; return; }

# Columns of both as one text each, null as ''.
sub _columns { return join(', ', map { "coalesce($_\::text, '')" } @_); }

# The rows of a query that returns concat_ws(chr(31), …) || chr(30).
sub _rows
{
	my ($text, @names) = @_;
	my %rows;
	foreach my $line (split /\x1e\n?/, $text)
	{
		my %row;
		@row{@names} = split /\x1f/, $line, -1;
		$row{table_name} =~ s/^public\.//;
		$rows{ $row{table_name} } = \%row;
	}
	return \%rows;
}

# Plans a call; returns its end and its rows by table.
sub planned
{
	my ($w, $arguments, %params) = @_;
	my @names = ('table_name', 'status', 'reason', @compared);
	my $call = $w->call("SELECT concat_ws(chr(31), ${\_columns(@names)}) || chr(30) FROM pgtunsync.plan($arguments);",
		%params)->finish;
	return ($call, _rows($call->{out}, @names));
}

# What the audit has of the tables of a run.
sub recorded
{
	my ($w, $id) = @_;
	my @names = ('table_name', 'status', 'error', 'sqlstate', @compared);
	return _rows(
		$w->local_sql("SELECT concat_ws(chr(31), ${\_columns(@names)}) || chr(30) FROM pgtunsync.run_tables
			WHERE run_id = $id"), @names);
}

# What differs for a table that is in the plan and in the audit, as a text.
sub _table_differs
{
	my ($plan, $run, $whole) = @_;
	my @differs;

	if ($plan->{status} eq 'refused')
	{
		return $run->{status} eq 'failed' ? () : "planned as refused ($plan->{reason}), $run->{status}";
	}
	push @differs, "planned as $plan->{status}, failed ($run->{sqlstate}: $run->{error})"
	  if $run->{status} eq 'failed' && $run->{error} !~ /error on the source: a (?:name|statement)|is not allowed in/
	  && !grep { $run->{sqlstate} =~ $_ } @of_rows;
	push @differs, "planned as $plan->{status}, $run->{status}"
	  if $run->{status} eq 'skipped' && $whole->{rc} eq '0';
	foreach my $column (@compared)
	{
		next if $column eq 'filter' && $plan->{status} eq 'emptied';
		push @differs, "$column: planned $plan->{$column}, was $run->{$column}"
		  if $plan->{$column} ne $run->{$column};
	}
	return @differs;
}

# The audit names each table with its schema unless that is public, the plan
# as the caller would: the plan's rows by the names of the audit.
sub _named_as
{
	my ($plan, $tables) = @_;
	my %named;
	foreach my $name (keys %$plan)
	{
		my @same = $tables->{$name} ? ($name) : grep { /\.\Q$name\E$/ } keys %$tables;
		$named{ @same == 1 ? $same[0] : $name } = $plan->{$name};
	}
	return \%named;
}

# What differs between a plan and the run behind it, a line each.
sub differences
{
	my ($plan, $plan_call, $tables, $run) = @_;
	$plan = _named_as($plan, $tables);
	my %planned = map { $_ => $plan->{$_} } grep { $plan->{$_}{status} =~ /^(?:pulled|emptied|refused)$/ } keys %$plan;
	my @unknown = grep { $planned{$_}{reason} =~ /^(?:table .* does not exist on either side|no table that both sides)/ }
	  keys %planned;

	return $run->{rc} ne '0' && $run->{sqlstate} eq $plan_call->{sqlstate} ? ()
	  : "no plan ($plan_call->{err}), but: " . ($run->{err} || 'well')
	  if $plan_call->{rc} ne '0';
	# a run that ends before its plan, for what a plan does not need
	return () if $run->{rc} ne '0' && !%$tables && grep { $run->{sqlstate} =~ $_ } @of_rows;
	# a call that is refused as a whole
	return () if $run->{rc} ne '0' && !%$tables && !grep { $_->{status} ne 'refused' } values %planned;
	return $run->{rc} ne '0' ? () : "unknown to the plan and not to the pull: @unknown" if @unknown;
	return (
		(map { "$_ is in the plan ($plan->{$_}{status}), not in the run" } grep { !$tables->{$_} } sort keys %planned),
		(map { "$_ is in the run ($tables->{$_}{status}), not in the plan" } grep { !$planned{$_} } sort keys %$tables),
		(map {
			my $name = $_;
			map { "$name: $_" } _table_differs($planned{$name}, $tables->{$name}, $run)
		} grep { $tables->{$_} } sort keys %planned));
}

# Pulls, and tests that it does what plan() has said; returns the finished call.
sub pull
{
	my ($w, $arguments, %params) = @_;
	my ($plan_call, $plan) = planned($w, $arguments, %params);
	my $before = $w->local_sql('SELECT coalesce(max(id), 0) FROM pgtunsync.runs');
	my $run = $w->start_pull($arguments, %params)->finish;
	my $id = $run->{rc} eq 'signal' ? 0 : $w->local_sql('SELECT coalesce(max(id), 0) FROM pgtunsync.runs');
	my $sqlstate = $run->{sqlstate} || '';
	my $abort = $arguments =~ /abort/ && $run->{rc} ne '0';

	# a run that fails before its plan has nothing to compare
	return $run if $plan_call->{err} =~ /permission denied for function plan/;
	return $run if $plan_call->{rc} eq '0' && $run->{rc} ne '0' && $id == $before && $sqlstate =~ /^(?:25006|0A000)$/;
	my @differs = differences($plan, $plan_call, $id > $before ? recorded($w, $id) : {}, $run);
	@differs = () if $abort && grep { $_->{status} eq 'refused' } values %$plan;
	if (@differs)
	{
		local $Test::Builder::Level = $Test::Builder::Level + 2;
		fail("plan($arguments) agrees with the pull");
		diag(join("\n", @differs));
	}
	return $run;
}

1;
