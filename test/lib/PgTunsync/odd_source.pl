# odd_source.pl PORT MODE: speaks PostgreSQL's protocol, and answers what nobody asked for.
# MODE: one of those that "list" prints; or "copy:" and what a binary COPY of the table "odd"
# gives, in hexadecimal, its messages separated by commas.  Its columns: id int, name text,
# code varchar, at timestamp, marks int[].

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

# A result: how many columns, then the rows.
sub rows
{
	my ($columns, @rows) = @_;
	my $description = pack('n', $columns) . ("c\0" . pack('NnNnNn', 0, 0, 25, 0xffff, 0xffffffff, 0)) x $columns;
	my $data = join('', map { message('D',
		pack('n', scalar @$_) . join('', map { defined $_ ? pack('N/a*', $_) : pack('N', 0xffffffff) } @$_)) } @rows);
	return message('T', $description) . $data . done('SELECT');
}

sub relation
{
	my ($oid, $name, $parent) = @_;
	return [ $oid, 'public', $name, 'p', 'p', 't', $parent, 't', 't', 'f', 8192, 1, 'FOR VALUES IN (1)', 0 ];
}

my @facts = ([ '0001-1', '15.0', '1', '1', '1', 'f' ]);
my %usual = (facts => rows(6, @facts), relations => rows(14), columns => rows(8), sequences => rows(8), keys => rows(6),
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
	no_keys        => { keys => '' },
	many_patterns  => { patterns => rows(1, map { ['t'] } 1 .. 100000) },
	wide_patterns  => { patterns => rows(0, map { [] } 1 .. 10) });

if ($mode eq 'list')
{
	print "$_\n" foreach sort keys %modes;
	exit;
}

# The one table of a source that is sound up to its rows.
my @types = ([ id => 23 ], [ name => 25 ], [ code => 1043 ], [ at => 1114 ], [ marks => 1007 ]);

sub copied
{
	my @messages = map { pack('H*', $_) } split /,/, $_[0];
	my @columns = map { [ 1, $types[$_][0], $_ + 1, 'a type', ($types[$_][1]) x 2, 'f', 't' ] } 0 .. $#types;
	return {
		relations => rows(14, [ 1, 'public', 'odd', 'r', 'p', 'f', undef, 't', 't', 'f', 8192, 1, undef, 1 ]),
		columns   => rows(8, @columns),
		copy      => message('H', pack('Cn', 1, scalar @types) . pack('n', 1) x @types)
			. join('', map { message('d', $_) } @messages) . message('c', '') . done('COPY') };
}

my %answers = (%usual, %{ $mode =~ /^copy:(.*)/ ? copied($1) : $modes{$mode} });

sub answer
{
	my ($statement) = @_;
	return $answers{copy} if $statement =~ /^\s*COPY .*FORMAT binary/;
	return rows(1) if $statement =~ /pg_relation_filenode/;
	return $answers{facts} if $statement =~ /pg_export_snapshot/;
	return $answers{relations} if $statement =~ /relpartbound/;
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
	syswrite($client, message('R', pack('N', 0))
		. join('', map { message('S', "$_\0$parameters{$_}\0") } sort keys %parameters) . message('Z', 'I'));
	while (1)
	{
		my ($type, $length) = unpack('aN', take($client, 5));
		my $text = take($client, $length - 4);
		exit if $type eq 'X';
		$text =~ s/\0$//;
		my $reply = join('', map { answer($_) } grep { /\S/ } split /;/, $text) . message('Z', 'T');
		while (length($reply) > 0)
		{
			my $n = syswrite($client, $reply) or exit;
			substr($reply, 0, $n) = '';
		}
	}
}

while (my $client = $listener->accept)
{
	next if fork;
	close $listener;
	serve($client);
	exit;
}
