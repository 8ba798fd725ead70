# The world of a test: a source cluster behind a private sshd, a local cluster
# with the extension, the two files, and the questions that tests ask.
#
#     my $w = PgTunsync->new;                     # both have the shop's tables
#     my $run = $w->pull("'{users}'");            # SELECT pgtunsync.pull('{users}')
#     $run->{rc}, {id}, {err}, {sqlstate}
#     $w->both_equal('users');                    # a test: the rows are the same
#     $w->refused("'{users}'", 'a title',         # a subtest: it fails as it should,
#         sqlstate => '58P01',                    # nothing changed, nothing is left
#         message => [qr/env_file/]);
#
# Names: source / local as in the extension; 'production' and 'dev' are their
# databases; 'reader' is the role on the source.

package PgTunsync;

use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename;
use File::Find ();
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PgTunsync::Process;
use PgTunsync::Relay;
use PgTunsync::Sshd;
use Test::More;
use Time::HiRes qw(sleep time);

our $fixtures = abs_path(dirname(__FILE__) . '/../fixtures');
our $password = 'S3cret-of-the-source';
our $pull_hook;    # what pull() does instead, see PgTunsync::Agreement
our @shop =
  qw(users categories products orders order_items shipments reviews);

# not from the environment of whoever runs the tests
delete @ENV{ grep { /^(PGSYNC_|SSH_)/ } keys %ENV };

# Starts everything.  users: the size of the shop at the source; stale: of the
# local one; local_conf, source_conf: lines of postgresql.conf; empty: no shop;
# no_ssh: no sshd.
sub new
{
	my ($class, %params) = @_;
	my $self = bless {
		dir     => PostgreSQL::Test::Utils::tempdir_short(),
		port    => PostgreSQL::Test::Cluster::get_free_port(),
		secrets => [$password]
	}, $class;

	$self->_start_source(%params);
	$self->_start_local(%params);
	$self->_start_jump unless $params{no_ssh};
	$self->write_config('');
	$self->write_env unless $params{no_ssh};
	return $self;
}

# The major version of a side's server.
sub major
{
	my ($self, $side) = @_;
	return int($self->{$side}->safe_psql('postgres', 'SHOW server_version_num') / 10000);
}

sub source { return $_[0]->{source}; }
sub local_node { return $_[0]->{local}; }
sub jump { return $_[0]->{jump}; }
sub port { return $_[0]->{port}; }
sub dir { return $_[0]->{dir}; }
sub env_file { return "$_[0]->{dir}/env"; }
sub config_file { return "$_[0]->{dir}/pgsync.yml"; }
sub ssh_config { return "$_[0]->{dir}/ssh_config"; }

sub _start_source
{
	my ($self, %params) = @_;
	my $node = $self->{source} = PostgreSQL::Test::Cluster->new('source',
		$ENV{SOURCE_INSTALL_PATH} ? (install_path => $ENV{SOURCE_INSTALL_PATH}) : ());

	# an initdb of its own: a copied template would make both clusters one
	delete local $ENV{INITDB_TEMPLATE};
	$node->init;
	$node->append_conf('postgresql.conf',
		"listen_addresses = '127.0.0.1'\ntrack_activity_query_size = 16384\n" . ($params{source_conf} || ''));
	unlink $node->data_dir . '/pg_hba.conf';
	$node->append_conf('pg_hba.conf',
		"local all all trust\nhost all all 127.0.0.1/32 scram-sha-256");
	$node->start;
	$node->safe_psql('postgres',
		"SET password_encryption = 'scram-sha-256';"
		  . "CREATE ROLE reader LOGIN PASSWORD '$password';"
		  . 'GRANT pg_read_all_data TO reader');
	$node->safe_psql('postgres', 'CREATE DATABASE production');
	$self->fill('source', $params{users} || 200, 'fresh')
	  unless $params{empty};
	return;
}

sub _start_local
{
	my ($self, %params) = @_;
	my $node = $self->{local} = PostgreSQL::Test::Cluster->new('local');

	$node->init(%{ $params{local_init} || {} });
	$node->append_conf('postgresql.conf',
			"max_worker_processes = 24\nrestart_after_crash = on\n"
		  . "autovacuum = off\n"
		  . ($params{local_conf} || ''));
	$node->start;
	$node->safe_psql('postgres', 'CREATE DATABASE dev');
	$self->fill('local', $params{stale} || 20, 'stale') unless $params{empty};
	$self->local_sql('CREATE EXTENSION pgtunsync') unless $params{no_extension};
	$self->setting(env_file => $self->env_file);
	$self->setting(config_file => $self->config_file);
	$self->setting(connect_attempts => 2);
	$self->setting(connect_retry_delay => '100ms');
	return;
}

