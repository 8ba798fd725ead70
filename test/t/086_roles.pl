# Who may pull which tables, and which role runs the code that users have
# attached to their tables.  It is the table's owner, never a role with more
# rights.

use strict;
use warnings;
use PgTunsync;
use PgTunsync::Agreement;
use PgTunsync::Compare;
use Test::More;

my $w = PgTunsync->new(empty => 1,
	local_conf => "wal_level = logical\nmax_wal_senders = 4\nmax_replication_slots = 4\n");

$w->both_sql(q{
	CREATE TABLE of_alice (id int PRIMARY KEY, v text);
	CREATE TABLE of_ghost (id int PRIMARY KEY, v text, CHECK (length(v) > 0));
	CREATE TABLE of_postgres (id int PRIMARY KEY, v text);
	CREATE TABLE guarded (id int PRIMARY KEY, v text); CREATE TABLE column_grants (a int, b int);
	CREATE TABLE rooted (id int) PARTITION BY RANGE (id);
	CREATE TABLE rooted_1 PARTITION OF rooted FOR VALUES FROM (0) TO (1000);
});
$w->source_sql(join '', map { "INSERT INTO $_ SELECT i, 'new ' || i FROM generate_series(1, 50) i;" } 'of_alice',
	'of_ghost', 'of_postgres', 'guarded');
