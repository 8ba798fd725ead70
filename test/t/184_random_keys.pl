# Whatever the foreign keys look like: if a pull violates some, the call that
# its HINT shows succeeds.  Random graphs of 15 tables with cycles, partitioned
# parents, excludes, tables that only this database has, and tables that fail.

use strict;
use warnings;
use PgTunsync;
use Test::More;

my $graphs = $ENV{KEY_GRAPHS} || 30;
my $first = $ENV{KEY_SEED} || 1;
my $w = PgTunsync->new(empty => 1);
my ($hints, $none, $plain) = (0, 0, 0);

# One of several, by chance.
sub one_of { return $_[ int(rand(@_)) ]; }

# The tables of a graph: name, what is special about it, what it refers to.
sub random_graph
{
	my @kinds = (('plain') x 9, qw(parted parted excluded local failing));
	my @tables = map { { name => "t$_", keys => {}, kind => one_of(@kinds) } } 0 .. 14;
	foreach my $table (@tables)
	{
		$table->{keys}{ int(rand(15)) } = 1 for 1 .. one_of(0, 1, 1, 2);
	}
	return @tables;
}

# The tables as SQL for a side.
sub tables_sql
{
	my ($side, @tables) = @_;
	my $sql = '';
	foreach my $table (grep { $side eq 'local' || $_->{kind} ne 'local' } @tables)
	{
		my $name = $table->{name};
		$sql .= "CREATE TABLE $name (id int PRIMARY KEY" . join('', map { ", k$_ int" } sort keys %{ $table->{keys} });
		$sql .= ', CONSTRAINT low CHECK (id < 100)' if $side eq 'local' && $table->{kind} eq 'failing';
		$sql .= $table->{kind} eq 'parted'
		  ? ") PARTITION BY HASH (id);
			CREATE TABLE ${name}_0 PARTITION OF $name FOR VALUES WITH (MODULUS 2, REMAINDER 0);
			CREATE TABLE ${name}_1 PARTITION OF $name FOR VALUES WITH (MODULUS 2, REMAINDER 1);"
		  : ');';
	}
	return $sql;
}

# Rows with these ids in every table, all of which have a match, and the keys.
sub rows_sql
{
	my ($side, $from, @tables) = @_;
	my $sql = '';
	my @mine = grep { $side eq 'local' || $_->{kind} ne 'local' } @tables;
	foreach my $table (@mine)
	{
		my @keys = sort keys %{ $table->{keys} };
		$sql .= "INSERT INTO $table->{name} SELECT i" . (', i' x @keys) . " FROM generate_series($from, $from + 4) i;";
	}
	foreach my $table (@mine)
	{
		foreach my $to (sort keys %{ $table->{keys} })
		{
			next if $side ne 'local' && $tables[$to]{kind} eq 'local';
			$sql .= "ALTER TABLE $table->{name} ADD FOREIGN KEY (k$to) REFERENCES t$to;";
		}
	}
	return $sql;
}

foreach my $seed ($first .. $first + $graphs - 1)
{
	srand($seed);
	my @tables = random_graph();
	my $reset = 'SET client_min_messages = warning; DROP SCHEMA IF EXISTS public CASCADE; CREATE SCHEMA public;';
	$w->source_sql($reset . tables_sql('source', @tables) . rows_sql('source', 101, @tables));
	$w->local_sql($reset . 'CREATE EXTENSION IF NOT EXISTS pgtunsync;' . tables_sql('local', @tables)
		  . rows_sql('local', 1, @tables));
	$w->write_config('exclude: [' . join(', ', map { $_->{name} } grep { $_->{kind} eq 'excluded' } @tables) . "]\n");
	my @named = map { $_->{name} } grep { rand() < 0.3 && $_->{kind} ne 'local' && $_->{kind} ne 'excluded' } @tables;
	@named = ('t0') unless @named;

	my $call = "SELECT pgtunsync.pull('{" . join(',', @named) . "}');";
	my $run = $w->call($call)->finish;
	my ($next) = $run->{err} =~ /.*HINT: .*?(SELECT pgtunsync\.pull\(.*?\);)$/ms;
	if ($run->{rc} eq '0' || $run->{err} !~ /violate foreign key/)
	{
		$plain++;
	}
	elsif (!defined $next)
	{
		$none++;
		like($run->{err}, qr/HINT:  .*(?:excluded by|does not have|failed in this call|The other tables|No table)/,
			"graph $seed: why there is no call") or diag($run->{err});
	}
	else
	{
		$hints++;
		my $hinted;
		# a table that was not in the call may fail in the next one, which then knows it
		for (1 .. 15)
		{
			$hinted = $w->call($next)->finish;
			last if $hinted->{rc} eq '0';
			last if $hinted->{message} !~ /table (t\d+) could not be pulled: .*"low"/ || $call =~ /\b$1\b/;
			$call .= " $1";
			($next) = $hinted->{err} =~ /.*HINT: .*?(SELECT pgtunsync\.pull\(.*?\);)$/ms or last;
		}
		# after the failure of a table that everything else needs, nothing is left to call
		$none++ unless defined $next;
		ok($hinted->{rc} eq '0' || !defined $next, "graph $seed: the call of the HINT works")
		  or diag(join("\n", $call, $run->{err}, $next || 'none', $hinted->{err},
			map { "$_->{name} $_->{kind}: @{[sort keys %{$_->{keys}}]}" } @tables));
	}
	$w->healthy;
}
note("$hints calls were followed, $none HINTs without a call, $plain pulls without a violated key");
cmp_ok($hints, '>=', $graphs / 2, 'most graphs have a call to follow');

done_testing();
