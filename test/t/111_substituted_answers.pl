# A relay in front of a real source changes one thing in one answer at a time.
# Each field of each answer about the catalog becomes NULL, empty, huge,
# negative or garbage; rows are missing or sent twice; columns are missing or
# added.  Each plan() succeeds or fails with an error that names query and
# column, and the server goes on.

use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use PgTunsync;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $w = PgTunsync->new(empty => 1);
my $program = abs_path(dirname($0) . '/../lib/PgTunsync/substitute.pl');
my $port = PostgreSQL::Test::Cluster::get_free_port();
my ($cases_file, $shapes_file) = ($w->dir . '/cases', $w->dir . '/shapes');

# parts has other partitions on the source, so its rows are counted there; logs
# owns a sequence.
my $same = q{
	CREATE TABLE users (id serial PRIMARY KEY, email text);
	CREATE TABLE orders (id int PRIMARY KEY, user_id int REFERENCES users);
	CREATE TABLE logs (id serial, at int) PARTITION BY RANGE (at);
	CREATE TABLE logs_a PARTITION OF logs FOR VALUES FROM (0) TO (50);
	CREATE TABLE mother (id int);
	CREATE TABLE child () INHERITS (mother);
	CREATE TABLE copies (email text, copy text GENERATED ALWAYS AS (email) STORED);};
