# The environment file has the same meaning here as in bash.  Each file that
# dotenv.c accepts is also read by bash, and every variable must have the same
# value.  Each file that it refuses must be refused with the line number and
# without any part of a value.  ENV_FILE_CASES and ENV_FILE_SEED set the length
# and the seed of the random part.  ENV_FILE_DIR names a directory with further
# files, for example the finds of a fuzzer.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use Test::More;

my $seed = $ENV{ENV_FILE_SEED} // 42;
my $cases = $ENV{ENV_FILE_CASES} // 500;
my $further = $ENV{ENV_FILE_DIR};
my $here = dirname(abs_path($0));
umask 077;
my $tmp = tempdir(CLEANUP => 1);
my ($bash) = grep { -x $_ } qw(/bin/bash /usr/bin/bash /usr/local/bin/bash);
plan skip_all => 'bash is needed' unless $bash;

is(system("make -s -C '$here/../parsers' OUT='$tmp' >'$tmp/make.log' 2>&1"), 0, 'driver builds')
  or BAIL_OUT(read_file("$tmp/make.log"));

chdir $tmp or die;
mkdir 'empty';
%ENV = (
	PATH => "$tmp/empty",
	HOME => '/home/tester',
	TERM => 'dumb',
	LC_ALL => 'C.UTF-8',
	INHERITED => 'in  herited*',
	EMPTY => '');

sub read_file
{
	my ($path) = @_;
	open(my $fh, '<:raw', $path) or return '';
	local $/;
	return scalar(<$fh>) // '';
}

sub write_file
{
	my ($path, $text) = @_;
	open(my $fh, '>:raw', $path) or die "$path: $!";
	print $fh $text;
	close $fh;
	return;
}

# Output of a command, its status, and what it wrote to standard error.
sub run
{
	my @command = @_;
	open(my $saved, '>&', \*STDERR) or die;
	open(STDERR, '>', 'stderr') or die;
	my $pid = open(my $fh, '-|:raw', @command) or die "@command: $!";
	open(STDERR, '>&', $saved) or die;
	local $/;
	my $output = <$fh> // '';
	close $fh;
	return ($output, $?, read_file('stderr'));
}

# Zero-terminated "NAME=value" or "NAME" (unset) as a hash.
sub parse_values
{
	my ($text) = @_;
	my %values;
	foreach my $item (split /\0/, $text)
	{
		my ($name, $value) = split /=/, $item, 2;
		$values{$name} = $value;
	}
	return \%values;
}

# The values by our parser, or undef and its message.
sub ours
{
	my ($text) = @_;
	write_file('file.env', $text);
	my ($output, $status, $stderr) = run('./driver', 'env', 'file.env');
	die "driver died of $status on: $text" if $status & 127;
	return ($status == 0 ? parse_values($output) : undef, $stderr);
}

# The values by bash: those of the given variables, and all that it exports.
my $script = <<'SCRIPT';
set -a; . ./file.env
__status=$?
for __name do
	if [ -n "${!__name+x}" ]; then printf '%s=%s\0' "$__name" "${!__name}"; else printf '%s\0' "$__name"; fi
done
printf '=\0'
builtin compgen -e
exit $__status
SCRIPT

