# pgtunsync.check() goes through the steps of a pull up to the plan and returns
# a row for each step.  It changes nothing.  The first step that fails has a
# hint.

use strict;
use warnings;
use PgTunsync;
use PostgreSQL::Test::Utils;
use Test::More;

my $w = PgTunsync->new(users => 50);
my $before = $w->snapshot;

# Runs it: list of [step, ok, detail, hint].
sub check
{
	my $call = $w->call("\\pset fieldsep '\\x01'\n\\pset recordsep '\\x02'\nSELECT * FROM pgtunsync.check();")->finish;
	is($call->{rc}, 0, 'the call itself succeeds') or diag($call->{err});
	return map { [ split /\x01/, $_, -1 ] } grep { /\S/ } split /\x02/, $call->{out};
}

# A subtest: the steps up to a failing one, which says this.
sub fails_at
{
	my ($title, @message) = @_;
	subtest $title => sub {
		my @steps = check();
		my @bad = grep { $_->[1] ne 't' } @steps;
		is(scalar(@bad), 1, 'one step fails') or diag(explain(\@steps));
		my $text = join(' ', map { @$_ } @bad);
		like($text, $_, "it says $_") foreach @message;
		unlike(join(' ', map { @$_ } @steps), qr/\Q$PgTunsync::password\E/, 'no step shows the password');
		$w->unchanged($before);
		$w->nothing_left;
	};
	return;
}

my @steps = check();
cmp_ok(scalar(@steps), '>=', 4, 'there are several steps');
is(scalar(grep { $_->[1] eq 't' && $_->[2] ne '' } @steps), scalar(@steps), 'all are well, with a detail')
  or diag(explain(\@steps));
is($w->local_sql('SELECT count(*) FROM pgtunsync.runs'), 0, 'no run is recorded');
$w->unchanged($before);
$w->nothing_left;

unlink $w->env_file;
fails_at('no environment file', qr/\Q${\$w->env_file}\E/);
$w->write_env(PGSYNC_FROM_URL => $w->source_url(port => $w->port + 1));
fails_at('a URL with another port', qr/PGSYNC_FROM_URL/, qr/${\$w->port}/);
$w->write_env(PGSYNC_SSH_HOST => 'no-such-alias.invalid');
fails_at('an alias that is no host', qr/no-such-alias\.invalid/);
$w->write_env;
my $known = slurp_file($w->jump->known_hosts);
unlink $w->jump->known_hosts;
fails_at('an unknown host key', qr/known_hosts/, qr/SHA256:/);
append_to_file($w->jump->known_hosts, $known);
$w->write_env(PGSYNC_REMOTE_PORT => PostgreSQL::Test::Cluster::get_free_port());
fails_at('the remote port is closed', qr/127\.0\.0\.1/);
$w->write_env(PGSYNC_FROM_URL => $w->source_url(user => 'nobody_here'));
fails_at('a login that the source refuses', qr/nobody_here/);
$w->write_env;
$w->write_config("groups: [\n");
fails_at('a malformed configuration', qr/pgsync\.yml/, qr/line/);
$w->write_config('');

$w->local_sql('CREATE ROLE nobody LOGIN');
is($w->call('SELECT * FROM pgtunsync.check();', user => 'nobody')->finish->{sqlstate}, '42501', 'not for everybody');
is($w->local_sql('SELECT count(*) FROM pgtunsync.runs'), 0, 'no run was recorded');

done_testing();
