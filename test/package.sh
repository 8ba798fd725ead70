#!/usr/bin/env bash
# Builds the Debian packages in a clean chroot, checks them with lintian, installs
# them in another one and runs debian/tests there.  Needs root.
#
#   test/package.sh [SUITE…]     bookworm, trixie, sid (default: bookworm)
#
# PACKAGE_DIR    where chroots (about 2 GB for each) and packages are
#                (default /var/tmp/pgtunsync-packages); what is there is used again
# MATRIX_MIRROR  where debootstrap gets packages (default: the mirror of Debian that
#                this system's own apt uses)

set -euo pipefail

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
dir=${PACKAGE_DIR:-/var/tmp/pgtunsync-packages}
. "$repo/test/chroots.sh"
own_mounts "$@"

version=$(sed -n 's/^EXTVERSION = //p' "$repo/Makefile")

# A command whose output is shown if it fails: logged NAME COMMAND…
logged() {
	local log=$dir/logs/$1
	shift
	"$@" >"$log" 2>&1 || { tail -n 20 "$log" >&2; die "failed; see $log"; }
}

install_in() {
	local root=$1
	shift
	logged "packages-$(basename "$root")" inside "$root" sh -c 'apt-get update -q && apt-get install -y -q --no-install-recommends "$@"' sh "$@"
}

# The upstream tarball and the tree with debian/, as they are committed.
lay_sources() {
	local target=$1
	rm -rf "$target"
	mkdir -p "$target"
	git -C "$repo" archive --prefix="pgtunsync-$version/" HEAD ':(exclude)debian' | gzip -9n >"$target/pgtunsync_$version.orig.tar.gz"
	git -C "$repo" archive --prefix="pgtunsync-$version/" HEAD | tar -C "$target" -xf -
}

build() {
	local suite=$1 root=$dir/$1-build
	make_root "$root" "$suite"
	mount_system "$root"
	install_in "$root" build-essential debhelper devscripts lintian
	lay_sources "$root/build"
	logged "build-depends-$suite" inside "$root" sh -c "cd /build/pgtunsync-$version && apt-get build-dep -y -q ./"
	say "building in $root"
	logged "build-$suite" inside "$root" sh -c "cd /build/pgtunsync-$version && pg_buildext updatecontrol && dpkg-buildpackage -us -uc -j${JOBS:-2}"
	inside "$root" sh -c 'cd /build && lintian --allow-root --fail-on error *.changes' || die 'lintian has found errors'
	rm -rf "$dir/$suite"
	mkdir "$dir/$suite"
	cp "$root"/build/*.deb "$root"/build/*.dsc "$root"/build/*.tar.* "$root"/build/*.changes "$dir/$suite/"
}

# What autopkgtest would do, with the commands that debian/tests/control names.
try_installed() {
	local suite=$1 root=$dir/$1-installed tests depends
	make_root "$root" "$suite"
	mount_system "$root"
	rm -rf "$root/try"
	mkdir "$root/try"
	cp "$dir/$suite"/postgresql-*-pgtunsync_*.deb "$root/try/"
	git -C "$repo" archive --prefix=tree/ HEAD | tar -C "$root/try" -xf -
	depends=$(sed -n 's/^Depends: @, //p' "$repo/debian/tests/control" | tr -d ,)
	install_in "$root" $(cd "$root" && ls ./try/*.deb) $depends
	for tests in $(sed -n 's/^Tests: //p' "$repo/debian/tests/control"); do
		say "running debian/tests/$tests in $root"
		logged "test-$suite-$tests" inside "$root" sh -c "cd /try/tree && debian/tests/$tests"
	done
}

main() {
	local suite
	[ $# -gt 0 ] || set -- bookworm
	take_directory
	for suite in "$@"; do
		build "$suite"
		try_installed "$suite"
		(cd "$dir/$suite" && ls ./*.deb)
	done
}

main "$@"
