# Sourced by run.sh: what a pull must stay within, whatever it pulls, in databases of their own.
#
#   one_table   one large table beside the same rows in four
#   memory      how much the workers grow, from small tables to large ones and to large values
#   readers     the longest wait of those who read the table meanwhile

limits_sql() { psql_in "$1" limits -At "${@:2}"; }

make_limits() {
	local side
	for side in source local; do
		psql_in "$side" postgres -c 'DROP DATABASE IF EXISTS limits' -c 'CREATE DATABASE limits'
	done
	sed 's|/app$|/limits|' "$work/env" | as_user tee "$work/env_limits" >/dev/null
	as_user chmod 600 "$work/env_limits"
	limits_sql local -c 'CREATE EXTENSION pgtunsync' \
		-c "ALTER DATABASE limits SET pgtunsync.env_file = '$work/env_limits'" \
		-c "ALTER DATABASE limits SET pgtunsync.config_file = ''"
}

# The same definition on both sides, rows on the source: make_table NAME COLUMNS QUERY [INDEXES]
make_table() {
	limits_sql source -c "CREATE TABLE $1 ($2)" -c "INSERT INTO $1 $3"
	limits_sql local -c "CREATE TABLE $1 ($2)"
	limits_sql source -c "${4:-SELECT}" -c "VACUUM (FREEZE, ANALYZE) $1" >/dev/null
	limits_sql local -c "${4:-SELECT}" >/dev/null
}

# Seconds of one pull.
pull_limits() {
	local start end
	psql_in local postgres -c CHECKPOINT
	psql_in source postgres -c CHECKPOINT
	start=$(date +%s.%N)
	limits_sql local -c "SELECT pgtunsync.pull('$1')" >"$work/limits.log" 2>&1 || { cat "$work/limits.log"; die "pull('$1')"; }
	end=$(date +%s.%N)
	awk -v a="$start" -v b="$end" 'BEGIN { printf "%.2f\n", b - a }'
}

# ---- one table ----

one_table() {
	local i run rows columns='id bigint PRIMARY KEY, k int NOT NULL, at timestamptz NOT NULL, body text' query
	rows=$(awk -v s="$scale" 'BEGIN { printf "%d", 4 * int(1000000 * s) }')
	query="SELECT i, i % 1000, timestamptz '2024-01-01' + i * interval '1 s', repeat(md5(i::text), 6) FROM generate_series"
	make_limits
	say "one table of $rows rows, and the same rows in four" >&2
	make_table lump "$columns" "$query(1, $rows) i" 'CREATE INDEX ON lump (k); CREATE INDEX ON lump (at)'
	for i in 1 2 3 4; do
		make_table "quarter_$i" "$columns" "$query($(((i - 1) * rows / 4 + 1)), $((i * rows / 4))) i" \
			"CREATE INDEX ON quarter_$i (k); CREATE INDEX ON quarter_$i (at)"
	done
	for run in $(seq "$runs"); do
		printf 'four tables\t%s\n' "$(pull_limits 'quarter_*')"
		printf 'one table\t%s\n' "$(pull_limits lump)"
	done
}

# ---- memory ----

# While the file is there: the largest RssAnon of each worker, in kB.  Shared memory is not in it.
watch_memory() {
	local postmaster=$1 stop=$2 pid kind rss
	declare -A peak
	while [ -e "$stop" ]; do
		while read -r pid kind; do
			rss=$(sed -n 's/^RssAnon:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$pid/status" 2>/dev/null) || continue
			[ -n "$rss" ] && [ "$rss" -gt "${peak[$kind]:-0}" ] && peak[$kind]=$rss
		done < <(ps -o pid=,args= --ppid "$postmaster" | sed -n 's/^ *\([0-9]*\) .*pgtunsync \([a-z]*\).*/\1 \2/p')
		sleep 0.02
	done
	for kind in leader tunnel loader; do
		printf '\t%s %s MB' "$kind" $((${peak[$kind]:-0} / 1024))
	done
	echo
}

memory_of() {
	local watcher stop=$work/watching
	: >"$stop"
	watch_memory "$(as_user head -n 1 "$work/local/data/postmaster.pid")" "$stop" >"$work/peaks" &
	watcher=$!
	pull_limits "$1" >/dev/null
	rm -f "$stop"
	wait "$watcher"
	printf '%s%s\n' "$2" "$(cat "$work/peaks")"
}

memory() {
	local rows mb
	make_limits
	say "peak private memory, maintenance_work_mem = $(limits_sql local -c 'SHOW maintenance_work_mem')" >&2
	for mb in 1 $(awk -v s="$scale" 'BEGIN { printf "%d %d", 100 * s, 1000 * s }'); do
		rows=$((mb * 4096))
		make_table "mb_$mb" 'id bigint PRIMARY KEY, body text' "SELECT i, repeat(md5(i::text), 7) FROM generate_series(1, $rows) i"
		memory_of "mb_$mb" "$mb MB"
	done
	make_table values_of_50_mb 'id int, body text' "SELECT i, '' FROM generate_series(1, 20) i" \
		'ALTER TABLE values_of_50_mb ALTER body SET STORAGE EXTERNAL'
	limits_sql source -c "UPDATE values_of_50_mb SET body = repeat(md5(id::text), 50 * 32768)" -c 'VACUUM ANALYZE values_of_50_mb'
	memory_of values_of_50_mb '20 values of 50 MB'
}

# ---- readers ----

# Reads as long as the file is there; pgbench writes its log when it ends, so it
# does that often, and two of them take turns.
read_on() {
	while [ -e "$work/reading" ]; do
		as_user "$bindir/pgbench" -n -c 1 -T 5 -l --log-prefix="$work/readers/wait.$1" -f "$work/readers/script.sql" \
			-U bench -h "$work/local" -p "$port" limits >/dev/null 2>&1
	done
}

readers() {
	local rows first
	rows=$(awk -v s="$scale" 'BEGIN { printf "%d", 10000000 * s }')
	make_limits
	make_table busy 'id bigint PRIMARY KEY, n int NOT NULL' "SELECT i, i % 1000 FROM generate_series(1, $rows) i" 'CREATE INDEX ON busy (n)'
	limits_sql local -c 'INSERT INTO busy VALUES (1, 1)'
	as_user mkdir -p "$work/readers"
	echo 'SELECT n FROM busy WHERE id = 1;' | as_user tee "$work/readers/script.sql" >/dev/null
	: >"$work/reading"
	read_on 1 &
	first=$!
	sleep 2
	read_on 2 &
	say "a pull of $rows rows took $(pull_limits busy) s" >&2
	rm "$work/reading"
	wait "$first" "$!"
	as_user sh -c "cat $work/readers/wait.*" | awk '
		{ if ($3 > max) max = $3; sum += $3; n++ }
		END { printf "longest of %d reads: %.1f ms, mean %.2f ms\n", n, max / 1000, sum / n / 1000 }'
	as_user rm -rf "$work/readers"
}
