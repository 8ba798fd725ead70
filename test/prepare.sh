# Sourced by check.sh and demo.sh: what is missing is installed, the extension
# is built and installed, and the rest runs as an ordinary user.
#
# Afterwards: $work (a directory of that user's, removed at the end with every
# server in it), $bindir, $pgxs_dir, and as_user COMMAND…

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
jobs=${JOBS:-2}
work=
child=
stranger=

say() { printf '==> %s\n' "$*"; }
die() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		die "needs root or sudo for: $*"
	fi
}

# PostgreSQL's servers refuse to run as root.
if [ "$(id -u)" = 0 ]; then
	test_user=${TEST_USER:-postgres}
	as_user() { runuser -u "$test_user" -- env HOME="$work" TMPDIR="$work/tmp" "$@"; }
else
	test_user=$(id -un)
	as_user() { env TMPDIR="$work/tmp" "$@"; }
fi

# ---- packages ----

installed() { dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'ok installed'; }

# The distribution's major version of PostgreSQL.
default_major() {
	apt-cache depends postgresql 2>/dev/null | sed -n 's/.*Depends: postgresql-\([0-9][0-9]*\)$/\1/p' | head -n 1
}

# A PG_CONFIG of one's own brings its own server; else the distribution's.
server_packages() {
	local major
	[ -z "${PG_CONFIG:-}" ] || case $PG_CONFIG in
		pg_config | /usr/bin/pg_config | /usr/lib/postgresql/*) ;;
		*) return 0 ;;
	esac
	if command -v "${PG_CONFIG:-pg_config}" >/dev/null; then
		major=$("${PG_CONFIG:-pg_config}" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')
	else
		major=$(default_major)
		[ -n "$major" ] || { as_root apt-get update -q >&2; major=$(default_major); }
	fi
	echo "postgresql-$major postgresql-server-dev-$major${with_cron:+ postgresql-$major-cron}"
}

install_missing() {
	local package missing=()
	command -v dpkg-query >/dev/null || {
		say 'not a Debian-like system: expecting a compiler, PostgreSQL with headers, libssh2, libyaml, sshd and IPC::Run'
		return 0
	}
	for package in build-essential pkg-config libpq-dev libssh2-1-dev libyaml-dev \
		openssh-client openssh-server procps iproute2 $(server_packages) "$@"; do
		installed "$package" || missing+=("$package")
	done
	[ ${#missing[@]} -gt 0 ] || return 0
	say "installing ${missing[*]}"
	# RUNLEVEL=1: the packages' services are not started
	as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 sh -c '
		apt-get install -y -q --no-install-recommends "$@" </dev/null >/dev/null 2>&1 ||
		{ apt-get update -q >/dev/null && apt-get install -y -q --no-install-recommends "$@" </dev/null >/dev/null; }' sh "${missing[@]}"
}

# ---- the end, on every path ----

# Stops every server and sshd that has its files under $work.
stop_servers() {
	local file pid
	for file in $(find "$work" \( -name postmaster.pid -o -name '*.sshd.pid' -o -name '*.program.pid' \) 2>/dev/null); do
		pid=$(head -n 1 "$file" 2>/dev/null || true)
		[ -n "$pid" ] || continue
		case $file in
			*/postmaster.pid) as_user kill -QUIT "$pid" 2>/dev/null || true ;;
			*) as_user kill "$pid" 2>/dev/null || true ;;
		esac
		# a test may have stopped it
		as_user kill -CONT "$pid" 2>/dev/null || true
		for _ in $(seq 100); do
			as_user kill -0 "$pid" 2>/dev/null || break
			sleep 0.05
		done
	done
}

finish() {
	local status=$?
	trap - EXIT INT TERM HUP
	if [ -n "$child" ] && kill -0 "$child" 2>/dev/null; then
		kill -TERM -- "-$child" 2>/dev/null || true
		for _ in $(seq 200); do
			kill -0 -- "-$child" 2>/dev/null || break
			sleep 0.05
		done
		kill -KILL -- "-$child" 2>/dev/null || true
	fi
	[ -z "$stranger" ] || kill "$stranger" 2>/dev/null || true
	if [ -n "$work" ] && [ -d "$work" ]; then
		stop_servers
		rm -rf "$work"
	fi
	exit "$status"
}

# Runs a command in a process group of its own, so that the end can reach it.
run_child() {
	local status=0
	setsid "$@" </dev/null &
	child=$!
	wait "$child" || status=$?
	child=
	return "$status"
}

# Starts another user's process, which tests ask to connect to a port (see
# stranger.pl).  Only root can; an ordinary user's tests ask sudo.
start_stranger() {
	[ "$(id -u)" = 0 ] || return 0
	perl "$work/tree/test/lib/PgTunsync/stranger.pl" "$work/stranger" "$test_user" </dev/null &
	stranger=$!
}

# ---- build and install ----

# Copies the tree: the ordinary user may not be able to read where it stands.
make_work() {
	trap finish EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	work=$(mktemp -d "${TMPDIR:-/tmp}/pgts.XXXXXX")
	mkdir "$work/tmp" "$work/tree"
	tar -C "$repo" -cf - --exclude=./.git --exclude=./tmp_check --exclude='*.o' --exclude='*.d' --exclude='*.bc' --exclude='*.so' --exclude=./.built_for . |
		tar -C "$work/tree" -xf - --no-same-owner
	chmod 700 "$work"
}

