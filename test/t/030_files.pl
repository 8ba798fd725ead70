# Errors in the environment file and the configuration are reported with path,
# line and variable, before any SSH connection is tried.

use strict;
use warnings;
use PgTunsync;
use PostgreSQL::Test::Utils;
use Test::More;

my $w = PgTunsync->new(users => 50);
my $before = $w->snapshot;
my $env = $w->env_file;
my $yml = $w->config_file;
my $good_env = slurp_file($env);

# A subtest: this environment file is refused.
sub bad_env
{
	my ($title, $text, $sqlstate, @message) = @_;
	$w->write_env_text($text) if defined $text;
	return $w->refused("'users'", $title, before => $before, sqlstate => $sqlstate,
		message => \@message, before_tunnel => 1);
}

# ---- the environment file ----

unlink $env;
bad_env('no environment file', undef, '58P01', qr/\Q$env\E/, qr/\.env\.pgsync\.example/, qr/pgtunsync\.env_file/);

$w->write_env;
chmod 0000, $env;
SKIP:
{
	skip 'root reads everything', 1 if $> == 0;
	bad_env('an unreadable environment file', undef, '42501', qr/\Q$env\E/, qr/pgtunsync\.env_file/);
}
chmod 0600, $env;

bad_env('an unclosed quote', "PGSYNC_LOCAL_PORT=1\nPGSYNC_FROM_URL='postgresql://reader:S3cret-of-the-source\@x\n",
	'F0000', qr/line 2/, qr/PGSYNC_FROM_URL/, qr/\Q$env\E/);
bad_env('a line that is no assignment', "PGSYNC_LOCAL_PORT=1\n\nthis is nonsense\n", 'F0000', qr/line 3/, qr/\Q$env\E/);
bad_env('a command substitution', "PGSYNC_FROM_URL=\$(cat /etc/passwd)\n", 'F0000', qr/line 1/,
	qr/PGSYNC_FROM_URL/, qr/\$\(|command/);
bad_env('backticks', "X=1\nPGSYNC_FROM_URL=`cat /etc/passwd`\n", 'F0000', qr/line 2/, qr/PGSYNC_FROM_URL/,
	qr/`|command|backtick/i);
bad_env('no PGSYNC_FROM_URL', "PGSYNC_LOCAL_PORT=5433\n", 'F0000', qr/PGSYNC_FROM_URL/, qr/\Q$env\E/,
	qr/\.env\.pgsync\.example/, qr/pgtunsync\.env_file/);
bad_env('an empty PGSYNC_FROM_URL', "PGSYNC_FROM_URL=\n", 'F0000', qr/PGSYNC_FROM_URL/);
foreach my $port ('no', '-1', '65536', '5433x')
{
	$w->write_env(PGSYNC_LOCAL_PORT => $port);
	bad_env("PGSYNC_LOCAL_PORT=$port", undef, 'F0000', qr/PGSYNC_LOCAL_PORT/, qr/\Q$env\E/);
}
$w->write_env(PGSYNC_REMOTE_PORT => '0');
bad_env('PGSYNC_REMOTE_PORT=0', undef, 'F0000', qr/PGSYNC_REMOTE_PORT/);

chmod 0666, $env;
bad_env('an environment file that others may write', undef, '42501', qr/\Q$env\E/, qr/chmod/);

# ---- where the path comes from ----

$w->setting(env_file => undef);
bad_env('the default path, from the data directory', undef, '58P01',
	qr/\Q${\$w->local_node->data_dir}\E\/\.env\.pgsync\b/);
append_to_file($w->local_node->data_dir . '/.env.pgsync', $good_env);
chmod 0600, $w->local_node->data_dir . '/.env.pgsync';
is($w->pull("'users'")->{rc}, 0, 'a file at the default path is read');
unlink $w->local_node->data_dir . '/.env.pgsync';
$w->setting(env_file => $env);

# ---- as a shell means it ----

$w->write_env_text("# the source\nexport PASS='S3cret'\"-of-the-\"source\n"
	  . "USER_NAME=reader # who\n"
	  . "PGSYNC_FROM_URL=\"postgresql://\${USER_NAME}:\$PASS\@localhost:" . $w->port . "/production\"\n"
	  . "PGSYNC_LOCAL_PORT=" . $w->port . "\nPGSYNC_REMOTE_HOST=127.0.0.1\n"
	  . "PGSYNC_REMOTE_PORT=" . $w->source->port . "\nPGSYNC_SSH_CONFIG=" . $w->ssh_config . "\n");
$w->pulls("'users'", 'export, comments, quotes and variables', ['users']);

# ---- read afresh by each run; the file beats the server's environment ----

$w->write_env(PGSYNC_SSH_HOST => 'hatchbox');
is($w->pull("'users'")->{rc}, 0, 'a changed file is read by the next run');

# ---- the configuration ----

$w->write_env;
$before = $w->snapshot;
sub bad_config
{
	my ($title, $text, $sqlstate, @message) = @_;
	$w->write_config($text) if defined $text;
	return $w->refused('', $title, before => $before, sqlstate => $sqlstate, message => \@message, before_tunnel => 1);
}

unlink $yml;
bad_config('no configuration file', undef, '58P01', qr/\Q$yml\E/, qr/pgtunsync\.config_file/);
bad_config('malformed YAML', "groups:\n  core: [users\nexclude: x: y\n", 'F0000', qr/\Q$yml\E/, qr/line \d/);
bad_config('a list where none belongs', "exclude:\n  a: b\n", 'F0000', qr/line [12]/, qr/exclude/);
bad_config('no mapping at all', "- users\n- orders\n", 'F0000', qr/line 1/);

$w->write_config("exclude:\n  - reviews\nwhatever: 1\n");
my $run = $w->pull("'users'");
is($run->{rc}, 0, 'an unknown key does not stop the run');
like($run->{err}, qr/WARNING.*line 3.*whatever/, 'but gives a WARNING with file and line');

my $trap = $w->dir . '/command_was_run';
$w->write_config("from: \$(touch $trap; echo postgres://elsewhere/db)\nto: postgres://elsewhere/db2\n");
$run = $w->pulls("'users'", 'from and to', ['users']);
like($run->{err}, qr/NOTICE.*from/s, 'are ignored with a NOTICE');
ok(!-e $trap, 'their commands are never run');

$w->setting(config_file => '');
unlink $yml;
is($w->pull("'users'")->{rc}, 0, 'an empty setting means no configuration');

done_testing();
