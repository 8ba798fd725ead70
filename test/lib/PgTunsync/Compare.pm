# Both sides of a pull, compared by what the catalogs say: every table that both
# databases have, over the columns that both have, as a multiset of rows.
#
#     my @differs = PgTunsync::Compare::differences($w);
#     PgTunsync::Compare::pulls_everything($w, '', 'a title');    # a subtest
#
# Rows are hashed where they lie, in UTF8 and with every setting that shapes a
# value's text pinned, and the hashes are summed up: so the order of rows, the
# encoding of the databases and their settings do not matter.  A column whose
# type differs is read on the source as the local type.

package PgTunsync::Compare;

use strict;
use warnings;
use PgTunsync;
use PostgreSQL::Test::Utils;
use Test::More;

our $pinned = <<'SQL';
SET client_encoding = 'UTF8';
SET DateStyle = 'ISO, YMD';
SET IntervalStyle = 'postgres';
SET TimeZone = 'UTC';
SET bytea_output = 'hex';
SET extra_float_digits = 1;
SET lc_monetary = 'C';
SET xmloption = 'content';
SET search_path = pg_catalog;
SET row_security = off;
SET statement_timeout = 0;
SET client_min_messages = warning;
SQL

# Columns of all tables of a database: {table}{column} = type, or undef if it
# is generated; kinds: {table} = relkind.  Names come hex-encoded, since they may hold anything.
sub columns
{
	my ($w, $side) = @_;
	my (%columns, %kinds, %texts);
	my $out = script($w, $side, q{
		SELECT encode(convert_to(format('%I.%I', n.nspname, c.relname), 'UTF8'), 'hex'), c.relkind,
			encode(convert_to(quote_ident(a.attname), 'UTF8'), 'hex'), a.attgenerated <> '',
			encode(convert_to(format_type(a.atttypid, a.atttypmod), 'UTF8'), 'hex')
		FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
			LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
		WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
			AND n.nspname !~ '^(pg_catalog|information_schema|pgtunsync(_internal|_staging)?|cron)$'
		ORDER BY 1, a.attname;});
	foreach (split /\n/, $out)
	{
		my ($table, $kind, $column, $generated, $type) = split /\|/, $_, -1;
		$table = pack('H*', $table);
		$kinds{$table} = $kind;
		$columns{$table} ||= {};
		next if $column eq '';
		$columns{$table}{ pack('H*', $column) } =
		  $generated eq 't' ? undef : pack('H*', $type);
	}
	return (\%columns, \%kinds);
}

# Runs a script with the settings pinned; bytes in, bytes out.
sub script
{
	my ($w, $side, $sql) = @_;
	my $file = $w->dir . '/script.sql';
	my ($out, $err);
	# whatever a test has made of the database's own settings
	local $ENV{PGOPTIONS} = '-c statement_timeout=0';
	unlink $file;
	append_to_file($file, "$pinned$sql\n");
	IPC::Run::run [
		$w->{$side}->installed_command('psql'), '-XAtq', '-v', 'ON_ERROR_STOP=1',
		'-d', $w->{$side}->connstr($w->database($side)), '-f', $file
	  ],
	  '>', \$out, '2>', \$err
	  or die "on $side: $err";
	return $out;
}

# The names of the tables that are compared, and the query for each, by side.
sub queries
{
	my ($w, %params) = @_;
	my ($local, $local_kinds) = columns($w, 'local');
	my ($source, $source_kinds) = columns($w, 'source');
	my %skip = map { $_ => 1 } @{ $params{except} || [] };
	my @tables = grep { $source->{$_} && !$skip{$_} } sort keys %$local;
	my %queries;

	@tables = @{ $params{tables} } if $params{tables};
	foreach my $table (@tables)
	{
		my @shared = grep { defined $local->{$table}{$_} && exists $source->{$table}{$_} }
		  sort keys %{ $local->{$table} };
		$queries{local}{$table} =
		  query($table, $local_kinds->{$table}, map { "t.$_" } @shared);
		$queries{source}{$table} = query(
			$table,
			$source_kinds->{$table},
			map { _as_local("t.$_", $source->{$table}{$_}, $local->{$table}{$_}) } @shared);
	}
	return (\@tables, \%queries);
}

