# Constraints that are NOT VALID or, from version 18 on, NOT ENFORCED.  Rows
# that violate them are pulled, as in a restore.  The constraints stay as they
# are and hold for new rows.

use strict;
use warnings;
use PgTunsync;
use PgTunsync::Agreement;
use PgTunsync::Compare;
use Test::More;

my $w = PgTunsync->new(empty => 1);

sub pulls
{
	my ($table, $title) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return PgTunsync::Compare::pulls_everything($w, "'$table'", $title,
		tables => [ map { "public.$_" } split /,/, $table ], quick => 1);
}

sub rejected
{
	my ($sql, $pattern) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($rc, $out, $err) = $w->local_node->psql('dev', $sql);
	return like($err, $pattern, "$sql is still rejected");
}

# ---- CHECKs of tables ----

# rows before constraints, as in a restore
$w->source_sql('CREATE TABLE checks (id int PRIMARY KEY, a int CHECK (a > 0), b int CHECK (b > 0) NO INHERIT,
	twice int GENERATED ALWAYS AS (a * 2) STORED); INSERT INTO checks SELECT i, i, i FROM generate_series(1, 2500) i');
$w->local_sql('CREATE TABLE checks (id int PRIMARY KEY, a int CHECK (a > 0), b int CHECK (b > 0) NO INHERIT,
	twice int GENERATED ALWAYS AS (a * 2) STORED)');
