# Random schemas: two databases that are alike, but not the same, made from a
# seed; then a pull, and everything that must hold afterwards.
#
#     my $w = PgTunsync->new(empty => 1);
#     PgTunsync::RandomSchema::check_seed($w, 17);    # a subtest
#
# The same seed gives the same schema everywhere: the numbers come from a
# generator of our own.  Everything that is made can be pulled, so that a pull of
# everything must succeed; a second one of some tables may be refused, but only for a foreign key,
# and must then have changed nothing.

package PgTunsync::RandomSchema;

use strict;
use warnings;
use PgTunsync;
use PgTunsync::Compare;
use Test::More;

# ---- chance ----

my $state;

sub seed { $state = ($_[0] * 2654435761 + 97) % 4294967296; random(10) for 1 .. 10; return; }

sub random
{
	my ($n) = @_;
	$state = ($state * 1664525 + 1013904223) % 4294967296;
	return int(($state / 65536) % 65536 * $n / 65536);
}

sub chance { return random(100) < $_[0]; }
sub pick { return $_[ random(scalar @_) ]; }

sub shuffled
{
	my @list = @_;
	for (my $i = $#list; $i > 0; $i--)
	{
		my $j = random($i + 1);
		@list[ $i, $j ] = @list[ $j, $i ];
	}
	return @list;
}

sub quoted { my ($name) = @_; $name =~ s/"/""/g; return qq{"$name"}; }
sub literal { my ($text) = @_; $text =~ s/'/''/g; return "'$text'"; }

# ---- types: how a value is written, what indexes it takes, what it may be here ----

my @words = ('', 'a', "it's", 'tab	bed', 'back\\slash', '\\.', '\\N', "new\nline", "\r\n", '%s', '"quoted"', '{curly}',
	'NULL', 'ü€', "\x01", ' padded ', 'x' x 3000, 'comma, (paren)');

sub word { return literal(utf8(pick(@words)) . (chance(50) ? random(1000) : '')); }
sub utf8 { my ($text) = @_; utf8::encode($text) if utf8::is_utf8($text); return $text; }
sub number { return pick(0, -1, random(100), random(65536) * random(30000)); }

my %types = (
	int        => { make => sub { number() }, index => [ '', 'hash', 'brin' ],
	here => [ 'bigint', 'numeric' ], default => '7' },
	smallint   => { make => sub { random(30000) - 10000 }, index => [''], here => [ 'int', 'bigint' ], default => '7' },
	bigint     => { make => sub { number() . pick('', '0000', '12345') }, index => [ '', 'brin' ],
	here => ['numeric'], default => '-1' },
	numeric    => { make => sub { pick("'NaN'", "'Infinity'", '1.500', '-0.0001', number() . '.' . random(100),
	'1e50') }, index => [ '', 'hash' ], here => [], default => '0.0' },
	'numeric(12,3)' => { make => sub { random(10000) . '.' . random(1000) }, index => [''],
	here => ['numeric'], default => '1' },
	float8     => { make => sub { pick("'NaN'", "'-0'", "'-Infinity'", '0.1', '1e-300', number() . '/ 7.0') },
	index => [''], here => [], default => '0.5' },
	float4     => { make => sub { pick("'NaN'", '0.1', random(1000) . '/ 3.0') }, index => ['hash'], here => [],
	default => '0.5' },
	text       => { make => \&word, index => [ '', 'hash', 'md5' ], here => [], default => "'default'" },
	'varchar(4000)' => { make => \&word, index => ['md5'], here => ['text'], default => "'v'" },
	'char(9)'  => { make => sub { literal(pick('a', 'b  ', '', 'üü', 'nine char')) }, index => [''], here => [],
	default => "'c'" },
	bool       => { make => sub { pick('true', 'false') }, index => [''], here => [], default => 'true' },
	bytea      => { make => sub { "decode('" . join('', map { sprintf '%02x', random(256) } 0 .. random(40))
		. "', 'hex')" }, index => ['hash'], here => [], default => "'\\x00'" },
	date       => { make => sub { pick("'infinity'", "'0044-03-15 BC'", "'2024-02-29'::date + " . random(1000)) },
	index => [ '', 'brin' ], here => [], default => "'2024-01-01'" },
	timestamp  => { make => sub { "'2024-01-01 00:00:00.123456'::timestamp + " . random(1000)
		. " * interval '1 hour'" }, index => [ '', 'brin' ], here => [], default => 'now()' },
	timestamptz => { make => sub { pick("'-infinity'", "'2024-01-01 00:00:00+00'::timestamptz + " . random(1000)
		. " * interval '1 hour'") }, index => [''], here => [], default => 'now()' },
	interval   => { make => sub { "'" . (random(50) - 25) . ' mons ' . (random(50) - 25) . ' days ' . random(1000)
		. ".5 secs'" }, index => [''], here => [], default => "'1 day'" },
	uuid       => { make => sub { "md5('" . random(1000) . "')::uuid" }, index => [ '', 'hash' ], here => [],
	default => 'gen_random_uuid()' },
	json       => { make => sub { literal('{"a": ' . random(10) . ', "a":1,  "b" : []}') }, index => [], here => [],
	default => "'{}'" },
	jsonb      => { make => sub { literal('{"k": [' . random(10) . ', null], "t": "' . ('y' x random(3000)) . '"}') },
	index => [ 'gin', 'expression' ], here => [], default => "'[]'" },
	'int[]'    => { make => sub { pick("'{}'", "'[-2:0]={1,NULL,3}'",
	'ARRAY[' . join(',', map { random(100) } 0 .. random(5)) . ']') }, index => ['gin'], here => ['bigint[]'],
	default => "'{1}'" },
	'text[]'   => { make => sub { 'ARRAY[' . join(',', map { chance(20) ? 'NULL' : word() } 0 .. random(3))
		. ']::text[]' }, index => [], here => [], default => "'{}'" },
	int4range  => { make => sub { my $i = random(1000); pick("'empty'", "'(,)'", "'[$i," . ($i + 5) . ")'") },
	index => [ '', 'gist', 'spgist' ], here => [], default => "'empty'" },
	nummultirange => { make => sub { pick("'{}'", "'{[1.5,2),(7,)}'") }, index => [''], here => [], default => "'{}'" },
	inet       => { make => sub { "'10.0.0." . random(256) . "'" }, index => [ '', 'spgist' ], here => [],
	default => "'::1'" },
	'bit(5)'   => { make => sub { "B'" . join('', map { random(2) } 1 .. 5) . "'" }, index => [''], here => [],
	default => "B'00000'" },
	tsvector   => { make => sub { "to_tsvector('simple', " . word() . ')' }, index => ['gin'],
	here => [], default => "''" },
	point      => { make => sub { "'(" . random(100) . ',' . random(100) . ")'" }, index => [ 'gist', 'spgist' ],
	here => [], default => "'(0,0)'" },
	money      => { make => sub { literal(random(1000) . '.' . (10 + random(90))) }, index => [''], here => [],
	default => "'1'" },
	xml        => { make => sub { literal('<a>' . random(100) . '</a>text') }, index => [], here => [],
	default => "'<a/>'" },
	oid        => { make => sub { random(65536) }, index => [''], here => [], default => '1' },
	'types.color' => { make => sub { literal(pick('red', 'green', 'very blue')) }, index => [ '', 'hash' ],
	here => ['text'], default => "'red'" },
	'types.color[]' => { make => sub { "ARRAY['red','green']::types.color[]" }, index => [], here => [],
	default => "'{}'" },
	'types.positive' => { make => sub { 1 + random(1000) }, index => [''], here => ['int'], default => '5' },
	'types.pair' => { make => sub { 'ROW(' . random(100) . ', ' . word() . ", 'green')::types.pair" }, index => [],
	here => [], default => 'NULL' });
my %keys = (
	int => sub { $_[0] }, bigint => sub { $_[0] * 1000000007 }, text => sub { literal("key $_[0]") },
	uuid => sub { "md5('$_[0]')::uuid" }, numeric => sub { "$_[0].0" }, 'types.positive' => sub { $_[0] },
	date => sub { "'2000-01-01'::date + $_[0]" }, 'types.pair' => sub { "ROW($_[0], 'x', 'red')::types.pair" });

my $types_sql = {
	source => "CREATE SCHEMA types; CREATE TYPE types.color AS ENUM ('red', 'green', 'very blue', 'unused');
	CREATE DOMAIN types.positive AS int CHECK (VALUE > 0); CREATE TYPE types.pair AS (a int, b text, c types.color);\n",
	local => "CREATE SCHEMA types; CREATE TYPE types.color AS ENUM ('very blue', 'red', 'green');
	CREATE DOMAIN types.positive AS int CHECK (VALUE > 0); CREATE TYPE types.pair AS (a int, b text, c types.color);\n"
	  . "CREATE FUNCTION types.never() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN RAISE EXCEPTION 'trigger % has "
	  . "fired', TG_NAME; END \$\$;\n" };

# ---- a schema ----

sub odd_name
{
	my ($base) = @_;
	return $base if chance(60);
	return pick("Mixed $base", "$base.dot", "$base\"quote", "$base%s", "${base}'apo", "*$base", "$base\\back",
		"ü$base", ('x' x 55) . $base, "select $base");
}

# The definition: a list of tables, each as both sides see it.
sub make_schema
{
	my @schemas = ('public', map { odd_name("schema$_") } 1 .. random(3));
	my @tables;

	foreach my $number (1 .. 4 + random(14))
	{
		push @tables, make_table($number, \@schemas, \@tables);
	}
	return { schemas => \@schemas, tables => \@tables };
}

sub make_column
{
	my ($number) = @_;
	my $type = pick(sort keys %types);
	return {
		name => utf8(odd_name("c$number")),
		type => $type,
		not_null => $types{$type}{default} ne 'NULL' && chance(20),
		default => chance(20),
		nulls => pick(0, 10, 60),
		where => chance(70) ? 'both' : pick('both', 'source', 'local', 'dropped there', 'dropped here'),
		here => @{ $types{$type}{here} } && chance(15) ? pick(@{ $types{$type}{here} }) : $type
	};
}

sub make_table
{
	my ($number, $schemas, $others) = @_;
	my $key = chance(50) ? 'int' : pick(sort keys %keys);
	my $table = {
		name => quoted(utf8(pick(@$schemas))) . '.' . quoted(utf8(odd_name("t$number"))),
		key => $key,
		key_form => pick('primary', 'primary', 'primary', 'unique', 'none', 'identity', 'serial', 'deferrable'),
		kind => pick('plain', 'plain', 'plain', 'plain', 'unlogged', 'partitioned', 'inherited'),
		where => chance(88) ? 'both' : pick('source', 'local'),
		columns => [ map { make_column($_) } 1 .. random(9) ],
		number => $number, fks => [], indexes => [], here => {}
	};
	$table->{kind} = 'plain' if $table->{kind} eq 'partitioned' && $key ne 'int';
	$table->{key_form} = 'primary' if ($table->{key_form} =~ /identity|serial/ && $key !~ /^(int|bigint)$/)
		|| ($table->{kind} eq 'partitioned' && $table->{key_form} =~ /identity|deferrable|none/);
	$table->{partitioning} = pick('range', 'list', 'hash', 'deep') if $table->{kind} eq 'partitioned';
	$table->{rows} = pick(0, 1, random(30), random(200));
	$table->{stale} = pick(0, random(20));
	# children have the columns of their parents: both sides alike
	if ($table->{kind} eq 'inherited')
	{
		$_->{where} = 'both', $_->{here} = $_->{type} foreach @{ $table->{columns} };
	}
	# foreign keys: to tables that both sides have, or to itself
	my @targets = grep { $_->{where} eq 'both' && $_->{key_form} ne 'none' && $_->{key_form} ne 'deferrable'
		&& ($_->{kind} ne 'unlogged' || $_ == $table) } @$others, $table;
	foreach my $i (1 .. random(3))
	{
		last unless @targets;
		my $target = pick(@targets);
		push @{ $table->{fks} }, {
			target => $target, name => "fk_${number}_$i", column => "f$i",
			how => pick('', ' DEFERRABLE', ' DEFERRABLE INITIALLY DEFERRED', ' ON DELETE CASCADE',
			' ON DELETE SET NULL ON UPDATE CASCADE', ' MATCH FULL'),
			not_null => chance(20), where => chance(80) ? 'both' : 'not valid here' };
	}
	# without rows to refer to, nothing may be NOT NULL; keys from a table that only we have would be orphaned
	foreach my $fk (@{ $table->{fks} })
	{
		$fk->{not_null} = 0 if !$fk->{target}{rows} || !$fk->{target}{stale} || $fk->{target} == $table;
		$fk->{empty} = 1 if $table->{where} eq 'local';
		$fk->{not_null} = 0 if $fk->{empty};
		$fk->{where} = 'both' if $table->{kind} eq 'partitioned';
	}
	foreach my $column (@{ $table->{columns} })
	{
		my @kinds = @{ $types{ $column->{type} }{index} };
		push @{ $table->{indexes} }, { column => $column, kind => pick(@kinds), partial => chance(15),
			include => chance(10) } if @kinds && chance(30);
	}
	$table->{generated} = chance(15) && $key eq 'int' ? pick('both', 'source', 'local') : '';
	$table->{generated} = '' if $table->{kind} eq 'inherited';
	$table->{check} = chance(20);
	return $table;
}

# ---- a table as SQL of one side ----

sub has_column
{
	my ($side, $column) = @_;
	return $column->{where} eq 'both' || $column->{where} eq $side
	  || $column->{where} eq ($side eq 'local' ? 'dropped there' : 'dropped here');
}

sub type_on { my ($side, $column) = @_; return $side eq 'local' ? $column->{here} : $column->{type}; }

sub column_sql
{
	my ($side, $column) = @_;
	my $sql = quoted($column->{name}) . ' ' . type_on($side, $column);
	# what only we have must be able to do without a value
	my $needs_default = $side eq 'local' && $column->{where} ne 'both';
	$sql .= " DEFAULT $types{$column->{type}}{default}"
	  if $column->{default} || ($needs_default && $column->{not_null});
	$sql .= ' NOT NULL' if $column->{not_null};
	return $sql;
}

sub key_sql
{
	my ($table) = @_;
	my $form = $table->{key_form};
	my $type = $table->{key};
	return "id $type GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY" if $form eq 'identity';
	return 'id ' . ($type eq 'int' ? 'serial' : 'bigserial') . ' PRIMARY KEY' if $form eq 'serial';
	return "id $type NOT NULL" if $form eq 'none';
	return "id $type UNIQUE" if $form eq 'unique';
	return "id $type PRIMARY KEY DEFERRABLE INITIALLY DEFERRED" if $form eq 'deferrable';
	return "id $type PRIMARY KEY";
}

sub partitions_sql
{
	my ($table) = @_;
	my ($name, $p) = ($table->{name}, $table->{partitioning});
	my $part = sub { $name =~ /^("(?:[^"]|"")*")\./ ? "$1.part_$table->{number}_$_[0]" : die };
	return "CREATE TABLE ${\$part->(1)} PARTITION OF $name FOR VALUES FROM (MINVALUE) TO (50);
		CREATE TABLE ${\$part->(2)} PARTITION OF $name FOR VALUES FROM (50) TO (100);
		CREATE TABLE ${\$part->(3)} PARTITION OF $name DEFAULT;\n" if $p eq 'range';
	return "CREATE TABLE ${\$part->(1)} PARTITION OF $name FOR VALUES IN (1, 2, 3);
		CREATE TABLE ${\$part->(2)} PARTITION OF $name DEFAULT;\n" if $p eq 'list';
	return join('', map { "CREATE TABLE ${\$part->($_)} PARTITION OF $name FOR VALUES WITH (MODULUS 3, "
		. "REMAINDER $_);\n" } 0 .. 2) if $p eq 'hash';
	return "CREATE TABLE ${\$part->(1)} PARTITION OF $name FOR VALUES FROM (MINVALUE) TO (50) PARTITION BY HASH (id);
		CREATE TABLE ${\$part->(11)} PARTITION OF ${\$part->(1)} FOR VALUES WITH (MODULUS 2, REMAINDER 0);
		CREATE TABLE ${\$part->(12)} PARTITION OF ${\$part->(1)} FOR VALUES WITH (MODULUS 2, REMAINDER 1);
		CREATE TABLE ${\$part->(2)} PARTITION OF $name DEFAULT;\n";
}

sub table_sql
{
	my ($side, $table) = @_;
	my $local = $side eq 'local';
	my @columns = map { column_sql($side, $_) } grep { has_column($side, $_) } @{ $table->{columns} };
	my @gone = map { quoted("gone $_->{name}") } grep { $_->{where} eq "dropped "
		. ($local ? 'here' : 'there') } @{ $table->{columns} };
	my $kind = $table->{kind};

	push @columns, map { "$_->{column} $_->{target}{key}" . ($_->{not_null} ? ' NOT NULL' : '') } @{ $table->{fks} };
	push @columns, key_sql($table);
	push @columns, map { "$_ text DEFAULT 'gone'" } @gone;
	push @columns, "g bigint GENERATED ALWAYS AS (id * 2::bigint) STORED"
	  if $table->{generated} eq 'both' || $table->{generated} eq $side;
	push @columns, 'g bigint' if $table->{generated} && $table->{generated} ne 'both' && $table->{generated} ne $side;
	push @columns, 'CONSTRAINT "id is there" CHECK (id IS NOT NULL)' if $table->{check};
	@columns = shuffled(@columns) unless $kind eq 'inherited';
	# the order of constraints does not matter, of columns it may differ
	my $sql = 'CREATE ' . ($kind eq 'unlogged' && chance(70) ? 'UNLOGGED ' : '') . "TABLE $table->{name} ("
		. join(', ', @columns) . ')';
	$sql .= ' PARTITION BY ' . { range => 'RANGE (id)', list => 'LIST (id)', hash => 'HASH (id)',
		deep => 'RANGE (id)' }->{ $table->{partitioning} } if $kind eq 'partitioned';
	$sql .= ' WITH (fillfactor = 70)' if $local && chance(10) && $kind ne 'partitioned';
	$sql .= ";\n";
	$sql .= partitions_sql($table) if $kind eq 'partitioned';
	$sql .= "ALTER TABLE $table->{name} " . join(', ', map { "DROP COLUMN $_" } @gone) . ";\n" if @gone;
	$sql .= "CREATE TABLE ${\child_name($table)} (extra_of_child int) INHERITS ($table->{name});\n"
	  if $kind eq 'inherited';
	return $sql;
}

sub child_name
{
	my ($table) = @_;
	$table->{name} =~ /^("(?:[^"]|"")*")\./ or die;
	return "$1.child_$table->{number}";
}

# Rows: the integers behind the keys, per side.
sub key_numbers
{
	my ($side, $table) = @_;
	my $n = $side eq 'source' ? $table->{rows} : $table->{stale};
	return () unless $n;
	my $from = $side eq 'source' ? 1 : 1 + random($table->{rows} + 1);
	return ($from .. $from + $n - 1);
}

sub row_values
{
	my ($side, $table, $columns, $i) = @_;
	my @values = map {
		my $column = $_;
		my $value = $column->{not_null} || !chance($column->{nulls}) ? $types{ $column->{type} }{make}->() : 'NULL';
		$value eq 'NULL' ? 'NULL' : "($value)::$column->{type}"
			. ($side eq 'local' && $column->{here} ne $column->{type} ? "::$column->{here}" : '')
	} @$columns;
	foreach my $fk (@{ $table->{fks} })
	{
		my @known = $fk->{empty} ? () : @{ $fk->{target}{"keys_$side"} || [] };
		push @values, @known && ($fk->{not_null} || chance(80)) ? $keys{ $fk->{target}{key} }->(pick(@known)) : 'NULL';
	}
	return '(' . join(', ', @values, $keys{ $table->{key} }->($i)) . ')';
}

sub rows_sql
{
	my ($side, $table) = @_;
	my @keys = key_numbers($side, $table);
	my @columns = grep { has_column($side, $_) } @{ $table->{columns} };
	my $names = join(', ', (map { quoted($_->{name}) } @columns), (map { $_->{column} } @{ $table->{fks} }), 'id');

	$table->{"keys_$side"} = \@keys;
	return '' unless @keys;
	my $sql = "INSERT INTO $table->{name} ($names) OVERRIDING SYSTEM VALUE
		VALUES\n" . join(",\n", map { row_values($side, $table, \@columns, $_) } @keys) . ";\n";
	$sql .= "INSERT INTO ${\child_name($table)} SELECT * FROM ONLY $table->{name} LIMIT 7;\n"
	  if $table->{kind} eq 'inherited';
	$sql .= "SELECT setval(pg_get_serial_sequence(" . literal($table->{name}) . ", 'id'), $keys[-1]);\n"
	  if $table->{key_form} =~ /identity|serial/;
	return $sql;
}

my $index_number = 0;

sub index_sql
{
	my ($side, $table, $index) = @_;
	my $column = $index->{column};
	return '' unless has_column($side, $column) && type_on($side, $column) eq $column->{type};
	my $c = quoted($column->{name});
	my $kind = $index->{kind};
	my $what = $kind eq 'md5' ? "(md5($c))" : $kind eq 'expression' ? "(($c ->> 'k'))" : $column->{type} eq 'text'
		&& $kind eq '' ? "left($c, 100)" : $c;
	$what =~ s/^left(.*)$/(left$1)/;
	my $method = $kind =~ /^(hash|gin|gist|spgist|brin)$/ ? " USING $kind" : '';
	my $sql = 'CREATE INDEX index_' . ++$index_number . " ON $table->{name}$method ($what)";
	$sql .= ' INCLUDE (id)' if $index->{include} && $method eq '';
	$sql .= ' WHERE id IS NOT NULL' if $index->{partial};
	return "$sql;\n";
}

sub fk_sql
{
	my ($side, $table, $fk) = @_;
	my $valid = $side eq 'local' && $fk->{where} ne 'both' ? ' NOT VALID' : '';
	return "ALTER TABLE $table->{name} ADD CONSTRAINT $fk->{name} FOREIGN KEY ($fk->{column}) REFERENCES "
		. "$fk->{target}{name} (id)$fk->{how}$valid;\n";
}

# What hangs on the local tables and must stay as it is.
sub ornaments_sql
{
	my ($table) = @_;
	my ($name, $n) = ($table->{name}, $table->{number});
	my $sql = '';

	if (chance(40))
	{
		$sql .= "CREATE TRIGGER fire_$n " . pick('BEFORE', 'AFTER') . ' INSERT OR UPDATE OR DELETE ON ' . $name
			. " FOR EACH ROW EXECUTE FUNCTION types.never();\n";
		my $how = pick('', 'ENABLE ALWAYS', 'ENABLE REPLICA', 'DISABLE');
		$sql .= "ALTER TABLE $name $how TRIGGER fire_$n;\n" if $how;
	}
	$sql .= "CREATE TRIGGER truncate_$n BEFORE TRUNCATE ON $name EXECUTE FUNCTION types.never();\n" if chance(10);
	$sql .= "CREATE RULE rule_$n AS ON INSERT TO $name DO INSTEAD NOTHING;\n" if chance(10);
	$sql .= "CREATE VIEW types.view_$n AS SELECT * FROM $name;\n" if chance(20);
	$sql .= "CREATE MATERIALIZED VIEW types.matview_$n AS SELECT count(*) FROM $name;\n" if chance(10);
	$sql .= "ALTER TABLE $name OWNER TO somebody;\n" if chance(20);
	$sql .= "GRANT SELECT, UPDATE (id) ON $name TO PUBLIC;\n" if chance(20);
	$sql .= "COMMENT ON TABLE $name IS 'comment';\n" if chance(10);
	$sql .= "ALTER TABLE $name ENABLE ROW LEVEL SECURITY;
	CREATE POLICY policy_$n ON $name USING (id IS NULL);\n" if chance(10);
	$sql .= "ALTER TABLE $name FORCE ROW LEVEL SECURITY;\n" if chance(5);
	$sql .= "ALTER TABLE $name REPLICA IDENTITY FULL;\n" if chance(10);
	$sql .= "ALTER TABLE $name ADD PRIMARY KEY (id);\n"
	  if $table->{key_form} eq 'none' && chance(30) && $table->{kind} ne 'partitioned';
	return $sql;
}

sub side_sql
{
	my ($side, $schema) = @_;
	my @tables = grep { $_->{where} eq 'both' || $_->{where} eq $side } @{ $schema->{tables} };
	my $sql = "DROP SCHEMA IF EXISTS public CASCADE;\n" . $types_sql->{$side};

	$sql .= "CREATE SCHEMA ${\quoted(utf8($_))};\n" foreach @{ $schema->{schemas} };
	$sql .= "GRANT USAGE, CREATE ON SCHEMA ${\quoted(utf8($_))} TO PUBLIC;\n" foreach @{ $schema->{schemas} }, 'types';
	$sql .= table_sql($side, $_) foreach @tables;
	$sql .= rows_sql($side, $_) foreach @tables;
	foreach my $table (@tables)
	{
		$sql .= index_sql($side, $table, $_) foreach grep { $side eq 'local' || chance(50) } @{ $table->{indexes} };
		$sql .= fk_sql($side, $table, $_) foreach @{ $table->{fks} };
	}
	if ($side eq 'local')
	{
		$sql .= ornaments_sql($_) foreach @tables;
		$sql .= 'CREATE PUBLICATION some_tables FOR TABLE '
			. join(', ', map { $_->{name} } grep { chance(50) || $_ == $tables[0] } @tables) . ";\n"
		  if chance(30) && !grep { $_->{kind} eq 'unlogged' } @tables;
	}
	return $sql;
}

# ---- a seed ----

sub clean
{
	my ($w, $side) = @_;
	PgTunsync::Compare::script($w, $side,
		q{SELECT format('DROP SCHEMA %I CASCADE', nspname) FROM pg_namespace
		WHERE nspname !~ '^(pg_|information_schema|pgtunsync)' \gexec
		DROP PUBLICATION IF EXISTS some_tables});
	return;
}

# The search_path as PGOPTIONS has it.
sub path_option
{
	my ($schema) = @_;
	my $path = join(',', map { quoted(utf8($_)) } @{ $schema->{schemas} });
	$path =~ s/([ \\])/\\$1/g;
	return "-c search_path=$path";
}

sub check_seed
{
	my ($w, $number) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	seed($number);
	my $schema = make_schema();
	my %sql = map { $_ => side_sql($_, $schema) } 'source', 'local';

	return subtest "seed $number" => sub {
		foreach my $side ('source', 'local')
		{
			clean($w, $side);
			eval { PgTunsync::Compare::script($w, $side, "SET search_path = pg_catalog; $sql{$side}"); 1 }
			  or return fail("the schema can be made on $side: $@");
		}
		my $call = PgTunsync::Compare::pulls_everything($w, '', 'everything', options => path_option($schema));
		pull_some($w, $schema) if $call->{rc} eq '0';
	};
}

# Changes the source and pulls some tables.
sub pull_some
{
	my ($w, $schema) = @_;
	my @common = grep { $_->{where} eq 'both' } @{ $schema->{tables} };
	my @some = grep { chance(40) } @common;
	my $sql = "SET search_path = pg_catalog; SET session_replication_role = replica;\n";

	@some = ($common[0]) unless @some;
	return pass('there is nothing that both sides have') unless $some[0];
	$sql .= "DELETE FROM ONLY $_->{name} WHERE ctid = (SELECT max(ctid) FROM ONLY $_->{name});\n"
	  foreach grep { $_->{kind} ne 'partitioned' && chance(30) } @common;
	PgTunsync::Compare::script($w, 'source', $sql);
	my $before = PgTunsync::Compare::facts($w, 'local');
	my $call = $w->pull('ARRAY[' . join(', ', map { literal($_->{name}) } @some) . ']');
	subtest 'some tables' => sub {
		if ($call->{rc} eq '0')
		{
			my @differs = PgTunsync::Compare::differences($w);
			# by the catalog's spelling of names
			my %names = map { my $n = $_->{name};
				(PgTunsync::Compare::script($w, 'local',
				"SELECT format('%I.%I', nspname, relname) FROM pg_class c JOIN pg_namespace n ON n.oid = "
					. "relnamespace WHERE c.oid = " . literal($n) . '::regclass;') =~ s/\n\z//r) => 1 } @some;
			my @wrong = grep { my $d = $_; grep { index($d, "$_: ") == 0 } keys %names } @differs;
			ok(!@wrong, 'the tables that were asked for are equal') or diag(join("\n", @wrong));
			PgTunsync::Compare::same_facts(PgTunsync::Compare::facts($w, 'local'), $before, 'the catalog is as it was',
				catalog_only => 1);
			$w->healthy;
		}
		else
		{
			is($call->{sqlstate}, '23503', 'refused for a foreign key') or diag($call->{err});
			PgTunsync::Compare::same_facts(PgTunsync::Compare::facts($w, 'local'), $before,
				'every local table is as it was');
		}
		$w->nothing_left;
	};
	return;
}

1;
