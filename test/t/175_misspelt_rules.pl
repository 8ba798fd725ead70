# A misspelt data rule masks nothing: a WARNING names what was meant, and where rules are required, nothing is pulled.

use strict;
use warnings;
use PgTunsync;
use Test::More;

my $w = PgTunsync->new(empty => 1);
$w->both_sql('CREATE TABLE users (id int PRIMARY KEY, label text, note text); CREATE TABLE others (id int PRIMARY KEY)');
$w->source_sql("INSERT INTO users VALUES (1, 'true', 'n'); INSERT INTO others VALUES (1)");

my %misspelt = (
	lable => 'label', 'users.lable' => 'users.label', 'public.users.lable' => 'public.users.label',
	'user.label' => 'users.label', xyz => undef);
foreach my $pattern (sort keys %misspelt)
{
	$w->write_config("data_rules:\n  $pattern: null\n");
	my $run = $w->pull("'users'");
	is($run->{rc}, 0, "$pattern: the pull goes on") or diag($run->{err});
	my $hint = $misspelt{$pattern} ? "HINT:  Perhaps you meant $misspelt{$pattern}." : 'LOCATION';
	like($run->{err}, qr/WARNING:  01000: data rule "\Q$pattern\E" in line 2 of file ".*" matches no column of the source\n\Q$hint\E/,
		"$pattern: a WARNING with what was meant");
}

$w->setting(require_rules => 'on');
$w->local_sql('TRUNCATE users');
$w->write_config("data_rules:\n  users.note: null\n  users.lable: null\n");
$w->refused($_, "rules are required: pull($_)", sqlstate => 'F0000',
	message => [qr/data rule "users\.lable" in line 3 of file/, qr/HINT:  Perhaps you meant users\.label\./])
  foreach "'users'", "'others'";
is($w->local_sql(q{SELECT string_agg(format('%s %s %s', table_name, status, hint), ',' ORDER BY table_name) FROM pgtunsync.plan()}),
	'others refused Perhaps you meant users.label.,users refused Perhaps you meant users.label.', 'plan() agrees');
$w->write_config("data_rules:\n  users.note: null\n  users.label: null\n");
is($w->pull("'users'")->{rc}, 0, 'written right, it works');
is($w->local_sql('SELECT count(label), count(*) FROM users'), '0|1', 'and masks');
$w->nothing_left;

done_testing();
