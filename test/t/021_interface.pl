# Every natural form of a call resolves without casts and has the documented
# effect.

use strict;
use warnings;
use PgTunsync;
use Test::More;

my $w = PgTunsync->new(users => 100);
$w->write_config("groups:\n  core:\n    - users\n    - categories\n");

# the tables that a call replaced, as the audit tells it
sub replaced
{
	my ($run) = @_;
	return $w->local_sql("SELECT coalesce(string_agg(table_name, ' ' ORDER BY table_name), '')
		FROM pgtunsync.run_tables WHERE status = 'succeeded' AND run_id = " . ($run->{id} || 0));
}

my $all = join(' ', sort @PgTunsync::shop);

# The first call makes both sides equal, so no later one can orphan a row.
my @spellings = (
	[ ''                                          => $all ],
	[ q{'{users}'}                                => 'users' ],
	[ q{'{users,categories}'}                     => 'categories users' ],
	[ q{ARRAY['users']}                           => 'users' ],
	[ q{ARRAY['users', 'reviews']}                => 'reviews users' ],
	[ q{'users'}                                  => 'users' ],
	[ q{'users,reviews'}                          => 'reviews users' ],
	[ q{'users, reviews'}                         => 'reviews users' ],
	[ q{'{users, reviews}'}                       => 'reviews users' ],
	[ q{'<users>'}                                => 'users' ],
	[ q{'group:core'}                             => 'categories users' ],
	[ q{'group:core,reviews'}                     => 'categories reviews users' ],
	[ q{ARRAY['group:core', 'reviews']}           => 'categories reviews users' ],
	[ q{'{reviews}', 'core'}                      => 'categories reviews users' ],
	[ q{'{*}'::text[], 'core'}                             => 'categories users' ],
	[ q{grp => 'core'}                            => 'categories users' ],
	[ q{'users', jobs => 1}                       => 'users' ],
	[ q{'{users}', jobs => 2, on_error => 'abort'} => 'users' ],
	[ q{tables => '{users}'}                      => 'users' ],
	[ q{tables => 'users'}                        => 'users' ],
	[ q{tables => ARRAY['users'], wait => true}   => 'users' ],
	[ q{'public.users'}                           => 'users' ],
	[ q{'"users"'}                                => 'users' ],
	[ q{'{public.users,"reviews"}'}               => 'reviews users' ],
	[ q{'USERS'}                                  => 'users' ],
	[ q{'users,users'}                            => 'users' ],
	[ q{'order*'}                                 => 'order_items orders' ],
	[ q{'{order*,users}'}                         => 'order_items orders users' ],
	[ q{jobs => 3}                                => $all ]);

foreach (@spellings)
{
	my ($arguments, $expected) = @$_;
	my $run = $w->pull($arguments);
	is(replaced($run), $expected, "pull($arguments)") or diag($run->{err});
}
$w->both_equal(@PgTunsync::shop);
$w->healthy;
$w->nothing_left;

# ---- spellings that mean nothing ----

$w->refused(@$_[0, 1], sqlstate => $_->[2], message => [ $_->[3] ], audit => 'none')
  foreach (
	[ q{'{}'::text[]}, 'an empty list is not everything', '22023', qr/empty/ ],
	[ q{ARRAY['users', NULL]}, 'a null in the list', '22004', qr/null/ ],
	[ q{'users', jobs => 0}, 'no jobs', '22023', qr/jobs/ ],
	[ q{'users', jobs => 65}, 'too many jobs', '22023', qr/jobs/ ],
	[ q{'users', on_error => 'shrug'}, 'an unknown on_error', '22023', qr/on_error/ ]);
$w->refused(q{'"users'}, 'an unclosed quote', sqlstate => '22023', message => [qr/users/], audit => 'none');

# ---- inside other things ----

is($w->call("DO \$\$ BEGIN PERFORM pgtunsync.pull('users'); END \$\$;")->finish->{rc}, 0, 'from a DO block');
$w->local_sql("CREATE FUNCTION refresh_users() RETURNS bigint LANGUAGE sql AS \$\$
	SELECT pgtunsync.pull('users') \$\$");
like($w->call('SELECT refresh_users();')->finish->{id}, qr/^\d+$/, 'from an SQL function');
my $prepared = $w->call("PREPARE p(text[]) AS SELECT pgtunsync.pull(\$1); EXECUTE p('{users}');")->finish;
like($prepared->{id}, qr/^\d+$/, 'from a prepared statement') or diag($prepared->{err});

# ---- the run stays, whatever the caller's transaction does ----

$w->source_sql("UPDATE users SET name = 'after' WHERE id = 7");
my $rolled = $w->call("BEGIN; SELECT pgtunsync.pull('users'); ROLLBACK;")->finish;
is($rolled->{rc}, 0, 'in a transaction that is rolled back');
is($w->local_sql('SELECT name FROM users WHERE id = 7'), 'after', 'the pull stays');
is($w->last_run('status'), 'succeeded', 'and so does its audit row');

# ---- the session's own settings reach the run ----

$w->call("SET pgtunsync.jobs = 1; SELECT pgtunsync.pull('users');")->finish;
is($w->last_run("options->>'jobs'"), '1', 'pgtunsync.jobs of the session');
my $user = $w->local_sql("CREATE ROLE dev_user LOGIN; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pgtunsync TO dev_user;
	GRANT SELECT, INSERT, TRUNCATE ON ALL TABLES IN SCHEMA public TO dev_user; SELECT 1");
my $named = $w->call("SET pgtunsync.env_file = '/nowhere/env';
	SELECT pgtunsync.pull('users');", user => 'dev_user', go_on => 1)->finish;
like($named->{err}, qr/env_file/, 'an ordinary role may not name another file');
is($named->{sqlstate}, '42501', 'which stops the call');
is($w->last_run('role'), 'postgres', 'no run reads the one that is set instead');
is($w->pull("'users'", user => 'dev_user')->{rc}, 0, 'an ordinary role with the rights pulls');
is($w->last_run('role'), 'dev_user', 'and the audit names it');

done_testing();
