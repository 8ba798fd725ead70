# Sourced by matrix.sh, package.sh and docker.sh: chroots of Debian releases, made
# with debootstrap.  Expects $dir, the directory that has them.

child=

say() { printf '==> %s\n' "$*" >&2; }
die() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 2; }

# Runs the script again as root with mounts of its own, which nobody else sees and
# which end with it: own_mounts ARGUMENT…
own_mounts() {
	[ "$(id -u)" = 0 ] || die 'needs root'
	[ -n "${CHROOTS_INSIDE:-}" ] || CHROOTS_INSIDE=yes exec unshare --mount --propagation private "$0" "$@"
}

# A command in a root, with nothing of the caller's environment; waits for it so
# that a signal ends it and not only this script.
inside() {
	local root=$1 status=0
	shift
	[ "$root" = / ] && root= || root="chroot $root"
	$root env -i HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
		PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
		JOBS="${JOBS:-2}" PG_TEST_TIMEOUT_DEFAULT="${PG_TEST_TIMEOUT_DEFAULT:-120}" \
		${SEEDS:+SEEDS="$SEEDS"} ${START:+START="$START"} ${TABLES:+TABLES="$TABLES"} \
		${REGRESS_SRC:+REGRESS_SRC="$REGRESS_SRC"} ${REGRESS_LIB:+REGRESS_LIB="$REGRESS_LIB"} "$@" </dev/null 9>&- &
	child=$!
	wait "$child" || status=$?
	child=
	return "$status"
}

# The kernel's file systems; what others have mounted there is only covered.
mount_system() {
	mkdir -p "$1/proc" "$1/dev"
	mount -t proc proc "$1/proc"
	mount --rbind /dev "$1/dev"
}

# The mirror of Debian; a derived distribution has none in its configuration.
debian_mirror() {
	local found=${MATRIX_MIRROR:-}
	[ -n "$found" ] || found=$(apt-get indextargets --format '$(REPO_URI)' \
		'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | head -n 1)
	[ -n "$found" ] || die "apt knows no mirror of Debian (after apt-get update); set MATRIX_MIRROR"
	echo "$found"
}

# A chroot of a release; complete once it has its mark.
make_root() {
	local root=$1 suite=$2 script= mirror
	[ ! -e "$root/.complete" ] || return 0
	command -v debootstrap >/dev/null || {
		say 'installing debootstrap'
		apt-get install -y -q --no-install-recommends debootstrap </dev/null >/dev/null ||
			{ apt-get update -q && apt-get install -y -q --no-install-recommends debootstrap; } </dev/null >/dev/null
	}
	mirror=$(debian_mirror)
	say "making a chroot of $suite in $root"
	rm -rf --one-file-system "$root"
	# releases younger than debootstrap are made like sid
	[ -e "/usr/share/debootstrap/scripts/$suite" ] || script=sid
	debootstrap --variant=minbase --include=ca-certificates "$suite" "$root" "$mirror" $script >"$dir/logs/debootstrap-$suite" 2>&1 ||
		{ tail -n 5 "$dir/logs/debootstrap-$suite" >&2; die "debootstrap of $suite failed"; }
	# this system's way to the mirror
	cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
	apt-config dump | grep -E '^Acquire::(https?|Check-Valid-Until|Check-Date)\b' >"$root/etc/apt/apt.conf.d/90matrix" || true
	# nothing is started, no cluster is made
	printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
	chmod 755 "$root/usr/sbin/policy-rc.d"
	mkdir -p "$root/etc/postgresql-common"
	echo 'create_main_cluster = false' >"$root/etc/postgresql-common/createcluster.conf"
	touch "$root/.complete"
}

finish() {
	local status=$?
	trap - EXIT INT TERM HUP
	if [ -n "$child" ] && kill -TERM "$child" 2>/dev/null; then
		wait "$child" || true
	fi
	exit "$status"
}

# Makes the directory, and keeps it from others until the end.
take_directory() {
	mkdir -p "$dir/logs"
	chmod 755 "$dir"
	exec 9>"$dir/lock"
	flock -n 9 || die "another one runs in $dir"
	trap finish EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
}
