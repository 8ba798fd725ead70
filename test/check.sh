#!/usr/bin/env bash
# Builds, installs and tests pgtunsync; ends with prove's closing lines.
#
#   test/check.sh [TEST…]             all tests, or the named ones (test/t/040_wait_and_cancel.pl),
#                                     built from a fresh copy of the tree
#   test/check.sh --in-tree [TEST…]   built in the tree, only what has changed ("make check TEST=…")
#
# PG_CONFIG  the server to test with (default: the one in PATH)
# SOURCE_PG_CONFIG  another version's, for the source's side (see matrix.sh)
# JOBS       how many compilers and tests run side by side (default 2)
# SANITIZE   what gcc shall watch, such as address,undefined: the extension is built with
#            it and its servers run by it; what is found fails the run.  The server keeps
#            that build until the next one is installed
#
# Runs as root (the servers then run as user "postgres") or as an ordinary user
# with sudo.  Everything it starts is private and gone at the end; after a
# failure the logs are kept in tmp_check/.

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/prepare.sh"

build=build_and_install
case ${1:-} in
	--in-tree) build=build_in_tree_and_install; shift ;;
	-*) die "usage: test/check.sh [--in-tree] [TEST…]" ;;
esac

bash "$repo/test/wings.sh" || die 'includes of src/ run one way; see test/wings.sh'

with_cron=yes
install_missing perl libipc-run-perl pgbouncer
make_work
"$build"
# the sanitizers add symbols of their own
[ -n "${SANITIZE:-}" ] || bash "$repo/test/exports.sh" "$("$PG_CONFIG" --pkglibdir)/pgtunsync.so"

# the directory above bin, as PostgreSQL::Test::Cluster wants it
source_install=
[ -z "${SOURCE_PG_CONFIG:-}" ] || source_install=$(dirname "$("$SOURCE_PG_CONFIG" --bindir)")

# the sanitizer must be the first library of who loads the extension, and of nobody else
servers_path=$bindir
if [ -n "${SANITIZE:-}" ]; then
	servers_path=$work/watched:$bindir
	as_user mkdir "$work/watched"
	as_user tee "$work/watched/pg_ctl" >/dev/null <<-END
		#!/bin/sh
		export LD_PRELOAD='$(gcc -print-file-name=libasan.so)'
		export ASAN_OPTIONS='detect_leaks=0:abort_on_error=1:log_path=$work/tmp_check/log/sanitizer'
		export UBSAN_OPTIONS='print_stacktrace=1:halt_on_error=1:log_path=$work/tmp_check/log/sanitizer'
		exec '$bindir/pg_ctl' "\$@"
	END
	as_user chmod 755 "$work/watched/pg_ctl"
fi

start_stranger
cd "$work/tree"
tests=("$@")
[ ${#tests[@]} -gt 0 ] || tests=(test/t/*.pl)
say "running ${#tests[@]} test files"
status=0
export_prove_in
run_child bash -c 'prove_in "$@"' bash "$work" SOURCE_INSTALL_PATH="$source_install" STRANGER="${stranger:+$work/stranger}" \
	prove -j"$jobs" "${tests[@]}" || status=$?

if compgen -G "$work/tmp_check/log/sanitizer*" >/dev/null; then
	cat "$work"/tmp_check/log/sanitizer*
	status=1
fi

if [ "$status" != 0 ]; then
	rm -rf "$repo/tmp_check"
	mkdir -p "$repo/tmp_check"
	cp -r "$work/tmp_check/log" "$repo/tmp_check/" 2>/dev/null || true
	[ "$(id -u)" != 0 ] || chown -R --reference="$repo" "$repo/tmp_check"
	for log in $(grep -lE '(^|\] )not ok|^# Looks like your test|^# Tests were run but' "$work"/tmp_check/log/regress_log_* 2>/dev/null); do
		say "the end of ${log##*/}"
		tail -n 30 "$log" >&2
	done
	say "failed; the logs are in $repo/tmp_check/log"
	echo 'Result: FAIL'
fi
exit "$status"