sub _start_jump
{
	my ($self) = @_;
	$self->{jump} = PgTunsync::Sshd->new("$self->{dir}/ssh", 'jump');
	$self->{jump}->start;
	$self->{jump}->trust;
	$self->write_ssh_config;
	return;
}

# Makes the shop's tables and rows on a side.
sub fill
{
	my ($self, $side, $users, $mark) = @_;
	$self->sql_file($side, "$fixtures/shop_schema.sql");
	return $self->refill($side, $users, $mark);
}

# Replaces the shop's rows on a side.
sub refill
{
	my ($self, $side, $users, $mark) = @_;
	$self->{$side}->safe_psql($self->database($side),
		'SET client_min_messages = warning; TRUNCATE '
		  . join(', ', @shop)
		  . ' RESTART IDENTITY CASCADE');
	return $self->sql_file($side, "$fixtures/shop_rows.sql",
		users => $users, mark => $mark);
}

sub database { return $_[1] eq 'source' ? 'production' : 'dev'; }

# Runs a psql script on a side; returns its output.
sub sql_file
{
	my ($self, $side, $file, %variables) = @_;
	my ($out, $err);
	IPC::Run::run [
		$self->{$side}->installed_command('psql'), '-XAtq', '-v', 'ON_ERROR_STOP=1',
		(map { ('-v', "$_=$variables{$_}") } sort keys %variables),
		'-d', $self->{$side}->connstr($self->database($side)), '-f', $file
	  ],
	  '>', \$out, '2>', \$err
	  or die "$file: $err";
	return $out;
}

sub source_sql { return $_[0]->{source}->safe_psql('production', $_[1]); }
sub local_sql { return $_[0]->{local}->safe_psql('dev', $_[1]); }

# Runs SQL on the source, then on the local side.
sub both_sql
{
	my ($self, $sql) = @_;
	$self->source_sql($sql);
	$self->local_sql($sql);
	return;
}

# Sets pgtunsync.NAME for the local database; undef resets it.
sub setting
{
	my ($self, $name, $value) = @_;
	$self->local_sql(defined $value
		? "ALTER DATABASE dev SET pgtunsync.$name = '$value'"
		: "ALTER DATABASE dev RESET pgtunsync.$name");
	return;
}

sub source_url
{
	my ($self, %part) = @_;
	my $user = $part{user} || 'reader';
	my $pass = defined $part{password} ? $part{password} : $password;
	my $host = $part{host} || '127.0.0.1';
	my $port = $part{port} || $self->{port};
	my $db   = $part{database} || 'production';
	return "postgresql://$user:$pass\@$host:$port/$db";
}

# The environment file: the defaults with changes; undef leaves a variable out.
sub write_env
{
	my ($self, %changes) = @_;
	my %all = (
		PGSYNC_FROM_URL    => $self->source_url,
		PGSYNC_LOCAL_PORT  => $self->{port},
		PGSYNC_REMOTE_HOST => '127.0.0.1',
		PGSYNC_REMOTE_PORT => $self->{source}->port,
		PGSYNC_SSH_CONFIG  => $self->ssh_config,
		%changes);
	return $self->write_env_text(
		join('', map { defined $all{$_} ? "$_='$all{$_}'\n" : () } sort keys %all));
}

sub write_env_text { return _write($_[0]->env_file, $_[1]); }
sub write_config { return _write($_[0]->config_file, $_[1]); }

# The ssh_config: one Host block, of the jump host, under the default alias.
sub write_ssh_config
{
	my ($self, %options) = @_;
	return $self->write_ssh_config_text(
		$self->{jump}->host_block('hatchbox', %options));
}

sub write_ssh_config_text { return _write($_[0]->ssh_config, $_[1]); }

sub _write
{
	my ($path, $text) = @_;
	unlink $path;
	append_to_file($path, $text);
	chmod 0600, $path;
	return;
}

