# Reading .pgsync.yml.  What pgsync accepts is accepted with the same meaning.
# What cannot be honoured is refused with its line number.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Temp qw(tempdir);
use Test::More;

my $here = dirname(abs_path($0));
my $tmp = tempdir(CLEANUP => 1);

is(system("make -s -C '$here/../parsers' OUT='$tmp' >'$tmp/make.log' 2>&1"), 0, 'driver builds')
  or BAIL_OUT(read_file("$tmp/make.log"));
chdir $tmp or die;

sub read_file
{
	my ($path) = @_;
	open(my $fh, '<:raw', $path) or return '';
	local $/;
	return scalar(<$fh>) // '';
}

# What the driver shows of a text, and its messages.
sub run
{
	my ($text) = @_;
	open(my $fh, '>:raw', 'c.yml') or die;
	print $fh $text;
	close $fh;
	my $shown = `./driver config c.yml 2>messages`;
	die "driver died of $? on: $text" if ($? & 127) || ($? >> 8) > 127;
	return ($shown, read_file('messages'), $?);
}

sub accepted
{
	my ($name, $text, $expected, $messages) = @_;
	my ($shown, $stderr, $status) = run($text);
	is($status == 0 ? $shown : $stderr, $expected, $name);
	is($stderr, '', "$name: nothing to say") unless defined $messages;
	like($stderr, $messages, "$name: message") if defined $messages;
	return;
}

sub refused
{
	my ($name, $text, $line, $expected, $sqlstate) = @_;
	my ($shown, $stderr, $status) = run($text);
	$sqlstate //= 'F0000';
	like($stderr, qr/^ERROR $sqlstate: configuration file "[^"]*c.yml", line $line: .*$expected/m, "refused: $name");
	isnt($status, 0, "refused: $name: status");
	return;
}

# --- as pgsync has it

accepted('nothing', '', '');
accepted('only comments', "# a\n# b\n", '');
accepted('an empty document', "---\n...\n", '');
accepted('null', "~\n", '');
accepted('keys without values', "exclude:\nschemas:\ngroups:\ndata_rules:\n", '');
accepted('byte order mark', "\xEF\xBB\xBFexclude: [a]\n", qq{exclude "a"\n});

my $ignored = qr/^NOTICE [^\n]*ignoring "from", "to", "to_safe"\nDETAIL: [^\n]*\n\z/;
accepted('the README of pgsync', <<'YAML', <<'SHOWN', $ignored);
from: $(heroku config:get DATABASE_URL)?sslmode=require
to: postgres://localhost:5432/myapp_development
to_safe: true
exclude:
  - table1
  - other.p*
schemas:
  - public
groups:
  group1:
    - table1
    - table2
  product:
    products: "where id = {1}"
    coupons: "where product_id = {1} order by created_at desc limit 10"
data_rules:
  email: unique_email
  last_name: random_letter
  users.auth_token:
    value: secret
  visits_count:
    statement: "(RANDOM() * 10)::int"
  encrypted_*: null
YAML
schema "public"
exclude "table1"
exclude "other.p*"
group "group1" 10
entry "table1" - 11
entry "table2" - 12
group "product" 13
entry "products" "where id = {1}" 14
entry "coupons" "where product_id = {1} order by created_at desc limit 10" 15
rule "email" unique_email - 17
rule "last_name" random_letter - 18
rule "users.auth_token" value "secret" 19
rule "visits_count" statement "(RANDOM() * 10)::int" 21
rule "encrypted_*" null - 23
SHOWN

accepted('strings with commas', qq{exclude: 'a, b,"c,d",,'\nschemas: public,other\n},
	qq{schema "public"\nschema "other"\nexclude "a"\nexclude "b"\nexclude "\\"c,d\\""\n});
accepted('all forms of a group', <<'YAML', <<'SHOWN');
groups:
  empty:
  none: []
  flow: [a, "b c"]
  nulls: {a: null, b: ~, c: , d: ""}
  mixed:
    - a
    - [b, where x]
    - [c]
    - d: where y
      e:
  block:
    f: |
      where a
      and b
  folded:
    g: >-
      where a
      and b
  1_000: [on, 12, 1.50, no]
YAML
group "empty" 2
group "none" 3
group "flow" 4
entry "a" - 4
entry "b c" - 4
group "nulls" 5
entry "a" - 5
entry "b" - 5
entry "c" - 5
entry "d" - 5
group "mixed" 6
entry "a" - 7
entry "b" "where x" 8
entry "c" - 9
entry "d" "where y" 10
entry "e" - 11
group "block" 12
entry "f" "where a\nand b\n" 13
group "folded" 16
entry "g" "where a and b" 17
group "1_000" 20
entry "on" - 20
entry "12" - 20
entry "1.50" - 20
entry "no" - 20
SHOWN