$w->source_sql("$same CREATE TABLE parts (id int); INSERT INTO parts VALUES (1); INSERT INTO logs(at) VALUES (1);
	INSERT INTO users(email) SELECT 'a' FROM generate_series(1, 9)");
$w->local_sql("$same CREATE TABLE parts (id int) PARTITION BY RANGE (id);
	CREATE TABLE parts_a PARTITION OF parts FOR VALUES FROM (0) TO (50)");
$w->write_config("data_rules: {email: null, no_such_column: null}\n");
$w->write_env(PGSYNC_REMOTE_PORT => $port, PGSYNC_FROM_URL => $w->source_url . '?sslmode=disable');
$w->setting(connect_attempts => 1);
my $before = $w->snapshot;
my $postmaster = $w->postmaster_pid;
my $started = $w->local_sql('SELECT pg_postmaster_start_time()');

# The queries, in the order of the source's answers, with columns as name:kind.
# Kinds: t text, n name, b Boolean, o OID, i integer of a range, l any integer,
# f number, c character; "?" allows NULL.
my @queries = (
	undef,    # the session's set-up
	[ undef, qw(lock_timeout: statement_timeout: set_config:) ],    # of the same
	[ 'snapshot', 'pg_export_snapshot:t' ],
	[ 'facts about the server', qw(server_version:t system_identifier:l? database:o
	start_time:i pg_is_in_recovery:b) ],
	[ 'relations', qw(oid:o nspname:n relname:n relkind:c relpersistence:c relispartition:b inhparent:o?
	has_table_privilege:b? has_schema_privilege:b? row_security_active:b bytes:f reltuples:f
		relpartbound:t? relpages:f) ],
	[ 'inheritances', qw(inhrelid:o inhparent:o) ],
	[ 'columns', qw(attrelid:o attname:n attnum:i format_type:t atttypid:o typbasetype:o attgenerated:b
	has_column_privilege:b? attinhcount:b) ],
	[ 'sequences', qw(refobjid:o refobjsubid:i oid:o nspname:n relname:n readable:b? last_value:l is_called:b) ],
	[ 'foreign keys', 'conrelid:o', 'oid:o', 'nspname:n', 'relname:n', 'attname:n', 'referenced attname:n' ],
	[ 'generated columns', 'attrelid:o', 'attname:n', 'own:b', 'adbin:t?', 'whole row:b', 'referenced attname:n?' ],
	undef, undef,    # an EXPLAIN of each table with masks
	[ 'a count', 'count:i' ],
	[ 'patterns of columns', 'exists:b' ],
	[ 'sequences of partitioned tables', 'n:i', 'seqstart:l', 'has_sequence_privilege:b?',
	'pg_sequence_last_value:l?' ]);

# The values that each kind of column must refuse.
my %refuses = (
	null     => qr/^[^?]+$/,
	empty    => qr/^[^t]/,
	huge     => qr/./,
	negative => qr/^[boic]/,
	number   => qr/^[boicfl]/,
	garbage  => qr/./);

# Runs plan() once for each case, in one session.  Returns [out, err] of each.
sub run_cases
{
	my @cases = @_;
	unlink $cases_file, $shapes_file;
	append_to_file($cases_file, join('', map { "$_\n" } @cases));
	my $relay = PgTunsync::Process->start($w->dir . '/substitute.log', $^X, $program, $port,
		$w->source->port, $cases_file, $shapes_file);
	PgTunsync::Process::wait_until('the relay', sub { return `ss -Hltn "sport = :$port"` =~ /:$port/ });
	my $sql = join('', map { "\\warn case $_\n\\echo case $_\nSELECT count(*) FROM pgtunsync.plan();\n" } 0 .. $#cases);
	my $call = $w->call("SET client_min_messages = error;\n$sql", go_on => 1, timeout => 600)->finish;
	my @said;
	foreach my $which (0, 1)
	{
		my $text = $call->{ $which ? 'err' : 'out' };
		$said[$1][$which] = $2 while $text =~ /^case (\d+)\n(.*?)(?=^case \d|\z)/msg;
	}
	$relay->stop('KILL');
	return @said;
}

my @sound = run_cases('shapes');
like($sound[0][0], qr/^[1-9]/, 'unchanged, the plan succeeds') or diag($sound[0][1]);
PgTunsync::Process::wait_until('the shapes', sub { -s $shapes_file });
my @shapes = map { [split] } split /\n/, slurp_file($shapes_file);
is_deeply([ map { $_->[0] } @shapes ], [ map { $_ ? $#$_ : 1 } @queries ], 'all queries have been asked');

# ---- the cases, each with the messages that it may end with ----

my %case;

# The call must end with this error.
sub must { my ($case, $message, $detail) = @_; $case{$case} = { message => $message, detail => $detail }; return; }

# The call may end with this error, with another one, or succeed.
sub may { my ($case) = @_; $case{$case} = {}; return; }

foreach my $n (0 .. $#queries)
{
	my ($query, @columns) = $queries[$n] ? @{ $queries[$n] } : (undef, 'unread:');
	my $answer = $query && "invalid answer from the source to the query for $query";
	my $rows = $shapes[$n][1];
	foreach my $row (0, $rows > 1 ? $rows - 1 : ())
	{
		foreach my $column (0 .. $#columns)
		{
			my ($name, $kind) = split /:/, $columns[$column];
			foreach my $value (sort keys %refuses)
			{
				my $case = "field $n $row $column $value";
				my $has = $value eq 'null' ? 'NULL' : '';
				if ($query && $kind =~ $refuses{$value})
				{
					must($case, "invalid value from the source for column \"$name\" of the query for $query",
						'Row ' . ($row + 1) . " has $has");
				}
				else { may($case); }
			}
		}
	}
	if (!$query)
	{
		may("$_ $n") foreach 'command';
		may("rows $n $_") foreach qw(none twice);
		may("columns $n $_") foreach qw(more fewer none);
		next;
	}
	must("command $n", $answer, 'It has no rows and no columns.');
	must("columns $n more", $answer, 'The number of columns is ' . (@columns + 1) . ', expected ' . @columns);
	must("columns $n fewer", $answer, 'The number of columns is ' . (@columns - 1));
	must("columns $n none", $answer, 'The number of columns is 0');
	if ($query =~ /snapshot|facts|count|patterns/)
	{
		must("rows $n none", $answer, "The number of rows is 0, expected $rows.");
		must("rows $n twice", $answer, "The number of rows exceeds $rows.");
	}
	elsif ($query =~ /^relations|^columns/)
	{
		may("rows $n none");
		must("rows $n twice", $answer,
			$query eq 'columns' ? 'A column appears twice, or after a later one.' : 'A relation appears twice.');
	}
	else { may("rows $n $_") foreach qw(none twice); }
}

# Returns what is wrong with the outcome of a case, or ''.
sub wrong
{
	my ($expected, $out, $err) = @_;
	my ($state, $message) = $err =~ /^ERROR:  (\w{5}): (.*)$/m;
	my ($detail) = $err =~ /^DETAIL:  (.*)$/m;
	return 'no outcome' unless defined $state || $out =~ /^\d/;
	return "SQLSTATE $state" if defined $state && $state =~ /^(?:XX|57P0|58)/;
	return '' unless $expected->{message};
	return 'no error' unless defined $state;
	return "SQLSTATE $state" unless $state eq '08P01';
	return 'another message' unless $message eq $expected->{message};
	return 'another detail' unless index($detail || '', $expected->{detail}) == 0;
	return '';
}

my @cases = sort keys %case;
my @said = run_cases(@cases, 'wire');
my %failed = map {
	my ($out, $err) = map { defined $_ ? $_ : '' } @{ $said[$_] || [] };
	my $wrong = wrong($case{ $cases[$_] }, $out, $err);
	$wrong ? ($cases[$_] => "$wrong: $out$err") : ()
} 0 .. $#cases;
is(scalar(keys %failed), 0, 'all ' . @cases . ' cases end as they must')
  or diag(join("\n", map { "$_: $failed{$_}" } sort keys %failed));
cmp_ok(scalar(@cases), '>', 400, 'there are some hundreds');
cmp_ok(scalar(grep { $_->{message} } values %case), '>', 250, 'most of them must be refused');
like($said[-1][0], qr/^[1-9]/, 'unchanged again, the plan succeeds');

is($w->postmaster_pid, $postmaster, 'the server lives');
is($w->local_sql('SELECT pg_postmaster_start_time()'), $started, 'and has not started anew');
unlike(slurp_file($w->local_node->logfile), qr/terminated by signal|TRAP|PANIC|reinitializing/,
	'no process has crashed');
$w->unchanged($before);
$w->nothing_left;

done_testing();