# A relay between the jump host and the source (see PgTunsync::Relay).
sub relay
{
	my ($self) = @_;
	$self->{relay} ||=
	  PgTunsync::Relay->new($self->{dir}, $self->{source}->port);
	$self->write_env(PGSYNC_REMOTE_PORT => $self->{relay}->port);
	return $self->{relay};
}

# ---- calls ----

# SELECT pgtunsync.pull(ARGUMENTS) in a session of its own; waits.  In a file
# that uses PgTunsync::Agreement, plan() is asked first and compared.
sub pull
{
	my ($self, $arguments, %params) = @_;
	return $pull_hook->($self, $arguments, %params)
	  if $pull_hook && !$params{unplanned} && $arguments !~ /\bwait\b/;
	return $self->start_pull($arguments, %params)->finish;
}

# The same without waiting: see PgTunsync::Call.
sub start_pull
{
	my ($self, $arguments, %params) = @_;
	return $self->call("SELECT pgtunsync.pull($arguments);\n", %params);
}

# Any SQL against the local database; user, options (PGOPTIONS), node, database.
sub call
{
	my ($self, $sql, %params) = @_;
	return PgTunsync::Call->new($params{node} || $self->{local}, $sql,
		database => 'dev',
		%params);
}

# Waits until the local server lets one in again.
sub server_is_up
{
	my ($self) = @_;
	PgTunsync::Process::wait_until(
		'the local server',
		sub {
			my ($rc) = $self->{local}->psql('dev', 'SELECT 1', stderr => \my $err);
			return defined $rc && $rc == 0;
		});
	return;
}

# Kills workers the hard way. Where the postmaster found one of them killed, waits
# until it has begun afresh; a worker that had already ended makes no crash.
sub kill_hard
{
	my ($self, @pids) = @_;
	my $said = sub {
		my ($what) = @_;
		return scalar(() = slurp_file($self->{local}->logfile) =~ /$what/g);
	};
	my $again = 'all server processes terminated; reinitializing';
	my $before = $said->($again);

	return unless kill 'KILL', @pids;
	PgTunsync::Process::wait_until('the end of the killed workers', sub { return !kill 0, @pids; });
	# the postmaster writes this right after it has reaped the process
	my $killed = '\\(PID (?:' . join('|', @pids) . ')\\) was terminated by signal 9';
	for (1 .. 20) { last if $said->($killed); sleep 0.05; }
	return unless $said->($killed);
	$self->{has_crashed} = 1;
	PgTunsync::Process::wait_until('a new beginning of the local server', sub { return $said->($again) > $before; });
	return;
}

# ---- what a database looks like ----

# All local facts as a list of lines: rows, catalog, sequences.
sub snapshot
{
	my ($self, $side) = @_;
	return [ split /\n/, $self->sql_file($side || 'local', "$fixtures/snapshot.sql") ];
}

# A test: nothing differs from the snapshot.
sub unchanged
{
	my ($self, $before, $title) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return _same_lines($self->snapshot, $before,
		$title || 'every local table is as it was');
}

# A test: the catalog does not differ from the snapshot; rows may.
sub catalog_unchanged
{
	my ($self, $before, $title) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return _same_lines([ grep { !/^(rows|sequence) / } @{ $self->snapshot } ],
		[ grep { !/^(rows|sequence) / } @$before ],
		$title || 'the catalog is as it was');
}

sub _same_lines
{
	my ($now, $before, $title) = @_;
	my (%now, %before);
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	$now{$_}++ foreach @$now;
	$before{$_}++ foreach @$before;
	my @differs = (
		(map { "was: $_" } grep { !$now{$_} } @$before),
		(map { "is:  $_" } grep { !$before{$_} } @$now));
	ok(!@differs, $title) or diag(join("\n", @differs));
	return !@differs;
}

# A test: both sides have the same rows in these tables, over the columns that
# both have.
sub both_equal
{
	my ($self, @tables) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my @differs = grep {
		my $columns = $self->_shared_columns($_);
		$self->_rows('source', $_, $columns) ne $self->_rows('local', $_, $columns)
	} @tables;
	ok(!@differs, "both sides have the same rows: @tables")
	  or diag("differ: @differs");
	return !@differs;
}

sub _shared_columns
{
	my ($self, $table) = @_;
	my $sql = "SELECT string_agg(quote_ident(attname), chr(1) ORDER BY attname) FROM pg_attribute
		WHERE attrelid = '$table'::regclass AND attnum > 0 AND NOT attisdropped";
	my %there = map { $_ => 1 } split /\x01/, $self->source_sql($sql);
	return join(', ', grep { $there{$_} } split /\x01/, $self->local_sql($sql));
}

