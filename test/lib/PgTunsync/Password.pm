# Passwords for a private sshd: see fake_pam.c.
#
#     my $password = PgTunsync::Password->new($dir) or skip …;   # undef: no compiler, or no PAM in sshd
#     $password->start($jump, 'Password: =secret', KbdInteractiveAuthentication => 'yes');

package PgTunsync::Password;

use strict;
use warnings;
use File::Basename;

sub new
{
	my ($class, $dir) = @_;
	my $library = "$dir/fake_pam.so";
	my ($sshd) = grep { -x } map { "$_/sshd" } '/usr/sbin', '/usr/local/sbin', split(/:/, $ENV{PATH});

	return undef if `ldd $sshd 2>/dev/null` !~ /libpam\.so/;
	return undef if system('cc', '-shared', '-fPIC', '-w', '-o', $library, dirname(__FILE__) . '/fake_pam.c') != 0;
	return bless { library => $library }, $class;
}

# Starts an sshd that asks these questions; options of sshd_config.
sub start
{
	my ($self, $sshd, $questions, %options) = @_;
	local $ENV{LD_PRELOAD} = $self->{library};
	local $ENV{FAKE_PAM} = $questions;
	return $sshd->start(UsePAM => 'yes', AuthenticationMethods => 'any', %options);
}

1;