accepted('all rules', <<'YAML', <<'SHOWN');
data_rules:
  a: unique_phone
  b: unique_secret
  c: random_int
  d: random_number
  e: random_date
  f: random_time
  g: random_ip
  h: random_string
  i: untouched
  j: "null"
  k: NULL
  l: ~
  m:
  n: {value: 007}
  o: {value: ""}
  p: {value: null}
  q: {value: "null"}
  public.Users.ip: {statement: 'now()'}
  "*_token": random_string
YAML
rule "a" unique_phone - 2
rule "b" unique_secret - 3
rule "c" random_int - 4
rule "d" random_int - 5
rule "e" random_date - 6
rule "f" random_time - 7
rule "g" random_ip - 8
rule "h" random_string - 9
rule "i" untouched - 10
rule "j" null - 11
rule "k" null - 12
rule "l" null - 13
rule "m" null - 14
rule "n" value "007" 15
rule "o" value "" 16
rule "p" null - 17
rule "q" value "null" 18
rule "public.Users.ip" statement "now()" 19
rule "*_token" random_string - 20
SHOWN

{
	my ($shown, $messages, $status) = run(read_file("$here/../../.pgsync.yml.example"));
	is("$messages$status", '0', 'the template is accepted without a word');
}

# --- aliases and merge keys, as Psych has them

accepted('aliases', <<'YAML', <<'SHOWN');
exclude: &logs [a, b]
groups:
  logs: *logs
  more: &m {c: &clause "where x"}
  again: *m
  same: {d: *clause}
  new: &m [e]
  latest: *m
YAML
exclude "a"
exclude "b"
group "logs" 3
entry "a" - 1
entry "b" - 1
group "more" 4
entry "c" "where x" 4
group "again" 5
entry "c" "where x" 4
group "same" 6
entry "d" "where x" 6
group "new" 7
entry "e" - 7
group "latest" 8
entry "e" - 7
SHOWN

my $bases = "groups:\n  x: &x {a: wa, b: wb}\n  y: &y {b: yb, c: yc}\n";
my $merged = sub {
	my ($shown, $stderr) = run("${bases}  g: $_[0]\n");
	return $stderr if $stderr;
	$shown =~ s/.*group "g" 4\n//s;
	return join(' ', $shown =~ /^entry "(\w+)" "(\w+)"/mg);
};
is($merged->('{<<: *x, d: d}'), 'a wa b wb d d', 'merge');
is($merged->('{<<: *x, b: mine}'), 'a wa b mine', 'what stands below a merge overrides it, in its place');
is($merged->('{b: mine, <<: *x}'), 'b wb a wa', 'a merge overrides what stands above it');
is($merged->('{<<: [*x, *y]}'), 'b wb c yc a wa', 'the first of a list wins');
is($merged->('{<<: *x, <<: *y}'), 'a wa b yb c yc', 'two merges');
is($merged->('{<<: {e: e}}'), 'e e', 'merge of a map on the spot');
like($merged->('{b: 1, <<: *x, b: 2}'), qr/line 4: key "b" is given twice/, 'a merge does not hide a duplicate');
like($merged->('{<<: a}'), qr/line 4: "<<" needs a map/, 'merge of a string');

# --- warnings

accepted('unknown keys', "colour: [a]\nexclude: [b]\n", qq{exclude "b"\n},
	qr/^WARNING 01000: configuration file "[^"]*c.yml", line 1: unknown key "colour" is ignored
HINT: Known keys are [^\n]*data_rules/);
accepted('unknown key of a rule', "data_rules:\n  a:\n    value: 1\n    why: x\n", qq{rule "a" value "1" 2\n},
	qr/^WARNING [^\n]* line 4: unknown key "why"/);
accepted('settings of pgsync that do not matter', "defer_constraints_v1: true\ndefer_constraints_v2: true\n", '',
	qr/^NOTICE [^\n]*ignoring "defer_constraints_v1", "defer_constraints_v2"/);

# --- what must be refused

# ignored, these would let everything come that they were to keep back
refused("the unknown key $_", "exclude: [b]\n$_: [a]\n", 2, qq{unknown key "$_"; known keys are "exclude"})
  foreach qw(tables excludes Exclude only include skip where filter mask schema group limit);

