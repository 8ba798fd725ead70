# A foreign key may need a cast that somebody wrote.  Where the key is checked
# row by row, the cast is prepared and runs as the owner of the table.

use strict;
use warnings;
use PgTunsync;
use Test::More;

my $w = PgTunsync->new(empty => 1);

$w->both_sql(q{CREATE ROLE mallory LOGIN; CREATE TYPE wrapped AS (n int)});
$w->local_sql(q{ALTER TYPE wrapped OWNER TO mallory; GRANT CREATE ON SCHEMA public TO mallory;
	SET ROLE mallory;
	CREATE FUNCTION number_of(wrapped) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN ($1).n; END';
	CREATE CAST (wrapped AS int) WITH FUNCTION number_of(wrapped) AS IMPLICIT;
	CREATE FUNCTION same(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1; END';
	RESET ROLE;
	CREATE TABLE parent (id int PRIMARY KEY);
	CREATE INDEX ON parent (same(id));
	INSERT INTO parent SELECT generate_series(1, 20);
	CREATE TABLE child (id int PRIMARY KEY, parent wrapped);
	ALTER TABLE child ADD CONSTRAINT child_parent FOREIGN KEY (parent) REFERENCES parent (id)});
$w->source_sql(q{CREATE TABLE child (id int PRIMARY KEY, parent wrapped);
	INSERT INTO child SELECT i, ROW(i)::wrapped FROM generate_series(1, 20) i});

$w->pulls("'child'", 'a key that needs a cast', ['child']);

# the owner of the table may not call the function, the leader's superuser may
$w->local_sql('CREATE ROLE clerk; ALTER TABLE child OWNER TO clerk; REVOKE EXECUTE ON FUNCTION number_of(wrapped) FROM PUBLIC');
$w->refused("'child'", 'an owner without privileges on the cast', sqlstate => '38000',
	message => [qr/table "child": permission denied for function number_of/]);
$w->local_sql('GRANT EXECUTE ON FUNCTION number_of(wrapped) TO clerk');
$w->pulls("'child'", 'an owner with privileges on the cast', ['child']);

# an error with the SQLSTATE of a WARNING is the function's, too
$w->local_sql(q{CREATE OR REPLACE FUNCTION number_of(wrapped) RETURNS int LANGUAGE plpgsql IMMUTABLE
	AS $$BEGIN RAISE EXCEPTION 'made up' USING ERRCODE = '01000'; END$$});
$w->refused("'child'", 'a cast that raises an odd SQLSTATE', sqlstate => '38000',
	message => [qr/could not check foreign key "child_parent" of table "child": made up/]);

done_testing();
