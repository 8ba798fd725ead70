# A loop in PL/Perl can catch every cancel.  The loader that runs it ends, and
# the run with it.  The error says why, and nothing has changed.

use strict;
use warnings;
use PgTunsync;
use Test::More;

my $w = PgTunsync->new(empty => 1);

plan skip_all => 'PL/Perl is not installed'
  if $w->local_sql("SELECT count(*) FROM pg_available_extensions WHERE name = 'plperl'") == 0;
$w->both_sql('CREATE TABLE endless (id int PRIMARY KEY); CREATE TABLE good (id int PRIMARY KEY)');
$w->source_sql("INSERT INTO $_ SELECT generate_series(1, 10)") foreach qw(endless good);
$w->local_sql(q{CREATE EXTENSION plperl;
	CREATE FUNCTION endless(int) RETURNS bool LANGUAGE plperl AS 'while (1) { eval { spi_exec_query("select pg_sleep(1)") } }';
	ALTER TABLE endless ADD CHECK (endless(id)); INSERT INTO good VALUES (77)});

$w->refused("'endless,good'", 'a loop that catches every cancel', sqlstate => '57014',
	message => [ qr/ERROR:  57014: code of a table's owner could not be stopped\n/,
		qr/DETAIL:  It caught every cancel, so the process that ran it has ended\.\n/,
		qr/HINT:  Leave the table out, or correct the code\.\n/, qr/COPY endless, line 1/ ]);
is($w->pull("'good'")->{rc}, 0, 'without that table a pull is successful');
$w->both_equal('good');

done_testing();