sub _rows
{
	my ($self, $side, $table, $columns) = @_;
	return $self->{$side}->safe_psql($self->database($side),
		"SET timezone = 'UTC'; SELECT count(*), md5(string_agg(t::text, E'\\n' ORDER BY t::text COLLATE \"C\"))
		 FROM (SELECT $columns FROM $table) t");
}

# A test: heaps, indexes and foreign keys are sound; known: what is wrong with
# them without a pull.
sub healthy
{
	my ($self, %params) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $found = eval { $self->sql_file('local', "$fixtures/health.sql"); };
	$found = $@ unless defined $found;
	$found =~ s/^\s*\n//mg;
	return is($found, $params{known} || '', 'heaps, indexes and foreign keys are sound');
}

# ---- what may not be left ----

# A test: no relation, process, port, file, lock or secret is left by a run.
sub nothing_left
{
	my ($self, $title) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $end = time() + 20;
	my @found;

	# workers may still be ending
	sleep 0.05 while time() < $end && $self->worker_pids;
	push @found, grep { !$self->_empty_file_of_a_crash($_) } split /\n/,
		$self->sql_file('local', "$fixtures/leftovers.sql");
	push @found, map { "process: $_" } $self->_worker_lines;
	push @found, "port $self->{port} is listening"
	  if listening($self->{port}) && !$self->{port_is_taken};
	push @found, map { "file: $_" } $self->_temporary_files;
	push @found, $self->_sessions_at_source;
	push @found, $self->leaked;
	@found = grep { /\S/ } @found;
	ok(!@found, $title || 'nothing is left behind') or diag(join("\n", @found));
	return !@found;
}

# A server that dies between making a relation's files and the commit leaves
# them behind, whoever makes it: PostgreSQL has nothing that looks for them. They may never hold rows.
sub _empty_file_of_a_crash
{
	my ($self, $line) = @_;
	return $self->{has_crashed} && $line =~ /is nobody's: (\d+) bytes/ && $1 <= 16384;
}

# Sessions of pgtunsync at the source.
sub _sessions_at_source
{
	my ($self) = @_;
	my $sql = "SELECT format('source session of %s: %s', application_name, query) FROM pg_stat_activity
		WHERE application_name LIKE 'pgtunsync/%'";
	my $rows = '';

	return () if $self->{source_is_down};
	for (1 .. 100)
	{
		$rows = $self->{source}->safe_psql('postgres', $sql);
		last if $rows eq '';
		sleep 0.05;
	}
	return split /\n/, $rows;
}

# Files and sockets that a run made in temporary places.
sub _temporary_files
{
	my ($self) = @_;
	my $data = $self->{local}->data_dir;
	my @found;

	File::Find::find({
			no_chdir => 1,
			wanted   => sub {
				my $name = $File::Find::name;
				push @found, $name if $name =~ m{pgsql_tmp/.} || -S $name;
			}
		}, $data);
	opendir(my $dir, $self->{local}->host) or die;
	push @found, grep { /pgtunsync/ } readdir $dir;
	push @found, grep { -O $_ && $self->_is_mine($_) } glob('/tmp/*pgtunsync* /tmp/.*pgtunsync*');
	return @found;
}

# Of the directories in /tmp only those of living workers of this cluster are
# its concern: others test at the same time.
sub _is_mine
{
	my ($self, $path) = @_;
	my ($pid) = $path =~ /(\d+)$/;
	my ($parent) = defined $pid ? `ps -o ppid= -p $pid` =~ /(\d+)/ : ();
	return defined $parent && $parent == $self->postmaster_pid;
}

# Where a secret is to be seen, as lines.
sub leaked
{
	my ($self) = @_;
	my %places = (
		'local log'  => slurp_file($self->{local}->logfile),
		'source log' => slurp_file($self->{source}->logfile),
		'processes'  => scalar `ps -o args= --ppid ${\$self->postmaster_pid}`,
		'audit' => $self->local_sql(
			'SELECT r::text FROM pgtunsync.runs r UNION ALL SELECT t::text FROM pgtunsync.run_tables t'
		),
		'activity' => $self->local_sql('SELECT a::text FROM pg_stat_activity a'));

	# the one statement of the fixture's own that has the password
	$places{'source log'} =~ s/CREATE ROLE reader LOGIN PASSWORD '[^']*'//g;
	return map {
		my $secret = $_;
		map { "the secret '$secret' is in: $_" }
		  grep { index($places{$_}, $secret) >= 0 } sort keys %places
	} @{ $self->{secrets} };
}

