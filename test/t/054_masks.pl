# Data rules: the values they produce, the values they keep, and that no masked
# value ever leaves the source.

use strict;
use warnings;
use PgTunsync;
use PgTunsync::Agreement;
use PostgreSQL::Test::Utils;
use File::Find ();
use Test::More;

my $key = 'a-key-for-pseudonyms-0123456789';
my $w = PgTunsync->new(empty => 1,
	source_conf => "log_statement = all\nlog_connections = on\nlog_min_duration_statement = 0\n"
		. "log_parameter_max_length = -1\nlog_error_verbosity = verbose\n");
push @{ $w->{secrets} }, $key;
my $relay = $w->relay;
$w->write_env(PGSYNC_REMOTE_PORT => $relay->port, PGSYNC_MASK_KEY => $key);
$relay->set(record => 1);

sub never_seen
{
	my ($title) = @_;
	my $seen = $relay->recorded;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	cmp_ok(length $seen, '>', 1000, "$title: bytes were captured");
	$relay->forget;
	my ($leak) = $seen =~ /(.{0,60}(?:hidden|555-01|\Q$key\E).{0,20})/is;
	is($leak, undef, 'nothing that is hidden crossed the wire, nor the key itself');
	my @found;
	$w->local_sql('CHECKPOINT');
	File::Find::find({ no_chdir => 1, wanted => sub {
		return unless -f $_;
		my $text = eval { slurp_file($_) } // '';
		push @found, $_ if $text =~ /hidden/i;
	} }, $w->local_node->data_dir);
	is("@found", '', 'nor is it in any local file');
	return;
}

# ---- pgsync's own rules, as its tests have them ----

$w->both_sql(q{
	CREATE TABLE "Users" ("Id" serial PRIMARY KEY, zip_code text, email text, phone text, token text, attempts int,
		created_on date, updated_at timestamp,
		ip text, name text, nonsense text, untouchable text);
});
$w->source_sql(q{INSERT INTO "Users" (email, phone, token, attempts, created_on, updated_at, ip, name,
	nonsense, untouchable)
	SELECT 'hidden' || i || '@example.org', '555-0100', 'hidden-token', 1000, '2999-01-01', '2999-01-01', '1.1.1.1',
		'Hidden', 'hidden nonsense', 'rock' FROM generate_series(1, 50) i});
$w->write_config(<<'YML');
data_rules:
  email: unique_email
  phone: unique_phone
  token: unique_secret
  attempts: random_int
  created_on: random_date
  updated_at: random_time
  public.Users.ip: random_ip
  Users.name: random_letter
  nonsense: random_string
  untouchable: untouched
YML
my $run = $w->succeeds("'Users'", "pgsync's rules");
is( $w->local_sql(q{SELECT count(*) FROM "Users" WHERE email = 'email' || "Id" || '@example.org'
	AND phone = ("Id" + 1000000000)::text AND token = 'secret' || "Id"
		AND attempts BETWEEN 0 AND 100 AND created_on BETWEEN '1970-01-01' AND '1998-01-01' AND updated_at < now()
			AND ip ~ '^\d{1,3}\.0\.0\.1$' AND name ~ '^[A-Z]$'
		AND nonsense ~ '^[0-9a-f]{10}$' AND untouchable = 'rock'}),
	50, 'each gives values of its shape');
is( $w->local_sql(q{SELECT columns_masked FROM pgtunsync.run_tables
	WHERE run_id = (SELECT max(id) FROM pgtunsync.runs)}),
	'{"email: unique_email","phone: unique_phone","token: unique_secret","attempts: random_int","created_on: '
		. 'random_date","updated_at: random_time","ip: random_ip","name: random_letter","nonsense: random_string"}',
	'the audit has them');
like($run->{err}, qr/NOTICE:  00000: columns look sensitive and have no data rule: "Users"\.zip_code\n/,
	'what looks sensitive is told');
never_seen("pgsync's rules");

# the first match applies; wildcards, statements, values, null
$w->both_sql(q{CREATE TABLE shapes (id bigint PRIMARY KEY, a varchar(6), b int NOT NULL, encrypted_x bytea,
	encrypted_y text, n numeric(5,2), code char(4), at timestamptz, tags text[], j jsonb, ok boolean,
	addr inet, same text)});
