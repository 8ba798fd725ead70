# A private sshd: own host keys, own user key, own ports, run by the ordinary
# user who runs the tests and letting in nobody else.
#
#     my $jump = PgTunsync::Sshd->new($dir, 'jump');   # keys and files
#     $jump->start(AllowTcpForwarding => 'no');        # options of sshd_config
#     $jump->trust;                                    # known_hosts has its keys
#
# Several of them in one directory share known_hosts and the user's key; their
# Host blocks are put together in one ssh_config by ssh_config().

package PgTunsync::Sshd;

use strict;
use warnings;
use IO::Socket::INET;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PgTunsync::Process;

sub new
{
	my ($class, $dir, $name, %params) = @_;
	my $self = bless {
		dir  => $dir,
		name => $name,
		port => $params{port} || PostgreSQL::Test::Cluster::get_free_port(),
		types => $params{types} || ['ed25519', 'ecdsa'],
		process => undef
	}, $class;

	mkdir $dir unless -d $dir;
	keygen($self->user_key, 'ed25519') unless -e $self->user_key;
	keygen($self->host_key($_), $_) foreach @{ $self->{types} };
	return $self;
}

sub port { return $_[0]->{port}; }
sub pid { return $_[0]->{process} ? $_[0]->{process}->pid : undef; }
sub log { return "$_[0]->{dir}/$_[0]->{name}.log"; }
sub known_hosts { return "$_[0]->{dir}/known_hosts"; }
sub user_key { return "$_[0]->{dir}/user_key"; }
sub user { return (getpwuid($<))[0]; }

sub host_key
{
	my ($self, $type) = @_;
	return "$self->{dir}/$self->{name}_host_$type";
}

# Makes a key pair without a passphrase (or with one).
sub keygen
{
	my ($file, $type, $passphrase) = @_;
	unlink $file, "$file.pub";
	system_or_bail('ssh-keygen', '-q', '-t', $type, '-N',
		defined $passphrase ? $passphrase : '',
		'-C', 'pgtunsync test', '-f', $file);
	return $file;
}

# Since 9.8, sshd turns away who failed to log in a few times: every test here.
sub penalties
{
	my ($major, $minor) = `ssh -V 2>&1` =~ /OpenSSH_(\d+)\.(\d+)/;
	return defined $major && $major * 100 + $minor >= 908 ? (PerSourcePenalties => 'no') : ();
}

# Starts it and waits until it listens.  Beside options of sshd_config: within, a
# command to run it by; listens, a sub that tells when it does.
sub start
{
	my ($self, %options) = @_;
	my $within = delete $options{within} || [];
	my $listens = delete $options{listens} || sub {
		return IO::Socket::INET->new(
			PeerAddr => '127.0.0.1',
			PeerPort => $self->{port});
	};
	my $config = "$self->{dir}/$self->{name}.sshd_config";
	my %all    = (
		ListenAddress                => "127.0.0.1:$self->{port}",
		PidFile                      => "$self->{dir}/$self->{name}.sshd.pid",
		AuthorizedKeysFile           => $self->user_key . '.pub',
		AuthenticationMethods        => 'publickey',
		PasswordAuthentication       => 'no',
		KbdInteractiveAuthentication => 'no',
		UsePAM                       => 'no',
		StrictModes                  => 'no',
		UseDNS                       => 'no',
		PrintMotd                    => 'no',
		LogLevel                     => 'VERBOSE',
		penalties(),
		%options);
	my $text = join('', map { "$_ $all{$_}\n" } sort keys %all);

	$text .= "HostKey " . $self->host_key($_) . "\n"
	  foreach @{ $self->{types} };
	unlink $config;
	append_to_file($config, $text);

	my ($sshd) = grep { -x } map { "$_/sshd" } '/usr/sbin', '/usr/local/sbin', split(/:/, $ENV{PATH});
	$self->{process} =
	  PgTunsync::Process->start($self->log, @$within, $sshd, '-D', '-e', '-f', $config);
	PgTunsync::Process::wait_until(
		"sshd $self->{name}",
		sub {
			die "sshd $self->{name} ended: " . slurp_file($self->log)
			  if $self->{process}->ended;
			return $listens->();
		});
	return $self;
}

# Ends it with all its connections; a signal of one's own may be given.
sub stop
{
	my ($self, $signal) = @_;
	$self->{process}->stop($signal) if $self->{process};
	$self->{process} = undef;
	return;
}

# Ends the connections that it serves; the listener goes on.
sub cut_connections
{
	my ($self) = @_;
	return kill 'KILL', PgTunsync::Process::descendants($self->pid);
}

# How many processes serve connections now.
sub connections
{
	my ($self) = @_;
	return scalar PgTunsync::Process::descendants($self->pid);
}

# Writes its host keys into known_hosts, those of the given types only.
sub trust
{
	my ($self, @types) = @_;
	@types = @{ $self->{types} } unless @types;
	foreach my $type (@types)
	{
		my ($kind, $key) = split / /, slurp_file($self->host_key($type) . '.pub');
		append_to_file($self->known_hosts, "[127.0.0.1]:$self->{port} $kind $key\n");
	}
	return $self;
}

# The Host block of ssh_config for it; options replace or add lines.
sub host_block
{
	my ($self, $alias, %options) = @_;
	my %all = (
		HostName              => '127.0.0.1',
		Port                  => $self->{port},
		User                  => $self->user,
		IdentityFile          => $self->user_key,
		IdentitiesOnly        => 'yes',
		IdentityAgent         => 'none',
		UserKnownHostsFile    => $self->known_hosts,
		GlobalKnownHostsFile  => '/dev/null',
		StrictHostKeyChecking => 'yes',
		%options);
	return join('', "Host $alias\n",
		map { defined $all{$_} ? "    $_ $all{$_}\n" : () } sort keys %all);
}

1;
