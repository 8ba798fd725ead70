# After a run every foreign key holds, also those from and to tables that were
# not pulled.  No trigger, rule or cascade fires.

use strict;
use warnings;
use PgTunsync;
use PostgreSQL::Test::Utils;
use Test::More;

my $w = PgTunsync->new(users => 200, stale => 300);

# ---- a key that would be violated ----

# local orders of users 201…300 would be orphaned
my $run = $w->refused("'users'", 'a parent alone, with local children that would lose it', sqlstate => '23503',
	message => [ qr/orders_user_id_fkey|reviews_user_id_fkey/, qr/\b(20[1-9]|2[1-9]\d|300)\b/,
	qr/HINT:.*pull\(.*users.*(orders|reviews)|HINT:.*pull\(.*(orders|reviews).*users/ ]);
like($run->{err}, qr/\d+ rows?|\d+ of/, 'the count of rows is told');

# the call that the HINT suggests works
my ($call) = $run->{err} =~ /HINT:.*?(SELECT\s+pgtunsync\.pull\(.*?\))/;
ok(defined $call, 'the HINT has a call') or diag($run->{err});
$call = 'SELECT pgtunsync.pull()' unless defined $call;
for (1 .. 5)
{
	my $hinted = $w->call("$call;")->finish;
	last if $hinted->{rc} eq '0';
	my ($next) = $hinted->{err} =~ /HINT:.*?(SELECT\s+pgtunsync\.pull\(.*?\))/ or last;
	$call = $next;
}
is($w->last_run('status'), 'succeeded', 'which works');
$w->both_equal('users');
$w->healthy;

# only the child, whose new rows refer to parents that the local side lacks
$w->source_sql("INSERT INTO users (email, name) VALUES ('late\@example.com', 'late');
	INSERT INTO reviews (product_id, user_id, stars) SELECT 1, max(id), 5 FROM users");
$w->pull('');
$w->local_sql("DELETE FROM reviews WHERE user_id = (SELECT max(id) FROM users);
	DELETE FROM users WHERE id = (SELECT max(id) FROM users)");
$w->refused("'reviews'", 'a child whose parent is not here', sqlstate => '23503',
	message => [ qr/reviews_user_id_fkey/, qr/users/ ]);
$w->pulls("'users,reviews'", 'both together', [ 'users', 'reviews' ]);

# composite keys and a chain
$w->source_sql("DELETE FROM shipments; DELETE FROM order_items WHERE order_id % 10 = 0");
$w->refused("'order_items'", 'a composite key', sqlstate => '23503',
	message => [qr/shipments_order_id_product_id_fkey/]);
$w->pulls("'order_items,shipments'", 'with the child', [ 'order_items', 'shipments' ]);

# ---- on_error => continue: a failed parent takes no child with it unseen ----

$w->source_sql("INSERT INTO categories VALUES (900, 1, 'new');
	INSERT INTO products (category_id, sku, price) VALUES (900, 'NEW-1', 5)");
$w->local_sql("ALTER TABLE categories ADD CONSTRAINT small_ids CHECK (id < 500)");
$w->refused("'categories,products'", 'a child of a table that failed', sqlstate => '23514',
	message => [ qr/ERROR: .*small_ids/, qr/products_category_id_fkey/ ]);
$w->local_sql("ALTER TABLE categories DROP CONSTRAINT small_ids");

# ---- cycles, self references, deferrable keys ----

$_->(q{
	CREATE TABLE hen (id int PRIMARY KEY, egg_id int NOT NULL);
	CREATE TABLE egg (id int PRIMARY KEY, hen_id int NOT NULL REFERENCES hen);
	CREATE TABLE tree (id int PRIMARY KEY, parent int NOT NULL REFERENCES tree);
	CREATE TABLE full_match (a int, b int, id int, FOREIGN KEY (a, b) REFERENCES shipments MATCH FULL);
	CREATE TABLE unchecked (id int, user_id int);
}) foreach sub { $w->source_sql(@_) }, sub { $w->local_sql(@_) };
$w->source_sql(q{
	INSERT INTO hen SELECT i, i % 50 + 1 FROM generate_series(1, 50) i;
	INSERT INTO egg SELECT i, 51 - i FROM generate_series(1, 50) i;
	ALTER TABLE hen ADD FOREIGN KEY (egg_id) REFERENCES egg;
	INSERT INTO tree SELECT i, 1 FROM generate_series(1, 50) i;
	INSERT INTO full_match VALUES (NULL, NULL, 1);
	INSERT INTO unchecked VALUES (1, 1), (2, 999999)});
$w->local_sql("ALTER TABLE hen ADD FOREIGN KEY (egg_id) REFERENCES egg;
	ALTER TABLE unchecked ADD CONSTRAINT not_checked FOREIGN KEY (user_id) REFERENCES users NOT VALID");
my $before = $w->snapshot;
$w->pulls("'hen,egg,tree,full_match,unchecked'", 'cycles, self references and keys that are not validated',
	[qw(hen egg tree full_match unchecked)]);
$w->catalog_unchanged($before);

# ---- keys of one integer: negative, at the ends, far apart, of other widths ----

$_->(q{
	CREATE TABLE numbers (id bigint PRIMARY KEY);
	CREATE TABLE few (gone text, id smallint UNIQUE);
	ALTER TABLE few DROP COLUMN gone;
	CREATE TABLE refers (id serial PRIMARY KEY, note text, n bigint REFERENCES numbers, i int REFERENCES numbers,
		s smallint REFERENCES few (id), b bigint REFERENCES few (id));
}) foreach sub { $w->source_sql(@_) }, sub { $w->local_sql(@_) };
$w->source_sql(q{
	INSERT INTO numbers SELECT i FROM generate_series(-5000, 5000, 2) i;
	INSERT INTO numbers SELECT i * 1000003000::bigint + 1 FROM generate_series(-3000, 3000) i;
	INSERT INTO numbers VALUES (9223372036854775807), (-9223372036854775808), (-2147483648);
	INSERT INTO few VALUES (-32768), (-1), (0), (32767), (NULL);
	INSERT INTO refers (note, n) SELECT repeat('x', (id % 7)::int + 8), id FROM numbers;
	INSERT INTO refers (i, s, b) VALUES (-2147483648, -32768, 32767), (-5000, -1, -1),
		(4998, NULL, 0), (NULL, 0, NULL)});
my @numbers = qw(numbers few refers);
$w->pulls("'numbers,few,refers'", "integer keys with $_", \@numbers, options => "-c maintenance_work_mem=$_")
  foreach '64MB', '1MB';
foreach my $orphan ([ 'n', 4999 ], [ 'n', -4999 ], [ 'n', 9223372036854775806 ], [ 'n', 1000003000 ],
	[ 'i', -2147483647 ], [ 's', 1 ], [ 'b', 32768 ], [ 'b', -65537 ])
{
	my ($column, $value) = @$orphan;
	$w->source_sql("SET session_replication_role = replica; INSERT INTO refers ($column) VALUES ($value)");
	$w->refused("'numbers,few,refers'", "$column = $value leads nowhere", sqlstate => '23503',
		message => [ qr/refers_${column}_fkey/, qr/\($value\)/ ]);
	$w->source_sql("DELETE FROM refers WHERE $column = $value");
}
$w->pulls("'numbers,few,refers'", 'without them', \@numbers);

# ---- large ones: several processes ----

$_->(q{
	CREATE TABLE few_keys (id int PRIMARY KEY);
	CREATE TABLE wide (id serial PRIMARY KEY, a int REFERENCES few_keys, b int REFERENCES few_keys, c bigint
		REFERENCES few_keys, filler text);
	ALTER TABLE wide ALTER filler SET STORAGE PLAIN;
}) foreach sub { $w->source_sql(@_) }, sub { $w->local_sql(@_) };
$w->source_sql(q{
	INSERT INTO few_keys SELECT generate_series(1, 1000);
	INSERT INTO wide (a, b, c, filler) SELECT i % 1000 + 1, NULLIF(i % 7, 0), 1000, repeat('x', 3900)
		FROM generate_series(1, 16000) i});
$w->local_node->safe_psql('postgres', "ALTER SYSTEM SET log_min_messages = 'debug1'");
$w->local_node->reload;

# Returns the parallel workers that leaders have started since then.
sub workers_of_leaders
{
	my ($since) = @_;
	my $log = substr(slurp_file($w->local_node->logfile), $since);
	my %leader = map { $_ => 1 } $log =~ /background worker "pgtunsync leader" \(PID (\d+)\) exited/g;
	return scalar grep { $leader{$_} } $log =~ /registering background worker "parallel worker for PID (\d+)"/g;
}

foreach my $workers (2, 0)
{
	my $since = -s $w->local_node->logfile;
	$w->pulls("'few_keys,wide'", "large tables, $workers parallel workers", [ 'few_keys', 'wide' ],
		options => "-c max_parallel_maintenance_workers=$workers");
	is(workers_of_leaders($since) > 0, $workers > 0, 'which help') if `nproc` > 1;
}
$w->local_node->safe_psql('postgres', 'ALTER SYSTEM RESET log_min_messages');
$w->local_node->reload;
foreach my $column (qw(a b c))
{
	$w->source_sql("SET session_replication_role = replica; INSERT INTO wide ($column) VALUES (1001)");
	$w->refused("'few_keys,wide'", "$column = 1001 leads nowhere", sqlstate => '23503',
		message => [ qr/wide_${column}_fkey/, qr/\(1001\)/ ]);
	$w->source_sql("DELETE FROM wide WHERE $column = 1001");
}

# ---- nothing fires ----

$w->local_sql(q{
	CREATE TABLE fired (what text);
	CREATE FUNCTION fire() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO fired VALUES (TG_NAME);
	RETURN NEW; END $$;
	CREATE FUNCTION fire_event() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.fired
		VALUES (TG_TAG); END $$;
	CREATE TRIGGER plain BEFORE INSERT OR UPDATE OR DELETE ON users FOR EACH ROW EXECUTE FUNCTION fire();
	CREATE TRIGGER always AFTER INSERT OR UPDATE OR DELETE ON users FOR EACH ROW EXECUTE FUNCTION fire();
	CREATE TRIGGER emptied AFTER TRUNCATE ON users FOR EACH STATEMENT EXECUTE FUNCTION fire();
	CREATE TRIGGER off BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION fire();
	CREATE CONSTRAINT TRIGGER late AFTER INSERT ON users DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
		EXECUTE FUNCTION fire();
	ALTER TABLE users ENABLE ALWAYS TRIGGER always; ALTER TABLE users DISABLE TRIGGER off;
	ALTER TABLE users ENABLE REPLICA TRIGGER plain;
	CREATE RULE loud AS ON INSERT TO users DO ALSO INSERT INTO fired VALUES ('rule');
	CREATE EVENT TRIGGER on_ddl ON ddl_command_end EXECUTE FUNCTION fire_event();
	CREATE EVENT TRIGGER on_drop ON sql_drop EXECUTE FUNCTION fire_event();
	DELETE FROM fired;
});
$w->source_sql("UPDATE users SET name = 'quiet' WHERE id < 50");
my $children = $w->local_sql('SELECT count(*) FROM orders');
$before = $w->snapshot;
$w->pulls("'users'", 'a table with triggers of every kind', ['users']);
is($w->local_sql("SELECT string_agg(what, ',') FROM fired WHERE what <> 'CREATE EXTENSION'"), '', 'none of them fires');
is($w->local_sql('SELECT count(*) FROM orders'), $children, 'nothing cascades');
$w->catalog_unchanged($before);

done_testing();
