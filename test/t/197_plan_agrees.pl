# plan() and pull() agree on each table (see also the files that use
# PgTunsync::Agreement).

use strict;
use warnings;
use PgTunsync;
use PgTunsync::Agreement;
use PgTunsync::Compare;
use Test::More;

my $w = PgTunsync->new(empty => 1, source_conf => "log_statement = 'all'\n");

# Plan and pull of the same call: {table} = "planned status, recorded status".
sub both
{
	my ($arguments) = @_;
	my ($call, $plan) = PgTunsync::Agreement::planned($w, $arguments);
	my $run = $w->pull($arguments);
	my $tables = PgTunsync::Agreement::recorded($w, $w->last_run('id'));
	my $status = sub { return $_[0] ? $_[0]{status} : '-'; };
	my %both = map { $_ => $status->($plan->{$_}) . ',' . $status->($tables->{$_}) } keys %$plan, keys %$tables;
	return ($run, \%both, $plan);
}

# ---- a partition that cannot be swapped ----

$w->both_sql('CREATE TABLE parted (id int) PARTITION BY RANGE (id);
	CREATE TABLE parted_a PARTITION OF parted FOR VALUES FROM (0) TO (10);
	CREATE TABLE parted_b PARTITION OF parted FOR VALUES FROM (10) TO (20);
	CREATE TABLE parted_c PARTITION OF parted FOR VALUES FROM (20) TO (30);
	CREATE TABLE plain (id int)');
$w->local_sql('DROP TABLE parted_b; CREATE ACCESS METHOD other TYPE TABLE HANDLER heap_tableam_handler;
	CREATE TABLE parted_b (id int) USING other;
	ALTER TABLE parted ATTACH PARTITION parted_b FOR VALUES FROM (10) TO (20)');
$w->source_sql('INSERT INTO parted SELECT generate_series(0, 29); INSERT INTO plain VALUES (1)');
my ($run, $both, $plan) = both('');
is_deeply($both, { plain => 'pulled,succeeded', map { ("parted_$_" => 'refused,failed') } qw(a b c) },
	'partitions stay together') or diag($run->{err});
like($plan->{parted_b}{reason}, qr/access method/, 'the plan has the reason');
like($plan->{parted_a}{reason}, qr/partition parted_a is left as it is, because parted_b of the same table failed/,
	'also for the others');
unlike(PostgreSQL::Test::Utils::slurp_file($w->source->logfile), qr/COPY "public"\."parted_/,
	'and the source is not asked for their rows');

# ---- tables of extensions ----

my $local = $w->local_node;
$w->local_sql("CREATE TABLE of_extension (id int); CREATE TABLE of_extension_here (id int);
	ALTER EXTENSION plpgsql ADD TABLE of_extension; ALTER EXTENSION plpgsql ADD TABLE of_extension_here");
$w->source_sql('CREATE TABLE of_extension (id int); INSERT INTO of_extension VALUES (1)');
$w->local_sql('DROP TABLE parted');
$w->source_sql('DROP TABLE parted');
($run, $both, $plan) = both('');
is_deeply($both, { plain => 'pulled,succeeded', of_extension => 'excluded,-' },
	'a table of an extension is not pulled unnamed')
  or diag($run->{err});
is($plan->{of_extension}{reason}, 'it belongs to an extension', 'and the plan says why');
($run, $both) = both("'of_extension'");
is_deeply($both, { of_extension => 'pulled,succeeded' }, 'named, it is') or diag($run->{err});
($run, $both) = both("exclude => '{of_ext*}'");
is_deeply($both, { plain => 'pulled,succeeded' }, 'or excluded');

# ---- rules are required ----

$w->both_sql('CREATE TABLE people (id int, email text)');
$w->setting(require_rules => 'on');
($run, $both, $plan) = both('');
is($run->{sqlstate}, 'F0000', 'a call that is refused as a whole');
is_deeply([ map { $plan->{$_}{status} } qw(people plain) ], [qw(refused refused)], 'is planned so');
like($plan->{plain}{reason}, qr/no table is pulled while columns of others look sensitive/, 'with its reason');
$w->setting(require_rules => undef);

done_testing();
