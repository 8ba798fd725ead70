#!/usr/bin/env bash
# Every file of src/ through other compilers, without making objects: clang, and
# musl's headers (what Alpine has).  A warning is an error.
#
# PG_CONFIG  the server whose headers are taken (default: the one in PATH)

set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/prepare.sh"

install_missing clang musl-tools
find_server
cd "$repo"
flags=(-fsyntax-only -D_GNU_SOURCE -Wall -Wextra -Werror
	-Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers
	-Isrc -I"$("$PG_CONFIG" --includedir-server)" -I"$("$PG_CONFIG" --includedir)")
multiarch=/usr/include/$(gcc -print-multiarch)
status=0
for file in src/*/*.c; do
	# PostgreSQL's headers name a format that only gcc knows
	clang "${flags[@]}" -Wno-ignored-attributes "$file" || status=1
	# libpq, libssh2 and libyaml: this system's headers, after musl's own
	musl-gcc "${flags[@]}" -idirafter /usr/include -idirafter "$multiarch" "$file" || status=1
done
[ "$status" != 0 ] || say "$(ls src/*/*.c | wc -l) files compile with clang and with musl's headers"
exit "$status"
