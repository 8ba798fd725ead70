# The HINT of a violated foreign key is a call, or lines of the file, that
# works: each one here is taken out of the message and followed literally.

use strict;
use warnings;
use PgTunsync;
use Test::More;

my $w = PgTunsync->new(empty => 1);

# Drops everything and makes the tables of a case.
sub tables
{
	my ($source, $local, $config) = @_;
	foreach my $side (qw(source local))
	{
		$w->sql_file($side, make_file("SET client_min_messages = warning;
			DROP SCHEMA public CASCADE; CREATE SCHEMA public; DROP SCHEMA IF EXISTS other CASCADE;
			GRANT ALL ON SCHEMA public TO PUBLIC;
			" . ($side eq 'local' ? 'CREATE EXTENSION IF NOT EXISTS pgtunsync;' : '')));
	}
	$w->source_sql($source);
	$w->local_sql($local);
	$w->write_config($config || '');
	return;
}

sub make_file
{
	my ($sql) = @_;
	my $file = $w->dir . '/case.sql';
	open(my $out, '>', $file) or die;
	print $out $sql;
	close $out;
	return $file;
}

# The call that the last HINT shows.
sub call_of
{
	my ($run) = @_;
	my ($call) = $run->{err} =~ /.*HINT: .*?(SELECT pgtunsync\.pull\(.*?\);)$/ms;
	return $call;
}

# Tests: the call is refused with this HINT, and what the HINT shows succeeds.
sub follows
{
	my ($call, $title, $hint, %params) = @_;
	my $run = $w->refused(undef, $title, sql => "$call;", sqlstate => $params{sqlstate} || '23503',
		message => [$hint]);
	my $next = call_of($run);
	ok(defined $next, "$title: the HINT has a call") or diag($run->{err});
	$run = $w->call($next || 'SELECT 1/0')->finish;
	is($run->{rc}, 0, "$title: it works") or diag("$next\n$run->{err}");
	if ($params{then})
	{
		$run = $w->call($params{then})->finish;
		is($run->{rc}, 0, "$title: and then the first one does") or diag($run->{err});
	}
	$w->both_equal(@{ $params{equal} }) if $params{equal};
	$w->healthy;
	return $next;
}

# ---- a child that only this database has ----

my $users = 'CREATE TABLE users (id int PRIMARY KEY); INSERT INTO users VALUES (1), (2)';
my @only_here = ($users, "$users, (3);
	CREATE TABLE feature_flags (id int PRIMARY KEY, user_id int NOT NULL REFERENCES users);
	INSERT INTO feature_flags VALUES (1, 3)");
tables(@only_here);
follows(q{SELECT pgtunsync.pull('users')}, 'a child only here',
	PgTunsync::pattern(qr/HINT:  The source does not have table public\.feature_flags\. Delete its rows that/,
		qr/ have no match, or let the rows stay that they refer to: SELECT/,
		qr/ pgtunsync\.pull\('users', mode => 'overwrite'\);\n/));
tables(@only_here);
follows(q{SELECT pgtunsync.pull('users,feature_flags')}, 'named in the call',
	PgTunsync::pattern(qr/ERROR:  42P01: table feature_flags does not exist on the source\nDETAIL:  Without/,
		qr/ it, no table can be changed.*\nKey "feature_flags_user_id_fkey"/),
	sqlstate => '42P01');

# ---- eleven tables in a chain, and beside it ----

my $chain = join('', 'CREATE TABLE t0 (id int PRIMARY KEY);',
	map { my $above = $_ - 1; "CREATE TABLE t$_ (id int PRIMARY KEY, up int NOT NULL REFERENCES t$above);" } 1 .. 10)
  . 'CREATE TABLE apart (id int PRIMARY KEY);';
my $rows = sub {
	my ($from) = @_;
	return join('', "INSERT INTO t0 SELECT generate_series($from, $from + 9);",
		map { "INSERT INTO t$_ SELECT i, i FROM generate_series($from, $from + 9) i;" } 1 .. 10);
};
tables($chain . $rows->(1), $chain . $rows->(101));
my $call = follows(q{SELECT pgtunsync.pull('t5')}, 'a chain of eleven tables',
	qr/HINT:  Pull these tables together: SELECT pgtunsync\.pull\('\{t5,public\.t\d+,/,
	equal => [ map { "t$_" } 0 .. 10 ]);
unlike($call, qr/apart/, 'no table that is not connected');

# arguments are kept, and sixty more tables make no difference
tables(join('', $chain, $rows->(1), map { "CREATE TABLE more_$_ (id int PRIMARY KEY);" } 1 .. 60),
	join('', $chain, $rows->(101), map { "CREATE TABLE more_$_ (id int PRIMARY KEY);" } 1 .. 60),
	"groups:\n  some: [t5, 'more_*']\n");
$call = follows(
	q{SELECT pgtunsync.pull(grp => 'some', on_error => 'abort', sequences => false, exclude => '{more_60}')},
	'a group', PgTunsync::pattern(qr/SELECT pgtunsync\.pull\('\{public\.t\d+,[^}]*\}', grp => 'some', exclude =>/,
		qr/ '\{more_60\}', on_error => 'abort', sequences => false\);/),
	equal => [ 't0', 't10' ]);

# ---- an excluded table ----

tables($chain . $rows->(1), $chain . $rows->(101), "exclude: [t7]\n");
follows(q{SELECT pgtunsync.pull('t5')}, 'an excluded table further down',
	qr/HINT:  Table public\.t7 is excluded by "t7"\. Let local rows stay: SELECT pgtunsync\.pull\('\{t5,public\.t\d/);
is($w->local_sql('SELECT count(*) FROM t5'), 20, 'local rows stay');
tables($chain . $rows->(1), $chain . $rows->(101), "exclude: [t3]\n");
my $run = $w->refused("'t5'", 'an excluded table that the rows need', sqlstate => '23503',
	message => [PgTunsync::pattern(qr/HINT:  Table public\.t3 is excluded by "t3"\. The tables that refer to it cannot be/,
		qr/ pulled without it/)]);

# ---- partitioned tables ----

my $parted = 'CREATE TABLE accounts (id int PRIMARY KEY) PARTITION BY RANGE (id);
	CREATE TABLE accounts_a PARTITION OF accounts FOR VALUES FROM (0) TO (100);
	CREATE TABLE accounts_b PARTITION OF accounts FOR VALUES FROM (100) TO (200);
	CREATE TABLE entries (id int PRIMARY KEY, account int REFERENCES accounts);';
tables("$parted INSERT INTO accounts VALUES (1), (150); INSERT INTO entries VALUES (1, 1), (2, 150)",
	"$parted INSERT INTO accounts VALUES (7); INSERT INTO entries VALUES (1, 7)");
follows(q{SELECT pgtunsync.pull('entries')}, 'a partitioned parent',
	qr/SELECT pgtunsync\.pull\('\{entries,public\.accounts\}'\);/, equal => [ 'accounts', 'entries' ]);

# ---- names that need quotes ----

my $odd = 'CREATE SCHEMA other; CREATE TABLE other."A b" (id int PRIMARY KEY);
	CREATE TABLE "c,d" (id int PRIMARY KEY, a int REFERENCES other."A b");';
tables($odd . 'INSERT INTO other."A b" VALUES (1); INSERT INTO "c,d" VALUES (1, 1)', $odd);
follows(q{SELECT pgtunsync.pull('"c,d"')}, 'names that need quotes', qr/other\."A b"/,
	equal => [ 'other."A b"', '"c,d"' ]);

# ---- a filter of the call ----

my $shop = 'CREATE TABLE cust (id int PRIMARY KEY, created date);
	CREATE TABLE ord (id int PRIMARY KEY, cust_id int NOT NULL REFERENCES cust);
	CREATE TABLE item (id int PRIMARY KEY, ord_id int REFERENCES ord);
	CREATE TABLE emp (id int PRIMARY KEY, boss int REFERENCES emp);
	CREATE TABLE sess (id int PRIMARY KEY); CREATE TABLE hits (id int PRIMARY KEY, s int REFERENCES sess);';
my $shop_rows = q{INSERT INTO cust VALUES (1, '2020-01-01'), (2, '2024-01-01');
	INSERT INTO ord VALUES (1, 1), (2, 2); INSERT INTO item VALUES (1, 1), (2, 2), (3, NULL);
	INSERT INTO emp VALUES (1, NULL), (2, 1), (3, 2);
	INSERT INTO sess VALUES (1); INSERT INTO hits VALUES (1, 1), (2, NULL)};
tables("$shop $shop_rows", $shop);
follows(q{SELECT pgtunsync.pull('item', filter => 'id = 2')}, 'a part of the rows',
	PgTunsync::pattern(qr/HINT:  Pull the tables that the rows refer to first, then repeat the call: SELECT/,
		qr/ pgtunsync\.pull\('\{public\.ord,public\.cust\}', mode => 'overwrite'\);/),
	then => q{SELECT pgtunsync.pull('item', filter => 'id = 2')});
is($w->local_sql('SELECT string_agg(id::text, $$,$$) FROM item'), '2', 'only the part comes');
tables("$shop $shop_rows", $shop);
follows(q{SELECT pgtunsync.pull('emp', filter => 'id > 2')}, 'a table that refers to itself',
	qr/filter => 'id IN \(WITH RECURSIVE/, equal => ['emp']);

# ---- a filter of the file, and "empty" ----

my $file = "filters:\n  cust: \"created > '2023-01-01'\"\n";
tables("$shop $shop_rows", $shop, $file);
$run = $w->refused("'cust,ord,item'", 'a parent that comes in part', sqlstate => '23503', message => [
	PgTunsync::pattern(qr/HINT:  Only a part of the rows that others refer to comes\. Give the others clauses,/,
		qr/ too, in file ".*":\nfilters:\n  public\.ord: "cust_id IN \(SELECT id FROM/,
		qr/ public\.cust WHERE \\"created\\" > '2023-01-01'\)"\n  public\.item: "/) ]);
my ($lines) = $run->{err} =~ /\nfilters:\n((?:  .*\n)+)/;
$w->write_config($file . $lines);
is($w->pull("'cust,ord,item'")->{rc}, 0, 'with these lines, it works');
is($w->local_sql('SELECT string_agg(id::text, $$,$$ ORDER BY id) FROM ord')
	. $w->local_sql('SELECT string_agg(id::text, $$,$$ ORDER BY id) FROM item'), '22,3', 'and the right rows come');
$file = "empty: [sess]\n";
tables("$shop $shop_rows", $shop, $file);
$run = $w->refused("'sess,hits'", 'a parent that is emptied', sqlstate => '23503',
	message => [qr/\nfilters:\n  public\.hits: "s IS NULL"\n/]);
$w->write_config($file . "filters:\n  public.hits: \"s IS NULL\"\n");
is($w->pull("'sess,hits'")->{rc}, 0, 'with this line, it works');

# ---- the source's own rows ----

tables("$shop $shop_rows; ALTER TABLE hits DROP CONSTRAINT hits_s_fkey; INSERT INTO hits VALUES (9, 99)", $shop);
$run = $w->refused("'sess,hits'", "the source's own rows", sqlstate => '23503',
	message => [qr/HINT:  The rows are so on the source\./]);
my ($alter) = $run->{err} =~ /(ALTER TABLE .*NOT VALID;)/;
$w->local_sql($alter || 'SELECT 1/0');
is($w->pull("'sess,hits'")->{rc}, 0, 'with the statement of the HINT, it works');

# ---- a table that failed is the cause ----

tables("$shop $shop_rows", "$shop ALTER TABLE cust ADD CONSTRAINT young CHECK (created > '2023-01-01')");
follows(q{SELECT pgtunsync.pull('cust,ord,item,sess,hits')}, 'a table failed',
	PgTunsync::pattern(qr/ERROR:  23514: table cust could not be pulled: .*"young".*\nDETAIL:  (?:.*\n)+Key/,
		qr/ "ord_cust_id_fkey".*\nHINT:  No table was changed.*\nTo pull what can come without/,
		qr/ it: SELECT pgtunsync\.pull\('\{cust,ord,item,sess,hits\}', mode => 'overwrite',/,
		qr/ exclude => '\{[^}]*\}'\);/),
	sqlstate => '23514', equal => [ 'sess', 'hits' ]);

done_testing();
