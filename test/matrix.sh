#!/usr/bin/env bash
# The test command against several major versions of PostgreSQL, each as the
# local and as the source server.  Needs root and a Debian-like system.
#
#   test/matrix.sh [LOCAL[:SOURCE]…]    17      the whole test command with 17 on both sides
#                                       15:18   local 15, source 18: $cross_tests
#                                       (default: every version, then every pair of two)
#   test/matrix.sh --prepare [LOCAL…]   only makes the chroots
#   test/matrix.sh --remove             removes MATRIX_DIR with all that is in it
#
# Prints a line for each combination; the exit status is 1 if any failed.
#
# MATRIX_DIR      where chroots (some GB) and logs are (default /var/tmp/pgtunsync-matrix);
#                 what is there is used again
# MATRIX_ROOT_17  a root directory that has, or gets, PostgreSQL 17 ("/": this system);
#                 default: this system for the version of its pg_config, else MATRIX_DIR/SUITE
# MATRIX_SUITE_18 the Debian release to make a chroot of
# MATRIX_MIRROR   where debootstrap gets packages (default: the mirror of Debian that
#                 this system's own apt uses)
# MATRIX_TESTS    the tests ('020_main_path 083_relations') instead of those; "all": the whole
#                 test command for pairs, too
# JOBS            as for check.sh
# SEEDS, START, TABLES  what 089_scale and 090_random_schema make of them
# REGRESS_SRC, REGRESS_LIB  what regression_database.pl (MATRIX_TESTS=../regression_database)
#                 makes of them: directories below MATRIX_DIR/shared, of the source's version
#
# How: every chroot is a Debian release that has the version, made with
# debootstrap.  All mounts are in a mount namespace of this script's own, so they
# end with it on every path.  The source's server of a pair runs beside the
# local one, from the other root's files by their own dynamic linker (see
# lay_beside), so the tests start and stop it like any other.

set -euo pipefail

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
dir=${MATRIX_DIR:-/var/tmp/pgtunsync-matrix}
shared=$dir/shared
versions='15 17 18'
# no release of Debian that still can be had has them
no_headers='14 16'
cross_tests='020_main_path 023_columns 036_foreign_keys 051_partitions 052_filters 080_versions 081_names 082_columns_types 083_relations 084_constraints 087_sequences 088_encodings'
failed=0
. "$repo/test/chroots.sh"
own_mounts "$@"

# ---- roots ----

suite_of() {
	local suite=MATRIX_SUITE_$1
	case ${!suite:-$1} in
		15) echo bookworm ;;
		17) echo trixie ;;
		18) echo sid ;;
		*) echo "${!suite:-}" ;;
	esac
}

# The root directory of a version.
root_of() {
	local root=MATRIX_ROOT_$1
	if [ -n "${!root:-}" ]; then
		echo "${!root}"
	elif [ -x "/usr/lib/postgresql/$1/bin/postgres" ] && [ -d "/usr/include/postgresql/$1/server" ]; then
		echo /
	else
		echo "$dir/$(suite_of "$1")"
	fi
}

# The tree and the other versions' servers, as soon as they are laid out.
mount_shared() {
	mkdir -p "$1$shared"
	mount --rbind "$shared" "$1$shared"
}

# A version's root with server, headers and what check.sh needs; sets $ready_V.
prepare() {
	local version=$1 root
	root=$(root_of "$version")
	if [ "$root" != / ] && [ "$root" = "$dir/$(suite_of "$version")" ]; then
		make_root "$root" "$(suite_of "$version")"
	fi
	[ -d "$root/usr/lib" ] || die "$root is not a root directory"
	[ "$root" = / ] || mount_system "$root"
	[ -d "$root/usr/include/postgresql/$version/server" ] || {
		say "installing PostgreSQL $version in $root"
		inside "$root" sh -c 'apt-get update -q && apt-get install -y -q --no-install-recommends "$@"' sh \
			"postgresql-$version" "postgresql-server-dev-$version" libpq-dev build-essential pkg-config \
			libssh2-1-dev libyaml-dev openssh-client openssh-server procps libipc-run-perl pgbouncer \
			>"$dir/logs/packages-$version" 2>&1 ||
			{ tail -n 5 "$dir/logs/packages-$version" >&2; die "there is no PostgreSQL $version in $root"; }
	}
	printf -v "ready_$version" %s "$root"
}

# ---- a server of another root ----

