# Owner, permissions and default paths of the two files, and the values that
# the other modules read from the environment file.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use POSIX qw(mkfifo);
use Test::More;

umask 077;
my $here = dirname(abs_path($0));
my $tmp = abs_path(tempdir(CLEANUP => 1));

is(system("make -s -C '$here/../parsers' OUT='$tmp' >'$tmp/make.log' 2>&1"), 0, 'driver builds')
  or BAIL_OUT(`cat '$tmp/make.log'`);
chdir $tmp or die;
$ENV{FROM_SERVER} = 'server';
$ENV{BOTH} = 'server';

sub write_file
{
	my ($path, $text, $mode) = @_;
	open(my $fh, '>', $path) or die "$path: $!";
	print $fh $text;
	close $fh;
	chmod($mode // 0600, $path) or die;
	return;
}

# Did the last command die of a signal?  (A shell may stand in between.)
sub died { return ($? & 127) || ($? >> 8) > 127; }

# What the driver shows and says.
sub run
{
	my @arguments = @_;
	my $shown = `./driver @arguments 2>messages`;
	die "driver died of $?" if died();
	return ($shown, scalar(`cat messages`));
}

sub refused
{
	my ($name, $file, $expected, $mode) = @_;
	my @arguments = ($mode // 'env') eq 'config' ? ('config', $file) : ('get', $file, 'X');
	my ($shown, $messages) = run(@arguments);
	is($shown, '', "$name: no result");
	like($messages, $expected, "$name: message");
	unlike($messages, qr/hush/, "$name: no value in it");
	return;
}

# --- answers

write_file('good.env', "BOTH=file\nEMPTY=\nNUMBER=8\nBIG=10\nHUSH=hush\nunset FROM_SERVER\n"
	. "export MINUS=-1 SPACE='3 '\n");
my $get = sub { my ($shown, $messages) = run('get', 'good.env', $_[0]);
	return join('|', split /\n/, $shown) . ($messages ? '!' : ''); };
is($get->('NUMBER'), "$tmp/good.env|8|8|3|8", 'a value, its line, its number');
is($get->('EMPTY'), "$tmp/good.env|(none)|(none)|2|7", 'an empty value is none');
is($get->('NOWHERE'), "$tmp/good.env|(none)|(none)|0|7", 'no value at all');
is($get->('FROM_SERVER'), "$tmp/good.env|(none)|(none)|0|7", 'the file can unset what the server has');
like($get->('BOTH'), qr/\Q$tmp\E\/good.env\|file\|file\|1!/, "the file's value beats the server's");
write_file('other.env', "A=1\n");
like((run('get', 'other.env', 'BOTH'))[0], qr/^server\n\(none\)\n0$/m, 'secrets come from the file alone');
foreach my $name (qw(BIG MINUS SPACE HUSH))
{
	my (undef, $messages) = run('get', 'good.env', $name);
	like($messages, qr/^ERROR F0000: $name must be a whole number between 1 and 9
DETAIL: It is set in environment file "\Q$tmp\E\/good.env", line \d\.\n/, "$name is no number in the range");
	unlike($messages, qr/hush|10\b/, "$name: its value is not shown");
}

# --- nothing is left behind: the driver aborts when it frees a secret

{
	local $ENV{SHIM_SECRET} = 'hush';
	my %files = (
		'a value' => 'X=hush',
		'a quoted value' => qq{export X="a hush"},
		'an expanded value' => "Y=hush; X=\${NO:-\$Y}",
		'an overwritten value' => "X=hush\nX=1",
		'an appended value' => "X=hu\nX+=sh",
		'an unset value' => "X=hush\nunset X",
		'a comment' => '# hush',
		'an error' => "X=hush\nY='hush",
		'an error in a value' => 'export X=hush Y=hush&hush',
		'a refused command' => "X=hush\nhush hush");
	foreach my $what (sort keys %files)
	{
		write_file('secret.env', "$files{$what}\n");
		system('./driver get secret.env X >/dev/null 2>&1');
		ok(!died(), "$what is wiped");
	}
	write_file('secret.yml', "exclude: [hush]\n");
	system('./driver config secret.yml >/dev/null 2>&1');
	ok(died(), 'what is not secret is not wiped: the check works');
}

# --- where the file is

refused('missing file', 'nowhere.env',
	qr/^ERROR 58P01: environment file "\Q$tmp\E\/nowhere.env" does not exist
DETAIL: .*pgtunsync.env_file.*\nHINT: .*\.env\.pgsync\.example.*pgtunsync\.env_file/);
refused('missing directory', 'no/where.env', qr/^ERROR 58P01/);
refused('file as a directory', 'good.env/x', qr/^ERROR 58P01/);
refused('missing configuration', 'nowhere.yml',
	qr/^ERROR 58P01: configuration file "\Q$tmp\E\/nowhere.yml" does not exist\n.*\nHINT: .*\.pgsync\.yml\.example/,
	'config');
refused('no setting', "''", qr/^ERROR F0000: no environment file is configured/);
is(join('', run('config', "''")), '', 'no configuration is an empty one');
mkdir 'dir';
refused('directory', 'dir', qr/^ERROR 42809: .* is not a regular file/);
mkfifo('fifo', 0600);
refused('fifo', 'fifo', qr/^ERROR 42809: .* is not a regular file/);
refused('device', '/dev/null', qr/is not a regular file/, 'config');
write_file('big.env', '#' x (1024 * 1024) . "\n");
refused('too large', 'big.env', qr/^ERROR 54000: .* is larger than 1 MiB/);
write_file('just.env', "X=1\n" . '#' x (1024 * 1024 - 4));
like((run('get', 'just.env', 'X'))[0], qr/^1$/m, 'just small enough');

# --- links

mkdir "dir/$_" foreach qw(data other);
write_file('dir/data/real.env', "X=5\n");
symlink('data/real.env', 'dir/link.env');
like((run('get', 'dir/link.env', 'X'))[0], qr/^5$/m, "a link below the file's own directory");
symlink('..', 'dir/data/up');
symlink('data/../../good.env', 'dir/out.env');
refused('link out of the directory', 'dir/out.env', qr/^ERROR 42501: .* is a symbolic link that leaves its directory/);
symlink("$tmp/good.env", 'dir/absolute.env');
refused('absolute link', 'dir/absolute.env', qr/^ERROR 42501/);
symlink('nothing', 'dir/dangling.env');
refused('dangling link', 'dir/dangling.env', qr/^ERROR 58P01/);
symlink('loop.env', 'dir/loop.env');
refused('loop', 'dir/loop.env', qr/^ERROR \w{5}: could not open environment file/);
symlink('dir', 'linked_dir');
like((run('get', 'linked_dir/link.env', 'X'))[0], qr/^5$/m, 'a link among the directories');
write_file('real.yml', "exclude: [a]\n");
symlink('../real.yml', 'dir/link.yml');
is((run('config', 'dir/link.yml'))[0], qq{exclude "a"\n}, 'a configuration may be a link to anywhere');

# --- who may read and write it

foreach my $mode (0660, 0606, 0620, 0602, 0777)
{
	write_file('mode.env', "X=hush\n", $mode);
	refused(sprintf('mode %o', $mode), 'mode.env',
		qr/^ERROR 42501: .* may be written by others\nDETAIL: .*\nHINT: Run: chmod 600 '/);
}
foreach my $mode (0644, 0640, 0604)
{
	write_file('mode.env', "X=5\n", $mode);
	my ($shown, $messages) = run('get', 'mode.env', 'X');
	like($shown, qr/^5$/m, sprintf('mode %o is taken', $mode));
	like($messages, qr/^WARNING 01000: .* may be read by others/, 'with a warning');
}
write_file('mode.yml', "exclude: [a]\n", 0664);
is(join('', run('config', 'mode.yml')), qq{exclude "a"\n}, 'a configuration may be written by a group');
chmod 0666, 'mode.yml';
refused('configuration for everybody', 'mode.yml',
	qr/^ERROR 42501: .* may be written by others\n.*\nHINT: Run: chmod o-w/, 'config');

SKIP:
{
	skip 'only root gives files away', 4 if $> != 0;
	write_file('foreign.env', "X=hush\n");
	chown 65534, -1, 'foreign.env';
	refused('foreign owner', 'foreign.env', qr/^ERROR 42501: .* belongs to another user/);
	chown 65534, -1, 'mode.yml';
	chmod 0644, 'mode.yml';
	is((run('config', 'mode.yml'))[0], qq{exclude "a"\n}, 'a configuration may belong to anybody');
}
SKIP:
{
	skip 'root reads everything', 3 if $> == 0;
	write_file('closed.env', "X=hush\n", 0);
	refused('unreadable', 'closed.env', qr/^ERROR 42501: could not open environment file/);
}

done_testing();
