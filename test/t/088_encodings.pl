# Encodings and settings that change the text form of values.  Neither those of
# the source nor those of the local database affect the result.

use strict;
use warnings;
use PgTunsync;
use PgTunsync::Agreement;
use PgTunsync::Compare;
use Test::More;

my $w = PgTunsync->new(empty => 1, local_init => { extra => [ '--encoding=UTF8', '--locale=C' ] });
my $password = 'encodings';

# Both servers have a database of each encoding.  Each pair is one pull.
sub make_database
{
	my ($side, $encoding) = @_;
	my $name = lc("db_$encoding");
	$w->{$side}->safe_psql('postgres',
		"CREATE DATABASE $name TEMPLATE template0 ENCODING '$encoding' LC_COLLATE 'C' LC_CTYPE 'C'");
	return $name;
}
my %texts = (
	LATIN1 => "SELECT convert_from('\\xe4f6fcdfe9a3'::bytea, 'LATIN1')",
	LATIN9 => "SELECT convert_from('\\xe4a4bd'::bytea, 'LATIN9')",
	EUC_JP => "SELECT convert_from('\\xc6fccbdcb8ec8fb0a1'::bytea, 'EUC_JP')",
	WIN1251 => "SELECT convert_from('\\xcff0e8e2e5f2'::bytea, 'WIN1251')",
	SQL_ASCII => "SELECT E'plain'", UTF8 => "SELECT U&'\\00e4\\20ac\\65e5\\672c\\+01F600'",
	KOI8R => "SELECT convert_from('\\xf0d2c9d7c5d4'::bytea, 'KOI8R')");

# in the encoding's own letters: names of table and column, an enum's label, a JSON key
sub schema_sql
{
	my ($word) = @_;
	return qq{DO \$do\$ DECLARE w text := ($word); BEGIN
		EXECUTE format('CREATE TYPE %I AS ENUM (%L, %L)', 'type ' || w, w, w || '2');
		EXECUTE format('CREATE TABLE %I (id int PRIMARY KEY, %I text, e %I, j jsonb, v varchar(20),
				c bpchar, a text[], b bytea, n name)',
			'table ' || w, 'column ' || w, 'type ' || w);
		EXECUTE format('CREATE TABLE %I (id int PRIMARY KEY, t text, v varchar(%s))', 'binary ' || w, length(w));
		END \$do\$;};
}

