#!/usr/bin/env bash
# Which lines and branches of src/ the tests reach ("make coverage").
#
#   test/coverage.sh [TEST…]    all tests, or the named ones
#
# Writes coverage/ in the tree:
#   summary.txt     per file: lines and branches, reached and all
#   unreached.txt   the lines that no test reaches, with their text
#   tests.json      which test files reach which line; mutate.sh chooses by it
#
# PG_CONFIG, JOBS as for check.sh.  The build for it is installed into a copy of
# the server.  What a process that is killed has reached is not counted.

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/prepare.sh"

with_cron=yes
install_missing perl libipc-run-perl python3
make_work
copy_server "$work/server"
SANITIZE= COVERAGE=yes build_and_install

tests=("$@")
[ ${#tests[@]} -gt 0 ] || { cd "$work/tree"; tests=(test/t/*.pl); }
say "running ${#tests[@]} test files"
as_user mkdir "$work/reached"
export_prove_in
status=0
# each file by itself: what its processes reach goes to a directory of its own
run_child bash -c 'printf "%s\n" "$@" | xargs -P "'"$jobs"'" -I{} bash -c '\''prove_in "$work" GCOV_PREFIX="$work/reached/$(basename {} .pl)" prove -Q {}'\''' bash "${tests[@]}" || status=$?

rm -rf "$repo/coverage"
mkdir "$repo/coverage"
python3 "$repo/test/coverage.py" "$work/tree" "$work/reached" "$repo/coverage"
[ "$(id -u)" != 0 ] || chown -R --reference="$repo" "$repo/coverage"
tail -n 1 "$repo/coverage/summary.txt"
exit "$status"