# A column of the source as the local type.
sub _as_local
{
	my ($column, $source_type, $local_type) = @_;
	return $column if defined $source_type && $source_type eq $local_type;

	# a type of the local database's own: by its text
	my $cast = $local_type =~ /\./ ? '' : "::$local_type";
	return "CASE WHEN $column IS NOT NULL THEN format('%s', $column)$cast END";
}

sub query
{
	my ($table, $kind, @columns) = @_;
	my $only = $kind eq 'p' ? '' : 'ONLY ';
	my $row = 'ROW(' . join(', ', @columns) . ')::text';
	return "SELECT count(*), sum(('x' || left(h, 15))::bit(60)::bigint), sum(('x' || right(h, 15))::bit(60)::bigint)"
	  . " FROM (SELECT md5(convert_to($row, 'UTF8')) AS h FROM $only$table t) x;";
}

sub query_literal
{
	my ($text) = @_;
	$text =~ s/'/''/g;
	return "'$text'";
}

# The tables whose rows differ.  tables: only these, as quoted names; except:
# not these.
sub differences
{
	my ($w, %params) = @_;
	my ($tables, $queries) = queries($w, %params);
	my %answers;

	return () unless @$tables;
	foreach my $side ('local', 'source')
	{
		@{ $answers{$side} } =
		  split /\n/, script($w, $side, join("\n", map { $queries->{$side}{$_} } @$tables));
	}
	die "answers are missing" if @{ $answers{local} } != @$tables || @{ $answers{source} } != @$tables;
	return map {
		$answers{local}[$_] eq $answers{source}[$_]
		  ? ()
		  : "$tables->[$_]: local $answers{local}[$_], source $answers{source}[$_]"
	} 0 .. $#$tables;
}

# A test: all tables that both sides have are equal.
sub all_equal
{
	my ($w, %params) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my @differs = differences($w, %params);
	ok(!@differs, $params{title} || 'the rows of all tables are those of the source')
	  or diag(join("\n", @differs));
	return !@differs;
}

# PgTunsync::snapshot() for databases whose names have newlines: a fact is what
# goes up to the beginning of the next one.
sub facts
{
	my ($w, $side) = @_;
	my $kinds = 'rows|class|column|index|constraint|trigger|internal '
		. 'triggers|policy|rule|statistics|publication|inherits|sequence';
	return [ split /\n(?=(?:$kinds) )/, $w->sql_file($side, "$PgTunsync::fixtures/snapshot.sql") ];
}

# A test: two lists of facts are the same; catalog_only: rows and sequences may
# differ.
sub same_facts
{
	my ($now, $before, $title, %params) = @_;
	my @lists = map {
		[ $params{catalog_only} ? grep { !/^(rows|sequence) / } @$_ : @$_ ]
	} $now, $before;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return PgTunsync::_same_lines(@lists, $title);
}

# A subtest: the call succeeds, and everything holds that must hold after a
# run: rows, catalog, foreign keys, indexes, nothing left, source unchanged.  except:
# tables that are not compared; tables: only these; quick: heaps and indexes are not
# looked into.
sub pulls_everything
{
	my ($w, $arguments, $title, %params) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $before = facts($w, 'local');
	my $source = facts($w, 'source');
	my $run;

	subtest $title => sub {
		$run = $w->pull($arguments, %params);
		is($run->{rc}, 0, 'the call succeeds') or diag($run->{err});
		$w->server_is_up;
		is($w->last_run('status'), 'succeeded', 'and so says the audit');
		all_equal($w, %params);
		same_facts(facts($w, 'local'), $before, 'the catalog is as it was', catalog_only => 1);
		same_facts(facts($w, 'source'), $source, 'the source is as it was');
		$w->healthy unless $params{quick};
		$w->nothing_left;
	};
	return $run;
}

1;
