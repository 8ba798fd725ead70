# A helper process inherits no descriptor of the server, however high its number.

use strict;
use warnings;
use Fcntl;
use PgTunsync;
use PostgreSQL::Test::Utils;
use Test::More;

my $w = PgTunsync->new(users => 20);
my $dir = $w->dir;
my $secret = "$dir/secret";
my @numbers = (200, 1023, 1024, 1500, 4000);
my ($limit) = `bash -c 'ulimit -Hn'` =~ /(\d+)/;

plan skip_all => 'no list of descriptors' unless -d '/proc/self/fd';
plan skip_all => 'too low a limit of open files' if !defined $limit || $limit <= $numbers[-1];

# an "ssh" that records its open descriptors and then does its work
mkdir "$dir/bin";
my ($ssh) = grep { -x } map { "$_/ssh" } split(/:/, $ENV{PATH});
append_to_file("$dir/bin/ssh",
	"#!/bin/bash\nfor fd in /proc/self/fd/*; do readlink \$fd; done >> $dir/open\nexec $ssh \"\$@\"\n");
chmod 0700, "$dir/bin/ssh";
append_to_file($secret, "a file of the server's\n");

# the server is started with such descriptors, as if it had opened them
open(my $file, '<', $secret) or die;
{
	local $ENV{PATH} = "$dir/bin:$ENV{PATH}";
	my $numbers = join(' ', @numbers);
	$w->local_node->stop;
	my ($data, $log) = ($w->local_node->data_dir, $w->local_node->logfile);
	my $start = "ulimit -n $limit; for n in $numbers; do eval \"exec \$n< '$secret'\"; done; "
	  . "exec pg_ctl -D '$data' -l '$log' -w start";
	is(system('bash', '-c', $start), 0, 'the server starts');
	$w->local_node->_update_pid(1);
}
my $pid = $w->postmaster_pid;
is(readlink("/proc/$pid/fd/$_"), $secret, "it has descriptor $_") foreach @numbers;

$w->pulls("'users'", 'a pull', ['users']);
my @open = split /\n/, slurp_file("$dir/open");
cmp_ok(scalar(@open), '>=', 3, 'ssh was asked, and has its standard streams');
is(scalar(grep { $_ eq $secret } @open), 0, 'and none of the server\'s descriptors') or diag(join("\n", @open));

done_testing();