# An installation of a version as it is seen in every root: its programs run
# with their own root's dynamic linker and libraries.  PostgreSQL finds its
# files relative to where a program seems to be.
lay_beside() {
	local version=$1 root=$2 base=$shared/$1 program linker
	mkdir -p "$base/root" "$base/usr/lib/postgresql/$version/bin" "$base/usr/share/postgresql"
	mount --bind -o ro "${root%/}/usr" "$base/root"
	ln -sfn "$base/root/lib/postgresql/$version/lib" "$base/usr/lib/postgresql/$version/lib"
	ln -sfn "$base/root/share/postgresql/$version" "$base/usr/share/postgresql/$version"
	linker=$(ls "$base"/root/lib/*/ld-linux*.so.? | head -n 1)
	for program in "$base/root/lib/postgresql/$version/bin"/*; do
		program=$(basename "$program")
		cat >"$base/usr/lib/postgresql/$version/bin/$program" <<-END
			#!/bin/sh
			exec $linker --argv0 "\$0" --library-path $(dirname "$linker") \\
				$base/root/lib/postgresql/$version/bin/$program "\$@"
		END
		chmod 755 "$base/usr/lib/postgresql/$version/bin/$program"
	done
}

# ---- combinations ----

package_version() { inside "$1" dpkg-query -W -f '${Version}' "$2" 2>/dev/null | sed 's/^[0-9]*://; s/[-+].*//'; }

facts() {
	local root=$1
	echo "libssh2 $(package_version "$root" libssh2-1-dev), OpenSSH $(package_version "$root" openssh-client)"
}

# One line for a combination, after it has run.
run_one() {
	local local_version=$1 source_version=$2 name=$1-$2 root=ready_$1 log status=0 started=$SECONDS test result
	local -a environment=() tests=()
	local names=${MATRIX_TESTS:-}

	root=${!root}
	log=$dir/logs/$name
	rm -rf "$log" "$shared/tree/tmp_check"
	mkdir -p "$log"
	environment=(PG_CONFIG="/usr/lib/postgresql/$local_version/bin/pg_config")
	if [ "$local_version" != "$source_version" ]; then
		environment+=(SOURCE_PG_CONFIG="$shared/$source_version/usr/lib/postgresql/$source_version/bin/pg_config")
		names=${names:-$cross_tests}
	fi
	[ "$names" = all ] || for test in $names; do
		tests+=("test/t/$test.pl")
	done
	say "local $local_version, source $source_version: $log/output"
	inside "$root" "${environment[@]}" bash "$shared/tree/test/check.sh" "${tests[@]}" >"$log/output" 2>&1 || status=$?
	[ ! -d "$shared/tree/tmp_check/log" ] || mv "$shared/tree/tmp_check/log" "$log/servers"

	result="passed ($(sed -n 's/^\(Files=[0-9]*, Tests=[0-9]*\),.*/\1/p' "$log/output" | tail -n 1))"
	[ "$status" = 0 ] || {
		failed=1
		result="FAILED ($(grep -ac 'Wstat: [1-9]' "$log/output" || true) files; $log)"
	}
	printf 'local %s, source %s: %s, %d s, %s\n' "$local_version" "$source_version" "$result" $((SECONDS - started)) "$(facts "$root")"
}

# All of it in a function, and one line at the end: a script that is edited while it runs goes on as it was.
main() {
	local prepare_only= combinations one other version root

	case ${1:-} in
		--prepare) prepare_only=yes; shift ;;
		--remove) rm -rf --one-file-system "$dir"; exit ;;
		-*) die "usage: test/matrix.sh [--prepare] [LOCAL[:SOURCE]…]" ;;
	esac

	take_directory
	mkdir -p "$shared"
	chmod 755 "$shared"

	combinations=("$@")
	if [ ${#combinations[@]} = 0 ]; then
		combinations=($versions)
		for one in $versions; do
			for other in $versions; do
				[ "$one" = "$other" ] || combinations+=("$one:$other")
			done
		done
		for version in $no_headers; do
			root=MATRIX_ROOT_$version
			if [ -n "${!root:-}" ]; then combinations+=("$version"); else echo "local $version: skipped: no headers"; fi
		done
	fi

	# what is in the working tree now
	rm -rf "$shared/tree"
	mkdir -p "$shared/tree"
	tar -C "$repo" -cf - --exclude=./.git --exclude=./tmp_check --exclude='*.o' --exclude='*.bc' --exclude='*.so' . | tar -C "$shared/tree" -xf - --no-same-owner

	for version in $(printf '%s\n' "${combinations[@]}" | tr ':' '\n' | sort -u); do
		prepare "$version"
	done
	for version in $(printf '%s\n' "${combinations[@]}" | sed -n 's/^.*://p' | sort -u); do
		root=ready_$version
		lay_beside "$version" "${!root}"
	done
	[ -z "$prepare_only" ] || exit 0
	for version in $(printf '%s\n' "${combinations[@]}" | sed 's/:.*//' | sort -u); do
		root=ready_$version
		[ "${!root}" = / ] || mount_shared "${!root}"
	done

	for one in "${combinations[@]}"; do
		run_one "${one%:*}" "${one#*:}"
	done
}

main "$@"; exit "$failed"
