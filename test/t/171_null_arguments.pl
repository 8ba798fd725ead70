# An argument that is NULL replaces nothing, whoever made it NULL.

use strict;
use warnings;
use PgTunsync;
use Test::More;

my $w = PgTunsync->new(users => 20);
my $before = $w->snapshot;
my %arguments = (
	tables => 'text[]', grp => 'text', on_error => 'text', wait => 'boolean', refresh => 'boolean', filter => 'text',
	mode => 'text', schemas => 'text[]', exclude => 'text[]', rules => 'boolean', sequences => 'boolean');

# A test: the statement fails with 22004 and names the argument.
sub is_refused
{
	my ($sql, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $call = $w->call($sql)->finish;
	is($call->{sqlstate}, '22004', $sql) or diag($call->{err});
	like($call->{err}, qr/argument "$name" must not be null\nHINT:  Leave the argument out/, "names $name");
	return;
}

# literals of every type that the resolution of functions may choose
is_refused($_, 'tables') foreach 'SELECT pgtunsync.pull(NULL)', 'SELECT pgtunsync.pull(NULL::text)',
	'SELECT pgtunsync.pull(NULL::text[])', 'SELECT pgtunsync.pull(NULL::varchar)', 'SELECT pgtunsync.pull(tables => NULL)',
	q{SELECT pgtunsync.pull(NULL, 'core')}, 'SELECT * FROM pgtunsync.plan(NULL)', 'SELECT * FROM pgtunsync.plan(NULL::text[])',
	'SELECT pgtunsync.pull(NULL, wait => false)';
is_refused('SELECT pgtunsync.wait(NULL)', 'run_id');
is_refused('SELECT pgtunsync.cancel(NULL)', 'run_id');

# parameters, as drivers send them
foreach my $name (sort keys %arguments)
{
	my $others = $name eq 'tables' ? '' : $name =~ /grp|schemas|exclude/ ? '' : "'users', ";
	is_refused("PREPARE p ($arguments{$name}) AS SELECT pgtunsync.pull($others$name => \$1); EXECUTE p (NULL)", $name);
	is_refused("PREPARE p ($arguments{$name}) AS SELECT * FROM pgtunsync.plan($others$name => \$1); EXECUTE p (NULL)", $name);
}
is_refused('PREPARE p AS SELECT pgtunsync.pull($1); EXECUTE p (NULL)', 'tables');
is_refused(q{DO $$ DECLARE names text[]; BEGIN PERFORM pgtunsync.pull(names); END $$}, 'tables');
$w->unchanged($before);
is($w->local_sql('SELECT count(*) FROM pgtunsync.runs'), 0, 'no run began');

# what stays
is($w->pull("'users', jobs => NULL, variables => NULL, batch_size => NULL, cursor => NULL")->{rc}, 0,
	'arguments that choose nothing may be null');
is($w->last_run("requested_tables::text || coalesce(requested_group, '-') || (options ->> 'filter' IS NULL)"),
	'{users}-true', 'the audit has no default as if it had been given');
my %same = ("" => 'every table', "'{*}'::text[]" => 'the same, written out', "'{*}'::text[], '*', filter => '*', "
	. "mode => 'default', schemas => '{\@default}', exclude => '{}'" => 'all defaults written out');
foreach my $arguments (sort keys %same)
{
	is($w->local_sql("SET client_min_messages = warning; SELECT count(*) FROM pgtunsync.plan($arguments)"), 7,
		$same{$arguments});
}
$w->write_config("groups:\n  few:\n    - users\n    - reviews\n");
is($w->local_sql("SET client_min_messages = warning; SELECT string_agg(table_name, ',') FROM pgtunsync.plan($_)"),
	'users,reviews', "a group alone: $_") foreach "grp => 'few'", "'{*}'::text[], 'few'";
$w->refused("filter => 'true'", 'a filter for every table', sqlstate => '22023', message => [qr/needs tables/],
	audit => 'none');
is($w->pull('')->{rc}, 0, 'pull() pulls every table');
$w->both_equal(@PgTunsync::shop);
$w->nothing_left;

done_testing();