$w->source_sql(q{INSERT INTO shapes SELECT i, 'hidden', 70000 + i, 'hidden', 'hidden', 999, 'hidd', now(), '{hidden}',
	'{"a": "hidden"}', true, '10.9.8.7', 'fine' FROM generate_series(1, 20) i});
$w->write_config(<<'YML');
data_rules:
  shapes.a: {value: "it's long"}
  a: untouched
  shapes.b: {statement: "(id % 3)::int + length('{x}')"}
  encrypted_*: null
  public.shapes.n: {value: 1.5}
  code: {value: "x"}
  "sh*.at": random_date
  tags: {value: "{}"}
  j: {statement: "jsonb_build_object('id', shapes.id)"}
  addr: random_ip
  same: untouched
YML
$w->succeeds("'shapes'", 'values and statements');
is( $w->local_sql(q{SELECT count(*), string_agg(DISTINCT a, ','), min(b), max(b), count(encrypted_x),
	count(encrypted_y), min(n), min(code), min(tags::text), bool_and(j = jsonb_build_object('id', id)), min(same),
	max(at) < '2000-01-01', count(DISTINCT masklen(addr)) FROM shapes}),
	"20|it's l|3|5|0|0|1.50|x   |{}|t|fine|t|1", 'cast to the type and the length of the column');
never_seen('values and statements');