# Sets $bindir and $pgxs_dir.
find_server() {
	PG_CONFIG=$(command -v "${PG_CONFIG:-pg_config}") || die "no ${PG_CONFIG:-pg_config}"
	export PG_CONFIG
	bindir=$("$PG_CONFIG" --bindir)
	pgxs_dir=$(dirname "$("$PG_CONFIG" --pgxs)")/../..
	pgxs_dir=$(cd "$pgxs_dir" && pwd)
	say "building for $("$PG_CONFIG" --version)"
}

# make in a directory, with warnings as errors (WERROR= for none): make_in DIRECTORY COMMAND… TARGET
make_in() {
	local tree=$1 target=${*: -1}
	local flags=(-s -C "$tree" PG_CONFIG="$PG_CONFIG" WERROR="${WERROR-1}")
	[ -z "${SANITIZE:-}" ] || flags+=(PROFILE="-fsanitize=$SANITIZE -fno-sanitize-recover=all")
	# COPT comes last: the optimizer moves no line
	[ -z "${COVERAGE:-}" ] || flags+=(PROFILE=--coverage COPT=-O0)
	"${@:2:$#-2}" make "${flags[@]}" -j"$jobs" "$target"
}

# A server of one's own is installed into without root.
install_from() {
	local directory become=
	for directory in "$("$PG_CONFIG" --pkglibdir)" "$("$PG_CONFIG" --sharedir)/extension"; do
		[ -w "$directory" ] || become=as_root
	done
	make_in "$1" $become install
}

# The copy is built and installed into the server.
build_and_install() {
	find_server
	make_in "$work/tree" all
	install_from "$work/tree"
	[ "$(id -u)" != 0 ] || chown -R "$test_user" "$work"
}

# The same in the tree itself: only what has changed is compiled.  Root builds
# as the owner of the tree, who could not clean up after root.
build_in_tree_and_install() {
	local owner as_owner=()
	find_server
	owner=$(stat -c %u "$repo")
	if [ "$(id -u)" = 0 ] && [ "$owner" != 0 ]; then
		as_owner=(setpriv --reuid "$owner" --regid "$(stat -c %g "$repo")" --clear-groups)
	fi
	make_in "$repo" "${as_owner[@]}" all
	install_from "$repo"
	[ "$(id -u)" != 0 ] || chown -R "$test_user" "$work"
}

# ---- a server of one's own ----

# Copies the server into a directory, where another build can be installed
# beside others: copy_server DIRECTORY.  A server finds its files by the place
# of its own program, so the copy keeps the paths.  Sets PG_CONFIG.
copy_server() {
	local directory=$1 path kind
	find_server
	for kind in bindir sharedir pkglibdir includedir-server includedir; do
		path=$("$PG_CONFIG" --"$kind")
		mkdir -p "$directory${path%/*}"
		cp -rLn "$path" "$directory${path%/*}/"
	done
	mkdir -p "$directory${pgxs_dir%/*}"
	cp -rLn "$pgxs_dir" "$directory${pgxs_dir%/*}/"
	rm -f "$directory$("$PG_CONFIG" --pkglibdir)/pgtunsync.so"
	export PG_CONFIG="$directory$bindir/pg_config"
	[ "$("$PG_CONFIG" --bindir)" = "$directory$bindir" ] || die "$PG_CONFIG cannot be moved"
}

# The directory of PostgreSQL's test modules; a server built without
# --enable-tap-tests has none, and another one's do.
test_modules() {
	local directory=$pgxs_dir/src/test/perl
	[ -d "$directory/PostgreSQL" ] || directory=$(ls -d /usr/lib/postgresql/*/lib/pgxs/src/test/perl 2>/dev/null | tail -n 1)
	[ -n "$directory" ] || die "no PostgreSQL::Test modules beside $("$PG_CONFIG" --pgxs)"
	echo "$directory"
}

# Lets a child's bash call prove_in.
export_prove_in() {
	export -f as_user prove_in test_modules die
	export work test_user servers_path bindir pgxs_dir
}

# The command that runs tests: prove_in DIRECTORY [NAME=VALUE…] prove ARGUMENT…
# The directory holds the tree and takes data and logs.  In the user's environment.
prove_in() {
	local directory=$1 modules
	shift
	modules=$(test_modules)
	(cd "$directory/tree" && as_user \
		PATH="${servers_path:-$bindir}:$PATH" PG_CONFIG="$PG_CONFIG" PG_REGRESS="$pgxs_dir/src/test/regress/pg_regress" \
		LANG=C.UTF-8 TESTDIR="$directory" TESTDATADIR="$directory/tmp_check" TESTLOGDIR="$directory/tmp_check/log" \
		PG_TEST_TIMEOUT_DEFAULT="${PG_TEST_TIMEOUT_DEFAULT:-120}" PERL5LIB="$directory/tree/test/lib:$modules" "$@")
}
