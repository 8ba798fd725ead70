#!/usr/bin/env bash
# Runs the steps of docker/Dockerfile in chroots of the release that its base image
# has, for want of an engine, and starts the server as the image would.  Needs root.
#
# The base image's own part, docker-entrypoint.sh, is replaced by a short script
# that does the same for a first start: initdb, the scripts of
# docker-entrypoint-initdb.d, the server as user postgres.
#
# DOCKER_DIR, MATRIX_MIRROR  as PACKAGE_DIR of package.sh

set -euo pipefail

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
dir=${DOCKER_DIR:-/var/tmp/pgtunsync-docker}
. "$repo/test/chroots.sh"
own_mounts "$@"

PG_MAJOR=$(sed -n 's/^ARG PG_MAJOR=//p' "$repo/docker/Dockerfile")
stage=0
root=

# The release's own server stands for the image's.
from() {
	local suite=${1#*-}
	stage=$((stage + 1))
	root=$dir/stage$stage
	make_root "$root" "$suite"
	mount_system "$root"
	inside "$root" sh -c "apt-get update -q && apt-get install -y -q --no-install-recommends postgresql-$PG_MAJOR" >"$dir/logs/stage$stage" 2>&1
	rm -rf "$root/usr/src/pgtunsync" "$root/out" "$root/docker-entrypoint-initdb.d"
}

run() {
	say "RUN ${1:0:80}"
	inside "$root" env PG_MAJOR="$PG_MAJOR" sh -c "$1" >>"$dir/logs/stage$stage" 2>&1 || { tail -n 20 "$dir/logs/stage$stage" >&2; die "step failed"; }
}

copy() {
	local target=${*: -1} source
	if [ "$1" = --from=build ]; then
		cp -a "$dir/stage1$2." "$root$target"
	elif [ "$1" = . ]; then
		mkdir -p "$root$target"
		git -C "$repo" archive HEAD | tar -C "$root$target" -xf -
	else
		[[ $target != */ ]] && mkdir -p "$root$(dirname "$target")" || mkdir -p "$root$target"
		for source in "${@:1:$#-1}"; do cp "$repo/$source" "$root$target"; done
	fi
}

# Dockerfile's instructions, one a line.
instructions() { sed -e '/^#/d' -e ':a' -e '/\\$/{N;s/\\\n//;ta' -e '}' "$repo/docker/Dockerfile"; }

main() {
	local keyword rest
	take_directory
	while read -r keyword rest <&3; do
		case $keyword in
			FROM) from "$(set -- $rest; echo "$1")" ;;
			RUN) run "$rest" ;;
			COPY) copy $rest ;;
			ARG | ENTRYPOINT | '') ;;
			CMD) command=$(tr -d '[],"' <<<"$rest") ;;
			*) die "no step for $keyword" ;;
		esac
	done 3< <(instructions)
	start
}

# Starts the last stage with a folder of secrets that somebody else owns.
start() {
	local secrets=$root/run/pgtunsync
	cat >"$root/usr/local/bin/docker-entrypoint.sh" <<-'END'
		#!/bin/sh
		set -eu
		export PATH=$PATH:$(ls -d /usr/lib/postgresql/*/bin)
		rm -rf /tmp/data /tmp/log
		as() { runuser -u postgres -- "$@"; }
		as initdb -D /tmp/data >/dev/null
		as pg_ctl -s -w -D /tmp/data -l /tmp/log -o "-k /tmp" start
		as psql -q -h /tmp -d postgres -f /docker-entrypoint-initdb.d/pgtunsync.sql
		as pg_ctl -s -w -D /tmp/data stop
		shift
		as pg_ctl -s -w -D /tmp/data -l /tmp/log -o "-k /tmp $*" start
		as psql -h /tmp -d postgres -Atc "SELECT step, ok, detail FROM pgtunsync.check()" || true
		as pg_ctl -s -w -D /tmp/data stop
	END
	chmod 755 "$root/usr/local/bin/"*
	rm -rf "$secrets"
	mkdir -p "$secrets/ssh"
	printf '%s\n' 'PGSYNC_FROM_URL=postgresql://reader:secret@localhost:5433/production' 'PGSYNC_SSH_HOST=jump.invalid' >"$secrets/.env.pgsync"
	printf 'exclude: [audit_log]\n' >"$secrets/.pgsync.yml"
	printf 'Host jump.invalid\n    User nobody\n' >"$secrets/ssh/config"
	chown -R 1000:1000 "$secrets"
	chmod 644 "$secrets/.env.pgsync"
	inside "$root" pgtunsync-entrypoint $command >"$dir/logs/start" 2>&1 || { cat "$dir/logs/start"; die 'the server did not start'; }
	cat "$dir/logs/start"
	[ "$(stat -c '%a %U' "$root/var/lib/postgresql/pgtunsync/.env.pgsync")" = "600 $(stat -c %U "$root/var/lib/postgresql")" ] ||
		die 'the environment file was not taken over'
	grep -q 'jump.invalid' "$dir/logs/start" || die 'check() has not read the environment file'
	say 'the steps of docker/Dockerfile work'
}

main