refused('partial alone', "data_rules:\n  a: partial\n", 2, 'needs \{keep_first');
refused('partial of nothing', "data_rules:\n  a:\n    partial: {}\n", 3, 'needs \{keep_first');
refused('partial of words', "data_rules:\n  a:\n    partial: {keep_last: four}\n", 3,
	'must be a number from 0 to 1000');
refused('partial of something else', "data_rules:\n  a:\n    partial: {keep: 4}\n", 3, 'unknown key "keep"');
refused("shift_date by $_", "data_rules:\n  a:\n    shift_date: $_\n", 3, 'must be a number from 1 to 100000')
  foreach '0', '-1', '1.5', 'x', '', '99999999999999999999';
refused('a third name', "data_rules:\n  a: {pseudonym_name: middle}\n", 2, 'must be "first"');
refused('two rules', "data_rules:\n  a: {partial: {keep_last: 4}, shift_date: 3}\n", 2, 'both partial and shift_date');
refused('filters as a list', "filters: [a]\n", 1, 'must be a map of tables');
refused('a filter that is a list', "filters:\n  a: [b]\n", 2, 'must be a string');
refused('an empty filter', "filters:\n  a:\n", 2, 'must be a string');
refused('half a filter', "filters:\n  a: {column: b}\n", 2, 'needs both column and last');
refused('another kind of filter', "filters:\n  a: {column: b, first: 3}\n", 2, 'unknown key "first"');
refused('keep as a list', "keep: [a]\n", 1, 'must be a map of tables');
refused('keep by nothing', "keep:\n  a:\n", 2, 'the SQL for "a" in "keep" must be a string');
refused('rewrite as a list', "rewrite: [a]\n", 1, 'must be a map of columns');
refused('rewrite by nothing', "rewrite:\n  a:\n", 2, 'the SQL for "a" in "rewrite" must be a string');
refused('rewrite by a list', "rewrite:\n  a: [b]\n", 2, 'the SQL for "a" in "rewrite" must be a string');
refused('rewrite of nothing', "rewrite:\n  '': b\n", 2, 'a pattern in "rewrite" must be a string');
refused('empty as a map', "empty: {a: b}\n", 1, 'must be a list of names');

accepted('filters and empty', <<'YAML', <<'SHOWN');
filters:
  events: created_at > now() - interval '90 days'
  "p*": {column: at, last: 6 months}
empty: [sessions, "tmp_*"]
rewrite: {"*.owner_id": "(select min(id) from users)", n: 7}
keep: {tenants: "name like 'test_%'", "*.tenant_id": tenant_id < 0}
data_rules:
  a: pseudonym
  b: {partial: {keep_first: 1, keep_last: 4}}
  c: {shift_date: 30}
  d: {pseudonym_name: last}
  e: shift_date
YAML
filter "events" "created_at > now() - interval '90 days'" - - 2
filter "p*" - "at" "6 months" 3
empty "sessions"
empty "tmp_*"
rewrite "*.owner_id" "(select min(id) from users)" 5
rewrite "n" "7" 5
keep "tenants" "name like 'test_%'" 6
keep "*.tenant_id" "tenant_id < 0" 6
rule "a" pseudonym - 8
rule "b" partial - 9 keep 1 4
rule "c" shift_date - 10 days 30
rule "d" pseudonym_name "last" 11
rule "e" shift_date - 12 days 365
SHOWN

refused('unknown rule', "data_rules:\n  a: x\n  b: uniqe_email\n", 2, 'unknown data rule "x"');
refused('rule of another case', "data_rules:\n  b: Unique_Email\n", 2, 'unknown data rule');
refused('rule list', "data_rules:\n  b: [null]\n", 2, 'must not be a list');
refused('rule without content', "data_rules:\n  b: {}\n", 2, 'neither value nor statement');
refused('both', "data_rules:\n  b:\n    value: 1\n    statement: x\n", 4, 'both');
refused('empty statement', "data_rules:\n  b:\n    statement:\n", 3, 'must be a string');
refused('value list', "data_rules:\n  b:\n    value: [1]\n", 3, 'must be a string');
refused('rules as a list', "data_rules:\n  - email\n", 2, 'must be a map');
refused('groups as a list', "groups: [a]\n", 1, 'must be a map');
refused('group as a string', "groups:\n  g: a\n", 2, 'must be a list');
refused('null in a group', "groups:\n  g:\n    - a\n    -\n", 4, 'must be a string');
refused('three in a list', "groups:\n  g:\n    - [a, b, c]\n", 3, 'must be a table and its clause');
refused('clause that is a list', "groups:\n  g: {a: [b]}\n", 2, 'must be a string');
refused('exclude as a map', "exclude: {a: b}\n", 1, 'must be a list');
refused('exclude with null', "exclude:\n  - a\n  - ~\n", 3, 'must be a string');
refused('exclude nested', "exclude: [[a]]\n", 1, 'must be a string');
refused('no schemas at all', "schemas: []\n", 1, 'no table could be pulled');
refused('a list as the file', "- a\n", 1, 'must be a map of keys');
refused('a string as the file', "hello\n", 1, 'must be a map of keys');

