# A clause means what it means in psql on the source as the source's role: with
# the settings of its role, database and server.  The rows do not depend on
# them.  Local defaults and constraints see the settings of the caller's session.

use strict;
use warnings;
use PgTunsync;
use PostgreSQL::Test::Utils;
use Test::More;

my $w = PgTunsync->new(empty => 1);
my $key = 'a-key-for-pseudonyms-0123456789';

# The first table travels in binary form, the second as text.
my $columns = 'id int PRIMARY KEY, at timestamptz, d date, i interval, f float8, b bytea, s text, n numeric';
$w->both_sql("CREATE TABLE in_binary ($columns);
	CREATE TYPE mood AS ENUM ('sad', 'glad'); CREATE TABLE in_text ($columns, mood mood, x xml)");
$w->source_sql(q{
	INSERT INTO in_binary VALUES
		(1, '2024-03-09 23:30-05', '2024-04-03', '-1 day -2:03:04', 0.1::float4, '\x5c00ff', '03/04/2024', 1),
		(2, '2024-03-10 00:30-05', '2024-03-04', '-1 day +2:03:04', 1/3.0, '\x41', '04/03/2024', 2),
		(3, '2024-03-10 20:30-04', '0044-03-15 BC', '1 mon -1 day', 1e300, '', '10.03.2024', 3),
		(4, '2024-03-11 00:00-04', 'infinity', '-1 mon', 'NaN', NULL, '03/04/2024', 4),
		(5, '0044-03-15 00:00+00 BC', NULL, NULL, NULL, '\xdeadbeef', '1 2:03:04', 5);
	INSERT INTO in_text SELECT b.*, 'glad', '<a/>' FROM in_binary b});

# The ids that a filter brings, and those that psql as the role shows.
sub both_ways
{
	my ($table, $filter) = @_;
	my $url = "postgresql://reader:$PgTunsync::password\@127.0.0.1:" . $w->source->port . '/production';
	my $out;
	IPC::Run::run [ $w->source->installed_command('psql'), '-XAtq', '-d', $url,
		'-c', "SELECT string_agg(id::text, ' ' ORDER BY id) FROM $table WHERE $filter" ], '>', \$out, '2>', \$out;
	chomp $out;
	my $run = $w->pull("'$table', filter => \$f\$ $filter \$f\$, mode => 'replace'");
	my $here = $run->{rc} eq '0' ? $w->local_sql("SELECT string_agg(id::text, ' ' ORDER BY id) FROM $table") : $run->{err};
	return ($here, $out);
}

my $turn = 0;

sub means_the_same
{
	my ($title, $expected, @filters) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	foreach my $filter (@filters)
	{
		# each with both tables if there is only one, else in turn
		my @tables = ('in_binary', 'in_text');
		@tables = $tables[ $turn++ % 2 ] if @filters > 1;
		foreach my $table (@tables)
		{
			my ($here, $there) = both_ways($table, $filter);
			is($here, $expected // $there, "$title, $table: $filter");
			is($there, $expected, '(so says psql)') if defined $expected;
		}
	}
	return;
}

my @filters = ("at::date = '2024-03-10'", "at >= '2024-03-10'", "at::text LIKE '%2024%'",
	"extract(hour FROM at) = 0", "date_trunc('day', at) = timestamptz '2024-03-10'",
	"s::date = d AND s LIKE '%/%'", "d < '04/03/2024'", "d IN ('3/4/2024')",
	"at > now() - interval '100 years' AND to_char(at, 'DD') = '10'", "b::text = '\\x41'", "b::text = 'A'",
	"at IN (SELECT max(at) FROM in_binary GROUP BY at::date)");

# both tables, and id 1, as they are without any filter
$w->pull("'in_binary,in_text'");
my $row = q{SELECT (SELECT string_agg(md5(t::text), ',' ORDER BY id) FROM in_binary t) || (SELECT string_agg(md5(
	(id, at, d, i, f, b, s, n, mood, x::text)::text), ',' ORDER BY id) FROM in_text t)};
my $all = $w->local_sql($row);

foreach my $settings ({ timezone => "'America/New_York'" },
	{ timezone => "'Asia/Kathmandu'", datestyle => "'SQL, DMY'", bytea_output => "'escape'" },
	{ timezone => "'<-04>4'", datestyle => "'German'", extra_float_digits => -15, xmloption => "'document'" },
	{ datestyle => "'Postgres, MDY'", intervalstyle => "'iso_8601'", timezone => "'America/New_York'" })
{
	my $what = join(', ', map { "$_ $settings->{$_}" } sort keys %$settings);
	$w->source_sql("ALTER DATABASE production RESET ALL; ALTER ROLE reader RESET ALL; ALTER ROLE reader "
		. "SET timezone = $settings->{timezone}; " . join('; ', map { "ALTER DATABASE production SET $_ = $settings->{$_}" }
		grep { $_ ne 'timezone' } sort keys %$settings));
	means_the_same($what, undef, grep { !(/s::date|d IN|d </ && $what =~ /German/) } @filters);
	my $run = $w->pull("'in_binary,in_text', filter => 'true', mode => 'replace'");
	is($run->{rc}, 0, 'rows') or diag($run->{err});
	is($w->local_sql($row), $all, "$what: the rows are the same as without a filter");
}

# the values, so that psql is not alone to say so
$w->source_sql("ALTER DATABASE production RESET ALL; ALTER ROLE reader RESET ALL;
	ALTER DATABASE production SET timezone = 'America/New_York'; ALTER DATABASE production SET datestyle = 'ISO, DMY'");
means_the_same('days', '2 3', "at::date = '2024-03-10'");
means_the_same('from midnight', '2 3 4', "at >= '2024-03-10'");
means_the_same('day before month', '1', "d = '03/04/2024'");
means_the_same('from text', '1', "id < 3 AND s::date = '2024-04-03'");
$w->source_sql("ALTER ROLE reader IN DATABASE production SET intervalstyle = 'sql_standard'");
{
	my ($here, $there) = both_ways('in_binary', "i = interval '-1 2:03:04'");
	is("$here/$there", '1/1', 'an interval as the SQL standard reads it');
	$w->pull("'in_binary,in_text', filter => 'true', mode => 'replace'");
	is($w->local_sql($row), $all, 'and all intervals come as they are');
}

# ---- text of the source that a local column of another type reads ----

$w->source_sql("CREATE TABLE retyped (id int PRIMARY KEY, a timestamptz, b timestamptz, c timestamptz);
	INSERT INTO retyped SELECT id, at, at, at FROM in_binary UNION ALL SELECT 9, 'infinity', '-infinity', NULL");
$w->local_sql('CREATE TABLE retyped (id int PRIMARY KEY, a timestamp, b text, c date)');
$w->pull("'retyped'");
my $retyped = $w->local_sql('SELECT * FROM retyped ORDER BY id');
like($retyped, qr/^2\|2024-03-10 05:30:00\|2024-03-10 05:30:00\+00\|2024-03-10$/m, 'converted as UTC shows it');
$w->pull("'retyped', filter => 'id > 0', mode => 'replace'");
is($w->local_sql('SELECT * FROM retyped ORDER BY id'), $retyped, 'and no other way under a filter');

# ---- masks do not depend on them either ----

$w->write_env(PGSYNC_MASK_KEY => $key);
$w->both_sql('CREATE TABLE masked (at timestamptz PRIMARY KEY, born date, seen timestamptz, b bytea, s text)');
$w->source_sql("INSERT INTO masked SELECT '2024-03-09 12:00+00'::timestamptz + i * interval '7 hours', '1990-01-01',
	'2024-03-09 12:00+00'::timestamptz + i * interval '5 hours', '\\x41', 'x' FROM generate_series(1, 20) i;
	ALTER ROLE reader SET bytea_output = 'escape'");
$w->write_config("data_rules:\n  masked.born: {shift_date: 30}\n  masked.seen: {shift_date: 30}\n"
	. "  masked.b: pseudonym\n  masked.s: {statement: \"(at::date = '2024-03-10')::text\"}\n");
my $run = $w->pull("'masked'");
is($run->{rc}, 0, 'masks') or diag($run->{err});
my $masked = $w->local_sql('SELECT at, born, seen, b FROM masked ORDER BY at');
is($w->local_sql("SELECT count(*) FROM masked WHERE s = 'true'"), 3,
	"a rule's statement means what it means on the source");
$w->pull("'masked', filter => \$\$ at > '2000-01-01' \$\$, mode => 'replace'");
is($w->local_sql('SELECT at, born, seen, b FROM masked ORDER BY at'), $masked, 'masks under a filter are the same');
unlike($masked, qr/1990-01-01/, 'and are masks');
$w->write_config('');

# ---- append, and the partitions that the source has not ----

$w->source_sql("CREATE TABLE log (at timestamptz PRIMARY KEY, v text); INSERT INTO log
	SELECT '2024-03-09 00:00-05'::timestamptz + i * interval '1 hour', 'x' FROM generate_series(0, 71) i");
$w->local_sql("CREATE TABLE log (at timestamptz PRIMARY KEY, v text) PARTITION BY RANGE (at);
	CREATE TABLE log_1 PARTITION OF log FOR VALUES FROM ('2024-03-10') TO ('2024-03-11');
	CREATE TABLE other_log (at timestamptz PRIMARY KEY, v text)");
$w->source_sql('CREATE TABLE other_log (LIKE log INCLUDING ALL); INSERT INTO other_log SELECT * FROM log');
$run = $w->call("SET timezone = 'Asia/Tokyo'; SELECT pgtunsync.pull('other_log', mode => 'append', batch_size => 5,
	filter => \$\$ at < '2024-03-10' \$\$);")->finish;
is($w->local_sql('SELECT count(*) FROM other_log'), 24, 'an append in batches') or diag($run->{err});
$run = $w->pull("'log', filter => \$\$ at >= '2024-03-10' and at < '2024-03-11' \$\$, mode => 'replace'");
like($run->{err}, qr/no partition of log takes \d+ of its rows/, 'rows are counted with the same meaning');

# ---- local expressions: the caller's session ----

$w->source_sql("CREATE TABLE here (id int PRIMARY KEY, day text); INSERT INTO here VALUES (1, '03/04/2024')");
$w->local_sql(q{
	CREATE FUNCTION to_day(t text) RETURNS date LANGUAGE sql IMMUTABLE AS 'SELECT t::date';
	CREATE FUNCTION as_text(t timestamp) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT t::text';
	CREATE TABLE here (id int PRIMARY KEY, day text, made timestamp DEFAULT now(), today text DEFAULT now()::text,
		real_day date GENERATED ALWAYS AS (to_day(day)) STORED, half text DEFAULT (1/3.0::float8)::text,
		rewritten text, CHECK (current_setting('TimeZone') <> 'UTC'));
	CREATE INDEX ON here (as_text(made))});
$w->write_config("rewrite:\n  here.rewritten: \"'2024-01-01 00:00+00'::timestamptz::text\"\n");
sub local_row
{
	my ($sets) = @_;
	$run = $w->call("$sets; SELECT pgtunsync.pull('here', mode => 'replace'); SELECT 'row', real_day = '2024-04-03'::date,
		abs(extract(epoch FROM now()::timestamp - made)) < 600, right(today, 3) = right(now()::text, 3), half, rewritten
		FROM here;")->finish;
	return $run->{out} =~ /^row\|(.*)$/m ? $1 : $run->{err};
}
is(local_row("SET timezone = 'Asia/Kathmandu'; SET datestyle = 'ISO, DMY'"),
	't|t|t|0.3333333333333333|2024-01-01 05:45:00+05:45', "SET of the session");
is(local_row("SET timezone = 'America/New_York'; SET datestyle = 'SQL, MDY'; SET extra_float_digits = -10"),
	'f|t|t|0.33333|12/31/2023 19:00:00 EST', 'another session');
$w->local_sql("ALTER DATABASE dev SET timezone = 'Asia/Tokyo'; ALTER DATABASE dev SET datestyle = 'ISO, DMY'");
is(local_row('SELECT 1'), 't|t|t|0.3333333333333333|2024-01-01 09:00:00+09', 'settings of the database');
$run = $w->call("SET timezone = 'UTC'; SELECT pgtunsync.pull('here', mode => 'replace');")->finish;
is($run->{sqlstate}, '23514', 'a CHECK sees them, too') or diag($run->{err});
is(local_row('SELECT 1'), 't|t|t|0.3333333333333333|2024-01-01 09:00:00+09', 'and the next call has its own');

done_testing();