# Does anything listen on this port of the loopback?
sub listening
{
	my ($port) = @_;
	return defined IO::Socket::INET->new(
		PeerAddr => '127.0.0.1',
		PeerPort => $port);
}

# ---- processes ----

sub postmaster_pid
{
	my ($self) = @_;
	my ($pid) = slurp_file($self->{local}->data_dir . '/postmaster.pid') =~ /^(\d+)/;
	return $pid;
}

sub _worker_lines
{
	my ($self) = @_;
	return () unless -e $self->{local}->data_dir . '/postmaster.pid';
	return grep { /pgtunsync/ }
	  split(/\n/, scalar `ps -o pid=,args= --ppid ${\$self->postmaster_pid}`);
}

# The pids of the extension's workers; kind: leader, loader, tunnel or none.
sub worker_pids
{
	my ($self, $kind) = @_;
	$kind ||= '';
	return map { /^\s*(\d+)/ } grep { /pgtunsync $kind/ } $self->_worker_lines;
}

# Waits for a worker of this kind and returns its pid.
sub wait_worker
{
	my ($self, $kind) = @_;
	return PgTunsync::Process::wait_until("a $kind",
		sub { return ($self->worker_pids($kind))[0]; });
}

# ---- audit ----

# The last run's row: the given columns, as one string.
sub last_run
{
	my ($self, $columns) = @_;
	return $self->local_sql(
		"SELECT $columns FROM pgtunsync.runs ORDER BY id DESC LIMIT 1");
}

# ---- a failure, in full ----

# A subtest: the call fails as it should, nothing changed, nothing is left.
# sqlstate: exact or a pattern; message: list of patterns that the whole of
# stderr must match; unlike: those that it may not; audit: the status of the
# run's row (default failed), 'none' when no run may have been recorded;
# before_tunnel: no SSH connection may have been tried; options for pull().
sub refused
{
	my ($self, $arguments, $title, %params) = @_;
	my $before = $params{before} || $self->snapshot;
	my $runs = $self->local_sql('SELECT count(*) FROM pgtunsync.runs');
	my $ssh_log = $self->{jump} && -e $self->{jump}->log ? -s $self->{jump}->log : 0;

	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $run;
	subtest $title => sub {
		$run = $params{sql}
		  ? $self->call($params{sql}, %params)->finish
		  : $self->pull($arguments, %params);
		$self->check_refused($run, $before, %params);
		if (($params{audit} || '') eq 'none')
		{
			is($self->local_sql('SELECT count(*) FROM pgtunsync.runs'),
				$runs, 'no run was recorded');
		}
		else
		{
			is($self->last_run('status'), $params{audit} || 'failed', 'the audit has the outcome');
			is($self->last_run('sqlstate'), $run->{sqlstate}, 'and its SQLSTATE');
			is($self->last_run("error <> ''"), 't', 'and the message');
		}
		is(-s $self->{jump}->log, $ssh_log, 'no SSH connection was tried')
		  if $params{before_tunnel};
	};
	return $run;
}

# Tests: this call failed as it should, nothing changed, nothing is left.
sub check_refused
{
	my ($self, $run, $before, %params) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	isnt($run->{rc}, 0, 'the call fails');
	$self->server_is_up;
	like($run->{sqlstate} || 'none', qr/^(?:$params{sqlstate})$/, 'with the SQLSTATE')
	  or diag($run->{err})
	  if defined $params{sqlstate};
	like($run->{err}, $_, "says $_") foreach @{ $params{message} || [] };
	unlike($run->{err}, $_, "does not say $_") foreach @{ $params{unlike} || [] };
	unlike($run->{err}, qr/\Q$_\E/, 'keeps the secret') foreach @{ $self->{secrets} };
	$self->unchanged($before);
	$self->nothing_left;
	return;
}

