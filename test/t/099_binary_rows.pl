# The extension parses the messages of a binary COPY itself.  It reports an
# invalid message as COPY would, with table, line and column, and the local
# table stays unchanged.

use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname);
use PgTunsync;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $w = PgTunsync->new(empty => 1);
my $program = abs_path(dirname($0) . '/../lib/PgTunsync/odd_source.pl');
my $port = PostgreSQL::Test::Cluster::get_free_port();
my $postmaster = $w->postmaster_pid;

$w->write_env(PGSYNC_REMOTE_PORT => $port);
$w->setting(connect_attempts => 1);
$w->local_sql(q{
	CREATE DOMAIN known AS int[] NOT NULL CHECK (VALUE <> '{13}');
	CREATE TABLE odd (id int, name text, code varchar(5), at timestamp, marks known);
	INSERT INTO odd VALUES (0, 'local', 'local', 'now', '{}');
});

# ---- what messages are made of ----

sub header { return "PGCOPY\n\377\r\n\0" . pack('NN/a*', @_ ? @_ : (0, '')); }
sub row { return pack('n', scalar @_) . join('', map { defined $_ ? pack('N/a*', $_) : pack('N', 0xffffffff) } @_); }
sub int4s
{
	return pack('NNN', @_ ? 1 : 0, 0, 23) . (@_ ? pack('NN', scalar @_, 1) : '')
		. join('', map { pack('NN', 4, $_) } @_);
}

# A row with some of its columns changed.
sub with
{
	my (%columns) = @_;
	my %all = (id => pack('N', 1), name => 'one', code => 'abc', at => pack('q>', 1_000_000),
		marks => int4s(1, 2), %columns);
	return row(map { $all{$_} } qw(id name code at marks));
}

my $end = pack('n', 0xffff);
my $good = with();

sub pulled
{
	my (@messages) = @_;
	my $mode = 'copy:' . join(',', map { unpack('H*', $_) } @messages);
	my $server = PgTunsync::Process->start($w->dir . '/odd.log', $^X, $program, $port, $mode);
	PgTunsync::Process::wait_until('the odd source', sub { PgTunsync::listening($port) });
	my $run = $w->pull("'odd'");
	$server->stop('KILL');
	return $run;
}

# ---- right ones ----

sub comes
{
	my ($title, $rows, @messages) = @_;
	my $run = pulled(@messages);
	is($run->{rc}, 0, "$title: the call succeeds") or diag($run->{err});
	is($w->local_sql('SELECT o::text FROM odd o ORDER BY id'), $rows, "$title: the rows are right");
	return;
}

my $one = '(1,one,abc,"2000-01-01 00:00:01","{1,2}")';
comes('a header with the first row', $one, header() . $good, $end);
comes('a header of its own', $one, header(), $good, $end);
comes('a header with an extension', $one, header(0, 'an extension') . $good, $end);
comes('flags that may be ignored', $one, header(0xffff, '') . $good, $end);
comes('header and trailer', '', header() . $end);
comes('values at the ends',
	join("\n", '(-2147483648,"",,infinity,{})',
	"(2147483647,\x{c3}\x{bc},\x{c3}\x{bc}\x{c3}\x{bc}\x{c3}\x{bc}\x{c3}\x{bc}\x{c3}\x{bc},-infinity,{-1})"),
	header() . with(id => pack('N', 0x80000000), name => '', code => undef,
		at => "\x7f" . "\xff" x 7, marks => int4s()),
	with(id => pack('N', 0x7fffffff), name => "\xc3\xbc", code => "\xc3\xbc" x 5, at => "\x80" . "\0" x 7,
		marks => int4s(0xffffffff)), $end);
comes('spaces that a varchar need not keep', '(1,one,"ab   ","2000-01-01 00:00:01","{1,2}")',
	header() . with(code => 'ab' . ' ' x 300), $end);
comes('nulls', '(,,,,{})', header() . with((map { $_ => undef } qw(id name code at)), marks => int4s()), $end);

# ---- wrong ones: SQLSTATE, message, line and column ----

