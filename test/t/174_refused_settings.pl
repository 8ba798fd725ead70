# A setting that was not accepted stops the call, and so does a misspelt one.

use strict;
use warnings;
use PgTunsync;
use PostgreSQL::Test::Utils;
use Test::More;

my $w = PgTunsync->new(users => 20);
$w->local_sql('CREATE ROLE caller LOGIN; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pgtunsync TO caller;
	GRANT SELECT, INSERT, TRUNCATE ON ALL TABLES IN SCHEMA public TO caller');
my $before = $w->snapshot;
my $other = $w->dir . '/other.env';

# A test: the session's call fails with this SQLSTATE and this text.
sub is_refused
{
	my ($title, $sqlstate, $text, %call) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	foreach my $function ("pull('users')", 'check()', "plan('users')")
	{
		my $call = $w->call("$call{set} SELECT * FROM pgtunsync.$function;", %call)->finish;
		is($call->{sqlstate}, $sqlstate, "$title: $function") or diag($call->{err});
		like($call->{err}, $text, 'the error says why');
	}
	return;
}

# ---- before the library is loaded ----

my $denied = qr/setting "pgtunsync\.env_file" was not accepted in this session\nDETAIL:  .*may not set it\.\nHINT:  .*Connect again/;
is_refused('a SET of a caller', '42501', $denied, user => 'caller', set => "SET pgtunsync.env_file = '$other';");
is_refused('a SET LOCAL', '42501', $denied, user => 'caller', set => "BEGIN; SET LOCAL pgtunsync.env_file = '$other';");
is_refused('PGOPTIONS', '42501', $denied, user => 'caller', set => '', options => "-c pgtunsync.env_file=$other");
is_refused('another case', '42501', $denied, user => 'caller', set => "SET PGTUNSYNC.Env_File = '$other';");
is_refused('an invalid value', '22023', qr/setting "pgtunsync\.jobs" was not accepted.*\nDETAIL:  .*to an invalid value/,
	set => "SET pgtunsync.jobs = 'many';");
is_refused('a misspelt name', '42704', qr/there is no setting "pgtunsync\.enf_file"\n.*\nHINT:  Perhaps you meant "pgtunsync\.env_file"/,
	set => "SET pgtunsync.enf_file = '$other';");
is_refused('a misspelt name in PGOPTIONS', '42704', qr/there is no setting "pgtunsync\.lock_timeuot"/, set => '',
	options => '-c pgtunsync.lock_timeuot=3s');
is_refused('a name that is like no other', '42704', qr/there is no setting "pgtunsync\.whatever"\n.*\nHINT:  Remove it/,
	set => "SET pgtunsync.whatever = 1;");
my $call = $w->call("SET pgtunsync.env_file = '$other'; SELECT pgtunsync.pull('users'); SELECT pgtunsync.pull('users');",
	user => 'caller', go_on => 1)->finish;
is(scalar(() = $call->{err} =~ /was not accepted in this session/g), 2, 'the second call of the session is stopped as well');
is($w->local_sql('SELECT count(*) FROM pgtunsync.runs'), 0, 'no run began');
$w->unchanged($before);

# what is accepted works
is($w->call("SET pgtunsync.jobs = 1; SELECT pgtunsync.pull('users');", user => 'caller')->finish->{rc}, 0,
	'a setting that everybody may set');
$w->both_equal('users');
is($w->call("SET pgtunsync.env_file = '${\$w->env_file}'; SELECT pgtunsync.pull('users');")->finish->{rc}, 0,
	'one that a superuser sets');

# ---- once the library is loaded, the server says so itself ----

foreach (["env_file = '$other'", '42501'], ["jobs = 'many'", '22023'],
	["enf_file = 'x'", '42602'])
{
	my ($set, $sqlstate) = @$_;
	$call = $w->call("LOAD 'pgtunsync'; SET ROLE caller; SET pgtunsync.$set; SELECT pgtunsync.pull('users');")->finish;
	is($call->{sqlstate}, $sqlstate, "SET pgtunsync.$set after LOAD");
}

# ---- stored settings ----

foreach my $store ('DATABASE dev', 'ROLE caller', 'ROLE caller IN DATABASE dev', 'ROLE ALL')
{
	$w->local_sql("ALTER $store SET pgtunsync.config_fiel = 'x'");
	is_refused("ALTER $store", '42704', qr/there is no setting "pgtunsync\.config_fiel"\n.*\nHINT:  Perhaps you meant "pgtunsync\.config_file"/,
		user => 'caller', set => '');
	$w->local_sql("ALTER $store RESET pgtunsync.config_fiel");
}
$w->local_node->append_conf('postgresql.conf', "session_preload_libraries = 'pgtunsync'");
$w->local_node->reload;
$w->local_sql('SELECT 1');
is($w->pull("'users'", user => 'caller')->{rc}, 0, 'a library that is loaded with the session');
$w->local_node->append_conf('postgresql.conf', "session_preload_libraries = ''");
$w->local_node->reload;
$w->local_sql("ALTER DATABASE dev SET pgtunsync.conncet_timeout = '1s'");
$w->local_node->append_conf('postgresql.conf', "session_preload_libraries = 'pgtunsync'");
$w->local_node->reload;
is_refused('with a misspelt setting', '42704', qr/Perhaps you meant "pgtunsync\.connect_timeout"/, set => '');
$w->local_node->append_conf('postgresql.conf', "session_preload_libraries = ''");
$w->local_node->reload;
$w->local_sql('ALTER DATABASE dev RESET pgtunsync.conncet_timeout');

# ---- variables of the environment file ----

$w->write_env(PGSYNC_REMOTE_PROT => '1', PGSYNC_UNHEARD_OF => '1', OTHER => '1');
my $run = $w->pull("'users'");
is($run->{rc}, 0, 'unknown variables stop nothing');
my $file = $w->env_file;
like($run->{err}, qr/WARNING:  01000: environment file "\Q$file\E", line \d+: variable PGSYNC_REMOTE_PROT is unknown and ignored\nHINT:  Perhaps you meant PGSYNC_REMOTE_PORT\./,
	'a misspelt one is named, with what was meant');
like($run->{err}, qr/variable PGSYNC_UNHEARD_OF is unknown and ignored\nLOCATION/, 'another one without');
unlike($run->{err}, qr/OTHER/, 'and one without our prefix not at all');
$w->nothing_left;

done_testing();
