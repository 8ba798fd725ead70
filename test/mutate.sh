#!/usr/bin/env bash
# Puts small faults into the code, one at a time, and tells which ones the tests
# do not notice.
#
#   test/mutate.sh [ROOM…]        rooms are files of src/ without ".c" (apply/swap) or
#                                 wings (apply); default: all
#   test/mutate.sh --report       only prints what the runs so far have found
#
# SEED      which mutants are taken (default 1); COUNT  how many (default 200)
# JOBS      how many are tried side by side (default 2)
# COVERAGE  tests.json of coverage.sh (default coverage/tests.json): only test files that
#           reach the line are run, the quickest first.  Without it: all of them
# TEST_LIMIT  seconds that one test file may take (default 300)
#
# A mutant is killed by the first test file that fails.  Results are added to
# mutants/results.tsv in the tree (id, verdict, test, seconds, place, kind), the
# change is in mutants/ID.diff, the log of the test that killed it in
# mutants/ID.log.  What has a result is not tried again: stop it at any time and
# go on.  test/mutants.equivalent lists mutants that change nothing, with the reason.

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/prepare.sh"

results=$repo/mutants
equivalent=$repo/test/mutants.equivalent
coverage=${COVERAGE:-$repo/coverage/tests.json}
python=/usr/bin/python3

report() {
	awk -F '\t' -v equivalent="$equivalent" '
		BEGIN { while ((getline line < equivalent) > 0) { split(line, part, " "); same[part[1]] = 1 } }
		$2 == "unbuildable" { next }
		$1 in same { n["equivalent"]++; next }
		{ n[$2]++; all++ }
		$2 == "survived" { print $1, $5, $6 }
		END { printf "%d of %d killed (%.1f %%), %d survived, %d equivalent\n",
			n["killed"], all, all ? 100 * n["killed"] / all : 0, n["survived"], n["equivalent"] }' "$results/results.tsv"
}

mkdir -p "$results"
touch "$results/results.tsv"
[ "${1:-}" != --report ] || { report; exit; }

files=()
for room in "$@"; do
	if [ -d "$repo/src/$room" ]; then files+=("src/$room"/*.c); else files+=("src/${room%.c}.c"); fi
done
cd "$repo"
[ ${#files[@]} -gt 0 ] || files=(src/*/*.c)

with_cron=yes
install_missing perl libipc-run-perl python3 python3-clang clang
make_work
chown "$test_user" "$work"
original_config=${PG_CONFIG:-pg_config}
CPPFLAGS="-Isrc -I$("$original_config" --includedir-server) -I$("$original_config" --includedir) -I$(clang -print-resource-dir)/include" \
	"$python" test/mutants.py list --seed "${SEED:-1}" --count "${COUNT:-200}" "${files[@]}" >"$work/list"
say "$(wc -l <"$work/list") mutants of ${#files[@]} files"

# One worker: a tree and a server of its own.  prepare_worker DIRECTORY
prepare_worker() {
	mkdir -p "$1/tmp"
	cp -r "$work/tree" "$1/tree"
	PG_CONFIG=$original_config copy_server "$1/server"
	PG_CONFIG=$1/server$bindir/pg_config
	make_in "$1/tree" all
	make_in "$1/tree" install
	chown -R "$test_user" "$1"
	prove_in "$1" prove -Q test/t/020_main_path.pl || die 'the main test fails without a mutant'
	clean_worker "$1"
}

clean_worker() {
	work=$1 stop_servers
	rm -rf "$1/tmp_check" "$1/tmp"
	mkdir "$1/tmp"
	chown "$test_user" "$1/tmp"
}

# The tests that could notice a mutant, in the order in which they are run.
tests_of() {
	if [ -f "$coverage" ]; then
		"$python" "$repo/test/mutants.py" tests "$coverage" "$1" | sed 's|.*|test/t/&.pl|'
	else
		(cd "$repo" && ls test/t/*.pl)
	fi
}

# try_mutant DIRECTORY JSON
try_mutant() {
	local directory=$1 mutant=$2 id file place kind began test verdict=survived killer=-
	id=$("$python" -c 'import json, sys; print(json.loads(sys.argv[1])["id"])' "$mutant")
	! grep -q "^$id	" "$results/results.tsv" || return 0
	IFS=$'\t' read -r file place kind < <("$python" -c '
import json, sys
m = json.loads(sys.argv[1])
print(m["file"], "%s:%s %s()" % (m["file"], m["line"], m["function"]), m["kind"], sep="\t")' "$mutant")
	began=$(date +%s)
	cp "$repo/$file" "$directory/tree/$file"
	"$python" "$repo/test/mutants.py" apply "$directory/tree" "$mutant"
	diff -u --label "a/$file" --label "b/$file" "$repo/$file" "$directory/tree/$file" >"$results/$id.diff" || true
	if ! (WERROR= && make_in "$directory/tree" all && make_in "$directory/tree" install) >"$results/$id.log" 2>&1; then
		verdict=unbuildable
	else
		for test in $(tests_of "$mutant"); do
			if ! prove_in "$directory" timeout -k 5 "${TEST_LIMIT:-300}" prove -Q "$test" >"$results/$id.log" 2>&1 </dev/null; then
				verdict=killed killer=$(basename "$test" .pl)
				grep -hE '^not ok|Failed test|^# +(got|expected)|died|timed out' "$directory"/tmp_check/log/regress_log_* >>"$results/$id.log" || true
				break
			fi
		done
	fi
	clean_worker "$directory"
	cp -p "$repo/$file" "$directory/tree/$file" && touch "$directory/tree/$file"
	printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$id" "$verdict" "$killer" $(($(date +%s) - began)) "$place" "$kind" |
		tee -a "$results/results.tsv"
}

# Every n-th line of the list is a worker's.
run_worker() {
	local directory=$work/worker$1 mutant n=0
	prepare_worker "$directory" >&2
	while read -r mutant <&3; do
		[ $((n++ % jobs)) != "$1" ] || try_mutant "$directory" "$mutant" || say "mutant $n could not be tried"
	done 3<"$work/list"
}

for worker in $(seq 0 $((jobs - 1))); do
	run_worker "$worker" &
done
wait
[ "$(id -u)" != 0 ] || chown -R --reference="$repo" "$results"
report
