# A file that is refused is closed before the error: nothing else is reported,
# and the hint for a missing file works when it is followed.

use strict;
use warnings;
use POSIX qw(mkfifo);
use PgTunsync;
use PostgreSQL::Test::Utils;
use Test::More;

my $w = PgTunsync->new(users => 50, local_conf => 'log_min_messages = warning');
my $env = $w->env_file;
my $config = $w->config_file;
my $before = $w->snapshot;

# A subtest: pull() and check() report this, and no WARNING.
sub refused
{
	my ($title, $sqlstate, $message) = @_;
	my $logged = length slurp_file($w->local_node->logfile);
	my $run = $w->refused("'users'", $title, before => $before, sqlstate => $sqlstate, message => [$message],
		unlike => [qr/WARNING|not closed|leak/], before_tunnel => 1);
	my $check = $w->call('SELECT * FROM pgtunsync.check();')->finish;
	is($check->{err}, '', "$title: check() has no message");
	unlike(substr(slurp_file($w->local_node->logfile), $logged), qr/not closed|leak/, "$title: nor has the server log");
	return $run;
}

chmod 0666, $env;
refused('an environment file that others may write', '42501', qr/may be written by others/);
unlink $env;
mkfifo($env, 0600) or die;
refused('a FIFO', '42809', qr/is not a regular file/);
unlink $env;
mkdir $env or die;
refused('a directory', '42809', qr/is not a regular file/);
rmdir $env;
append_to_file($env, 'x' x 1_100_000);
chmod 0600, $env;
refused('a file that is too large', '54000', qr/larger than 1 MiB/);
$w->write_env;
chmod 0666, $config;
refused('a configuration that everybody may write', '42501', qr/may be written by others/);
$w->write_config('');

# ---- following the hints ----

# The lines that a hint names, with the values of this test.
sub fill_in
{
	my ($run) = @_;
	my $host = '127.0.0.2';
	my $source = $host . ':' . $w->source->port;
	my ($url, $jump) = $run->{err} =~ /(PGSYNC_FROM_URL='\S+') .*(PGSYNC_SSH_HOST=JUMPHOST)/ or return;
	$url =~ s/USER:PASSWORD\@HOST:5432\/DATABASE/reader:$PgTunsync::password\@$source\/production/;
	$jump =~ s/JUMPHOST/hatchbox/;
	$w->write_env_text("$url\n$jump\nPGSYNC_SSH_CONFIG=" . $w->ssh_config . "\n");
	return;
}

$w->source->append_conf('postgresql.conf', "listen_addresses = '127.0.0.1,127.0.0.2'");
$w->source->restart;
unlink $env;
fill_in(refused('no environment file', '58P01', qr/\Q$env\E.*does not exist/));
$w->pulls("'users'", 'the two lines of the hint are enough', ['users']);
$before = $w->snapshot;

$w->setting(env_file => '');
my $run = refused('no setting', 'F0000', qr/no environment file is configured/);
my ($statement) = $run->{err} =~ /(ALTER DATABASE name SET pgtunsync\.env_file = '[^']+')/;
ok(defined $statement, 'the hint has the statement') or $statement = 'SELECT 1';
$statement =~ s/\bname\b/dev/;
$statement =~ s/'[^']+'/'$env'/;
$w->local_sql($statement);
$w->pulls("'users'", 'which works', ['users']);

done_testing();