$w->both_sql('ALTER TABLE checks ADD CONSTRAINT first CHECK (a < 2000) NOT VALID,
	ADD CONSTRAINT "between" CHECK (id + a > 0), ADD CONSTRAINT last CHECK (twice < 3000) NOT VALID,
	ADD CONSTRAINT whole CHECK (checks IS NOT NULL) NOT VALID');
pulls('checks', 'CHECKs of both kinds');
is($w->local_sql("SELECT string_agg(conname, ' ' ORDER BY conname) FROM pg_constraint
	WHERE conrelid = 'checks'::regclass AND NOT convalidated"), 'first last whole', 'stay NOT VALID');
rejected('INSERT INTO checks VALUES (3000, 2001, 1)', qr/"(first|last)"/);
rejected('ALTER TABLE checks VALIDATE CONSTRAINT last', qr/"last" of relation "checks" is violated by some row/);
$w->source_sql('ALTER TABLE checks DROP CONSTRAINT "between"; INSERT INTO checks VALUES (-5, 2, 1)');
$w->refused("'checks'", 'a valid CHECK between them', sqlstate => '23514', message => [qr/"between"/],
	unlike => [qr/"first"|"last"/]);
$w->source_sql('DELETE FROM checks WHERE id < 0');
$w->local_sql('ALTER TABLE checks DROP CONSTRAINT first, ADD CONSTRAINT "first" CHECK (a < 2000 OR false) NOT VALID,
	DROP CONSTRAINT last; DELETE FROM checks WHERE a > 1999; ALTER TABLE checks VALIDATE CONSTRAINT first');
$w->refused("'checks'", 'the same CHECK once it was validated', sqlstate => '23514', message => [qr/"first"/]);

# ---- partitions and inheritance ----

$w->both_sql(q{CREATE TABLE parted (id int, v int) PARTITION BY RANGE (id);
	CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (50);
	CREATE TABLE parted_2 (v int, gone int, id int); ALTER TABLE parted_2 DROP gone;
	ALTER TABLE parted ATTACH PARTITION parted_2 FOR VALUES FROM (50) TO (100);
	CREATE TABLE mother (id int, v int); CREATE TABLE child (w int) INHERITS (mother)});
$w->source_sql('INSERT INTO parted SELECT i, i FROM generate_series(0, 99) i;
	INSERT INTO mother SELECT i, i FROM generate_series(0, 9) i;
	INSERT INTO child SELECT i, i FROM generate_series(0, 9) i');
$w->both_sql('ALTER TABLE parted ADD CONSTRAINT odd CHECK (v % 2 = 1) NOT VALID;
	ALTER TABLE mother ADD CONSTRAINT odd CHECK (v % 2 = 1) NOT VALID');
pulls('parted', 'a partitioned table');
pulls('mother,child', 'tables that inherit');
rejected('INSERT INTO parted VALUES (60, 2)', qr/"odd"/);
rejected('INSERT INTO child VALUES (60, 2)', qr/"odd"/);
$w->source_sql('ALTER TABLE parted DETACH PARTITION parted_2; INSERT INTO parted_2 (id, v) VALUES (3, 3)');
$w->refused("'parted_2'", 'a row out of the bounds', sqlstate => '23514', message => [qr/partition constraint/]);

# ---- domains ----

$w->both_sql(q{CREATE DOMAIN word AS varchar(8); CREATE DOMAIN name_of AS word CHECK (VALUE <> 'nobody');
	CREATE DOMAIN required AS int NOT NULL; CREATE DOMAIN plain AS int CHECK (VALUE > 0);
	CREATE TABLE domains (id int PRIMARY KEY, w word, n name_of UNIQUE, r required, p plain, d name_of DEFAULT 'x')});
$w->source_sql(q{INSERT INTO domains VALUES (1, 'short', 'a', 1, 1, NULL), (2, 'longer', 'longer', -2, 2, 'longer'),
	(3, NULL, NULL, 3, NULL, '')});
$w->both_sql(q{ALTER DOMAIN word ADD CONSTRAINT few CHECK (length(VALUE) < 6) NOT VALID;
	ALTER DOMAIN required ADD CONSTRAINT positive CHECK (VALUE > 0) NOT VALID;
	ALTER DOMAIN name_of ADD CONSTRAINT filled CHECK (VALUE <> '') NOT VALID});
pulls('domains', 'domains, and domains over them');
rejected(q{INSERT INTO domains VALUES (4, 'longer', 'b', 4, 4)}, qr/"few"/);
rejected(q{INSERT INTO domains VALUES (4, 'w', 'longer', 4, 4)}, qr/"few"/);
rejected(q{INSERT INTO domains VALUES (4, 'w', 'b', -4, 4)}, qr/"positive"/);
is($w->local_sql("SELECT pg_typeof(w), pg_typeof(n) FROM domains WHERE n = 'longer'"), 'word|name_of',
	'the column is of its domain');

# the valid ones among them
sub domain_refused
{
	my ($change, $back, $code, $pattern, $title) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$w->source_sql($change);
	$w->refused("'domains'", $title, sqlstate => $code, message => [ $pattern, qr/COPY domains, line 4/ ]);
	$w->source_sql($back);
	return;
}
$w->source_sql('ALTER TABLE domains ALTER n TYPE text, ALTER w TYPE text, ALTER r TYPE int');
domain_refused(q{INSERT INTO domains VALUES (4, 'w', 'nobody', 4, 4)}, 'DELETE FROM domains WHERE id = 4', '23514',
	qr/value for domain (public\.)?name_of violates check constraint "name_of_check"/,
	'a CHECK of a domain that is valid');
domain_refused(q{INSERT INTO domains VALUES (4, 'w', 'n', NULL, 4)}, 'DELETE FROM domains WHERE id = 4', '23502',
	qr/domain (public\.)?required does not allow null values/, 'NOT NULL of a domain');
domain_refused(q{INSERT INTO domains VALUES (4, 'much too long', 'n', 4, 4)}, 'DELETE FROM domains WHERE id = 4',
	'22001', qr/too long for type character varying\(8\)/, 'the length of what it is based on');
pulls('domains', 'from columns of other types');

# ---- a domain's CHECK runs as the table's owner ----

$w->local_sql(q{CREATE ROLE mallory; CREATE SCHEMA evil AUTHORIZATION mallory; GRANT CREATE ON SCHEMA public TO mallory;
	SET ROLE mallory;
	CREATE FUNCTION evil.spy(int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
		RAISE LOG 'spied: % %.', current_user, (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user);
		RETURN true; END $$;
	CREATE DOMAIN public.spied AS int CHECK (evil.spy(VALUE));
	ALTER DOMAIN public.spied ADD CHECK (VALUE > 5) NOT VALID; CREATE TABLE public.spied_on (v public.spied)});
$w->source_sql('CREATE TABLE spied_on (v int); INSERT INTO spied_on VALUES (1), (2)');
my $log = $w->local_node->logfile;
my $log_start = -s $log;
pulls('spied_on', "a domain of a table's owner");
my %who = map { $_ => 1 } PostgreSQL::Test::Utils::slurp_file($log, $log_start) =~ /spied: (\w+ \w)\w*\.$/mg;
is(join(', ', sort keys %who), 'mallory f', 'its CHECK runs as the owner');

# ---- NOT NULL, NOT ENFORCED ----

SKIP:
{
	skip 'both sides must be 18', 6 if $w->major('local') < 18 || $w->major('source') < 18;
	$w->both_sql('CREATE TABLE modern (id int PRIMARY KEY, a int, b int NOT NULL, c int CHECK (c > 0) NOT ENFORCED,
		up int REFERENCES modern NOT ENFORCED, v int GENERATED ALWAYS AS (a + 1) VIRTUAL)');
	$w->source_sql('INSERT INTO modern VALUES (1, NULL, 1, -1, 17), (2, 2, 2, 2, 1)');
	$w->both_sql('ALTER TABLE modern ADD CONSTRAINT a_set NOT NULL a NOT VALID,
		ADD CONSTRAINT v_set NOT NULL v NOT VALID, ADD CONSTRAINT v_small CHECK (v < 3) NOT VALID');
	pulls('modern', 'NOT NULL that is NOT VALID, what is NOT ENFORCED, virtual columns');
	rejected('INSERT INTO modern VALUES (3, NULL, 3, 3, 1)', qr/null value in column "[av]"/);
	rejected('INSERT INTO modern VALUES (3, 7, 3, 3, 1)', qr/"v_small"/);
	is($w->local_sql('SELECT count(*) FROM modern WHERE a IS NULL'), 1, 'the planner does not take it for granted');
	$w->source_sql('ALTER TABLE modern DROP CONSTRAINT v_small, ALTER b DROP NOT NULL;
		UPDATE modern SET b = NULL WHERE id = 2');
	$w->refused("'modern'", 'a NOT NULL that is valid', sqlstate => '23502', message => [qr/null value in column "b"/]);
	$w->source_sql('UPDATE modern SET b = 2, a = 7 WHERE id = 2');
	$w->local_sql('DELETE FROM modern;
		ALTER TABLE modern DROP CONSTRAINT v_small, ADD CONSTRAINT v_small CHECK (v < 3)');
	$w->refused("'modern'", 'a CHECK of a virtual column', sqlstate => '23514', message => [qr/"v_small"/]);
}

done_testing();
