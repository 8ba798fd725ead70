#!/usr/bin/env bash
# Pulls the same data with every tool that is used for it and with pgtunsync,
# through the same private sshd, and says how long each took and what it cost.
#
#   test/bench/run.sh                    all of it, on servers of its own that are gone afterwards
#   test/bench/run.sh --keep             makes the servers and leaves them up
#   test/bench/run.sh --in DIR COMMAND   on those that --keep left:
#       compare       the tools side by side
#       report        what compare has measured so far, as table and plot
#       one_table     one large table beside the same rows in four
#       memory        peak memory of each worker, for small and large tables and large values
#       readers       the longest wait of a reader while a table of 10 million rows is pulled
#       install       builds and installs the extension again
#       sql SIDE …    psql on "source" or "local"
#   test/bench/run.sh --stop DIR         ends them
#
# SCALE      size of the data: 1 is 1.25 GB of tables and indexes (default 0.1)
# RUNS       how often each tool is run (default 3)
# TRIPS      round-trip times in ms (default "0 50")
# TOOLS      default "pgtunsync dump_data dump_clean restore pgcopydb logical pgsync"
# PGSYNC     a checkout of pgsync; without one it is left out
# PGCOPYDB   the program (default: the distribution's); newer ones than 0.10 run with
#            --use-copy-binary
# SPLIT      pgcopydb's --split-tables-larger-than (default: 100MB)
# PG_CONFIG  the server to use (default: the one in PATH)
# RESULTS    where table, plot and raw numbers go (default: results/ in the repository)
# LOCK       a file; each measurement is made under an exclusive flock of it
#
# Runs as root (the servers then run as user "postgres") or as an ordinary user.

set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/../prepare.sh"
. "$here/rig.sh"
. "$here/tools.sh"
. "$here/limits.sh"

scale=${SCALE:-0.1}
runs=${RUNS:-3}
trips=${TRIPS:-0 50}
wanted=${TOOLS:-pgtunsync dump_data dump_clean restore pgcopydb logical pgsync}
results=${RESULTS:-$repo/results}
bench_jobs=${JOBS:-$(nproc)}
[ "$bench_jobs" -le 4 ] || bench_jobs=4
pull_jobs=${PULL_JOBS:-}

# ---- data ----

fill() {
	say "the source: a shop at scale $scale"
	psql_in source app <"$here/shop_schema.sql"
	psql_in source app -v scale="$scale" <"$here/shop_rows.sql" >/dev/null
	psql_in source app -c 'VACUUM (FREEZE, ANALYZE)'
	say 'local: an older copy'
	as_user "$bindir/pg_dump" -U bench -h "$work/source" -p "$port" app | psql_in local app -o /dev/null
	psql_in local app <"$here/stale.sql" >/dev/null
	write_files
	save_local
	psql_in source app -At <"$here/verify.sql" >"$work/truth"
}

# ---- one measurement ----

# TOOL ROUND_TRIP RUN: a line of the raw numbers.
measure() {
	local tool=$1 trip=$2 run=$3 before after wall verdict=ok log="$work/tool.log"
	reset_local
	set_round_trip "$trip"
	before_tool "$tool"
	has_own_tunnel "$tool" || open_tunnel
	sleep 1
	before=$(server_cpu local)/$(server_cpu source)/$(program_cpu sshd)/$(program_cpu tunnel)
	TIMEFORMAT='%R %U %S'
	wall=$({ time "tool_$tool" >"$log" 2>&1 || echo failed >>"$log"; } 2>&1)
	after=$(server_cpu local)/$(server_cpu source)/$(program_cpu sshd)/$(program_cpu tunnel)
	[ "$(tail -n 1 "$log")" != failed ] || verdict=failed
	psql_in local app -At <"$here/verify.sql" | cmp -s - "$work/truth" || verdict=differs
	[ "$verdict" = ok ] || { say "$tool: $verdict"; tail -n 5 "$log"; } >&2
	after_tool "$tool"
	close_tunnel
	awk -v name="$tool" -v title="$(tool_title "$tool")" -v trip="$trip" -v run="$run" -v wall="$wall" \
		-v before="$before" -v after="$after" -v verdict="$verdict" 'BEGIN {
			split(wall, w, " "); split(before, b, "/"); split(after, a, "/")
			printf "%s\t%s\t%s\t%s\t%.2f\t%.2f", name, title, trip, run, w[1], w[2] + w[3]
			for (i = 1; i <= 4; i++) printf "\t%.2f", a[i] - b[i]
			printf "\t%s\n", verdict
		}' | tee -a "$results/raw.tsv"
}

# Rounds over all tools, so that a change of the machine's mood meets all of them.
compare() {
	local run trip tool
	mkdir -p "$results"
	for run in $(seq "$runs"); do
		for trip in $trips; do
			for tool in $wanted; do
				tool_present "$tool" || continue
				# the slowest by far
				[ "$tool" != pgsync ] || [ "$run" = 1 ] || continue
				if [ -n "${LOCK:-}" ]; then
					# no server that is started meanwhile may keep the lock
					( flock 9; measure "$tool" "$trip" "$run" 9>&- ) 9>"$LOCK"
				else
					measure "$tool" "$trip" "$run"
				fi
			done
		done
	done
}

report() {
	perl "$here/report.pl" "$results/raw.tsv" "$results" \
		"$(nproc) cores ($(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)), PostgreSQL $("$bindir/pg_config" --version | sed 's/[^0-9]*\([0-9.]*\).*/\1/'), $(date +%Y-%m-%d), $(cat "$work/size") of tables and indexes"
}

command=${3:-}
case ${1:-} in
	'' | --keep)
		install_missing $([ -n "${PGCOPYDB:-}" ] || echo pgcopydb)
		make_work
		chmod 711 "$work"
		build_and_install
		make_rig
		fill
		psql_in source app -At -c "SELECT round(sum(pg_total_relation_size(c.oid)) / 1e9, 2) || ' GB' FROM pg_class c WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace" >"$work/size"
		if [ "${1:-}" = --keep ]; then
			trap - EXIT INT TERM HUP
			say "left running; $0 --in $work COMMAND, and --stop $work at the end"
			exit 0
		fi
		compare
		report
		;;
	--in)
		. "${2:?which directory?}/rig"
		PG_CONFIG=$(command -v "${PG_CONFIG:-pg_config}")
		bindir=$("$PG_CONFIG" --bindir)
		shift 3
		case $command in
			compare | report | one_table | memory | readers) "$command" ;;
			sql) psql_in "$1" app "${@:2}" ;;
			install)
				make -s -C "$repo" PG_CONFIG="$PG_CONFIG" WERROR=1 all
				as_root make -s -C "$repo" PG_CONFIG="$PG_CONFIG" install
				;;
			*) die "unknown command: $command" ;;
		esac
		;;
	--stop)
		work=${2:?which directory?}
		[ -e "$work/rig" ] || die "$work is not a benchmark's directory"
		trap finish EXIT
		;;
	*) die "see the head of $0" ;;
esac
