#!/usr/bin/env bash
# Many small tables, where round trips are what counts: pgtunsync against
# pg_dump --data-only | psql, through one sshd, without and with a distance.
#
#   test/bench/small.sh              100 tables of 100 rows with foreign keys, at 0 and 50 ms
#   test/bench/small.sh --timeline   the same, and where one pull's time goes
#
# TABLES, ROWS  how many (default 100, 100)      RTTS  round trips in ms (default "0 50")
# RUNS          of each tool; medians are printed (default 5)
# PG_CONFIG     the server to use, an optimized one (default: the one in PATH)
#
# The peer finds its tunnel open; a pull opens its own each time.  Both sides are
# compared after every run.

set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/../prepare.sh"
. "$here/rig.sh"

tables=${TABLES:-100}
rows=${ROWS:-100}
rtts=${RTTS:-0 50}
runs=${RUNS:-5}
timeline=
case ${1:-} in
	'') ;;
	--timeline) timeline=yes ;;
	*) die "usage: test/bench/small.sh [--timeline]" ;;
esac

# Each table refers to the one before it and to the one half as far.
make_tables() {
	psql_in "$1" app -c "
		DO \$\$ BEGIN FOR i IN 1..$tables LOOP
			EXECUTE format('CREATE TABLE t%s (id serial PRIMARY KEY, name text NOT NULL, note text, at timestamptz, a_id int%s, b_id int%s)', i,
				CASE WHEN i > 1 THEN ' REFERENCES t' || i - 1 END, CASE WHEN i > 1 THEN ' REFERENCES t' || i / 2 END);
			EXECUTE format('CREATE INDEX ON t%s (a_id)', i);
			EXECUTE format('INSERT INTO t%s (name, note, at, a_id, b_id) SELECT \$1 || k, repeat(md5(k::text), 1 + k %% 3), now() - k * interval ''1 h'', 1 + (k * 7) %% $rows, 1 + k %% $rows FROM generate_series(1, $rows) k', i) USING '$2';
			IF i % 100 = 0 THEN COMMIT; END IF;
		END LOOP; END \$\$" -c 'VACUUM ANALYZE'
}

# A digest of all rows of a side.
digest() {
	psql_in "$1" app -At -c "SELECT md5(string_agg(md5(query_to_xml(format('SELECT * FROM %I ORDER BY id', relname), false, true, '')::text), '' ORDER BY relname))
		FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
}

pull() {
	psql_in local app -c 'SET client_min_messages = warning' -c "SELECT pgtunsync.pull(jobs => 2)" >/dev/null
}

dump() {
	{
		echo "TRUNCATE $(seq -s, -f 't%.0f' "$tables");"
		as_user "$bindir/pg_dump" -h 127.0.0.1 -p "$tunnel_port" -U bench --data-only --disable-triggers app
	} | psql_in local app -1 -o /dev/null
}

# Seconds that a run takes: timed TOOL
timed() {
	local start end
	psql_in local app -c "UPDATE t$tables SET name = 'spoilt'" -c CHECKPOINT
	start=$EPOCHREALTIME
	"$1"
	end=$EPOCHREALTIME
	[ "$(digest local)" = "$expected" ] || die "$1: the two sides differ"
	awk "BEGIN { printf \"%.3f\n\", $end - $start }"
}

median() { sort -n | awk '{ v[NR] = $1 } END { printf "%.2f", NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

# Starts and ends of what a pull does, from the local server's log and the source's.
show_timeline() {
	psql_in local postgres -c "ALTER DATABASE app SET pgtunsync.log_level = debug1"
	psql_in source postgres -c 'ALTER SYSTEM SET log_connections = on' -c 'ALTER SYSTEM SET log_min_duration_statement = 0' -c 'SELECT pg_reload_conf()' >/dev/null
	sleep 0.5
	as_user truncate -s 0 "$work/local/log" "$work/source/log"
	pull
	as_user perl "$work/tree/test/bench/timeline.pl" "$work/local/log" "$work/source/log"
	psql_in source postgres -c 'ALTER SYSTEM RESET ALL' -c 'SELECT pg_reload_conf()' >/dev/null
	psql_in local postgres -c "ALTER DATABASE app RESET pgtunsync.log_level"
}

compare() {
	local rtt=$1 tool
	declare -A took=() median=()
	set_round_trip "$rtt"
	open_tunnel
	timed pull >/dev/null           # warm
	for ((i = 0; i < runs; i++)); do
		for tool in pull dump; do
			took[$tool]+="$(timed $tool)"$'\n'
		done
	done
	for tool in pull dump; do median[$tool]=$(printf %s "${took[$tool]}" | median); done
	pulled[$rtt]=${median[pull]}
	awk "BEGIN { printf \"%4d ms  pgtunsync %6.2f s   pg_dump | psql %6.2f s   ratio %.2f\n\", $rtt, ${median[pull]}, ${median[dump]}, ${median[pull]} / ${median[dump]} }"
	[ -z "$timeline" ] || show_timeline
	close_tunnel
}

install_missing
make_work
build_and_install
make_rig
for side in source local; do
	stop_server $side
	printf '%s\n' 'max_locks_per_transaction = 512' "log_line_prefix = '%n %b: '" |
		as_user tee -a "$work/$side/data/postgresql.conf" >/dev/null
	start_server $side
done
make_tables source fresh
make_tables local stale
write_files
expected=$(digest source)

declare -A pulled
say "$tables tables of $rows rows, $(nproc) cores, $("$PG_CONFIG" --version), medians of $runs"
for rtt in $rtts; do compare "$rtt"; done
for rtt in $rtts; do
	[ "$rtt" = 0 ] || [ -z "${pulled[0]:-}" ] ||
		awk "BEGIN { printf \"round trips on the way of a pull: %.1f\n\", (${pulled[$rtt]} - ${pulled[0]}) * 1000 / $rtt }"
done
