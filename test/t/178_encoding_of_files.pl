# The configuration is UTF-8.  A local database of another encoding reads it,
# in pull(), plan() and check().

use strict;
use warnings;
use PgTunsync;
use Test::More;

my $w = PgTunsync->new(empty => 1, local_init => { extra => [ '--encoding=UTF8', '--locale=C' ] });

# a word that the encoding has, in UTF-8
my %word = (LATIN1 => "caf\xc3\xa9", LATIN9 => "\xe2\x82\xacuro", WIN1252 => "\xe2\x82\xac\xc3\xa9",
	EUC_JP => "\xe6\x97\xa5\xe6\x9c\xac", KOI8R => "\xd0\xbf\xd1\x80", UTF8 => "\xf0\x9f\x98\x80",
	SQL_ASCII => "caf\xc3\xa9");
my $before = $w->source_sql('SELECT current_database()');
is($before, 'production', 'the source');
foreach my $encoding (sort keys %word)
{
	my $database = lc "db_$encoding";
	my $word = $word{$encoding};
	my $client = $encoding eq 'SQL_ASCII' ? '' : "SET client_encoding = 'UTF8'; ";
	my $sql = sub { return $w->local_node->safe_psql($database, "$client$_[0]"); };
	$w->local_node->safe_psql('postgres', "CREATE DATABASE $database TEMPLATE template0 ENCODING '$encoding'
		LC_COLLATE 'C' LC_CTYPE 'C'");
	$sql->("CREATE EXTENSION pgtunsync; CREATE TABLE \"t $word\" (id int PRIMARY KEY, v text, s text);
		INSERT INTO \"t $word\" VALUES (9, 'old')");
	$w->local_node->safe_psql('postgres', "ALTER DATABASE $database SET pgtunsync.env_file = '${\$w->env_file}';
		ALTER DATABASE $database SET pgtunsync.config_file = '${\$w->config_file}'");
	$w->source_sql("SET client_encoding = 'UTF8'; DROP TABLE IF EXISTS \"t $word\";
		CREATE TABLE \"t $word\" (id int PRIMARY KEY, v text, s text);
		INSERT INTO \"t $word\" VALUES (1, '$word', 'secret'), (2, 'other', 'secret'), (3, NULL, 'secret')");
	# comments may hold what the encoding lacks
	$w->write_config("# \xf0\x9f\x98\x80 \xe6\x97\xa5\ngroups:\n  \"g $word\": {\"t $word\": \"v = '$word' OR id = 2\"}\n"
		. "data_rules:\n  s: {value: \"$word\"}\n");
	my $run = $w->call("${client}SELECT pgtunsync.pull('group:g $word', mode => 'replace');", database => $database)
		->finish;
	is($run->{rc}, 0, "$encoding: pull()") or diag($run->{err});
	is($sql->("SELECT id, v, s FROM \"t $word\" ORDER BY id"), "1|$word|$word\n2|other|$word", 'names, clause and rule');
	is($w->local_node->safe_psql($database, "${client}SELECT table_name, status FROM pgtunsync.plan('group:g $word')"),
		"\"t $word\"|pulled", 'plan()');
	is($w->local_node->safe_psql($database, "SELECT count(*) FILTER (WHERE NOT ok) FROM pgtunsync.check()"), 0, 'check()');
	$w->source_sql("SET client_encoding = 'UTF8'; DROP TABLE \"t $word\"");
	next if $encoding eq 'UTF8' || $encoding eq 'SQL_ASCII';

	# what the encoding lacks
	$w->write_config("groups:\n  ok: [a]\n  \"\xf0\x9f\x98\x80\": [b]\n");
	$run = $w->call("SELECT pgtunsync.pull('x');", database => $database)->finish;
	is($run->{sqlstate}, '22P05', 'a character that the encoding lacks') or diag($run->{err});
	like($run->{err}, qr/line 3 of file "\Q${\$w->config_file}\E"/, 'is found by its line');
	is($w->local_node->safe_psql($database, "SELECT step FROM pgtunsync.check() WHERE NOT ok"), 'configuration',
		'by check(), too');
}

# a name that is in no valid encoding for the database, in the other file
my $euc = 'db_euc_jp';
$w->write_config('');
$w->write_env(PGSYNC_SSH_CONFIG => $w->dir . "/caf\xe9\xff");
my $run = $w->call("SET client_encoding = 'UTF8'; SELECT pgtunsync.pull('x');", database => $euc)->finish;
like($run->{err}, qr/ssh/i, 'bytes of the environment file that are no text make a message that can be read')
	or diag($run->{err});
unlike($run->{err}, qr/invalid byte sequence|has no equivalent/, 'and no other error');
is($w->local_node->safe_psql($euc, "SELECT count(*) FROM pgtunsync.runs WHERE status = 'failed'
	AND convert(convert_to(error, 'EUC_JP'), 'EUC_JP', 'UTF8') IS NOT NULL"), $w->local_node->safe_psql($euc,
	"SELECT count(*) FROM pgtunsync.runs WHERE status = 'failed'"), 'the audit holds text only');

done_testing();