my @wrong = (
	[ 'no message at all', '22P04', qr/unexpected EOF in COPY data/, 'line 0' ],
	[ 'no trailer', '22P04', qr/unexpected EOF in COPY data/, 'line 2', header() . $good, $good ],
	[ 'no header', '22P04', qr/COPY file signature not recognized/, 'line 0', $good, $end ],
	[ 'half a signature', '22P04', qr/COPY file signature not recognized/, 'line 0', 'PGCOPY', $end ],
	[ 'half a header', '22P04', qr/unexpected end of a row in COPY data/, 'line 0', substr(header(), 0, 13) ],
	[ 'critical flags', '22P04', qr/unrecognized critical flags in COPY file header/, 'line 0',
	header(1 << 16, '') . $good ],
	[ 'an extension that is too long', '22P04', qr/unexpected end of a row/, 'line 0',
	substr(header(), 0, 15) . pack('N', 0x7fffffff) ],
	[ 'an extension of negative length', '22P04', qr/unexpected end of a row/, 'line 0',
	substr(header(), 0, 15) . pack('N', 0xffffffff) . $good ],
	[ 'half a number of columns', '22P04', qr/unexpected end of a row/, 'line 1', header() . "\0" ],
	[ 'a row that is cut', '22P04', qr/unexpected end of a row/, 'line 1, column marks',
	header() . substr($good, 0, -3), $end ],
	[ 'a row in two messages', '22P04', qr/unexpected end of a row/, 'line 2, column name', header() . $good,
	substr($good, 0, 15), substr($good, 15), $end ],
	[ 'half a length', '22P04', qr/unexpected end of a row/, 'line 1, column id', header() . substr($good, 0, 4) ],
	[ 'two rows in a message', '22P04', qr/extra data after last expected column/, 'line 1',
	header() . $good . $good, $end ],
	[ 'a negative field size', '22P04', qr/invalid field size/, 'line 1, column id',
	header() . pack('nN', 5, 0xfffffffe) . 'x' x 20 ],
	[ 'a huge field size', '22P04', qr/unexpected end of a row/, 'line 1, column id',
	header() . pack('nN', 5, 0x7fffffff) . 'x' x 20 ],
	[ 'the smallest field size', '22P04', qr/invalid field size/, 'line 1, column id',
	header() . pack('nN', 5, 0x80000000) . 'x' x 20 ],
	[ 'too few columns', '22P04', qr/row field count is 4, expected 5/, 'line 1', header() . row(('x') x 4) ],
	[ 'too many columns', '22P04', qr/row field count is 6, expected 5/, 'line 1', header() . row(('x') x 6) ],
	[ 'a negative number of columns', '22P04', qr/row field count is -2, expected 5/, 'line 1',
	header() . pack('n', 0xfffe) ],
	[ 'a row behind the trailer', '22P04', qr/received copy data after EOF marker/, 'line 3',
	header() . $good, $end, $good ],
	[ 'a second trailer', '22P04', qr/received copy data after EOF marker/, 'line 3', header() . $good, $end, $end ],
	[ 'bytes behind the trailer', '22P04', qr/received copy data after EOF marker/, 'line 2',
	header() . $good, $end . 'x' ],
	[ 'a short integer', '08P01', qr/insufficient data left in message/, 'line 1, column id',
	header() . with(id => "\1\2\3") ],
	[ 'an empty integer', '08P01', qr/insufficient data left in message/, 'line 1, column id',
	header() . with(id => '') ],
	[ 'a long integer', '22P03', qr/incorrect binary data format/, 'line 1, column id',
	header() . with(id => "\0" x 8) ],
	[ 'text of another encoding', '22021', qr/invalid byte sequence for encoding "UTF8": 0xfc/, 'line 1, column name',
	header() . with(name => "gr\xfcn") ],
	[ 'a character that is cut', '22021', qr/invalid byte sequence for encoding "UTF8": 0xc3/, 'line 1, column name',
	header() . with(name => "gr\xc3") ],
	[ 'a zero byte', '22021', qr/invalid byte sequence for encoding "UTF8": 0x00/, 'line 1, column name',
	header() . with(name => "a\0b") ],
	[ 'a zero byte in varchar', '22021', qr/invalid byte sequence for encoding "UTF8": 0x00/, 'line 1, column code',
	header() . with(code => "a\0b") ],
	[ 'a varchar that is too long', '22001', qr/value too long for type character varying\(5\)/, 'line 1, column code',
	header() . with(code => 'abcdef') ],
	[ 'a timestamp too late', '22008', qr/timestamp out of range/, 'line 1, column at',
	header() . with(at => "\x7f" . "\xff" x 6 . "\xfe") ],
	[ 'a timestamp too early', '22008', qr/timestamp out of range/, 'line 1, column at',
	header() . with(at => "\x80" . "\0" x 6 . "\1") ],
	[ 'a short timestamp', '08P01', qr/insufficient data left in message/, 'line 1, column at',
	header() . with(at => "\0" x 7) ],
	[ 'an array of -1 dimensions', '22P03', qr/invalid number of dimensions: -1/, 'line 1, column marks',
	header() . with(marks => pack('NNN', 0xffffffff, 0, 23)) ],
	[ 'an element beyond its array', '22P03', qr/insufficient data left in message/, 'line 1, column marks',
	header() . with(marks => substr(int4s(1), 0, -8) . pack('NN', 8, 1)) ],
	[ 'a null that the domain forbids', '23502', qr/domain public\.known does not allow null values/,
	'line 1, column marks', header() . with(marks => undef) ],
	[ 'a value that the domain forbids', '23514', qr/value for domain public\.known violates check constraint/,
	'line 1, column marks', header() . with(marks => int4s(13)) ]);

$w->local_sql("TRUNCATE odd; INSERT INTO odd VALUES (0, 'local', 'local', 'now', '{}')");
my $before = $w->snapshot;

foreach (@wrong)
{
	my ($title, $sqlstate, $message, $place, @messages) = @$_;
	my $run = pulled(@messages);
	isnt($run->{rc}, 0, "$title: the call fails");
	is($run->{sqlstate}, $sqlstate, "$title: with the SQLSTATE") or diag($run->{err});
	like($run->{err}, qr/ERROR: .*table odd could not be pulled: $message/, "$title: and says why");
	like($run->{err}, qr/^(?:DETAIL:  )?COPY odd, $place$/m, "$title: and where");
}
is($w->postmaster_pid, $postmaster, 'the server lives');
unlike(slurp_file($w->local_node->logfile), qr/terminated by signal|TRAP|PANIC/, 'no process crashed');
$w->unchanged($before);
$w->nothing_left;

done_testing();
