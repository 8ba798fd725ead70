# Row security on the source.  A pull that would silently miss rows is refused,
# unless a superuser has allowed the source's policies to choose the rows.

use strict;
use warnings;
use PgTunsync;
use Test::More;

my $w = PgTunsync->new(empty => 1);

$w->both_sql(q{CREATE TABLE tenants (id int PRIMARY KEY);
	CREATE TABLE notes (id int PRIMARY KEY, tenant int REFERENCES tenants, body text);
	CREATE TABLE open (id int PRIMARY KEY, note int);
	CREATE TABLE parted (id int, tenant int) PARTITION BY RANGE (id);
	CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (50);
	CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (50) TO (100)});
$w->source_sql(q{INSERT INTO tenants SELECT generate_series(0, 3);
	INSERT INTO notes SELECT i, i % 4, 'note ' || i FROM generate_series(1, 400) i;
	INSERT INTO open SELECT i, i FROM generate_series(1, 400) i;
	INSERT INTO parted SELECT i, i % 4 FROM generate_series(0, 99) i;
	ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
	CREATE POLICY own ON notes USING (tenant = 1 AND current_user = 'reader');
	ALTER TABLE parted_2 ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON parted_2 USING (tenant = 1)});
$w->local_sql(q{INSERT INTO tenants SELECT generate_series(0, 3); INSERT INTO notes VALUES (1000, 3, 'local')});

# ---- refused by default ----

$w->refused("'notes'", 'a table with policies', sqlstate => '42501',
	message => [ qr/row security on the source would filter table notes/, qr/pgtunsync\.source_row_security/ ]);
$w->refused("'parted'", 'a partition with policies', sqlstate => '42501', message => [qr/would filter table parted_2/]);
$w->refused("'open', filter => 'WHERE note IN (SELECT id FROM notes)', mode => 'replace'",
	'a clause that reads such a table', sqlstate => '42501', message => [qr/row-level security/]);
$w->local_sql(q{CREATE ROLE caller LOGIN; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pgtunsync TO caller;
	GRANT USAGE ON SCHEMA pgtunsync TO caller; GRANT ALL ON notes TO caller});
$w->refused(undef, 'a caller cannot allow it', sqlstate => '42501', audit => 'none',
	message => [qr/setting "pgtunsync\.source_row_security" was not accepted/], user => 'caller', sql => "SET pgtunsync.source_row_security = filter; SELECT pgtunsync.pull('notes')");

# ---- the policies choose ----

$w->setting(source_row_security => 'filter');
my $run = $w->pull("'notes,open,parted'");
is($run->{rc}, 0, 'as the policies say') or diag($run->{err});
like($run->{err}, qr/NOTICE:.*row security on the source filters tables: notes, parted_2\n/,
	'a NOTICE names the tables');
is($w->local_sql('SELECT count(*), min(tenant), max(tenant) FROM notes'), '100|1|1',
	"the rows that the source's role may see");
is($w->local_sql('SELECT count(*) FILTER (WHERE id < 50), count(*) FILTER (WHERE id >= 50),
	max(tenant) FILTER (WHERE id >= 50) FROM parted'), '50|12|1', 'and of one partition');
is($w->local_sql('SELECT count(*) FROM open'), 400, 'all rows of tables without policies');
is($w->local_sql("SELECT string_agg(table_name || ' ' || row_security || ' ' || rows, ', ' ORDER BY table_name)
	FROM pgtunsync.run_tables WHERE run_id = $run->{id}"),
	'notes true 100, open false 400, parted_1 false 50, parted_2 true 12', 'the audit has it');

$run = $w->pull("'open', filter => 'WHERE note IN (SELECT id FROM notes)', mode => 'replace'");
is($run->{rc}, 0, 'a clause that reads such a table') or diag($run->{err});
is($w->local_sql('SELECT count(*) FROM open'), 100, 'sees what the role may see');
unlike($run->{err}, qr/row security on the source filters/, 'and is no reason for a NOTICE');

# hidden rows are missing, and foreign keys report it
$w->both_sql('CREATE TABLE refs (id int PRIMARY KEY, note int REFERENCES notes)');
$w->source_sql('INSERT INTO refs VALUES (1, 1), (2, 2)');
$w->refused("'refs,notes'", 'rows that refer to hidden ones', sqlstate => '23503',
	message => [ qr/refs_note_fkey/, qr/\(2\)/ ]);

# a role to which no policy applies
$w->source_sql('ALTER ROLE reader BYPASSRLS');
$run = $w->pull("'notes,refs'");
is($run->{rc}, 0, 'a role with BYPASSRLS') or diag($run->{err});
unlike($run->{err}, qr/row security/, 'no NOTICE');
$w->both_equal($_) foreach qw(notes refs);
is($w->local_sql("SELECT bool_or(row_security) FROM pgtunsync.run_tables WHERE run_id = $run->{id}"), 'f',
	'nothing was filtered');
$w->source_sql('ALTER ROLE reader NOBYPASSRLS');

$w->setting(source_row_security => undef);
$w->refused("'notes'", 'refused again', sqlstate => '42501', message => [qr/would filter table notes/]);

done_testing();