sub rows_sql
{
	my ($word) = @_;
	return qq{DO \$do\$ DECLARE w text := ($word); BEGIN
		EXECUTE format('INSERT INTO %I SELECT i, repeat(%L || E''\\\\t\\\\\\\\'', i), %L,
			jsonb_build_object(%3\$L, repeat(%3\$L, i)), %3\$L, %3\$L, ARRAY[%3\$L, ''x''],
			convert_to(%3\$L, ''SQL_ASCII''), %3\$L FROM generate_series(1, 30) i', 'table ' || w, w, w);
		EXECUTE format('INSERT INTO %I SELECT i, repeat(%L, i * 300), %2\$L FROM generate_series(1, 30) i',
			'binary ' || w, w); END \$do\$;};
}

sub pulls_between
{
	my ($from, $to, $word, $local_word) = @_;
	my ($source, $local) = (lc("db_$from"), lc("db_$to"));
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	$w->{source}->safe_psql($source, 'DROP SCHEMA public CASCADE; CREATE SCHEMA public;
		' . schema_sql($word) . rows_sql($word));
	$w->{local}->safe_psql($local, 'DROP SCHEMA public CASCADE; CREATE SCHEMA public;
		' . schema_sql($local_word || $word));
	$w->write_env(PGSYNC_FROM_URL => $w->source_url(database => $source));
	my $run = $w->call('SELECT pgtunsync.pull();', database => $local)->finish;
	subtest "$from to $to" => sub {
		is($run->{rc}, 0, 'the call succeeds') or diag($run->{err});
		my @hashes = map {
			my ($side, $database) = @$_;
			my $hash = "left(md5(convert_to(t::text, ''UTF8'')), 15)";
			my $sql = qq{SELECT format('SELECT count(*), sum((''x'' || $hash)::bit(60)::bigint) FROM %I t', relname)
				FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY relname};
			join('/', map { $w->{$side}->safe_psql($database, $_) } split /\n/,
				$w->{$side}->safe_psql($database, "SET client_encoding
				= '" . ($side eq 'source' ? $from : $to) . "'; $sql"));
		} [ 'source', $source ], [ 'local', $local ];
		is($hashes[1], $hashes[0], 'the rows are the same');
		like($hashes[1], qr/^30\|/, 'all of them');
	};
	return;
}
make_database('source', $_) foreach 'LATIN1', 'LATIN9', 'EUC_JP', 'SQL_ASCII', 'UTF8', 'WIN1251';
foreach my $encoding ('UTF8', 'LATIN1', 'EUC_JP', 'KOI8R', 'SQL_ASCII')
{
	my $name = make_database('local', $encoding);
	$w->{local}->safe_psql($name, 'CREATE EXTENSION pgtunsync');
	$w->{local}->safe_psql('postgres', "ALTER DATABASE $name SET pgtunsync.env_file = '${\$w->env_file}';
		ALTER DATABASE $name SET pgtunsync.config_file = ''");
}
pulls_between('LATIN1', 'UTF8', $texts{LATIN1});
pulls_between('LATIN9', 'UTF8', $texts{LATIN9});
pulls_between('EUC_JP', 'UTF8', $texts{EUC_JP});
pulls_between('WIN1251', 'KOI8R', $texts{KOI8R});
pulls_between('UTF8', 'LATIN1', $texts{LATIN1});
pulls_between('UTF8', 'EUC_JP', $texts{EUC_JP});
pulls_between('LATIN1', 'LATIN1', $texts{LATIN1});
pulls_between('SQL_ASCII', 'UTF8', $texts{SQL_ASCII});
pulls_between('UTF8', 'SQL_ASCII', $texts{UTF8},
	"SELECT convert_from('\\xc3a4e282ace697a5e69cacf09f9880'::bytea, 'SQL_ASCII')");

# Bytes of a SQL_ASCII source that are valid UTF8 arrive unchanged.  Others
# fail by table and row.
my $sql_ascii = sub { return $w->{source}->safe_psql('db_sql_ascii', $_[0]); };
$sql_ascii->("DROP SCHEMA public CASCADE; CREATE SCHEMA public; CREATE TABLE bytes (id int, t text);
	INSERT INTO bytes VALUES (1, E'\\303\\244'), (2, E'\\342\\202\\254')");
$w->{local}->safe_psql('db_utf8', "DROP SCHEMA public CASCADE; CREATE SCHEMA public;
	CREATE TABLE bytes (id int, t text); INSERT INTO bytes VALUES (0, 'old')");
$w->write_env(PGSYNC_FROM_URL => $w->source_url(database => 'db_sql_ascii'));
my $run = $w->call("SELECT pgtunsync.pull('bytes');", database => 'db_utf8')->finish;
is($run->{rc}, 0, 'UTF8 in SQL_ASCII') or diag($run->{err});
is($w->{local}->safe_psql('db_utf8', 'SELECT sum(length(t)), sum(octet_length(t)) FROM bytes'), '2|5',
	'arrives as UTF8');
$sql_ascii->("INSERT INTO bytes VALUES (3, E'\\344')");
$run = $w->call("SELECT pgtunsync.pull('bytes');", database => 'db_utf8')->finish;
like($run->{err}, qr/invalid byte sequence for encoding "UTF8"/, 'bytes that are no UTF8 are refused');
like($run->{err}, qr/\bbytes\b/, 'by table');
is($w->{local}->safe_psql('db_utf8', 'SELECT count(*) FROM bytes'), 2, 'which stays as it was');
# a character that the local encoding lacks
$w->{source}->safe_psql('db_utf8', "DROP SCHEMA public CASCADE; CREATE SCHEMA public;
	CREATE TABLE chars (id int, t text); INSERT INTO chars VALUES (1, 'x'), (2, U&'\\65e5')");
$w->{local}->safe_psql('db_latin1', "DROP SCHEMA public CASCADE; CREATE SCHEMA public;
	CREATE TABLE chars (id int, t text); INSERT INTO chars VALUES (0, 'old')");
$w->write_env(PGSYNC_FROM_URL => $w->source_url(database => 'db_utf8'));
$run = $w->call("SELECT pgtunsync.pull('chars');", database => 'db_latin1')->finish;
like($run->{sqlstate}, qr/^22P05|22021/, 'a character that the local encoding lacks is refused') or diag($run->{err});
like($run->{err}, qr/\bchars\b/, 'by table');
is($w->{local}->safe_psql('db_latin1', 'SELECT count(*) FROM chars'), 1, 'which stays as it was');

# ---- settings, on either side ----

$w->write_env;
my $columns = "id int, d date, ts timestamp, tz timestamptz, t time, ttz timetz, i interval, f4 float4, f8 float8, b "
	. "bytea, m money, x xml, n numeric, fs float8[], r tstzrange, ds date[], rg regtype, ls text[]";
$w->both_sql("CREATE TYPE of_all AS (d date, i interval, m money, tz timestamptz, b bytea, x xml, f float8);
	CREATE TABLE in_binary (id int, d date, ts timestamp, tz timestamptz, t time, ttz timetz, i interval, f4 float4,
	f8 float8, b bytea, m money, n numeric, fs float8[], r tstzrange); CREATE TABLE in_text ($columns, c of_all)");
$w->source_sql(q{INSERT INTO in_text SELECT k, '2024-02-03'::date + k,
	'2024-02-03 04:05:06.789012'::timestamp + k * interval '1 day 1 hour',
	'2024-02-03 04:05:06.789012+00'::timestamptz + k * interval '7 hours', '04:05:06.7', '04:05:06.7-07',
	make_interval(0, k, 0, -k, 3, 4, 5.678901) , k / 3.0, k / 7.0, decode(lpad(to_hex(k), 8, '0') || '5c27', 'hex'),
	(k * 1234.56)::numeric::money,
	xmlparse(content 'no document <a/>'), k / 3.0, ARRAY[k / 3.0, 1e-300], tstzrange('2024-02-03 04:05:06+00',
		'2024-03-31 03:00:00+00'), ARRAY['2024-02-03'::date, '0044-03-15 BC'], 'timestamptz[]', ARRAY['a"b', '\x']
		FROM generate_series(1, 60) k;
	UPDATE in_text SET c = ROW(d, i, m, tz, b, x, f8);
	INSERT INTO in_binary SELECT id, d, ts, tz, t, ttz, i, f4, f8, b, m, n, fs, r FROM in_text});
my %odd = (DateStyle => [ "'German'", "'SQL, DMY'", "'Postgres, MDY'" ],
	IntervalStyle => [ "'sql_standard'", "'iso_8601'", "'postgres_verbose'" ],
	TimeZone => [ "'Asia/Kathmandu'", "'America/Caracas'", "'<+03:30>-3:30'" ],
	bytea_output => [ "'escape'", "'hex'", "'escape'" ],
	extra_float_digits => [ -15, 0, -3 ], lc_monetary => [ "'C.UTF-8'", "'C'", "'C.UTF-8'" ],
	xmloption => [ "'document'", "'document'", "'content'" ], standard_conforming_strings => [ 'off', 'off', 'on' ],
	backslash_quote => [ 'on', 'off', 'on' ], array_nulls => [ 'off', 'off', 'off' ],
	lc_numeric => [ "'C'", "'C'", "'C'" ],
	search_path => [ 'nowhere', 'public', 'public' ], client_encoding => [ "'SQL_ASCII'", "'LATIN1'", "'UTF8'" ],
	quote_all_identifiers => [ 'on', 'on', 'off' ], default_transaction_read_only => [ 'on', 'off', 'off' ],
	default_transaction_isolation => [ "'serializable'", "'serializable'", "'repeatable read'" ],
	statement_timeout => [ "'20s'", "'0'", "'0'" ], row_security => [ 'off', 'on', 'off' ],
	enable_seqscan => [ 'off', 'off', 'off' ], synchronize_seqscans => [ 'off', 'off', 'off' ],
	check_function_bodies => [ 'off', 'off', 'off' ], default_table_access_method => [ "'heap'", "'heap'", "'heap'" ],
	default_toast_compression => [ "'pglz'", "'pglz'", "'pglz'" ], transform_null_equals => [ 'on', 'on', 'on' ],
	role => [ undef, undef, undef ]);
# database of the source, database here, role of the source, in turn
foreach my $case ([ 'the source by its database', 'source', 'DATABASE production', 0 ],
	[ 'the local database', 'local_node', 'DATABASE dev', 1 ],
	[ 'both, and the role of the source', 'source', 'ROLE reader', 2 ])
{
	my ($title, $node, $what, $column) = @$case;
	foreach my $setting (sort keys %odd)
	{
		next unless defined $odd{$setting}[$column];
		next if $node eq 'local_node' && $setting =~ /read_only|statement_timeout|search_path/;
		$w->$node->safe_psql('postgres', "ALTER $what SET $setting = $odd{$setting}[$column]");
	}
	$w->local_sql('TRUNCATE in_text, in_binary');
	my $call = $w->pull("'in_text,in_binary'");
	is($call->{rc}, 0, "odd settings: $title") or diag($call->{err});
	my @differs = PgTunsync::Compare::differences($w, tables => [ 'public.in_text', 'public.in_binary' ]);
	ok(!@differs, 'bring the same values') or diag(@differs);
	is($w->local_sql('SELECT count(*) FROM in_text'), 60, 'all of them');
}
# the caller's session
$w->local_sql('TRUNCATE in_text, in_binary');
my $call = $w->call(join('',
	map { "SET $_ = $odd{$_}[0];\n" } grep { defined $odd{$_}[0]
	&& !/read_only|statement_timeout|search_path|default_table/ } sort keys %odd) . 'SET search_path = public;
	SELECT pgtunsync.pull(\'in_text,in_binary\');')->finish;
is($call->{rc}, 0, 'odd settings of the session') or diag($call->{err});
PgTunsync::Compare::all_equal($w, tables => [ 'public.in_text', 'public.in_binary' ]);

done_testing();
