# Sourced by run.sh: a source and a local cluster, a jump host in front of the
# source, the way there made as long as wanted, and what processes have cost.
#
# Needs what prepare.sh leaves: $work, $bindir, as_user.

pgconf() {
	cat <<-END
		unix_socket_directories = '$work/$1'
		port = $port
		shared_buffers = 1GB
		max_wal_size = 8GB
		min_wal_size = 2GB
		checkpoint_timeout = 15min
		maintenance_work_mem = 256MB
		work_mem = 32MB
		max_connections = 60
		max_worker_processes = 16
		log_min_messages = warning
		jit = off
	END
	case $1 in
		source) printf '%s\n' "listen_addresses = '127.0.0.1'" 'wal_level = logical' ;;
		local) printf '%s\n' "listen_addresses = ''" 'max_sync_workers_per_subscription = 2' ;;
	esac
}

free_port() {
	local port
	while :; do
		port=$((20000 + RANDOM % 10000))
		(exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
	done
}

# psql as the superuser of a cluster: psql_in source|local DATABASE ARGS…
psql_in() {
	local side=$1 database=$2
	shift 2
	as_user "$bindir/psql" -X -q -v ON_ERROR_STOP=1 -U bench -h "$work/$side" -p "$port" -d "$database" "$@"
}

start_server() { as_user "$bindir/pg_ctl" -s -w -t 300 -D "$work/$1/data" -l "$work/$1/log" start </dev/null; }
stop_server() { as_user "$bindir/pg_ctl" -s -w -t 300 -D "$work/$1/data" -m fast stop; }

make_cluster() {
	as_user mkdir "$work/$1"
	as_user "$bindir/initdb" -A trust -U bench -E UTF8 --locale=C.UTF-8 -D "$work/$1/data" >/dev/null
	pgconf "$1" | as_user tee -a "$work/$1/data/postgresql.conf" >/dev/null
	start_server "$1"
}

# Runs a program beside us; its pid file is where the end looks for it.
start_program() {
	local name=$1
	shift
	as_user sh -c 'echo $$ >"$1"; shift; exec "$@"' sh "$work/$name.program.pid" "$@" \
		</dev/null >>"$work/$name.log" 2>&1 &
}

stop_program() {
	local pid
	pid=$(as_user cat "$work/$1.program.pid" 2>/dev/null) || return 0
	as_user kill "$pid" 2>/dev/null || true
	while as_user kill -0 "$pid" 2>/dev/null; do sleep 0.02; done
	as_user rm -f "$work/$1.program.pid"
}

wait_port() {
	for _ in $(seq 200); do
		(exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return
		sleep 0.05
	done
	die "nothing listens on port $1; see $work/*.log"
}

# The jump host: lets in this one user with this one key.
start_sshd() {
	local sshd
	sshd=$(command -v sshd || echo /usr/sbin/sshd)
	[ "$(id -u)" != 0 ] || mkdir -p /run/sshd
	as_user mkdir "$work/ssh"
	as_user ssh-keygen -q -t ed25519 -N '' -f "$work/ssh/host_key"
	as_user ssh-keygen -q -t ed25519 -N '' -f "$work/ssh/user_key"
	as_user tee "$work/ssh/sshd_config" >/dev/null <<-END
		ListenAddress 127.0.0.1:$ssh_port
		HostKey $work/ssh/host_key
		PidFile none
		AuthorizedKeysFile $work/ssh/user_key.pub
		PasswordAuthentication no
		UsePAM no
		StrictModes no
		MaxStartups 50
	END
	for p in "$ssh_port" "$far_port"; do
		echo "[127.0.0.1]:$p $(as_user cat "$work/ssh/host_key.pub")"
	done | as_user tee "$work/ssh/known_hosts" >/dev/null
	start_program sshd "$work/reaper" "$sshd" -D -e -f "$work/ssh/sshd_config"
	wait_port "$ssh_port"
}

# Makes the way to the jump host this long, in ms there and back.
set_round_trip() {
	local ssh=$ssh_port
	stop_program relay
	if [ "$1" != 0 ]; then
		start_program relay "$work/relay" "$far_port" "$ssh_port" $(($1 * 500))
		wait_port "$far_port"
		ssh=$far_port
	fi
	as_user tee "$work/ssh/config" >/dev/null <<-END
		Host hatchbox
		    HostName 127.0.0.1
		    Port $ssh
		    User $test_user
		    IdentityFile $work/ssh/user_key
		    IdentitiesOnly yes
		    UserKnownHostsFile $work/ssh/known_hosts
	END
}

# The tunnel of the tools that bring none.
open_tunnel() {
	start_program tunnel ssh -N -F "$work/ssh/config" -o BatchMode=yes -o ExitOnForwardFailure=yes \
		-L "127.0.0.1:$tunnel_port:127.0.0.1:$port" hatchbox
	wait_port "$tunnel_port"
}

close_tunnel() { stop_program tunnel; }

# ---- the local database ----

# Keeps the local cluster as it is now, for reset_local.
save_local() {
	stop_server local
	as_user rm -rf "$work/local/saved"
	as_user cp -a "$work/local/data" "$work/local/saved"
	start_server local
}

# The local cluster as it was saved, on disk, so that nothing is left to write.
reset_local() {
	stop_server local
	as_user rm -rf "$work/local/data"
	as_user cp -a "$work/local/saved" "$work/local/data"
	sync -f "$work/local/data"
	start_server local
	psql_in source postgres -c CHECKPOINT
}

write_files() {
	as_user tee "$work/env" >/dev/null <<-END
		PGSYNC_FROM_URL=postgresql://bench@127.0.0.1:$entrance/app
		PGSYNC_LOCAL_PORT=$entrance
		PGSYNC_REMOTE_HOST=127.0.0.1
		PGSYNC_REMOTE_PORT=$port
		PGSYNC_SSH_CONFIG=$work/ssh/config
	END
	as_user chmod 600 "$work/env"
	psql_in local app -c 'CREATE EXTENSION pgtunsync' \
		-c "ALTER DATABASE app SET pgtunsync.env_file = '$work/env'" \
		-c "ALTER DATABASE app SET pgtunsync.config_file = ''"
}

make_rig() {
	port=$(free_port) ssh_port=$(free_port) far_port=$(free_port)
	tunnel_port=$(free_port) entrance=$(free_port)
	as_user cc -O2 -pthread -o "$work/relay" "$work/tree/test/bench/relay.c"
	as_user cc -O2 -o "$work/reaper" "$work/tree/test/bench/reaper.c"
	make_cluster source
	make_cluster local
	start_sshd
	set_round_trip 0
	psql_in source postgres -c 'CREATE DATABASE app'
	psql_in local postgres -c 'CREATE DATABASE app'
	for v in work port ssh_port far_port tunnel_port entrance; do
		echo "$v=${!v}"
	done | as_user tee "$work/rig" >/dev/null
}

# ---- what it costs ----

# CPU seconds of a process, its living descendants, and those they have waited for.
cpu_of() {
	{ cat /proc/[0-9]*/stat 2>/dev/null || true; } | awk -v root="$1" -v hz="$(getconf CLK_TCK)" '
		{ pid = $1; sub(/^.*\) /, ""); parent[pid] = $2; ticks[pid] = $12 + $13 + $14 + $15 }
		END {
			for (pid in ticks)
				for (p = pid; p != "" && p != 0; p = parent[p])
					if (p == root) { sum += ticks[pid]; break }
			printf "%.2f\n", sum / hz
		}'
}

server_cpu() { cpu_of "$(as_user head -n 1 "$work/$1/data/postmaster.pid")"; }
program_cpu() {
	local pid
	pid=$(as_user cat "$work/$1.program.pid" 2>/dev/null) || pid=-1
	cpu_of "$pid"
}