# with a clause, with other partitions, by the name of the partitioned table
$w->both_sql('CREATE TABLE clients (id int, email text, at date) PARTITION BY RANGE (id);
	CREATE TABLE clients_a PARTITION OF clients FOR VALUES FROM (0) TO (50);
	CREATE TABLE clients_b PARTITION OF clients FOR VALUES FROM (50) TO (100)');
$w->source_sql('CREATE TABLE moved (id int, email text)');
$w->local_sql('CREATE TABLE moved (id int, email text) PARTITION BY RANGE (id);
	CREATE TABLE moved_a PARTITION OF moved FOR VALUES FROM (0) TO (50);
	CREATE TABLE moved_b PARTITION OF moved FOR VALUES FROM (50) TO (100)');
$w->source_sql("INSERT INTO $_ SELECT i, 'hidden' || i || '\@x' FROM generate_series(0, 99) i")
  foreach 'clients (id, email)', 'moved (id, email)';
$w->write_config("data_rules:\n  clients.email: pseudonym_email\n  moved.email: pseudonym_email\n");
$w->succeeds("'{clients,moved}'", 'rules by the name of a partitioned table');
is($w->local_sql("SELECT count(DISTINCT email), bool_and(email ~ '^user[0-9a-f]{16}\@example.org\$') FROM $_"), '100|t',
	"$_ is masked") foreach qw(clients moved);
is($w->local_sql('SELECT count(*) FROM clients c JOIN moved m USING (id, email)'), 100,
	'with the same fakes for the same values');
$w->succeeds("'{clients,moved}', filter => 'email like ''h_dden1%''', mode => 'replace'",
	'a filter sees what the source has');
is($w->local_sql('SELECT count(*) FROM clients'), 11, 'and chooses by it') ;
never_seen('partitions');

# ---- pseudonyms ----

$w->both_sql(q{
	CREATE TABLE people (email text PRIMARY KEY, name varchar(80) NOT NULL UNIQUE, nick text, short varchar(8),
		uid uuid, digest bytea, born date, met timestamptz, card text, ssn varchar(20), num int, big bigint,
		small smallint, cents numeric);
	CREATE TABLE letters (id int PRIMARY KEY, person text REFERENCES people, again text, num int, sent date,
		answered timestamp);
	CREATE TABLE numbers (n int PRIMARY KEY, b bigint UNIQUE, s smallint UNIQUE);
	CREATE TABLE number_users (id int PRIMARY KEY, n bigint REFERENCES numbers);
	CREATE TABLE tree (code varchar(40) PRIMARY KEY, parent varchar(40) REFERENCES tree);
});
$w->source_sql(q{
	INSERT INTO people SELECT 'hidden.' || i || '@example.com', 'Hidden Person ' || i,
		CASE WHEN i % 3 > 0 THEN 'hidden ' || i % 5 END, 'hidden' || i % 9, md5('hidden' || i)::uuid, 'hidden',
		'1950-01-01'::date + i * 100, '2024-01-01'::timestamptz + i * interval '1 day', '4111-1111-1111-' || 1000 + i,
			'hidden-' || i, i - 250, i * 10000000000, i, i FROM generate_series(1, 500) i;
	INSERT INTO letters SELECT i, 'hidden.' || 1 + i % 500 || '@example.com',
		'hidden.' || 1 + i % 500 || '@example.com', i % 500 - 249, '2024-01-01'::date + i, '2024-01-11'::date + i
		FROM generate_series(1, 700) i;
	INSERT INTO numbers SELECT i, i * 3000000000, i FROM generate_series(-1000, 5000) i;
	INSERT INTO numbers VALUES (2147483647, 9223372036854775807, 32767), (-2147483648, -9223372036854775808, -32768);
	INSERT INTO number_users SELECT i + 1000, i FROM generate_series(-1000, 5000) i;
	INSERT INTO tree SELECT 'hidden-' || i, CASE WHEN i > 1 THEN 'hidden-' || i / 2 END
		FROM generate_series(1, 100) i});
my $rules = <<'YML';
data_rules:
  people.email: pseudonym_email
  name: pseudonym_name
  nick: {pseudonym_name: first}
  short: pseudonym
  uid: pseudonym
  digest: pseudonym
  born: {shift_date: 30}
  met: shift_date
  card: {partial: {keep_last: 4}}
  ssn: {partial: {keep_first: 1, keep_last: 1}}
  people.num: pseudonym_number
  big: pseudonym
  small: pseudonym_number
  cents: pseudonym_number
  letters.num: pseudonym_number
  again: pseudonym_email
  sent: shift_date
  answered: shift_date
  numbers.*: pseudonym_number
  tree.code: pseudonym
YML
$w->write_config($rules);
$w->succeeds("'{people,letters,numbers,number_users,tree}'", 'pseudonyms');
is($w->local_sql(q{SELECT count(*), count(DISTINCT email), bool_and(email ~ '^user[0-9a-f]{16}@example.org$'),
	count(DISTINCT name), bool_and(name ~ '^\w+ \w+ [0-9a-f]{16}$'),
		count(DISTINCT nick), count(nick), bool_and(nick ~ '^[A-Z][a-z]+$'), bool_and(short ~ '^[0-9a-f]{8}$'),
			count(DISTINCT short), count(DISTINCT uid), bool_and(length(digest) = 32) FROM people}),
	'500|500|t|500|t|5|334|t|t|9|500|t', 'shapes, uniqueness, nulls, lengths');
is($w->local_sql(q{SELECT bool_and(card ~ '^\d{15}\d{4}$' AND right(card, 4)::int BETWEEN 1001 AND 1500),
	count(DISTINCT card), bool_and(ssn ~ '^h[0-9a-f]+\d$'), min(length(ssn)), max(length(ssn)) FROM people}),
	't|500|t|8|10', 'partial keeps length, ends and uniqueness');
is($w->local_sql('SELECT count(DISTINCT num), bool_and(num <> 0), count(DISTINCT big), min(big) > 2147483647,
	count(DISTINCT small), min(small) >= 0, count(DISTINCT cents) FROM people'), '500|t|500|t|500|t|500',
	'numbers stay unique and in range');
is($w->local_sql('SELECT count(*) FROM people WHERE num < 0'), 249, 'and keep their sign');
is($w->local_sql('SELECT count(*) FROM letters JOIN people ON person = email'), 700,
	'a foreign key follows the column that it refers to');
is($w->local_sql('SELECT count(*) FROM letters WHERE person = again'), 700, 'the same value gives the same fake');
is($w->local_sql('SELECT count(*) FROM letters l JOIN people p ON p.email = l.again AND p.num = l.num'),
	$w->source_sql('SELECT count(*) FROM letters l JOIN people p ON p.email = l.again AND p.num = l.num'),
	'joins over other columns survive');
is($w->local_sql('SELECT count(*), count(DISTINCT n), count(DISTINCT b), count(DISTINCT s) FROM numbers'),
	'6003|6003|6003|6003', 'a permutation, to the ends of the range');
is($w->local_sql('SELECT count(*) FROM numbers WHERE n BETWEEN -1000 AND 5000'), 0, 'of which nothing is left');
is($w->local_sql('SELECT count(*) FROM number_users JOIN numbers USING (n)'), 6001, 'int and bigint agree');
is($w->local_sql('SELECT count(*) FROM tree t JOIN tree p ON p.code = t.parent'), 99, 'a table that refers to itself');
is($w->local_sql('SELECT count(*), bool_and(answered - sent = interval $$10 days$$) FROM letters'), '700|t',
	'dates of a row are shifted together');
my $born = $w->source_sql(q{SELECT string_agg(born::text, ',' ORDER BY born) FROM people});
is($w->local_sql(qq{SELECT count(*) FROM (SELECT unnest(string_to_array('$born', ','))::date AS b,
	unnest((SELECT array_agg(born ORDER BY card) FROM people)) AS s) x WHERE s BETWEEN '1950-01-01'::date - 30
	AND '2090-01-01'::date}), 500, 'by no more than was said');
my $first = $w->local_sql('SELECT md5(string_agg(p::text, $$/$$ ORDER BY email)) FROM people p');
$w->succeeds("'people,letters'", 'once more');
is($w->local_sql('SELECT md5(string_agg(p::text, $$/$$ ORDER BY email)) FROM people p'), $first,
	'the next run gives the same');
$w->healthy;
never_seen('pseudonyms');
$w->write_env(PGSYNC_REMOTE_PORT => $relay->port, PGSYNC_MASK_KEY => "$key-2");
$w->succeeds("'people,letters,numbers,number_users,tree'", 'with another key');
isnt($w->local_sql('SELECT md5(string_agg(p::text, $$/$$ ORDER BY email)) FROM people p'), $first,
	'another key gives others');
my $options = slurp_file($w->source->logfile);
unlike($options, qr/pgtunsync_mask\.(?:inner|outer)=/, "the source's log has no key");
unlike($options, qr/parameters:/, 'not as a parameter either');

# HMAC-SHA-256, computed independently
SKIP: {
	eval { require Digest::SHA; 1 } or skip 'no Digest::SHA', 1;
	my $derived = Digest::SHA::hmac_sha256('pgtunsync mask key 1', "$key-2");
	my $token = substr(Digest::SHA::hmac_sha256_hex('hidden.7@example.com', $derived), 0, 16);
	is($w->local_sql("SELECT count(*) FROM people WHERE email = 'user$token\@example.org'"), 1, 'it is HMAC-SHA-256');
}
$w->write_env(PGSYNC_REMOTE_PORT => $relay->port, PGSYNC_MASK_KEY => $key);

# ---- foreign keys that follow a row's rule ----

$w->both_sql(q{
	CREATE TABLE owners (id int PRIMARY KEY, login text UNIQUE, joined date UNIQUE);
	CREATE TABLE pets (id int PRIMARY KEY, owner text REFERENCES owners (login), since date REFERENCES owners (joined));
	CREATE TABLE toys (id int PRIMARY KEY, owner text REFERENCES owners (login));
});
$w->source_sql(q{INSERT INTO owners SELECT i, 'hidden' || i, '2020-01-01'::date + i * 1000
	FROM generate_series(1, 20) i;
	INSERT INTO pets SELECT i, 'hidden' || 1 + i % 20, '2020-01-01'::date + (1 + i % 20) * 1000
	FROM generate_series(1, 50) i; INSERT INTO toys VALUES (1, 'hidden3'), (2, NULL)});
$w->write_config("data_rules:\n  login: unique_secret\n  joined: shift_date\n");
$w->succeeds("'{owners,pets,toys}'", 'rules of another row');
is($w->local_sql("SELECT count(*), bool_and(o.login = 'secret' || o.id) FROM pets p JOIN owners o ON p.owner = o.login
	AND p.since = o.joined"), '50|t', 'are looked up there');
is($w->local_sql('SELECT string_agg(coalesce(owner, $$-$$), $$,$$ ORDER BY id) FROM toys'), 'secret3,-',
	'null stays null');
never_seen('foreign keys');
$w->write_config("data_rules:\n  login: random_string\n");
$w->refused("'{owners,pets}', on_error => 'abort'", 'a key that is masked by chance', sqlstate => '42804',
	message => [ qr/pets/, qr/use a pseudonym/ ]);

# ---- rules that cannot work are named, before anything moves ----

$w->both_sql(q{CREATE TABLE strict (id int PRIMARY KEY, must text NOT NULL, n int, b boolean, tiny varchar(5),
	d interval, u uuid, arr text[], doc jsonb, num numeric(4,0));
	CREATE TABLE keyless (email text, at date); CREATE TABLE natural_key (email text PRIMARY KEY, t text);
	CREATE TABLE two_keys (a int, b int, email text, PRIMARY KEY (a, b));
	CREATE TABLE text_key (id text PRIMARY KEY, phone text)});
$w->source_sql("INSERT INTO strict (id, must) VALUES (1, 'hidden');
	INSERT INTO natural_key VALUES ('hidden', 'hidden')");
foreach (
	[ 'strict.must: null', 'strict', '42804', qr/column must.*NOT NULL/s ],
	[ 'strict.must: {value: null}', 'strict', '42804', qr/column must.*NOT NULL/s ],
	[ 'strict.n: unique_email', 'strict', '42804', qr/"unique_email" cannot work for column n.*gives text/s ],
	[ 'strict.b: random_date', 'strict', '42804', qr/column b.*gives a date/s ],
	[ 'strict.tiny: unique_secret', 'strict', '42804', qr/column tiny.*needs 7 characters/s ],
	[ 'strict.tiny: pseudonym_email', 'strict', '42804', qr/column tiny.*needs 32 characters/s ],
	[ 'strict.d: shift_date', 'strict', '42804', qr/column d.*dates and timestamps/s ],
	[ 'strict.d: pseudonym', 'strict', '42804', qr/column d/ ],
	[ 'strict.u: random_string', 'strict', '42804', qr/column u/ ],
	[ 'strict.arr: pseudonym_email', 'strict', '42804', qr/column arr/ ],
	[ 'strict.doc: pseudonym_name', 'strict', '42804', qr/column doc/ ],
	[ 'strict.num: pseudonym_number', 'strict', '42804', qr/column num/ ],
	[ 'strict.n: {value: x}', 'strict', '22P02', qr/strict.*column n.*n: value/s ],
	[ 'strict.n: {statement: no_such_column + 1}', 'strict', '42703', qr/column n.*no_such_column.*n: statement/s ],
	[ 'strict.n: {statement: "no_such_function(n)"}', 'strict', '42883', qr/column n/ ],
	[ 'strict.n: {statement: "1, 2"}', 'strict', '42601', qr/not one expression.*strict\.n/s ],
	[ 'strict.n: {statement: "1) FROM strict; DROP TABLE strict; --"}', 'strict', '42601', qr/semicolon.*strict\.n/s ],
	[ 'strict.n: {statement: "1 FROM strict"}', 'strict', '42601', qr/not one expression/ ],
	[ 'strict.n: {statement: "n AS x"}', 'strict', '42601', qr/not one expression/ ],
	[ 'keyless.email: unique_email', 'keyless', '42804', qr/needs a primary key of one column/ ],
	[ 'two_keys.email: unique_email', 'two_keys', '42804', qr/needs a primary key of one column/ ],
	[ 'keyless.at: shift_date', 'keyless', '42804', qr/needs a primary key/ ],
	[ 'text_key.phone: unique_phone', 'text_key', '42804', qr/numeric primary key/ ],
	[ 'natural_key.email: unique_email', 'natural_key', '42804', qr/primary key is masked itself/ ])
{
	my ($rule, $table, $state, $message) = @$_;
	$w->write_config("data_rules:\n  $rule\n");
	$run = $w->pull("'$table'");
	is($run->{sqlstate}, $state, "refused: $rule") or diag($run->{err});
	like($run->{err}, $message, 'by name');
}
never_seen('rules that cannot work');

# an error between rows does not show their values
$w->write_config("data_rules:\n  strict.n: {statement: \"must::int\"}\n");
$w->refused("'strict'", 'a statement that fails on a value', sqlstate => '22P02',
	message => [qr/its text could show values that data rules mask/i], unlike => [qr/hidden/]);
$w->write_config("data_rules:\n  natural_key.*: pseudonym\n");
$w->refused("'natural_key', filter => '(select email from natural_key limit 1)::int = 1', mode => 'replace'",
	'a filter that asks for a masked value',
	sqlstate => '22P02', unlike => [qr/hidden/]);
$w->refused("'keyless', filter => '(select email from natural_key limit 1)::int = 1', mode => 'replace'",
	"or for another table's",
	sqlstate => '22P02', unlike => [qr/hidden/]);
$w->refused("'moved', filter => '(select email from natural_key limit 1)::int = 1', mode => 'replace'",
	'or for partitions',
	sqlstate => '22P02', unlike => [qr/hidden/]);
$w->refused(q{'natural_key', mode => 'replace',
	filter => $$length(email) = (table_to_xml('public.natural_key', true, false, '')::text)::int$$},
	'or for all of them while it is planned',
	sqlstate => '22P02', unlike => [qr/hidden/]);
unlike($w->call(q{SELECT reason FROM pgtunsync.plan('natural_key', mode => 'replace',
	filter => $$length(email) = (table_to_xml('public.natural_key', true, false, '')::text)::int$$)})->finish->{out},
	qr/hidden/, 'nor does the plan tell');
$w->refused("'natural_key', filter => '$_ IS NOT NULL', mode => 'replace'", "or for one as a name: $_",
	sqlstate => '42\\w{3}|3F000|0A000', unlike => [qr/hidden/])
	foreach 'email::regclass', 'current_setting(email)', 'has_table_privilege(email, \'\'SELECT\'\')',
		'(email || \'\'.a.b.c\'\')::regclass', 'email::regtype',
		'query_to_xml(\'\'SELECT \'\' || email, true, true, \'\'\'\')';
$w->refused(q{'natural_key', mode => 'replace',
	filter => $$email::regclass = table_to_xml('public.natural_key', true, false, '')::text::regclass$$},
	'or for all of them as a name', sqlstate => '42602', unlike => [qr/hidden/]);
$relay->forget;		# that text itself the source does send

# ---- rules that meet nothing, settings, the switch ----

$w->write_config("data_rules:\n  email: pseudonym_email\n  'Users.emial': null\n  no_such.*: null\n"
	. "  letters.person: untouched\n");
$run = $w->succeeds("'keyless'", 'rules that meet nothing');
like($run->{err}, qr/WARNING:  01000: data rule "$_" in line \d/, "$_: a WARNING") foreach 'Users.emial', 'no_such.\*';
unlike($run->{err}, qr/data rule "letters/, 'but not for what is elsewhere');

$w->setting(require_rules => 'on');
$w->refused("'Users'", 'rules are required', sqlstate => 'F0000',
	message => [ qr/"Users"\.zip_code/, qr/"Users"\.phone/, qr/untouched/ ]);
$w->write_config("data_rules:\n  email: pseudonym_email\n  zip_code: untouched\n  '*phone': null\n  token: null\n"
	. "  ip: null\n");
$w->succeeds("'Users'", 'all have one');
$w->setting(require_rules => undef);

$w->refused("'Users', rules => false", 'no rules at all', sqlstate => '42501',
	message => [qr/allow_unmasked/], audit => 'none');
$w->local_sql('CREATE ROLE caller LOGIN; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pgtunsync TO caller;
	GRANT INSERT, TRUNCATE, SELECT ON ALL TABLES IN SCHEMA public TO caller');
$w->refused(undef, 'nor can the caller allow it', sqlstate => '42501', audit => 'none', user => 'caller',
	sql => "SET pgtunsync.allow_unmasked = on; SELECT pgtunsync.pull('Users', rules => false)");
$w->setting(allow_unmasked => 'on');
$run = $w->pull("'Users', rules => false", user => 'caller');
is($run->{rc}, 0, 'unless a superuser has said so') or diag($run->{err});
is($w->local_sql(q{SELECT count(*) FROM "Users" WHERE email LIKE 'hidden%' AND nonsense = 'hidden nonsense'}), 50,
	'then all comes as it is');
like($run->{err}, qr/WARNING.*data rules are off/, 'with a WARNING');
is($w->last_run("options -> 'rules'"), 'false', 'and the audit has it');

# ---- the key ----

$w->write_config("data_rules:\n  email: pseudonym_email\n");
$w->write_env(PGSYNC_MASK_KEY => undef);
$w->refused("'Users'", 'no key', sqlstate => 'F0000', message => [ qr/PGSYNC_MASK_KEY is not set/, qr/openssl rand/ ],
	before_tunnel => 1);
$w->write_env(PGSYNC_MASK_KEY => 'short');
$w->refused("'Users'", 'a short key', sqlstate => 'F0000', message => [qr/shorter than 16/], unlike => [qr/'short'/],
	before_tunnel => 1);
$w->write_config("data_rules:\n  email: unique_email\n");
$w->succeeds("'Users'", 'other rules need none');
is_deeply([ $w->leaked ], [], 'the key is nowhere');

done_testing();