sub by_bash
{
	my @names = @_;
	my ($output, $status, $stderr) = run($bash, '--norc', '-c', $script, 'bash', @names);
	my ($values, $exported) = split /(?<![^\0])=\0/, $output, 2;
	my %known = map { $_ => 1 } @names, keys %ENV, qw(PWD SHLVL OLDPWD _ __status __name);
	my @unknown = grep { !$known{$_} } split /\n/, $exported // '';
	return (parse_values($values // ''), join('', $stderr, $status ? "status $status" : '', @unknown));
}

sub show
{
	my ($values) = @_;
	return join('', map { "$_" . (defined $values->{$_} ? "=<$values->{$_}>" : ' unset') . "\n" } sort keys %$values);
}

# Is the text accepted, with bash's meaning?  Returns 1, or 0 when refused.
sub compare
{
	my ($text, $problem) = @_;
	my ($ours) = ours($text);
	return 0 unless $ours;
	my ($theirs, $complaint) = by_bash(sort keys %$ours);
	$$problem = "bash: $complaint" if $complaint ne '';
	$$problem .= "ours:\n" . show($ours) . "bash:\n" . show($theirs)
	  if show($ours) ne show($theirs);
	return 1;
}

# --- what must be accepted

# env_accepted.txt holds one file after the other, with "%%" between them.
my @accepted = (
	(split /^%%\n/m, read_file("$here/../parsers/env_accepted.txt")),
	read_file("$here/../../.env.pgsync.example"),
	'', "A=no_newline", "A=\xff\xfe", "A='\x80'", "A=\x01\x7f", "A='\x01\x7f'",
	'unset HOME; A=~/x', "A=\"\x01\x7f\"", "A=x\x0by", "A=\x0c", "A=\$'\\x01\\x7f\\xff'");

foreach my $text (@accepted)
{
	my $problem = '';
	my $taken = compare($text, \$problem);
	my $name = substr($text, 0, 60) =~ s/\n/\\n/gr;
	ok($taken && $problem eq '', "accepted as bash does: " . ($name =~ s/[^ -~]/?/gr))
	  or diag($taken ? $problem : (ours($text))[1]);
}

# --- what must be refused; "hush" stands for a password and must not be shown

my @refused = (
	['A=hush&x=hush', 'line 1: unquoted "&"'], ['A=hush &', 'unquoted "&"'], ["\n\nA=hush&", 'line 3: '],
	['A=hush hush', 'line 1: unquoted space'], ['A= hush', 'unquoted space'], ['A = hush', 'spaces around "="'],
	['A =hush', 'spaces around "="'],
	['A=hush B=hush hush', 'unquoted space'], ['export A=hush hush', 'unquoted space'],
	['export A=hush -hush', 'argument of "export"'],
	['hush', 'a command'], ['source hush', '"source", which'], ['. hush', 'a command'],
	['if true; then A=hush; fi', '"if", which'],
	['A=$(hush)', 'substitution'], ['A="$(hush)"', 'substitution'], ['A=`hush`', 'backquotes'],
	['A="`hush`"', 'backquotes'], ['A=$((1+hush))', 'substitution'], ['A=$[hush]', 'substitution'],
	['A=${NO:-$(hush)}', 'substitution'], ['A=${INHERITED:-$(hush)}', 'substitution'],
	['A="${INHERITED:-`hush`}"', 'backquotes'],
	['A=hush|hush', 'unquoted "|"'], ['A=hush>hush', 'unquoted ">"'], ['A=<hush', 'unquoted "<"'],
	['A=hush(hush', 'unquoted "("'], ['A=(hush)', 'unquoted "("'], ['A[0]=hush', 'array'],
	['>hush', 'a command'], ['{ A=hush; }', 'a command'], ['(A=hush)', 'a command'], ['! A=hush', 'a command'],
	['A=1 || B=hush', 'unquoted space'], ['A=1||B=hush', 'unquoted "|"'],
	['A=1;;B=hush', 'operator'], [';A=hush', 'a command'], ['&& A=hush', 'a command'],
	['A=hush &&', 'without a command'], ['A=1; ; B=hush', 'operator'],
	["A='hush\nB=hush\n", 'line 1: a single quote'], ["A=x\nB=\"hush\n", 'line 2: a double quote'],
	["A=\$'hush", 'line 1: a $\' quote'], ['A=${hush', 'operator within'], ['A=hush\\', 'backslash'],
	['A=hush$1', 'special parameter'], ['A="hush$$"', 'special parameter'], ['A=$!hush', 'special parameter'],
	['A=${1}hush', 'not the name'], ['A=${#INHERITED}hush', 'not the name'], ['A=${!INHERITED}hush', 'not the name'],
	['A=${INHERITED%hush}', 'operator'], ['A=${INHERITED/hush/x}', 'operator'], ['A=${INHERITED:1:2}hush', 'operator'],
	['A=${INHERITED^^}', 'operator'], ['A=${INHERITED[0]}', 'operator'],
	['A=${NO:?hush}', 'NO is required'], ['A=$"hush"', 'translated'], [q{A=$'\u00e9hush'}, 'escape'],
	[q{A=$'\x00hush'}, 'escape'], [q{A=$'\400hush'}, 'escape'], [q{A=$'\cahush'}, 'escape'],
	['A=~root/hush', '"~"'], ['A=hush:~user', '"~"'], ['A=~+', '"~"'], ['export A={hush,b}', 'unquoted "{"'],
	['A=hush=~/x', '"~" after'], ['unset HOME; HOME=/; A=~/hush', 'home'],
	["A=hush\r\nB=x\r\n", 'line 1: carriage return'], ["A=x\nB='hush\r\n'", 'line 2: carriage return'],
	["\xEF\xBB\xBFA=hush", 'byte order mark'], ["A=x\nB=hush\0", 'line 2: zero byte'],
	['A-B=hush', 'a command'], ['1A=hush', 'a command'], ['"A"=hush', 'a command'], ['A"="hush', 'a command'],
	['$A=hush', 'a command'], ['export "A=hush"', 'argument of "export"'], ['export $A=hush', 'argument of'],
	['export -n A', 'option'], ['export -p', 'option'], ['export', 'without arguments'],
	['declare -a A=hush', 'option'], ['declare -i A=1', 'option'], ['local A=hush', '"local"'],
	['readonly A', 'without a value'],
	['readonly A=1; A=hush', 'read-only'], ['readonly A=1; unset A', 'read-only'], ['RANDOM=1', 'belongs to the shell'],
	['UID=1', 'belongs'], ['BASH_ENV=hush', 'belongs'], ['A=$RANDOM', 'sets by itself'], ['A=$PWD', 'sets by itself'],
	['set -e', '"set" with'], ['set -a b', '"set" with'], ['set', '"set" with'],
	['A=x export B=hush', 'unquoted space'], [':hush', 'a command'], ['unset -f A', 'argument of "unset"'],
	['exit 0', '"exit"'],
	['A=' . ('x' x 70000), 'too long'], ['A' x 200 . '=hush', 'too long'],
	['A=' . ('${A:-' x 40) . ('}' x 40), 'nested'],
	[join("\n", 'A=' . 'x' x 40000, ('A=$A$A') x 3), 'line 2: value too long'],
	[join("\n", map { "A$_=x" } 1 .. 2000), 'too many variables'],
	[join("\n", 'A=' . 'x' x 60000, ('B=$A') x 200), 'too long in total'],
	[join("\n", 'A=' . 'x' x 60000, (': $A') x 200), 'too long in total'],
);

foreach my $case (@refused)
{
	my ($text, $expected) = @$case;
	my ($values, $message) = ours($text);
	my $name = substr($text =~ s/[^ -~]/?/gr, 0, 60);
	ok(!$values && $message =~ /^ERROR \w{5}: environment file "file.env", line \d+: /m
		&& index($message, $expected) >= 0 && $message !~ /hush/,
		"refused: $name")
	  or diag($values ? show($values) : $message);
}

# --- references to what is not set are worth a warning, without its name

{
	my ($values, $message) = ours(qq{PASSWORD="pa\$hush"});
	is($values->{PASSWORD}, 'pa', 'unset variable is empty');
	like($message, qr/WARNING 01000: environment file "file.env", line 1: reference to a variable that is not set/,
		'with a warning');
	unlike($message, qr/hush/, 'that does not name it');
}

# --- random files

my @pieces = (
	qw(a b1 / : = ~ ~/ . - @ % ^ + ! ? * [x] ] } {), ',', '#', ' ', '  ', "\t", ';', '&&', '&', '|', "\n", "\\\n",
	q{'}, q{"}, '\\', '$', '`', q{'q r'}, q{"s t"}, q{'$A'}, q{"$A"}, q{"${B}"}, '$A', '${A}', '$INHERITED',
	'"$INHERITED"', '${EMPTY}',
	'${A:-', '${NO-', '"${NO:-', '${NO:=', '${B:+', '${EMPTY+', '}', '}"', '\\}', q{$'x\ty'}, q{$'}, '\\$',
	'\\"', '\\a', "\\\\",
	"''", '""', '~/x', ':~/y', ' # c', ';C=', ' D=', '+=', "\xc3\xa9", '"a\\', '"\\b"', "'\\'");
my @starts = ('A=', 'B=', 'export A=', 'C+=', 'export C=$A B=', ': ${E:=', 'readonly R=', "A='", 'A="', 'B="$A',
	'unset A; B=', 'A=~');

sub pick { return $_[ int(rand(@_)) ] }

sub random_statement
{
	my $text = pick(@starts);
	$text .= pick(@pieces) for 1 .. 1 + int(rand(6));
	# give unbalanced quotes a chance to be closed
	$text .= q{'} if ($text =~ tr/'//) % 2 && rand() < 0.8;
	$text .= q{"} if ($text =~ tr/"//) % 2 && rand() < 0.8;
	$text .= '}' x (() = $text =~ /\$\{[A-Z]+[:+=-]/g) if rand() < 0.3;
	return "$text\n";
}

srand($seed);
my $taken = 0;
my @wrong;
for (1 .. $cases)
{
	my $text = "A='x y'\nB=b\n" . join('', map { random_statement() } 1 .. 1 + int(rand(2)));
	my $problem = '';
	$taken++ if compare($text, \$problem);
	push @wrong, "$text$problem" if $problem ne '';
}
foreach my $path ($further ? glob("$further/*") : ())
{
	my $text = read_file($path);
	my $problem = '';
	compare($text, \$problem);
	push @wrong, "$path:\n$text$problem" if $problem ne '';
}
is(scalar(@wrong), 0, "random files mean the same to bash (seed $seed)")
  or diag(join("\n", @wrong[ 0 .. ($#wrong > 4 ? 4 : $#wrong) ]));
cmp_ok($taken, '>', $cases / 5, "$taken of $cases random files were accepted");

done_testing();
