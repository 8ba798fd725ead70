# A source behind PgBouncer in transaction mode: each transaction may get
# another session of the source, which the application uses as well.

use strict;
use warnings;
use PgTunsync;
use PgTunsync::Process;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($program) = grep { -x } map { "$_/pgbouncer" } split(/:/, $ENV{PATH}), '/usr/sbin';
plan skip_all => 'no pgbouncer: install the package pgbouncer' unless $program;

my $w = PgTunsync->new(users => 300);
my $source = $w->source;
my $port = PostgreSQL::Test::Cluster::get_free_port();
my $dir = $w->dir . '/pgbouncer';
my $bouncer;
my $key = 'a-key-for-pseudonyms-0123456789';
my $derived;

push @{ $w->{secrets} }, $key;
$w->setting(connect_attempts => 1);
$w->both_sql('CREATE TABLE people (id int PRIMARY KEY, email text);
	CREATE TABLE letters (id int PRIMARY KEY, email text)');
$w->source_sql("INSERT INTO people SELECT i, 'hidden.' || i || '\@example.com' FROM generate_series(1, 500) i;
	INSERT INTO letters SELECT i, 'hidden.' || i || '\@example.com' FROM generate_series(1, 500) i");

# Starts it with these settings beside the usual ones.
sub bouncer
{
	my (%settings) = @_;
	my %all = (
		listen_addr => '127.0.0.1', listen_port => $port, unix_socket_dir => '', auth_type => 'scram-sha-256',
		auth_file => "$dir/users", pool_mode => 'transaction', logfile => "$dir/log", default_pool_size => 6,
		query_wait_timeout => 20, ignore_startup_parameters => '', %settings);

	$bouncer->stop if $bouncer;
	mkdir $dir;
	unlink "$dir/users", "$dir/ini";
	append_to_file("$dir/users", qq{"reader" "$PgTunsync::password"\n});
	append_to_file("$dir/ini", "[databases]\nproduction = host=127.0.0.1 port=" . $source->port . "\n[pgbouncer]\n"
		  . join('', map { "$_ = $all{$_}\n" } sort keys %all));
	$bouncer = PgTunsync::Process->start("$dir/out", $program, '-q', "$dir/ini");
	PgTunsync::Process::wait_until('pgbouncer', sub { return PgTunsync::listening($port); });
	return;
}

# The settings of the sessions that the application gets.
sub sessions_settings
{
	local $ENV{PGPASSWORD} = $PgTunsync::password;
	my ($out) = run_command([ $source->installed_command('psql'), '-XAtq', '-d',
		"host=127.0.0.1 port=$port user=reader dbname=production", '-c',
		"SELECT name, setting FROM pg_settings WHERE source = 'session' AND name NOT IN ('application_name',
			'client_encoding', 'DateStyle', 'TimeZone', 'standard_conforming_strings', 'IntervalStyle')" ]);
	return $out;
}

sub env
{
	my (%changes) = @_;
	return $w->write_env(PGSYNC_REMOTE_PORT => $port, PGSYNC_MASK_KEY => $key, %changes);
}

# A test: a pull fails with 08P01 and these messages.
sub fails
{
	my ($title, @messages) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $run = $w->pull("'users'");
	is($run->{sqlstate}, '08P01', $title);
	like($run->{err}, $_, "says $_") foreach @messages;
	return;
}

# ---- a pull with keyed masks ----

bouncer();
env(PGSYNC_REMOTE_PORT => $source->port);
$w->write_config("data_rules:\n  email: pseudonym\n");
is($w->pull("'{people,letters}'")->{rc}, 0, 'a pull without a pooler');
my $pseudonyms = 'SELECT md5(string_agg(p::text, $$/$$ ORDER BY id)) FROM (TABLE people UNION ALL TABLE letters) p';
my $first = $w->local_sql($pseudonyms);

env();
foreach my $jobs (1, 4)
{
	$w->local_sql('TRUNCATE people, letters');
	my $run = $w->pull("'{people,letters,users,orders,products,categories,order_items,shipments,reviews}', jobs => $jobs");
	is($run->{rc}, 0, "through the pooler, jobs $jobs") or diag($run->{err});
	is($w->local_sql($pseudonyms), $first, 'with the same pseudonyms');
	is(sessions_settings(), '', 'the sessions are left as they were');
}
like($w->call('SELECT step, ok FROM pgtunsync.check()')->finish->{out}, qr/^plan\|t$/m, 'check() is content');
$w->local_sql('TRUNCATE letters');
my $appended = $w->pull("'letters', mode => 'append', batch_size => 100");
is($appended->{rc}, 0, 'an append') or diag($appended->{err});
is($w->local_sql($pseudonyms), $first, 'with the same pseudonyms');

# ---- the key ----

# Cluster.pm lets the source log all statements
$source->append_conf('postgresql.conf', "log_min_duration_statement = 0\nlog_parameter_max_length_on_error = -1");
$source->reload;
is($w->pull("'{people,letters}'")->{rc}, 0, 'while the source logs durations, too');
my $log = slurp_file($source->logfile);
SKIP:
{
	eval { require Digest::SHA; 1 } or skip 'no Digest::SHA', 1;
	$derived = Digest::SHA::hmac_sha256('pgtunsync mask key 1', $key);
	my @shown = grep { index($log, unpack('H*', $_)) >= 0 }
	  ($derived, map { my $pad = chr($_) x 32; $derived ^ $pad } 0x36, 0x5c);
	is(scalar @shown, 0, 'the log of the source has the key in no form');
}
my %combined = map { $_ => 1 } $log =~ /get_byte\(decode\('([0-9a-f]{64})'/g;
cmp_ok(scalar(keys %combined), '>', 3, 'but one that is combined with a random pad, another one each time');
unlike($log, qr/options|pgtunsync_mask\.(?:inner|outer)=/, 'nothing travels before the login is over');

# ---- what cannot work ----

env(PGSYNC_FROM_URL => $w->source_url . '?options=-c%20geqo%3Doff');
fails('options that the pooler refuses', qr/unsupported startup parameter: options/,
	qr/HINT:  Remove "options" from PGSYNC_FROM_URL, or let PGSYNC_REMOTE_PORT lead past the pooler/);
my $check = $w->call('SELECT step, ok, hint FROM pgtunsync.check() WHERE NOT ok')->finish->{out};
like($check, qr/^source\|f\|Remove "options" from PGSYNC_FROM_URL/m, 'which check() finds');

bouncer(pool_mode => 'statement');
env();
# it may close the connection before it has read all, so that its message is lost on the way
my ($found, $run) = ('', undef);
for (1 .. 20)
{
	$run = $w->pull("'users'");
	last if $run->{err} =~ /HINT:  Set pool_mode/;
}
like($run->{err}, qr/HINT:  Set pool_mode to transaction or session for this database, or let PGSYNC_REMOTE_PORT lead/,
	'statement pooling');
for (1 .. 20)
{
	$found = $w->call('SELECT step, ok, hint FROM pgtunsync.check() WHERE NOT ok')->finish->{out};
	last if $found =~ /Set pool_mode/;
}
like($found, qr/^connections\|f\|Set pool_mode to transaction/m, 'which check() finds');

bouncer(pool_mode => 'session');
is($w->pull("'{people,letters}'")->{rc}, 0, 'session pooling');
is($w->local_sql($pseudonyms), $first, 'with the same pseudonyms');
is(sessions_settings(), '', 'the sessions are left as they were');
$bouncer->stop;

done_testing();
