# odd_source.pl PORT MODE: speaks PostgreSQL's protocol, and answers what nobody asked for.
# MODE: one of those that "list" prints, or of those that send too much ("list_large"); or "copy:" and what a
# binary COPY of the table "odd" gives, in hexadecimal, its messages separated by commas.  Its columns: id int,
# name text, code varchar, at timestamp, marks int[].

use strict;
use warnings;
use IO::Socket::INET;

my ($port, $mode) = @ARGV;
my $listener = IO::Socket::INET->new(
	LocalAddr => '127.0.0.1',
	LocalPort => $port,
	Listen    => 16,
	ReuseAddr => 1) or die "port $port: $!";
$SIG{PIPE} = 'IGNORE';
$SIG{CHLD} = 'IGNORE';

sub message { return $_[0] . pack('N', length($_[1]) + 4) . $_[1]; }
sub done { return message('C', "$_[0]\0"); }

sub data_row
{
	my @fields = map { defined $_ ? pack('N/a*', $_) : pack('N', 0xffffffff) } @_;
	return message('D', pack('n', scalar @_) . join('', @fields));
}

# A result: how many columns, then the rows.
sub rows
{
	my ($columns, @rows) = @_;
	my $description = pack('n', $columns) . ("c\0" . pack('NnNnNn', 0, 0, 25, 0xffff, 0xffffffff, 0)) x $columns;
	return message('T', $description) . join('', map { data_row(@$_) } @rows) . done('SELECT');
}

my @types = ([ id => 23 ], [ name => 25 ], [ code => 1043 ], [ at => 1114 ], [ marks => 1007 ]);

sub relation
{
	my ($oid, $name, $parent) = @_;
	return [ $oid, 'public', $name, 'p', 'p', 't', $parent, 't', 't', 'f', 8192, 1, 'FOR VALUES IN (1)', 0 ];
}

my @facts = ([ '15.0', '1', '1', '1', 'f', 'public' ]);
my %usual = (facts => rows(6, @facts), relations => rows(14), inheritances => rows(2),
	columns => rows(9), sequences => rows(8), keys => rows(6),
	patterns => rows(1));
my %modes = (
	no_results     => { map { $_ => '' } keys %usual },
	no_rowsets     => { map { $_ => done('BEGIN') } keys %usual },
	one_column     => { map { $_ => rows(1, ['1']) } keys %usual },
	no_facts       => { facts => rows(6) },
	short_facts    => { facts => rows(4, [ ('1') x 4 ]) },
	thin_relations => { relations => rows(3, [ 1, 'public', 'users' ]) },
	circle         => { relations => rows(14, relation(1, 'users', 2), relation(2, 'other', 1)) },
	itself         => { relations => rows(14, relation(1, 'users', 1)) },
	thin_columns   => { columns => rows(2, [ 1, 'id' ]) },
	thin_sequences => { sequences => rows(2, [ 1, 1 ]) },
	no_keys        => { keys => done('BEGIN') },
	many_patterns  => { patterns => rows(1, map { ['t'] } 1 .. 100000) },
	wide_patterns  => { patterns => rows(0, map { [] } 1 .. 10) });

if ($mode eq 'list')
{
	print "$_\n" foreach sort keys %modes;
	exit;
}

sub send_all
{
	my ($client, $data) = @_;
	while (length($data) > 0)
	{
		my $n = syswrite($client, $data) or exit;
		substr($data, 0, $n) = '';
	}
	return;
}

# So many messages of 20 kB, no two alike.
sub flood
{
	my ($client, $type, $count, $head) = @_;
	my $tail = 'x' x 20_000 . ($type eq 'N' ? "\0\0" : "\0");
	send_all($client, message($type, sprintf($head, $_) . $tail)) for 1 .. $count;
	return;
}

# A message that claims to be long, and comes slowly.
sub claim
{
	my ($client, $type, $length) = @_;
	send_all($client, $type . pack('N', $length));
	for (1 .. 3000)
	{
		send_all($client, 'x' x 100);
		select(undef, undef, undef, 0.01);
	}
	exit;
}

