#!/usr/bin/env bash
# The library exports what PostgreSQL looks up in it, and no other symbol: a
# name of ours must not meet one of another library in the same process.
#
#   test/exports.sh LIBRARY
set -euo pipefail
bad=$(nm -D --defined-only "$1" | awk '
	$3 !~ /^(Pg_magic_func|_PG_init|(pg_finfo_)?pgtunsync_[a-z_]+)$/ { print $3 }')
[ -z "$bad" ] || { echo "$1 exports:"; echo "$bad"; exit 1; }