refused('duplicate key', "exclude: [a]\n\nexclude: [b]\n", 3, 'given twice, first on line 1');
refused('duplicate group', "groups:\n  a: [x]\n  b: [y]\n  a: [z]\n", 4, 'key "a" is given twice');
refused('two documents', "exclude: [a]\n---\nexclude: [b]\n", 2, 'second YAML document');
refused('broken YAML', "exclude:\n  - a\n b: c\n", 3, 'did not find expected');
refused('tab', "exclude:\n\t- a\n", 2, 'cannot start any token');
refused('not UTF-8', "exclude:\n  - \xe9\n", 2, 'not valid UTF-8');
refused('UTF-16', "\xFF\xFEe\0", 1, 'UTF-16');
refused('control character', "exclude:\n  - a\x01\n", 2, 'control characters');
refused('zero byte', qq{exclude:\n  - "a\\0b"\n}, 2, 'zero byte');
refused('ERB value', "from: <%= ENV['X'] %>\n", 1, 'ERB');
refused('ERB line', "exclude:\n<% if x %>\n  - a\n<% end %>\n", '\d+', '');
like((run("exclude:\n<% if x %>\n  - a\n"))[1], qr/looks like an ERB template/, 'ERB is recognized');
unlike((run("groups:\n  g: {a: \"where 'x' <% y\"}\n"))[1], qr/ERB/, "pg_trgm's operator is not ERB");
refused('glob without quotes', "exclude:\n  - *_logs\n", 2, 'not defined');
refused('glob as a key', "data_rules:\n  *_token: null\n", 2, 'alias');
like((run("exclude:\n  - *_logs\n"))[1], qr/HINT: Quote a name or pattern/, 'globs want quotes');
refused('recursion', "groups: &g\n  a: *g\n", 2, 'inside its own anchor');
refused('tag', "exclude: !ruby/object:Object {}\n", 1, 'tag');
refused('symbol', ":exclude: [a]\n", 1, 'colon');
refused('list as a key', "? [a]\n: b\n", 1, 'not a string');
accepted('plain tags', "exclude: !!seq [!!str null, ! a]\n", qq{exclude "null"\nexclude "a"\n});

# --- what is made to explode

sub laughs
{
	my ($leaf) = @_;
	my $text = "l0: &l0 $leaf\n";
	$text .= "l$_: &l$_ [" . join(', ', ('*l' . ($_ - 1)) x 10) . "]\n" for 1 .. 9;
	return $text;
}
my $start = time;
refused('a billion laughs', laughs('[x]') . "exclude: *l9\n", '\d+', 'must be a string');
my $keys = join(', ', map { "k$_: x" } 1 .. 300);
refused('a billion merges',
	"a0: &a0 {a: b}\n" . join('', map { "a$_: &a$_ {$keys, <<: *a" . ($_ - 1) . "}\n" } 1 .. 400),
	'\d+', 'too many', '54000');
refused('many aliases', "exclude: &e [" . join(',', ('a') x 2000) . "]\ngroups:\n"
	. join('', map { "  g$_: *e\n" } 1 .. 400), '\d+', 'more than 100000', '54000');
refused('deep lists', '[' x 5000, 1, 'deeply nested', '54000');
refused('deep maps', join('', map { (' ' x $_) . "a:\n" } 1 .. 200), '\d+', 'deeply nested', '54000');
refused('many nodes', "exclude:\n" . "- a\n" x 100000, '\d+', 'too many', '54000');
refused('many keys', "groups:\n" . join('', map { " g$_: [a, b]\n" } 1 .. 20000), '\d+', 'too many', '54000');
cmp_ok(time - $start, '<', 10, 'all that in no time');

# --- Ruby itself, where it is at hand

SKIP:
{
	skip 'no ruby', 1 if system("ruby -e 'require \"psych\"' 2>/dev/null") != 0;
	my $output = `ruby '$here/../parsers/compare_psych.rb' ./driver 42 300 2>&1`;
	is($?, 0, 'random files hold the same for Psych') or diag($output);
}

done_testing();