# A subtest: the call succeeds, these tables are equal on both sides, nothing
# is left.
sub pulls
{
	my ($self, $arguments, $title, $tables, %params) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $run;
	subtest $title => sub {
		$run = $self->pull($arguments, %params);
		is($run->{rc}, 0, 'the call succeeds') or diag($run->{err});
		$self->server_is_up;
		like($run->{id}, qr/^\d+$/, 'and returns an id');
		is($self->last_run('status'), 'succeeded', 'the audit has the outcome');
		$self->both_equal(@$tables);
		$self->healthy;
		$self->nothing_left;
	};
	return $run;
}

# A test: the call succeeds. Returns it.
sub succeeds
{
	my ($self, $arguments, $title, %params) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $run = $self->pull($arguments, %params);
	is($run->{rc}, 0, $title || "pull($arguments)") or diag($run->{err});
	return $run;
}

# A test: no value that has "hidden" in it, in any case of letters, came through
# the recording relay since the last time.
sub nothing_hidden
{
	my ($self, $relay, $title) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $seen = $relay->recorded;
	$relay->forget;
	cmp_ok(length $seen, '>', 500, "$title: bytes were captured");
	my ($leak) = $seen =~ /(.{0,60}hidden.{0,20})/is;
	is($leak, undef, "$title: no hidden value crossed the wire");
	return;
}

# One pattern of several, which follow each other.
sub pattern
{
	my $whole = join('', @_);
	return qr/$whole/;
}

# ---- one call in a session of its own ----

package PgTunsync::Call;

use strict;
use warnings;
use File::Temp ();
use Time::HiRes qw(sleep time);

# Starts psql on this SQL.  database, user, options (PGOPTIONS); connstr instead
# of a node's own; go_on: not only up to the first error; more: say() will
# bring more SQL; timeout in seconds.
sub new
{
	my ($class, $node, $sql, %params) = @_;
	my $dir  = File::Temp::tempdir(CLEANUP => 1);
	my $self = bless {
		files => { out => "$dir/out", err => "$dir/err" },
		ends  => time() + ($params{timeout} || 120)
	}, $class;
	my $connstr = $params{connstr} || $node->connstr($params{database});

	$connstr .= " user='$params{user}'" if $params{user};
	local $ENV{PGOPTIONS} = $params{options} || '';
	$self->{process} = PgTunsync::Process->start(
		[ "$dir/out", "$dir/err" ],
		$node->installed_command('psql'), '-XAtq',
		'-v', 'ON_ERROR_STOP=' . ($params{go_on} ? 0 : 1),
		'-v', 'VERBOSITY=verbose', '-d', $connstr);
	$self->{process}->feed("$sql\n");
	$self->{process}->end_input unless $params{more};
	return $self;
}

# More SQL for a session that was started with "more".
sub say
{
	my ($self, $sql) = @_;
	return $self->{process}->feed("$sql\n");
}

# What the session has printed so far: out or err.
sub text
{
	my ($self, $which) = @_;
	open(my $file, '<', $self->{files}{$which}) or return '';
	local $/ = undef;
	my $text = <$file>;
	return defined $text ? $text : '';
}

sub running { return !$_[0]->{process}->ended; }

# Waits until its stderr (or stdout) matches.
sub wait_message
{
	my ($self, $pattern, $which) = @_;
	until ($self->text($which || 'err') =~ $pattern)
	{
		die "waited for $pattern, got: " . $self->text('out') . $self->text('err')
		  if time() > $self->{ends} || (!$self->running && $self->text($which || 'err') !~ $pattern);
		sleep 0.01;
	}
	return;
}

# Waits for the end: {rc}, {out}, {err}, {id} (the last number of the output),
# {sqlstate} and {message} of the last ERROR or FATAL.
sub finish
{
	my ($self) = @_;
	$self->{process}->end_input;
	sleep 0.01 while $self->running && time() < $self->{ends};
	$self->{rc} = 'timeout' if $self->running;
	$self->{process}->stop('KILL');
	$self->{rc} = $self->{process}{status} & 127 ? 'signal' : $self->{process}{status} >> 8
	  unless defined $self->{rc};
	$self->{out} = $self->text('out');
	$self->{err} = $self->text('err');
	($self->{id}) = $self->{out} =~ /(\d+)\s*\z/;
	while ($self->{err} =~ /(?:ERROR|FATAL):  (\w{5}): (.*)/g)
	{
		($self->{sqlstate}, $self->{message}) = ($1, $2);
	}
	return $self;
}

# Ends the client as if its machine had died.
sub kill_client
{
	my ($self) = @_;
	$self->{process}->stop('KILL');
	return;
}

1;