$w->source_sql('INSERT INTO column_grants SELECT i, i FROM generate_series(1, 50) i;
	INSERT INTO rooted SELECT i FROM generate_series(1, 50) i');
$w->local_sql(q{
	CREATE ROLE alice LOGIN; CREATE ROLE ghost; CREATE ROLE bob LOGIN; CREATE ROLE carl LOGIN; CREATE ROLE dora LOGIN;
	GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pgtunsync TO alice, bob, carl;
	ALTER TABLE of_alice OWNER TO alice; ALTER TABLE of_ghost OWNER TO ghost;
	CREATE FUNCTION ghostly(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT current_user || $1';
	ALTER FUNCTION ghostly OWNER TO ghost; CREATE INDEX ON of_ghost (ghostly(v));
	GRANT INSERT, TRUNCATE ON of_ghost, guarded, rooted TO bob;
	GRANT SELECT, INSERT, UPDATE, DELETE ON of_postgres TO bob; GRANT INSERT (a), UPDATE (a) ON column_grants TO bob;
	GRANT TRUNCATE ON column_grants TO bob;
	INSERT INTO guarded VALUES (1, 'old'), (2, 'old');
});

# ---- rights of the caller ----

sub pulls_as
{
	my ($user, $tables, $title) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	PgTunsync::Compare::pulls_everything($w, "'{" . join(',', @$tables) . "}'", $title, user => $user, quick => 1,
		tables => [ map { "public.$_" } @$tables ]);
	is($w->last_run('role'), $user, 'the audit names the role');
	return;
}

sub denied
{
	my ($user, $table, $title) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return $w->refused("'$table'", $title, user => $user, sqlstate => '42501', message => [qr/\b$table\b/]);
}
pulls_as('alice', ['of_alice'], 'an owner who is no superuser');
pulls_as('bob', [ 'of_ghost', 'guarded', 'rooted' ],
	'INSERT and TRUNCATE are enough, also on a partitioned root and for an owner who cannot log in');
denied('bob', 'of_postgres', 'SELECT, INSERT, UPDATE, DELETE without TRUNCATE');
denied('bob', 'column_grants', 'INSERT on one column');
denied('carl', 'of_alice', 'EXECUTE alone');
denied('alice', 'of_ghost', "another's table");
my $run = $w->refused("'of_alice'", 'no EXECUTE', user => 'dora', sqlstate => '42501', audit => 'none');
$run = $w->refused('', 'after SET ROLE the role counts', sql => 'SET ROLE carl; SELECT pgtunsync.pull($$of_alice$$);',
	sqlstate => '42501');
$w->local_sql(q{CREATE FUNCTION refresh() RETURNS bigint SECURITY DEFINER
	LANGUAGE sql AS 'SELECT pgtunsync.pull(''of_alice'')'; ALTER FUNCTION refresh OWNER TO alice});
is($w->call('SELECT refresh();', user => 'dora')->finish->{rc}, 0, 'in a SECURITY DEFINER function its owner counts');
# the tables that the role may pull are pulled, the others fail by name
my $before = $w->snapshot;
$run = $w->pull("'{guarded,of_alice,of_postgres}'", user => 'bob');
isnt($run->{rc}, 0, 'some of the tables');
is($w->last_run('status'), 'partial', 'those that may be pulled are');
like($run->{err}, qr/of_alice/, 'the others are named');
like($run->{err}, qr/of_postgres/, 'each one');
$w->nothing_left;

# row security of the caller
$w->local_sql('ALTER TABLE guarded ENABLE ROW LEVEL SECURITY; CREATE POLICY half ON guarded USING (id % 2 = 0);
	ALTER TABLE of_alice ENABLE ROW LEVEL SECURITY');
denied('bob', 'guarded', 'row security that applies to the caller');
pulls_as('alice', ['of_alice'], 'which does not apply to an owner');
$w->local_sql('ALTER TABLE of_alice FORCE ROW LEVEL SECURITY');
denied('alice', 'of_alice', 'unless it is forced');
PgTunsync::Compare::pulls_everything($w, "'guarded,of_alice'", 'nor to a superuser', quick => 1,
	tables => [ 'public.guarded', 'public.of_alice' ]);

# ---- a source role that may read only some tables ----

$w->source->safe_psql('production', "SET password_encryption = 'scram-sha-256';
	CREATE ROLE partial LOGIN PASSWORD 'another one'; GRANT SELECT ON of_alice, of_ghost TO partial;
	GRANT SELECT (a) ON column_grants TO partial; CREATE SCHEMA hidden; CREATE TABLE hidden.secret (a int);
	GRANT SELECT ON hidden.secret TO partial");
$w->local_sql('CREATE SCHEMA hidden; CREATE TABLE hidden.secret (a int)');
$w->write_env(PGSYNC_FROM_URL => $w->source_url(user => 'partial', password => 'another%20one'));
$w->source_sql("UPDATE of_ghost SET v = 'for all'; UPDATE of_postgres SET v = 'secret'");
$before = $w->snapshot;
$run = $w->pull('ARRAY[$$of_ghost$$, $$of_postgres$$, $$column_grants$$, $$hidden.secret$$]');
isnt($run->{rc}, 0, 'a source role that may read only some tables');
is($w->last_run('status'), 'partial', 'the rest go on');
like($run->{err}, qr/WARNING:[^\n]*\b$_\b/, "$_ is named") foreach 'of_postgres', 'column_grants', 'secret';
like($run->{err}, qr/no SELECT on: b\b/, 'and the column that may not be read');
PgTunsync::Compare::all_equal($w, tables => ['public.of_ghost']);
$w->unchanged([ map { /^rows public\.of_ghost / ? (grep { /^rows public\.of_ghost / } @{ $w->snapshot })
	: $_ } @$before ], 'and stay as they were');
$w->nothing_left;
$w->local_sql('ALTER TABLE column_grants DROP COLUMN b');
PgTunsync::Compare::pulls_everything($w, "'column_grants'", 'columns that do not travel need no right', quick => 1,
	tables => ['public.column_grants']);
$w->write_env;

# ---- hostile code ----

# An ordinary table owner puts one function everywhere code can be put.  It
# reports to the server log, since it cannot write anywhere else.
my $env = $w->env_file;
$w->local_sql(qq{
	CREATE ROLE mallory LOGIN; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pgtunsync TO mallory;
	GRANT CREATE ON DATABASE dev TO mallory; GRANT CREATE ON SCHEMA public TO mallory;
	CREATE TABLE treasure (v text); INSERT INTO treasure VALUES ('gold'); REVOKE ALL ON treasure FROM PUBLIC;
	CREATE SCHEMA evil AUTHORIZATION mallory;
	SET SESSION AUTHORIZATION mallory;
	CREATE TABLE evil.log (place text, who text, session text, super text, path text, done text);
	CREATE TABLE evil.trap (v text);
	CREATE FUNCTION evil.spring() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN
		RAISE LOG 'evil|deferred trigger|%|%|fired|', current_user, current_setting('search_path');
		EXECUTE 'ALTER ROLE mallory SUPERUSER'; RETURN NULL; EXCEPTION WHEN OTHERS THEN RETURN NULL; END \$\$;
	CREATE CONSTRAINT TRIGGER spring AFTER INSERT ON evil.trap DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
		EXECUTE FUNCTION evil.spring();
	CREATE FUNCTION evil.attack(place text) RETURNS int VOLATILE LANGUAGE plpgsql SET lock_timeout = '20ms' AS \$\$
	DECLARE
		deeds text[] := ARRAY['ALTER ROLE mallory SUPERUSER',
			'RESET SESSION AUTHORIZATION; ALTER ROLE mallory SUPERUSER', 'SET SESSION AUTHORIZATION DEFAULT',
			'SET ROLE postgres', 'RESET ROLE', 'SET ROLE NONE', 'SET LOCAL ROLE postgres',
			'SELECT pg_read_file(\$f\$$env\$f\$)', 'COPY evil.log (done) FROM \$f\$$env\$f\$',
				'COPY (SELECT 1) TO PROGRAM \$f\$touch $env.hacked\$f\$',
				'INSERT INTO public.treasure VALUES (\$f\$stolen\$f\$)', 'SELECT v FROM public.treasure',
			'CREATE TEMP TABLE hijack (v int)',
				'CREATE FUNCTION pg_temp.hijack() RETURNS int LANGUAGE sql AS \$f\$SELECT 1\$f\$',
				'INSERT INTO evil.trap VALUES (\$f\$x\$f\$); SET CONSTRAINTS ALL IMMEDIATE',
				'INSERT INTO evil.trap VALUES (\$f\$x\$f\$)',
			'DECLARE c CURSOR WITH HOLD FOR SELECT 1', 'LISTEN hijack', 'UPDATE pgtunsync.runs SET role = \$f\$x\$f\$',
				'SET pgtunsync.env_file = \$f\$/tmp/x\$f\$', 'SET row_security = off',
				'SELECT dblink_connect(\$f\$x\$f\$)'];
		deed text;
	BEGIN
		IF current_setting('application_name') NOT LIKE '%pgtunsync%' AND (SELECT backend_type
			FROM pg_catalog.pg_stat_activity WHERE pid = pg_catalog.pg_backend_pid()) = 'client backend' THEN RETURN 1;
		END IF;
		RAISE LOG 'evil|%|%|%|began|', place, current_user, current_setting('search_path');
		FOREACH deed IN ARRAY deeds LOOP
			BEGIN
				EXECUTE deed;
				RAISE LOG 'evil|%|%|%|did: %|', place, current_user, current_setting('search_path'), deed;
			EXCEPTION WHEN OTHERS THEN NULL;
			END;
		END LOOP;
		RETURN 1;
	END \$\$;
});
$w->call(q{
	CREATE FUNCTION evil.calm(place text, v anyelement) RETURNS anyelement IMMUTABLE LANGUAGE plpgsql AS $$
		BEGIN PERFORM evil.attack(place); RETURN v; END $$;
	CREATE FUNCTION evil.true(place text) RETURNS bool IMMUTABLE LANGUAGE plpgsql AS $$
		BEGIN PERFORM evil.attack(place); RETURN true; END $$;
	-- An error caught within a support function of GiST would end any build of
	-- the index: the page lock is released with the subtransaction.
	CREATE FUNCTION evil.note(place text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE LOG 'evil|%|%|%|began|',
		place, current_user, current_setting('search_path'); END $$;
	CREATE FUNCTION evil.diff(float8, float8) RETURNS float8 IMMUTABLE LANGUAGE plpgsql AS $$
		BEGIN PERFORM evil.note('subtype_diff'); RETURN $1 - $2; END $$;
	CREATE TYPE evil.float_range AS RANGE (subtype = float8, subtype_diff = evil.diff);
	CREATE DOMAIN evil.checked AS int CHECK (evil.true('domain'));
	CREATE TYPE evil.wrapped AS ENUM ('1', '2', '3');
	CREATE FUNCTION evil.unwrap(evil.wrapped) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$
		BEGIN PERFORM evil.attack('cast'); RETURN $1::text::int; END $$;
	CREATE CAST (evil.wrapped AS int) WITH FUNCTION evil.unwrap AS IMPLICIT;
	CREATE TABLE evil.t (id int PRIMARY KEY, d evil.checked, r evil.float_range, v text,
		g int GENERATED ALWAYS AS (evil.calm('generated', id)) STORED, e int DEFAULT evil.attack('default'),
		CHECK (evil.true('check')));
	CREATE INDEX ON evil.t (evil.calm('index', v)); CREATE INDEX ON evil.t (v) WHERE evil.true('predicate');
	CREATE INDEX ON evil.t USING gist (r); CREATE STATISTICS evil.s ON (evil.calm('statistics', v)), id FROM evil.t;
	CREATE TABLE evil.parted (id int, v text) PARTITION BY RANGE (evil.calm('partition key', id));
	CREATE TABLE evil.parted_1 PARTITION OF evil.parted FOR VALUES FROM (0) TO (100000);
	CREATE TABLE evil.parents (id int PRIMARY KEY); CREATE TABLE evil.refs (w evil.wrapped REFERENCES evil.parents);
	CREATE FUNCTION evil.fire() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.attack('trigger');
	RETURN NEW; END $$;
	CREATE TRIGGER fire BEFORE INSERT OR UPDATE OR DELETE ON evil.t FOR EACH ROW EXECUTE FUNCTION evil.fire();
	ALTER TABLE evil.t ENABLE ALWAYS TRIGGER fire;
	CREATE TRIGGER fire_truncate AFTER TRUNCATE ON evil.t EXECUTE FUNCTION evil.fire();
	CREATE RULE also AS ON INSERT TO evil.t DO ALSO SELECT evil.attack('rule');
	-- names that a careless query would find first
	CREATE FUNCTION public.count() RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN PERFORM evil.attack('count'); RETURN 0;
	END $$;
	CREATE FUNCTION evil.same(int, int) RETURNS bool IMMUTABLE LANGUAGE plpgsql AS $$
		BEGIN PERFORM evil.attack('operator'); RETURN $1 OPERATOR(pg_catalog.=) $2; END $$;
	CREATE OPERATOR public.= (LEFTARG = int, RIGHTARG = int, FUNCTION = evil.same);
}, user => 'mallory')->finish->{rc} eq '0' or diag('the hostile objects are not all there');
$w->source_sql(q{
	CREATE SCHEMA evil; CREATE TYPE evil.float_range AS RANGE (subtype = float8);
	CREATE TYPE evil.wrapped AS ENUM ('1', '2', '3');
	CREATE TABLE evil.t (id int PRIMARY KEY, d int, r evil.float_range, v text);
	CREATE TABLE evil.parted (id int, v text) PARTITION BY RANGE (id);
	CREATE TABLE evil.parted_1 PARTITION OF evil.parted FOR VALUES FROM (0) TO (100000);
	CREATE TABLE evil.parents (id int PRIMARY KEY); CREATE TABLE evil.refs (w evil.wrapped);
	INSERT INTO evil.t SELECT i, i, evil.float_range(i, i + 5), 'v' || i FROM generate_series(1, 200) i;
	INSERT INTO evil.parted SELECT i, 'v' FROM generate_series(1, 100) i;
	INSERT INTO evil.parents SELECT i FROM generate_series(1, 3) i; INSERT INTO evil.refs VALUES ('1'), ('2')});

# Returns what the code has reported since the last call: a list of
# [ place, role, search_path, action ].
my $log_read = 0;
sub told
{
	my $log = $w->local_node->logfile;
	my $text = PostgreSQL::Test::Utils::slurp_file($log, $log_read);
	$log_read = -s $log;
	my %lines = map { $_ => 1 } $text =~ /LOG:  evil\|(.*)\|$/mg;
	return map { [ split /\|/, $_ ] } sort keys %lines;
}

# Tests: all code ran as mallory, and no attack succeeded.
sub harmless
{
	my ($title, @places) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my @told = told();
	subtest $title => sub {
		my %ran = map { $_->[0] => 1 } grep { $_->[3] eq 'began' } @told;
		ok($ran{$_}, "code has run: $_") foreach @places;
		is(join("\n", map { "$_->[0] as $_->[1]" } grep { $_->[1] ne 'mallory' } @told), '', 'only as the owner');
		is(join("\n", map { "$_->[0] $_->[3]" } grep { $_->[3] ne 'began' } @told), '', 'no deed was done');
		is(join("\n", map { $_->[2] } grep { $_->[2] =~ /public|evil|user/ } @told), '', 'the search_path is pinned');
		is($w->local_sql("SELECT rolsuper FROM pg_roles WHERE rolname = 'mallory'"), 'f', 'mallory is no superuser');
		is($w->local_sql('SELECT string_agg(v, $$,$$) FROM treasure'), 'gold', 'the treasure is untouched');
		is($w->local_sql('SELECT (SELECT count(*) FROM evil.log), (SELECT count(*) FROM evil.trap)'), '0|0',
			'nothing was written');
		ok(!-e "$env.hacked", 'no program was run');
		$w->nothing_left;
	};
	return;
}
my @everywhere = ('generated', 'default', 'check', 'domain', 'index', 'predicate', 'subtype_diff', 'statistics',
	'partition key', 'cast');
told();
my $all = "'evil.t,evil.parted,evil.parents,evil.refs'";
my @all = map { "evil.$_" } 't', 'parted', 'parents', 'refs';
foreach my $user ('postgres', 'mallory')
{
	PgTunsync::Compare::pulls_everything($w, $all, "hostile tables, pulled by $user", quick => 1, tables => \@all,
		user => $user, options => '-c search_path=public,evil');
	harmless("hostile code in a pull by $user", @everywhere);
}

# foreign keys from and to tables outside the run
PgTunsync::Compare::pulls_everything($w, "'evil.parents'", 'the referenced table alone', quick => 1,
	tables => ['evil.parents']);
harmless('hostile casts of a table outside', 'cast');
PgTunsync::Compare::pulls_everything($w, "'evil.refs'", 'the referencing table alone', quick => 1,
	tables => ['evil.refs']);
harmless('hostile casts of the table itself', 'cast');
$w->source_sql("DELETE FROM evil.parents WHERE id = 2");
$w->refused("'evil.parents,evil.refs'", 'an orphan, described', sqlstate => '23503', message => [qr/refs_w_fkey/]);
harmless('hostile casts in an error');
$w->source_sql('INSERT INTO evil.parents VALUES (2)');

# row by row, for a subscriber
$w->local_sql("CREATE PUBLICATION everything FOR ALL TABLES;
	SELECT pg_create_logical_replication_slot('slot', 'pgoutput'); ALTER TABLE evil.refs REPLICA IDENTITY FULL;
	ALTER TABLE evil.parted_1 REPLICA IDENTITY FULL; ALTER TABLE evil.log REPLICA IDENTITY FULL;
	ALTER TABLE evil.trap REPLICA IDENTITY FULL");
PgTunsync::Compare::pulls_everything($w, $all, 'hostile tables with a subscriber', quick => 1, tables => \@all);
harmless('hostile code, row by row', @everywhere);
$w->local_sql("SELECT pg_drop_replication_slot('slot'); DROP PUBLICATION everything");

# The tables and their functions have different owners.  The code runs as the
# owner of the tables.
$w->local_sql('CREATE ROLE victim; GRANT USAGE ON SCHEMA evil TO victim; GRANT USAGE ON SCHEMA public TO victim;
	ALTER TABLE evil.refs OWNER TO victim; ALTER TABLE evil.parents OWNER TO victim');
$run = $w->pull("'evil.parents,evil.refs'");
is(join("\n", map { "$_->[0] as $_->[1]" } grep { $_->[1] !~ /^(mallory|victim)$/ } told()), '',
	"functions of others run as the table's owner");

done_testing();
