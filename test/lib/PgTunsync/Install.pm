# A copy of the server in which a test can add files to the directory of
# extensions.
#
#     my $install = PgTunsync::Install->new($directory);
#     $install->add_extension_file("$fixtures/pgtunsync--0.1.0.sql");
#     PostgreSQL::Test::Cluster->new('old', install_path => $install->path);
#
# A server finds its files by the place of its own program, relative to the
# places it was built for.  So the programs that look for files are copied, and
# everything else is linked.

package PgTunsync::Install;

use strict;
use warnings;
use File::Basename;
use File::Copy ();
use File::Path qw(make_path);
use PostgreSQL::Test::Utils;

sub new
{
	my ($class, $dir) = @_;
	my $self = bless { dir => $dir }, $class;
	my $bin = $self->_make_like('bindir');
	my $share = $self->_make_like('sharedir');
	my $library = $self->_make_like('pkglibdir');

	$self->{path} = dirname($bin);
	_link_files(_configured('bindir'), $bin);
	_link_files(_configured('pkglibdir'), $library);
	_link_files(_configured('sharedir'), $share);
	foreach my $program (qw(postgres initdb pg_ctl))
	{
		unlink "$bin/$program";
		File::Copy::copy(_configured('bindir') . "/$program", "$bin/$program") or die "$program: $!";
		chmod 0755, "$bin/$program";
	}
	$self->{extensions} = "$share/extension";
	unlink $self->{extensions};
	make_path($self->{extensions});
	_link_files(_configured('sharedir') . '/extension', $self->{extensions});
	return $self;
}

# The directory above bin.
sub path { return $_[0]->{path}; }

# Is the server in PATH started by a program of its own directory, and not by a
# wrapper that a copy would not have?
sub possible
{
	my ($found) = grep { -x "$_/pg_ctl" } split /:/, $ENV{PATH};
	return defined $found && $found eq _configured('bindir');
}

sub add_extension_file
{
	my ($self, $file) = @_;
	my $target = "$self->{extensions}/" . basename($file);
	unlink $target;
	File::Copy::copy($file, $target) or die "$file: $!";
	return;
}

sub _configured
{
	my ($what) = @_;
	my ($path) = run_command([ 'pg_config', "--$what" ]);
	return $path;
}

sub _make_like
{
	my ($self, $what) = @_;
	my $path = $self->{dir} . _configured($what);
	make_path($path);
	return $path;
}

sub _link_files
{
	my ($from, $to) = @_;
	opendir(my $dir, $from) or die "$from: $!";
	foreach my $name (grep { !/^\.\.?$/ } readdir $dir)
	{
		symlink("$from/$name", "$to/$name") unless -e "$to/$name";
	}
	return;
}

1;
