#!/bin/bash
#
# Run every test on each PostgreSQL that Debian has, each in a Debian of its own: a folder that debootstrap
# makes, and that stays for the next time.  `make matrix` calls this, as root or through sudo.
#
#   tools/matrix.sh [VERSION…]   these versions alone
#   MATRIX=DIRECTORY             where the folders are (/var/cache/crisp_fdw): some 2 GB each
#   MATRIX_SECONDS=N             begin with no version once so many seconds have passed
#   ONLY, TESTS                  as of test.sh
#
# Ends with a line for each version, and one for all.  Exits with 0 where all tests have passed on all
# versions, with 1 where one has failed, and with 3 where none has, but a version could not be had.
set -uo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

# Which release of Debian has which PostgreSQL; a second one is where its packages come from.
declare -A suites=([15]=bookworm [17]=trixie [18]=sid [19]="sid experimental")

# From which version databases are taken to another one by pg_upgrade.
declare -A upgraded_from=([19]=18)

matrix=${MATRIX:-/var/cache/crisp_fdw}
results=()
passed=0 failed=0 absent=0

if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null || die "debootstrap and chroot are for root: run this as root, or install sudo"
	exec sudo --preserve-env=MATRIX,MATRIX_SECONDS,ONLY,TESTS "$0" "$@"
fi

# in_folder FOLDER COMMAND…: run it in there, with processes and mounts of its own, which end with it.
in_folder()
{
	local folder=$1

	shift
	# shellcheck disable=SC2016
	unshare --mount --pid --fork --kill-child bash -c '
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

# make_folder VERSION FOLDER: a Debian with that PostgreSQL.  What is half made isn't taken for whole.
make_folder()
{
	local version=$1 folder=$2 suite mirror from=() packages extra

	read -r suite extra <<<"${suites[$version]}"
	mirror=$(debian_mirror)
	remove_folder "$folder.new" || return 1
	mkdir -p "$matrix"
	unshare --mount --pid --fork --kill-child debootstrap --variant=minbase --include=ca-certificates,make,git \
		"$suite" "$folder.new" ${mirror:+"$mirror"} || return 1
	chmod 1777 "$folder.new/tmp"
	# A mirror may stand still.
	printf 'Acquire::Check-Valid-Until "false";\nAcquire::Retries "3";\n' >"$folder.new/etc/apt/apt.conf.d/matrix"
	# Nothing that is installed starts a service.
	printf '#!/bin/sh\nexit 101\n' >"$folder.new/usr/sbin/policy-rc.d"
	chmod 755 "$folder.new/usr/sbin/policy-rc.d"
	if [ -n "$extra" ]; then
		sed "s/^deb \(\S*\) $suite main/deb \1 $extra main/" "$folder.new/etc/apt/sources.list" \
			>"$folder.new/etc/apt/sources.list.d/$extra.list"
		from=(--target-release "$extra")
	fi
	packages=("postgresql-$version" "postgresql-server-dev-$version")
	apt_in "$folder.new" update || return 1
	if in_folder "$folder.new" apt-cache show "postgresql-$version-cron" >/dev/null 2>&1; then
		packages+=("postgresql-$version-cron")
	fi
	apt_in "$folder.new" "${from[@]}" install "${packages[@]}" || return 1
	mv "$folder.new" "$folder"
}

# copy_tree FOLDER: the sources, without what was built of them.
copy_tree()
{
	rm -rf "$1/src/crisp_fdw"
	mkdir -p "$1/src/crisp_fdw"
	tar -C "$tree" --exclude-vcs --exclude='*.o' --exclude='*.so' --exclude='*.bc' --exclude=node_modules \
		--exclude="./sandbox/crisp-sandbox*" --exclude=./results --exclude=./tmp_check -cf - . |
		tar -C "$1/src/crisp_fdw" --no-same-owner -xf -
	[ ! -e /etc/ssl/certs/ca-certificates.crt ] ||
		cp /etc/ssl/certs/ca-certificates.crt "$1/etc/ssl/certs/machine.crt"
}

# note VERSION TEXT
note()
{
	results+=("PostgreSQL $1: $2")
	say "PostgreSQL $1: $2"
}

# run_version VERSION: count what its tests say.
run_version()
{
	local version=$1 folder=$matrix/$1 log=$matrix/$1.log start=$SECONDS counts

	if [ -n "${MATRIX_SECONDS:-}" ] && [ "$SECONDS" -ge "$MATRIX_SECONDS" ]; then
		absent=$((absent + 1))
		note "$version" "not run: there is no time left"
		return
	fi
	say "PostgreSQL $version, in $folder"
	mkdir -p "$matrix"
	if [ ! -d "$folder" ] && ! make_folder "$version" "$folder" >"$log" 2>&1; then
		tail -n 20 "$log"
		absent=$((absent + 1))
		note "$version" "could not be had"
		return
	fi
	copy_tree "$folder" || die "cannot copy the sources to $folder"
	in_folder "$folder" make -C /src/crisp_fdw test PG_CONFIG="/usr/lib/postgresql/$version/bin/pg_config" \
		ONLY="${ONLY:-}" TESTS="${TESTS:-}" 2>&1 | tee "$log" | grep --line-buffered '^==>'
	counts=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$log" | tail -n 1)
	if [[ $counts =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed ]]; then
		passed=$((passed + BASH_REMATCH[1]))
		failed=$((failed + BASH_REMATCH[2]))
	else
		tail -n 20 "$log"
		failed=$((failed + 1))
		counts="the tests did not come to an end"
	fi
	[ "${BASH_REMATCH[2]:-1}" = 0 ] || sed -n '/^Test Summary Report/,/^Files=/p' "$log"
	note "$version" "$counts, in $((SECONDS - start)) s"
	[ -z "${upgraded_from[$version]:-}" ] || [ -n "${ONLY:-}${TESTS:-}" ] || run_upgrade "$version"
}

# run_upgrade VERSION: the tests of pg_upgrade to that version.
run_upgrade()
{
	local version=$1 old=${upgraded_from[$1]} folder=$matrix/$1 log=$matrix/$1-upgrade.log counts

	if [ ! -x "$folder/usr/lib/postgresql/$old/bin/pg_ctl" ] &&
		! apt_in "$folder" install "postgresql-$old" "postgresql-server-dev-$old" >"$log" 2>&1; then
		absent=$((absent + 1))
		note "$version" "PostgreSQL $old could not be had, to upgrade it"
		return
	fi
	in_folder "$folder" /src/crisp_fdw/tools/matrix-upgrade.sh "$old" "$version" >"$log" 2>&1
	counts=$(tail -n 1 "$log")
	if [[ $counts =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed ]] && [ $((BASH_REMATCH[1] + BASH_REMATCH[2])) -gt 10 ]; then
		passed=$((passed + BASH_REMATCH[1]))
		failed=$((failed + BASH_REMATCH[2]))
	else
		failed=$((failed + 1))
		counts="did not come to its end"
		tail -n 20 "$log"
	fi
	! grep '^not ok' "$log" || true
	note "$version" "pg_upgrade from $old: $counts"
}

"$tree/tools/setup.sh" matrix || exit 3
versions=("$@")
[ ${#versions[@]} -gt 0 ] || versions=(15 17 18 19)
for version in "${versions[@]}"; do
	[ -n "${suites[$version]:-}" ] || die "Debian has no PostgreSQL $version: it is ${!suites[*]}"
done
for version in "${versions[@]}"; do
	run_version "$version"
done

printf '\n'
printf '%s\n' "${results[@]}"
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" = 0 ] || exit 1
[ "$absent" = 0 ] || exit 3