# Relations of 900 kB each.
sub endless_relations
{
	my ($client) = @_;
	send_all($client, rows(14) =~ s/C.{4}SELECT\0$//sr);
	my $bound = 'x' x 900_000;
	for (my $i = 1 ;; $i++)
	{
		send_all($client, data_row($i, 'public', "t$i", 'r', 'p', 't', undef, 't', 't', 'f', 0, 0, $bound, 0));
	}
	return;
}

# Sends parameters that nobody waits for, once the client is silent.
sub chatter
{
	my ($client) = @_;
	my $readable = '';
	vec($readable, fileno($client), 1) = 1;
	flood($client, 'S', 10_000, "p%d\0") if select($readable, undef, undef, 0.5) == 0;
	return;
}

# The begin of a COPY, with so many columns.
sub copy_out { return message('H', pack('Cn', 1, $_[0]) . pack('n', 1) x $_[0]); }

# An error with a lot of text in four of its fields.
sub large_error
{
	my $escapes = "\e[31m" x 1_000_000;
	return message('E', "SERROR\0VERROR\0C22012\0" . join('', map { "$_$escapes\0" } qw(M D H W)) . "\0");
}

my %large = (
	endless_relations => { relations => \&endless_relations },
	claimed_row => {
		relations => sub { send_all($_[0], rows(14) =~ s/C.{4}SELECT\0$//sr); claim($_[0], 'D', 1_900_000_000); } },
	parameters        => { facts => sub { flood($_[0], 'S', 1_000_000, "p%d\0") } },
	notifications => {
		facts => sub { flood($_[0], 'A', 5_000, "\0\0\0\1c%d\0"); send_all($_[0], $usual{facts}); } },
	notices => {
		facts => sub { flood($_[0], 'N', 5_000, "SNOTICE\0C00000\0M%d"); send_all($_[0], $usual{facts}); } },
	login             => { login => sub { flood($_[0], 'S', 1_000_000, "p%d\0") } },
	error        => { facts => sub { send_all($_[0], large_error()) } },
	wide_copy    => { %{ copied('') }, copy => copy_out(2000) },
	claimed_copy => {
		%{ copied('') },
		copy => sub { send_all($_[0], copy_out(5)); claim($_[0], 'd', 1_900_000_000); } },
	chatter => {
		%{ copied('') },
		copy    => sub { send_all($_[0], copy_out(5)); sleep 30; },
		silence => \&chatter });

if ($mode eq 'list_large')
{
	print "$_\n" foreach sort keys %large;
	exit;
}

# The one table of a source that is sound up to its rows.
sub copied
{
	my @messages = map { pack('H*', $_) } split /,/, $_[0];
	my @columns = map { [ 1, $types[$_][0], $_ + 1, 'a type', ($types[$_][1]) x 2, 'f', 't', 'f' ] } 0 .. $#types;
	return {
		relations => rows(14, [ 1, 'public', 'odd', 'r', 'p', 'f', undef, 't', 't', 'f', 8192, 1, undef, 1 ]),
		columns   => rows(9, @columns),
		copy      => message('H', pack('Cn', 1, scalar @types) . pack('n', 1) x @types)
			. join('', map { message('d', $_) } @messages) . message('c', '') . done('COPY') };
}

my %answers = (%usual, %{ $mode =~ /^copy:(.*)/ ? copied($1) : $modes{$mode} || $large{$mode} });

sub answer
{
	my ($statement) = @_;
	return $answers{copy} || '' if $statement =~ /^\s*COPY .*FORMAT binary/;
	return rows(1) if $statement =~ /pg_relation_filenode/;
	return rows(3, [ 1, 0, 0 ]) if $statement =~ /pg_backend_pid/;    # the session, and its timeouts
	return rows(1, ['0001-1']) if $statement =~ /pg_export_snapshot/;
	return $answers{facts} if $statement =~ /pg_is_in_recovery/;
	return $answers{relations} if $statement =~ /relpartbound/;
	return $answers{inheritances} // $usual{inheritances} if $statement =~ /FROM pg_inherits/;
	return rows(6) if $statement =~ /RECURSIVE tree/;    # generated columns
	return $answers{columns} if $statement =~ /format_type/;
	return $answers{sequences} if $statement =~ /refobjsubid/;
	return $answers{keys} if $statement =~ /confkey/;
	return $answers{patterns} if $statement =~ /p\.path/;
	return rows(1, ['1']) if $statement =~ /^\s*SELECT/;
	return done('SET');
}

sub take
{
	my ($client, $length) = @_;
	my $data = '';
	while (length($data) < $length)
	{
		sysread($client, $data, $length - length($data), length($data)) or exit;
	}
	return $data;
}

sub serve
{
	my ($client) = @_;
	my $version;
	do
	{
		my $length = unpack('N', take($client, 4));
		$version = unpack('N', take($client, $length - 4));
		syswrite($client, 'N') if $version >> 16 == 1234;
	} while ($version >> 16 == 1234);
	my %parameters = (server_version => '15.0', server_encoding => 'UTF8', client_encoding => 'UTF8',
		standard_conforming_strings => 'on');
	syswrite($client, message('R', pack('N', 0)));
	$answers{login}->($client) if $answers{login};
	syswrite($client, join('', map { message('S', "$_\0$parameters{$_}\0") } sort keys %parameters)
		. message('Z', 'I'));
	while (1)
	{
		my ($type, $length) = unpack('aN', take($client, 5));
		my $text = take($client, $length - 4);
		exit if $type eq 'X';
		$text =~ s/\0$//;
		foreach my $answer (map { answer($_) } grep { /\S/ } split /;/, $text)
		{
			ref $answer ? $answer->($client) : send_all($client, $answer);
		}
		send_all($client, message('Z', 'T'));
		$answers{silence}->($client) if $answers{silence} && $text !~ /COPY/;
	}
	return;
}

while (my $client = $listener->accept)
{
	next if fork;
	close $listener;
	serve($client);
	exit;
}
