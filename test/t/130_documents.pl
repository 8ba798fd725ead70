# The documents are true.  The test runs every block of README.md and doc/*.md
# against a real source behind a real sshd and compares the output.
# PgTunsync::Documents explains the words of the info strings.  here() maps
# jump.example.com, db.internal, port 5432 and /etc/pgtunsync to their values in the test.
# DOCUMENT=doc/masking.md runs one page.

use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(basename dirname);
use File::Copy qw(copy);
use File::Path qw(make_path remove_tree);
use PgTunsync;
use PgTunsync::Documents;
use PostgreSQL::Test::Utils;
use Test::More;

my $tree = abs_path(dirname($0) . '/../..');
my @pages = ('README.md', map { 'doc/' . basename($_) } sort glob("$tree/doc/*.md"));
my @others = qw(CHANGELOG.md CONTRIBUTING.md SECURITY.md);
my ($share) = run_command([ 'pg_config', '--sharedir' ]);
my $has_cron = -e "$share/extension/pg_cron.control";
my $cron_conf = "shared_preload_libraries = 'pg_cron'\ncron.database_name = 'dev'\ncron.use_background_workers = on";

my $w = PgTunsync->new(empty => 1, no_extension => 1, source_conf => "listen_addresses = '127.0.0.1,127.0.0.2'",
	local_conf => $has_cron ? $cron_conf : '');
my $dir = $w->dir;
my $inner = PgTunsync::Sshd->new("$dir/ssh", 'inner')->start->trust;
my $jump_keys = "$dir/jump_keys";
my (@norun, %has_run);

# ---- the world of the documents ----

# The source is filled once.  The jump host also admits the keys that README
# adds.
sub build_world
{
	$w->fill('source', 200, 'fresh');
	$w->sql_file('source', "$PgTunsync::fixtures/documents.sql", side => 'source');
	$w->source_sql('CREATE ROLE app; GRANT CREATE ON SCHEMA public TO app');
	$w->local_sql('CREATE ROLE alice LOGIN');
	copy($w->jump->user_key . '.pub', $jump_keys) or die;
	chmod 0600, $jump_keys;
	$w->jump->stop;
	$w->jump->start(AuthorizedKeysFile => $jump_keys);
	make_path("$dir/bin", "$dir/etc");
	write_command('sudo', '[ "$1" != -u ] || shift 2', 'exec "$@"');
	write_command('ssh-keyscan', 'exec /usr/bin/ssh-keyscan -p ' . $w->jump->port . ' "$@" 2>/dev/null');
	return;
}

sub write_command
{
	my ($name, @lines) = @_;
	my $path = "$dir/bin/$name";
	append_to_file($path, join("\n", '#!/bin/sh', @lines, ''));
	chmod 0755, $path;
	return;
}

