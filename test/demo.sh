#!/usr/bin/env bash
# From a fresh clone to a pull: a shop's "production" database behind a private
# sshd, a stale local copy of it, one call, and what it did.
#
#   test/demo.sh               shows it and leaves nothing running
#   test/demo.sh --installed   the same with the extension that the server has
#   test/demo.sh --keep        leaves it up and prints how to look around
#   test/demo.sh --stop DIR    ends what --keep left
#
# PG_CONFIG  the server to use (default: the one in PATH)
# DEMO_USERS how many users the shop has (default 20000: 260,000 rows in all)

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/prepare.sh"

keep=
installed=
case ${1:-} in
	'') ;;
	--keep) keep=yes ;;
	--installed) installed=yes ;;
	--stop)
		work=${2:?which directory?}
		[ -e "$work/demo" ] || die "$work is not a demo's directory"
		trap finish EXIT
		exit 0
		;;
	*) die "usage: test/demo.sh [--installed | --keep | --stop DIR]" ;;
esac

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
	as_user "$bindir/psql" -X -q -v ON_ERROR_STOP=1 -U demo -h "$work/$side" -p "$port" -d "$database" "$@"
}

# A cluster of its own: start_cluster source|local SETTING…
start_cluster() {
	local side=$1 setting
	shift
	as_user mkdir "$work/$side"
	as_user "$bindir/initdb" -N -A trust -U demo -E UTF8 --locale=C -D "$work/$side/data" >/dev/null
	for setting in "unix_socket_directories = '$work/$side'" "port = $port" 'fsync = off' "$@"; do
		echo "$setting" | as_user tee -a "$work/$side/data/postgresql.conf" >/dev/null
	done
	printf '%s\n' 'local all all trust' 'host all all 127.0.0.1/32 scram-sha-256' |
		as_user tee "$work/$side/data/pg_hba.conf" >/dev/null
	as_user "$bindir/pg_ctl" -s -w -D "$work/$side/data" -l "$work/$side/log" start </dev/null
}

# The jump host: lets in this one user with this one key.
start_sshd() {
	local sshd
	sshd=$(command -v sshd || echo /usr/sbin/sshd)
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
		Host hatchbox
		    HostName 127.0.0.1
		    Port $ssh_port
		    User $test_user
		    IdentityFile $work/ssh/user_key
		    UserKnownHostsFile $work/ssh/known_hosts
	END
	echo "[127.0.0.1]:$ssh_port $(as_user cat "$work/ssh/host_key.pub")" |
		as_user tee "$work/ssh/known_hosts" >/dev/null
	as_user "$sshd" -f "$work/ssh/sshd_config" -E "$work/ssh/log" </dev/null
}

counts() {
	psql_in local dev -c "
		SELECT 'users' AS table, count(*) AS rows, min(name) AS example FROM users
		UNION ALL SELECT 'orders', count(*), max(placed_at)::text FROM orders
		UNION ALL SELECT 'order_items', count(*), '' FROM order_items
		UNION ALL SELECT 'products', count(*), max(description) FROM products WHERE length(description) < 30"
}

make_work
if [ -n "$installed" ]; then
	find_server
	[ "$(id -u)" != 0 ] || chown -R "$test_user" "$work"
else
	install_missing
	build_and_install
fi
as_user touch "$work/demo"

port=$(free_port)
entrance=$(free_port)
ssh_port=$(free_port)
users=${DEMO_USERS:-20000}

say "production: a cluster on 127.0.0.1:$port, reached through an sshd on 127.0.0.1:$ssh_port"
start_cluster source "listen_addresses = '127.0.0.1'"
psql_in source postgres -c "CREATE ROLE reader LOGIN PASSWORD 'demo-password'" -c 'GRANT pg_read_all_data TO reader' -c 'CREATE DATABASE production'
psql_in source production -f "$work/tree/test/fixtures/shop_schema.sql"
psql_in source production -v users="$users" -v mark=fresh -f "$work/tree/test/fixtures/shop_rows.sql" >/dev/null
start_sshd

say 'local: a stale copy, and the two files'
start_cluster local "listen_addresses = ''"
as_user tee "$work/local/.env.pgsync" <<-END
	PGSYNC_FROM_URL=postgresql://reader:demo-password@localhost:$entrance/production
	PGSYNC_SSH_HOST=hatchbox
	PGSYNC_LOCAL_PORT=$entrance
	PGSYNC_REMOTE_HOST=127.0.0.1
	PGSYNC_REMOTE_PORT=$port
	PGSYNC_SSH_CONFIG=$work/ssh/config   # else ~/.ssh/config of the server's user
END
as_user chmod 600 "$work/local/.env.pgsync"
as_user tee "$work/local/.pgsync.yml" <<-END
	groups:
	  catalogue:
	    - categories
	    - products
END
psql_in local postgres -c 'CREATE DATABASE dev'
psql_in local dev -f "$work/tree/test/fixtures/shop_schema.sql"
psql_in local dev -v users=500 -v mark=stale -f "$work/tree/test/fixtures/shop_rows.sql" >/dev/null
psql_in local dev -c 'CREATE EXTENSION pgtunsync' \
	-c "ALTER DATABASE dev SET pgtunsync.env_file = '$work/local/.env.pgsync'" \
	-c "ALTER DATABASE dev SET pgtunsync.config_file = '$work/local/.pgsync.yml'"

say 'before'
counts
say 'SELECT pgtunsync.pull();'
psql_in local dev -c '\timing on' -c 'SELECT pgtunsync.pull();'
say 'after'
counts
say "SELECT pgtunsync.pull(grp => 'catalogue');"
psql_in local dev -c "SELECT pgtunsync.pull(grp => 'catalogue');"
say 'the audit'
psql_in local dev -c "
	SELECT id, status, source, tables, rows, pg_size_pretty(bytes) AS size, finished_at - started_at AS time
	FROM pgtunsync.runs ORDER BY id" -c "
	SELECT table_name, status, rows, pg_size_pretty(bytes) AS size, round(seconds::numeric, 2) AS seconds
	FROM pgtunsync.run_tables WHERE run_id = 1 ORDER BY table_name"

if [ -n "$keep" ]; then
	trap - EXIT INT TERM HUP
	chmod 711 "$work" "$work/local"
	say "left running; look around with"
	echo "    psql -h $work/local -p $port -U demo dev"
	echo "and end it with"
	echo "    test/demo.sh --stop $work"
fi
