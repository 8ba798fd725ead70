# Sourced by run.sh: each tool as its users would run it for this, through the
# tunnel, with as many jobs as pgtunsync has.  tool_NAME pulls everything;
# the name as shown is in tool_title.

# The first number with a dot in what a program says of its version.
version_of() { "$@" 2>&1 | sed -n 's/^[^0-9]*\([0-9][0-9]*\.[0-9.]*[0-9]\).*/\1/p' | head -n 1; }

tool_title() {
	local server
	server=$(version_of "$bindir/pg_dump" --version)
	case $1 in
		pgtunsync) echo "pgtunsync $(version_of grep default_version "$repo/pgtunsync.control")" ;;
		dump_data) echo "pg_dump $server --data-only | psql" ;;
		dump_clean) echo "pg_dump $server --clean | psql" ;;
		restore) echo "pg_dump $server -Fd -Z0 / pg_restore -j$bench_jobs" ;;
		pgcopydb) echo "pgcopydb $(version_of "$pgcopydb" --version) clone$(pgcopydb_options)" ;;
		logical) echo "logical replication $server, initial copy" ;;
		pgsync) echo "pgsync $(version_of pgsync_program --version) --defer-constraints" ;;
	esac
}

pgcopydb=${PGCOPYDB:-pgcopydb}

# What makes it faster, as far as this version has it.
pgcopydb_options() {
	local help
	help=$("$pgcopydb" clone --help 2>&1 || true)
	[[ $help != *--use-copy-binary* ]] || printf ' --use-copy-binary'
	[[ $help != *--split-tables-larger-than* ]] || printf ' --split-tables-larger-than %s' "${SPLIT:-100MB}"
}

pgsync_program() { as_user env -C "$work" ruby -I"$PGSYNC/lib" "$PGSYNC/exe/pgsync" "$@"; }

has_own_tunnel() { [ "$1" = pgtunsync ]; }

tables='accounts, products, users, orders, order_items, events'
tunnel_url() { echo "postgresql://bench@127.0.0.1:$tunnel_port/app?sslmode=disable"; }
local_url() { echo "postgresql://bench@/app?host=$work/local&port=$port"; }

tool_pgtunsync() {
	psql_in local app -c "SELECT pgtunsync.pull('{$tables}'${pull_jobs:+, jobs => $pull_jobs})"
}

tool_dump_data() {
	{
		echo "TRUNCATE $tables;"
		as_user "$bindir/pg_dump" -d "$(tunnel_url)" --data-only --disable-triggers
	} | psql_in local app -1 -o /dev/null
}

tool_dump_clean() {
	as_user "$bindir/pg_dump" -d "$(tunnel_url)" --clean --if-exists | psql_in local app -1 -o /dev/null
}

tool_restore() {
	as_user rm -rf "$work/dump"
	as_user "$bindir/pg_dump" -d "$(tunnel_url)" -Fd -Z0 -j "$bench_jobs" -f "$work/dump" &&
		as_user "$bindir/pg_restore" -d "$(local_url)" --clean --if-exists -j "$bench_jobs" "$work/dump"
}

tool_pgcopydb() {
	as_user rm -rf "$work/pgcopydb"
	as_user env PATH="$bindir:$PATH" "$pgcopydb" clone $(pgcopydb_options) --dir "$work/pgcopydb" --source "$(tunnel_url)" --target "$(local_url)" \
		--table-jobs "$bench_jobs" --index-jobs "$bench_jobs" --drop-if-exists --no-owner --no-comments
}

tool_logical() {
	psql_in local app -c "TRUNCATE $tables" &&
		psql_in local app -c "CREATE SUBSCRIPTION bench CONNECTION '$(tunnel_url)' PUBLICATION bench" &&
		until [ "$(psql_in local app -At -c "SELECT count(*) = 6 AND bool_and(srsubstate = 'r') FROM pg_subscription_rel")" = t ]; do
			sleep 0.2
		done
}

tool_pgsync() {
	pgsync_program --from "$(tunnel_url)" --to "$(local_url)" \
		--defer-constraints
}

# Is the tool there?
tool_present() {
	case $1 in
		pgcopydb) command -v "$pgcopydb" >/dev/null ;;
		pgsync) [ -n "${PGSYNC:-}" ] && command -v ruby >/dev/null ;;
		*) true ;;
	esac
}

# Before the clock starts, and after it stopped.
before_tool() {
	[ "$1" != logical ] ||
		psql_in source app -c 'DROP PUBLICATION IF EXISTS bench' -c "CREATE PUBLICATION bench FOR TABLE $tables"
}

after_tool() {
	[ "$1" != logical ] || {
		psql_in local app -c 'DROP SUBSCRIPTION bench'
		psql_in source app -c 'DROP PUBLICATION bench'
	}
	as_user rm -rf "$work/dump" "$work/pgcopydb"
}
