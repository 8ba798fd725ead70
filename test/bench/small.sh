#!/usr/bin/env bash
# Many small tables, where round trips are what counts: pgtunsync against
# pg_dump --data-only | psql, through one sshd, without and with a distance.
#
#   test/bench/small.sh              100 tables of 100 rows with foreign keys, at 0 and 50 ms
#   test/bench/small.sh --timeline   the same, and where one pull's time goes at each distance
#
# TABLES, ROWS  how many (default 100, 100)      RTTS  round trips in ms (default "0 50")
# RUNS          of each; medians are printed (default 5; 0: pgtunsync alone, once)
# PG_CONFIG     the server to use, an optimized one (default: the one in PATH)
#
# The peer finds its tunnel open (ssh -L); a pull opens its own each time.  Both
# sides are compared after every run.  A round trip is added by delay.pl in
# front of the sshd.

set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/../prepare.sh"

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

free_port() {
	local port
	while :; do
		port=$((20000 + RANDOM % 10000))
		(exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
	done
}

psql_in() {
	local side=$1 database=$2
	shift 2
	as_user "$bindir/psql" -X -q -v ON_ERROR_STOP=1 -U bench -h "$work/$side" -p "$port" -d "$database" "$@"
}

start_cluster() {
	local side=$1 setting
	shift
	as_user mkdir "$work/$side"
	as_user "$bindir/initdb" -N -A trust -U bench -E UTF8 --locale=C -D "$work/$side/data" >/dev/null
	for setting in "unix_socket_directories = '$work/$side'" "port = $port" \
		'max_locks_per_transaction = 512' "log_line_prefix = '%n %b: '" 'jit = off' "$@"; do
		echo "$setting" | as_user tee -a "$work/$side/data/postgresql.conf" >/dev/null
	done
	printf '%s\n' 'local all all trust' 'host all all 127.0.0.1/32 scram-sha-256' |
		as_user tee "$work/$side/data/pg_hba.conf" >/dev/null
	as_user "$bindir/pg_ctl" -s -w -D "$work/$side/data" -l "$work/$side/log" start </dev/null
}

start_sshd() {
	as_user mkdir "$work/ssh"
	as_user ssh-keygen -q -t ed25519 -N '' -f "$work/ssh/host_key"
	as_user ssh-keygen -q -t ed25519 -N '' -f "$work/ssh/user_key"
	as_user tee "$work/ssh/sshd_config" >/dev/null <<-END
		ListenAddress 127.0.0.1:$ssh_port
		HostKey $work/ssh/host_key
		PidFile $work/ssh/jump.sshd.pid
		AuthorizedKeysFile $work/ssh/user_key.pub
		PasswordAuthentication no
		UsePAM no
		StrictModes no
	END
	as_user tee "$work/ssh/config" >/dev/null <<-END
		Host *
		    HostName 127.0.0.1
		    HostKeyAlias jump
		    User $test_user
		    IdentityFile $work/ssh/user_key
		    IdentitiesOnly yes
		    UserKnownHostsFile $work/ssh/known_hosts
	END
	echo "jump $(as_user cat "$work/ssh/host_key.pub")" | as_user tee "$work/ssh/known_hosts" >/dev/null
	as_user "$(command -v sshd || echo /usr/sbin/sshd)" -f "$work/ssh/sshd_config" -E "$work/ssh/log" </dev/null
}

# Each table refers to the one before it and to the one half as far.
create_schema() {
	psql_in "$1" bench -c "
		DO \$\$ BEGIN FOR i IN 1..$tables LOOP
			EXECUTE format('CREATE TABLE t%s (id serial PRIMARY KEY, name text NOT NULL, note text, at timestamptz, a_id int%s, b_id int%s)', i,
				CASE WHEN i > 1 THEN ' REFERENCES t' || i - 1 END, CASE WHEN i > 1 THEN ' REFERENCES t' || i / 2 END);
			EXECUTE format('CREATE INDEX ON t%s (a_id)', i);
			IF i % 100 = 0 THEN COMMIT; END IF;
		END LOOP; END \$\$"
}

fill() {
	psql_in "$1" bench -c "
		DO \$\$ BEGIN FOR i IN 1..$tables LOOP
			EXECUTE format('INSERT INTO t%s (name, note, at, a_id, b_id) SELECT \$1 || k, repeat(md5(k::text), 1 + k %% 3), now() - k * interval ''1 h'', 1 + (k * 7) %% $rows, 1 + k %% $rows FROM generate_series(1, $rows) k', i) USING '$2';
			IF i % 100 = 0 THEN COMMIT; END IF;
		END LOOP; END \$\$" -c 'VACUUM ANALYZE'
}

# A digest of all rows of a side.
digest() {
	psql_in "$1" bench -At -c "SELECT md5(string_agg(md5(query_to_xml(format('SELECT * FROM %I ORDER BY id', relname), false, true, '')::text), '' ORDER BY relname))
		FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
}

# The local rows become others than the source's.
spoil() {
	psql_in local bench -c "UPDATE t$tables SET name = 'spoilt'"
}

now() { date +%s.%N; }

pull() {
	psql_in local bench -c 'SET client_min_messages = warning' -c "SELECT pgtunsync.pull(jobs => 2)" >/dev/null
}

dump() {
	{
		echo "TRUNCATE $(seq -s, -f 't%.0f' "$tables");"
		as_user env PGPASSWORD=bench "$bindir/pg_dump" -h 127.0.0.1 -p "$peer_port" -U reader --data-only --disable-triggers bench
	} | psql_in local bench -1 -o /dev/null
}

# Times one run and compares: timed TOOL
timed() {
	local start end
	spoil
	psql_in local bench -c CHECKPOINT
	start=$(now)
	"$1"
	end=$(now)
	[ "$(digest local)" = "$expected" ] || die "$1: the two sides differ"
	awk "BEGIN { printf \"%.3f\\n\", $end - $start }"
}

median() { sort -n | awk '{ v[NR] = $1 } END { printf "%.2f", NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

# What pgtunsync connects to at this distance, and the peer's tunnel.
go_far() {
	local rtt=$1 way=$ssh_port
	if [ "$rtt" != 0 ]; then
		way=$(free_port)
		as_user perl "$work/tree/test/bench/delay.pl" "$way" "$ssh_port" "$rtt" &
		children+=($!)
	fi
	peer_port=$(free_port)
	sleep 0.3
	as_user ssh -F "$work/ssh/config" -p "$way" -o ExitOnForwardFailure=yes -N \
		-L "127.0.0.1:$peer_port:127.0.0.1:$port" jump </dev/null &
	children+=($!)
	as_user tee "$work/local/.env.pgsync" >/dev/null <<-END
		PGSYNC_FROM_URL=postgresql://reader:bench@localhost/bench
		PGSYNC_SSH_HOST=jump
		PGSYNC_SSH_PORT=$way
		PGSYNC_LOCAL_PORT=0
		PGSYNC_REMOTE_HOST=127.0.0.1
		PGSYNC_REMOTE_PORT=$port
		PGSYNC_SSH_CONFIG=$work/ssh/config
	END
	as_user chmod 600 "$work/local/.env.pgsync"
	for _ in $(seq 100); do
		(exec 3<>"/dev/tcp/127.0.0.1/$peer_port") 2>/dev/null && break
		sleep 0.1
	done
}

come_back() {
	local pid
	for pid in "${children[@]}"; do
		kill "$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	children=()
}

# What the local server's workers and the source's sessions say of one pull, by time.
show_timeline() {
	local side
	for side in local source; do
		psql_in $side bench -c "ALTER SYSTEM SET log_min_messages = debug1" -c "ALTER SYSTEM SET log_connections = on" \
			-c "ALTER SYSTEM SET log_min_duration_statement = $([ $side = source ] && echo 0 || echo -1)" \
			-c 'SELECT pg_reload_conf()' >/dev/null
	done
	sleep 0.5
	as_user truncate -s 0 "$work/local/log" "$work/source/log"
	spoil
	as_user truncate -s 0 "$work/local/log" "$work/source/log"
	pull
	sleep 0.5
	as_user perl "$work/tree/test/bench/timeline.pl" "$work/local/log" "$work/source/log"
	for side in local source; do
		psql_in $side bench -c 'ALTER SYSTEM RESET ALL' -c 'SELECT pg_reload_conf()' >/dev/null
	done
}

compare() {
	local rtt=$1 tool
	declare -A took
	go_far "$rtt"
	timed pull >/dev/null           # warm
	for ((i = 0; i < runs; i++)); do
		for tool in pull dump; do
			took[$tool]+="$(timed $tool)"$'\n'
		done
	done
	[ "$runs" = 0 ] || {
		a=$(printf %s "${took[pull]}" | median)
		b=$(printf %s "${took[dump]}" | median)
		awk "BEGIN { printf \"%4d ms  pgtunsync %6.2f s   pg_dump | psql %6.2f s   ratio %.2f\\n\", $rtt, $a, $b, $a / $b }"
		medians[$rtt]=$a
	}
	[ "$runs" != 0 ] || { medians[$rtt]=$(timed pull); printf '%4d ms  pgtunsync %s s\n' "$rtt" "${medians[$rtt]}"; }
	[ -z "$timeline" ] || show_timeline
	come_back
}

children=()
declare -A medians
install_missing
make_work
build_and_install
trap 'status=$?; come_back; (exit $status); finish' EXIT

port=$(free_port)
ssh_port=$(free_port)
start_cluster source "listen_addresses = '127.0.0.1'"
psql_in source postgres -c "CREATE ROLE reader LOGIN PASSWORD 'bench'" -c 'GRANT pg_read_all_data TO reader' -c 'CREATE DATABASE bench'
create_schema source
fill source fresh
start_cluster local "listen_addresses = ''"
psql_in local postgres -c 'CREATE DATABASE bench'
create_schema local
fill local stale
psql_in local bench -c 'CREATE EXTENSION pgtunsync' \
	-c "ALTER DATABASE bench SET pgtunsync.env_file = '$work/local/.env.pgsync'" \
	-c "ALTER DATABASE bench SET pgtunsync.config_file = ''"
start_sshd
expected=$(digest source)

say "$tables tables of $rows rows, $(nproc) cores, $("$PG_CONFIG" --version), medians of $runs"
for rtt in $rtts; do compare "$rtt"; done
for rtt in $rtts; do
	[ "$rtt" = 0 ] || [ -z "${medians[0]:-}" ] ||
		awk "BEGIN { printf \"round trips on the way of a pull: %.1f (at $rtt ms)\\n\", (${medians[$rtt]} - ${medians[0]}) * 1000 / $rtt }"
done
