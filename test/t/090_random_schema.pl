# Random schemas from fixed seeds.  SEEDS and START select others.
# test/random_schema.pl runs many.

use strict;
use warnings;
use PgTunsync;
use PgTunsync::RandomSchema;
use Test::More;

my $w = PgTunsync->new(empty => 1);
$w->local_sql('CREATE ROLE somebody');
my $start = $ENV{START} || 1;
PgTunsync::RandomSchema::check_seed($w, $_) foreach $start .. $start + ($ENV{SEEDS} || 5) - 1;

done_testing();
