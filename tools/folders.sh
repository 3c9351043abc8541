#!/bin/bash
#
# Sourced by matrix.sh, after common.sh: a Debian in a folder, made by debootstrap, and commands that run in it.
# It's all for root.
# shellcheck shell=bash disable=SC2154

# Which release of Debian has which PostgreSQL; a second one is where its packages come from.
declare -A suites=([15]=bookworm [17]=trixie [18]=sid [19]="sid experimental")

matrix=${MATRIX:-/var/cache/crisp_fdw}

# is_over: has the time passed that MATRIX_SECONDS gives, if it gives any?
is_over()
{
	[ -n "${MATRIX_SECONDS:-}" ] && [ "$SECONDS" -ge "$MATRIX_SECONDS" ]
}

# limited COMMAND…: run it until that time, and not a second longer.  What is killed is unshare, with all that it has
# begun.
limited()
{
	if [ -z "${MATRIX_SECONDS:-}" ]; then
		"$@"
	elif is_over; then
		return 124
	else
		timeout --signal=KILL $((MATRIX_SECONDS - SECONDS)) "$@"
	fi
}

# in_folder FOLDER COMMAND…: run it in there, with processes and mounts of its own, which end with it.
in_folder()
{
	local folder=$1

	shift
	# shellcheck disable=SC2016
	limited unshare --mount --pid --fork --kill-child bash -c '
		mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" && mount -t tmpfs tmpfs "$1/dev/shm" &&
			exec chroot "$1" env --ignore-environment HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
				PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
				NODE_EXTRA_CA_CERTS=/etc/ssl/certs/machine.crt \
				"${@:2}"' in_folder "$folder" "$@" </dev/null
}

# apt_in FOLDER ARGUMENT…
apt_in()
{
	in_folder "$1" apt-get --quiet=2 --yes --no-install-recommends "${@:2}"
}

# debian_mirror: where this machine has its Debian from; nothing where it's another system.
debian_mirror()
{
	apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' 2>/dev/null | grep -v security | sort | uniq -c |
		sort -rn | awk 'NR == 1 { print $2 }'
}

# remove_folder FOLDER: what is mounted in there, by a run that was killed, is left alone, and said.
remove_folder()
{
	! grep -q " $1/" /proc/self/mounts || {
		echo "something is mounted in $1: unmount it first"
		return 1
	}
	rm -rf --one-file-system "$1"
}

# have_base SUITE: what debootstrap makes of it, to copy from: several folders have the same.  What is half made isn't
# taken for whole.
have_base()
{
	local base=$matrix/base-$1 mirror

	[ ! -d "$base" ] || return 0
	mirror=$(debian_mirror)
	remove_folder "$base.new" || return 1
	mkdir -p "$matrix/packages"
	limited unshare --mount --pid --fork --kill-child debootstrap --variant=minbase --include=ca-certificates \
		--cache-dir="$matrix/packages" "$1" "$base.new" ${mirror:+"$mirror"} || return 1
	chmod 1777 "$base.new/tmp"
	mv "$base.new" "$base"
}

# make_folder VERSION FOLDER [PACKAGE…]: a Debian that knows that PostgreSQL, with these packages; those that it
# doesn't have are left out where their names end with a question mark.
make_folder()
{
	local version=$1 folder=$2 suite package packages=() extra

	shift 2
	read -r suite extra <<<"${suites[$version]}"
	have_base "$suite" && remove_folder "$folder.new" && cp -a "$matrix/base-$suite" "$folder.new" || return 1
	# A mirror may stand still.  What is cut off is made again: nothing needs to wait for the disk.
	printf '%s;\n' 'Acquire::Check-Valid-Until "false"' 'Acquire::Retries "3"' \
		'DPkg::Options:: "--force-unsafe-io"' >"$folder.new/etc/apt/apt.conf.d/matrix"
	# Nothing that is installed starts a service, or makes a cluster.
	printf '#!/bin/sh\nexit 101\n' >"$folder.new/usr/sbin/policy-rc.d"
	chmod 755 "$folder.new/usr/sbin/policy-rc.d"
	mkdir -p "$folder.new/etc/postgresql-common/createcluster.d"
	echo 'create_main_cluster = false' >"$folder.new/etc/postgresql-common/createcluster.d/matrix.conf"
	if [ -n "$extra" ]; then
		sed "s/^deb \(\S*\) $suite main/deb \1 $extra main/" "$folder.new/etc/apt/sources.list" \
			>"$folder.new/etc/apt/sources.list.d/$extra.list"
		# PostgreSQL alone: what else is new there needn't fit together.
		printf 'Package: src:postgresql-%s src:postgresql-common src:pg-cron\nPin: release a=%s\nPin-Priority: 500\n' \
			"$version" "$extra" >"$folder.new/etc/apt/preferences.d/$extra"
	fi
	apt_in "$folder.new" update || return 1
	for package in "$@"; do
		if [[ $package != *\? ]] || in_folder "$folder.new" apt-cache show "${package%\?}" >/dev/null 2>&1; then
			packages+=("${package%\?}")
		fi
	done
	apt_in "$folder.new" install "${packages[@]}" || return 1
	mv "$folder.new" "$folder"
}

# copy_tree FOLDER: the sources, without what was built of them.
copy_tree()
{
	rm -rf "$1/src/crisp_fdw"
	mkdir -p "$1/src/crisp_fdw"
	tar -C "$tree" --exclude-vcs --exclude='*.o' --exclude='*.so' --exclude='*.bc' --exclude=node_modules \
		--exclude=./sandbox/crisp-sandbox --exclude=./sandbox/crisp-sandbox.objects --exclude=./dist \
		--exclude=./results --exclude=./tmp_check -cf - . |
		tar -C "$1/src/crisp_fdw" --no-same-owner -xf -
	[ ! -e /etc/ssl/certs/ca-certificates.crt ] ||
		cp /etc/ssl/certs/ca-certificates.crt "$1/etc/ssl/certs/machine.crt"
}

# lock_folder VERSION: until the next one is, or this script ends.
lock_folder()
{
	[ -z "${folder_lock:-}" ] || exec {folder_lock}>&-
	exec {folder_lock}>"$matrix/$1.lock" || return 1
	flock --nonblock "$folder_lock" && return
	echo "waiting for another run, which uses $matrix/$1"
	flock ${MATRIX_SECONDS:+--wait $((MATRIX_SECONDS > SECONDS ? MATRIX_SECONDS - SECONDS : 0))} "$folder_lock"
}

# mend_folder FOLDER: clear what a run has left there that was cut off.
mend_folder()
{
	limited rm -rf --one-file-system "$1"/tmp/crisp_fdw.* "$1"/tmp/tmp.* "$1"/tmp/build
	in_folder "$1" dpkg --configure -a && apt_in "$1" --fix-broken install
}

# have_folder VERSION [SUITE…]: that of the matrix, with the sources, and with what the tests of these suites need, or
# all tests; it's made where it isn't there yet, or beyond repair.
have_folder()
{
	local version=$1 folder=$matrix/$1

	mkdir -p "$matrix"
	lock_folder "$version" || return 1
	if [ -d "$folder" ] && ! mend_folder "$folder"; then
		! is_over && remove_folder "$folder" || return 1
	fi
	[ -d "$folder" ] || make_folder "$version" "$folder" make git "postgresql-$version" \
		"postgresql-server-dev-$version" "postgresql-$version-cron?" || return 1
	copy_tree "$folder"
	in_folder "$folder" env "PG_CONFIG=/usr/lib/postgresql/$version/bin/pg_config" ONLY="${*:2}" \
		/src/crisp_fdw/tools/setup.sh test
}