# Each page begins with a stale local copy, the usual files and settings.
sub begin_page
{
	my ($page) = @_;
	$w->local_sql('SET client_min_messages = warning; DROP EXTENSION IF EXISTS pgtunsync; DROP SCHEMA public CASCADE;
		CREATE SCHEMA public; GRANT ALL ON SCHEMA public TO PUBLIC');
	$w->fill('local', 20, 'stale');
	$w->sql_file('local', "$PgTunsync::fixtures/documents.sql", side => 'local');
	$w->local_sql('CREATE EXTENSION pgtunsync; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA pgtunsync TO alice')
	  if $page ne 'README.md';
	$w->local_sql('CREATE EXTENSION IF NOT EXISTS pg_cron') if $has_cron;
	$w->local_sql('ALTER DATABASE dev RESET ALL');
	$w->setting(env_file => $w->env_file);
	$w->setting(config_file => $w->config_file);
	$w->setting(connect_attempts => 2);
	$w->write_config('');
	$w->write_env(PGSYNC_MASK_KEY => '0123456789abcdef0123456789abcdef');
	$w->write_ssh_config;
	remove_tree("$dir/home", "$dir/etc");
	make_path("$dir/home", "$dir/etc");
	return if $page eq 'README.md';
	mkdir "$dir/home/.ssh", 0700;
	copy($w->jump->user_key, "$dir/home/.ssh/id_ed25519") or die;
	chmod 0600, "$dir/home/.ssh/id_ed25519";
	return;
}

# Replaces the names in the documents by those of the test.
sub here
{
	my ($text) = @_;
	my $user = PgTunsync::Sshd->user;
	my $more = join("\n    ", "UserKnownHostsFile $dir/home/.ssh/known_hosts ${\$w->jump->known_hosts}",
		'GlobalKnownHostsFile /dev/null', 'IdentityAgent none');
	my $config = -e "$dir/home/.ssh/config" ? "$dir/home/.ssh/config" : $w->ssh_config;
	my %host = ('jump.example.com' => $w->jump->port, 'app1.internal' => $inner->port);

	$text =~ s/HostName (jump\.example\.com|app1\.internal)/HostName 127.0.0.1\n    Port $host{$1}\n    $more/g;
	$text =~ s/jump\.example\.com/127.0.0.1/g;
	$text =~ s/\bdb\.internal\b/127.0.0.2/g;
	$text =~ s/\bUser deploy\b/User $user/g;
	$text =~ s/-o postgres\b/-o $user/g;
	$text =~ s{~postgres|~(?=/\.ssh)}{$dir/home}g;
	$text =~ s{/etc/pgtunsync}{$dir/etc}g;
	$text =~ s/\b5432\b/$w->source->port/ge;
	$text =~ s/\b5433\b/$w->port/ge;
	$text =~ s/\bPASSWORD(?=[\@'])/$PgTunsync::password/g;
	$text =~ s{^(PGSYNC_SSH_HOST=hatchbox)$}{$1\nPGSYNC_SSH_CONFIG=$config}gm;
	return $text;
}

# ---- running a block ----

# Returns the exit status and all output, in order.
sub run_output
{
	my ($environment, @command) = @_;
	my $output = '';

	local %ENV = (%ENV, %$environment);
	IPC::Run::run(\@command, '<', \undef, '>', \$output, '2>', \$output);
	return ($? >> 8, $output);
}

sub run_sql
{
	my ($block) = @_;
	my $side = $block->{info}{on} || 'local';
	my $node = $side eq 'source' ? $w->source : $w->local_node;
	my $connstr = $node->connstr($w->database($side)) . ($block->{info}{user} ? " user=$block->{info}{user}" : '');
	my $file = "$dir/block.sql";

	unlink $file;
	append_to_file($file, here($block->{text}));
	return run_output({ PSQL_PAGER => 'cat' }, $node->installed_command('psql'),
		'-X', '-q', '-v', 'ON_ERROR_STOP=1', '-v', 'SHOW_CONTEXT=never', '-d', $connstr, '-f', $file);
}

# The SQLSTATE of the error that a block ends in.
sub sqlstate
{
	my ($block) = @_;
	my $call = $w->call(here($block->{text}), $block->{info}{user} ? (user => $block->{info}{user}) : ())->finish;
	return $call->{sqlstate} || 'none';
}

sub run_sh
{
	my ($block) = @_;
	my $local = $w->local_node;
	my %environment = (
		PATH => "$dir/bin:" . ($local->config_data('--bindir')) . ":$ENV{PATH}",
		HOME => "$dir/home",
		PGHOST => $local->host,
		PGPORT => $local->port,
		PSQLRC => '/dev/null');

	return run_output(\%environment, 'bash', '-euo', 'pipefail', '-c', "cd '$tree'\n" . here($block->{text}));
}

sub put_file
{
	my ($block) = @_;
	my $text = here($block->{text});
	my $file = $block->{info}{file} || $block->{info}{add};

	$w->setting(env_file => $w->env_file);
	$w->setting(config_file => $w->config_file);
	return $w->write_config($text) if $file eq '.pgsync.yml';
	return $w->write_ssh_config_text("$text    IdentityFile " . $w->jump->user_key . "\n") if $file eq '~/.ssh/config';
	die "$file is no file of the documents" if $file ne '.env.pgsync';
	return append_to_file($w->env_file, $text) if $block->{info}{add};
	return $w->write_env_text($text);
}

# ---- comparing ----

# Other numbers, other units and another order count as the same.
sub alike
{
	my ($text) = @_;
	$text =~ s/\d+(?:[.:]\d+)*/9/g;
	$text =~ s/\b9 (?:bytes|kB|MB)\b/9 kB/g;
	$text =~ s/-+/-/g;
	$text =~ s/[ \t]+/ /g;
	return join("\n", sort grep { /\S/ } map { s/^ | $//gr } split /\n/, $text) . "\n";
}

sub exactly
{
	my ($text) = @_;
	$text =~ s/\Q$dir\E\/etc/\/etc\/pgtunsync/g;
	$text =~ s/\b${\$w->source->port}\b/5432/g;
	$text =~ s/\b${\$w->port}\b/5433/g;
	$text =~ s/127\.0\.0\.2\b/db.internal/g;
	$text =~ s/psql:\S+:\d+: //g;
	$text =~ s/(SSH target: |SSH server ")\w+@/$1deploy@/g;
	$text =~ s/^dev=> .*\n//mg;
	$text =~ s/[ \t]+$//mg;
	$text =~ s/\n+\z/\n/;
	return $text;
}

sub same_output
{
	my ($block, $printed, $title) = @_;
	my $how = $block->{info}{output} eq 'like' ? sub { alike(exactly($_[0])) } : \&exactly;
	return is($how->($printed), $how->($block->{text}), "$title: what it prints");
}

# ---- a page ----

# Runs a block; returns what it printed.
sub run_block
{
	my ($block, $title) = @_;
	my $info = $block->{info};
	my ($status, $output) = (0, '');

	return put_file($block) && '' if $info->{file} || $info->{add};
	if ($info->{error})
	{
		is(sqlstate($block), $info->{error}, "$title: fails with SQLSTATE $info->{error}");
		return (run_sql($block))[1];
	}
	($status, $output) = $block->{language} eq 'sql' ? run_sql($block) : run_sh($block);
	is($status, 0, "$title runs") or diag($output);
	append_to_file($jump_keys, $output) if ($info->{to} || '') eq 'authorized_keys';
	return $output;
}

sub skipped
{
	my ($block, $title) = @_;
	my $info = $block->{info};

	if ($info->{norun})
	{
		ok($info->{reason}, "$title: says why it is not run");
		push @norun, "$title ($block->{language}): $info->{reason}";
		return 1;
	}
	return ($info->{needs} || '') eq 'pg_cron' && !$has_cron;
}

sub run_page
{
	my ($page) = @_;
	my ($printed, @later, %named);

	begin_page($page);
	foreach my $block (PgTunsync::Documents::blocks("$tree/$page"))
	{
		my $title = "$page:$block->{line}";
		ok($PgTunsync::Documents::languages{ $block->{language} }, "$title has a known language") or next;
		if ($block->{info}{output})
		{
			push @later, $block if $block->{info}{of};
			same_output($block, $printed, $title) if defined $printed && !$block->{info}{of};
			next;
		}
		undef $printed;
		next if skipped($block, $title) || $block->{language} eq 'text';
		$printed = run_block($block, $title);
		$named{ $block->{info}{name} } = $printed if $block->{info}{name};
		$has_run{$page}++;
	}
	same_output($_, $named{ $_->{info}{of} }, "$page:$_->{line}") foreach @later;
	return;
}

# ---- form ----

sub check_links
{
	my ($page) = @_;
	my $base = dirname("$tree/$page");
	my @broken;

	foreach my $link (PgTunsync::Documents::prose("$tree/$page") =~ /\]\(([^)\s]+)\)/g)
	{
		my ($path, $anchor) = $link =~ /^([^#]*)(?:#(.*))?$/;
		next if $path =~ /^https?:/;
		my $file = $path eq '' ? "$tree/$page" : "$base/$path";
		push @broken, $link
		  if !-e $file || (defined $anchor && !PgTunsync::Documents::anchors($file)->{$anchor});
	}
	is("@broken", '', "$page: every link leads somewhere");
	return;
}

# Files of the tree that a page names.
sub check_paths
{
	my ($page) = @_;
	my %named = map { $_ => 1 } map { /`([^`\n]+)`/g } PgTunsync::Documents::prose("$tree/$page");
	my @paths = grep { m{^(?:src|test|t|doc|sql)/[\w./]+\.\w+$} } sort keys %named;
	is(join(' ', grep { !-e "$tree/$_" && !-e "$tree/test/$_" } @paths), '', "$page: every file that it names exists");
	return;
}

# A block that is only indented would escape the test.
sub check_form
{
	my ($page) = @_;
	my @indented = PgTunsync::Documents::prose("$tree/$page") =~ /\n\n((?: {4}|\t)\S.*)/g;
	is(join("\n", grep { !/^\s+[-*\d]/ } @indented), '', "$page: every block is fenced");
	check_links($page);
	check_paths($page);
	return;
}

# The reference lists exactly the objects of the extension.
sub check_reference
{
	my $text = slurp_file("$tree/doc/reference.md");
	my %named = map { $_ => 1 } $text =~ /`([^`\n]+)`/g;
	my $missing = sub { join(' ', grep { !$named{$_} } split /\n/, $w->local_sql($_[0])) };
	my %settings = map { split /=/, $_, 2 } split /\n/, $w->local_sql(
		"LOAD 'pgtunsync'; SELECT name || '=' || boot_val FROM pg_settings WHERE name LIKE 'pgtunsync.%'");

	is($missing->("SELECT attname FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
			WHERE attnum > 0 AND NOT attisdropped AND relkind IN ('r', 'v') AND relnamespace = 'pgtunsync'::regnamespace
			AND has_column_privilege('alice', c.oid, attnum, 'SELECT')"),
		'', 'every column of the audit and of progress is in the reference');
	is($missing->("SELECT DISTINCT unnest(proargnames) FROM pg_proc WHERE pronamespace = 'pgtunsync'::regnamespace
			AND proname IN ('pull', 'plan', 'check', 'wait', 'cancel')"),
		'', 'every argument and column of the functions is in the reference');
	is(join(' ', grep { $text !~ /\| `$_` \|/ } sort keys %settings), '', 'every setting is in the reference');
	is(join(' ', grep { !exists $settings{$_} } $text =~ /^\| `(pgtunsync\.\w+)` \|/mg), '', 'and no other');
	return;
}

# Every variable that the code reads is in the documents and in the example.
sub check_variables
{
	my %read = map { $_ => 1 } map { slurp_file($_) =~ /"(PGSYNC_\w+)"/g } glob("$tree/src/*/*.c");
	my $text = slurp_file("$tree/doc/configuration.md");
	is(join(' ', grep { $text !~ /`$_`/ } sort keys %read), '', 'every variable is in doc/configuration.md');
	return;
}

# README's role reads what the source's owner creates later.
sub check_reader
{
	$w->source_sql('SET ROLE app; CREATE TABLE later (id serial)');
	is($w->source_sql("SELECT has_table_privilege('dev_reader', 'later', 'SELECT'),
			has_sequence_privilege('dev_reader', 'later_id_seq', 'SELECT')"),
		't|t', 'the role of README reads tables and sequences that are created later');
	is($w->source_sql("SELECT count(*) FROM information_schema.role_table_grants
			WHERE grantee = 'dev_reader' AND privilege_type <> 'SELECT'"),
		0, 'and may do nothing else');
	return;
}

# ---- drawings ----

# A browser does not show a file that is not well-formed.
sub check_drawings
{
	my $draw = "perl '$tree/test/terminal.pl' '$dir/drawn.svg' 'a & b'";
	my ($status, $output) = run_output({}, 'sh', '-c', "printf 'a <b> & c\\n\\nd\\n' | $draw");
	is($status, 0, 'test/terminal.pl draws') or diag($output);
	my $drawn = slurp_file("$dir/drawn.svg");
	like($drawn, qr{>a &lt;b> &amp; c</text>}, 'what a program printed');
	unlike($drawn, qr/id="l2"/, 'and no empty line');

	foreach my $file (glob("$tree/doc/*.svg"), "$dir/drawn.svg")
	{
		my $well = eval { $w->local_sql('SELECT xml_is_well_formed_document($svg$' . slurp_file($file) . '$svg$)') };
		is($well, 't', basename($file) . ' is well-formed') if defined $well;
	}
	like(slurp_file("$tree/doc/demo.svg"), qr/run 2: 2 tables replaced/, 'doc/demo.svg shows the demonstration');
	return;
}

build_world();
my @wanted = $ENV{DOCUMENT} ? split(/,/, $ENV{DOCUMENT}) : @pages;
run_page($_) foreach @wanted;
check_reader() if $has_run{'README.md'};
ok($has_run{$_}, "$_ has blocks that run") foreach grep { !/internals|performance|pgtunsync\.md/ } @wanted;
# README gives its role a password by SQL, so the source's log may have it
$w->{secrets} = [];
$w->nothing_left;

check_form($_) foreach @wanted, grep { -e "$tree/$_" } @others;
cmp_ok(-s "$tree/README.md", '<=', 8192, 'README.md has at most 8 kB');
check_reference();
check_variables();
check_drawings();

note("not run:\n", map { "  $_\n" } @norun);
is(scalar(@norun), 10, 'only these are not run') or diag(join("\n", @norun)) unless $ENV{DOCUMENT};

done_testing();
