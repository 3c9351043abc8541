#!/bin/bash
#
# Build with each compiler, in each way that somebody may build, on each PostgreSQL that Debian has: a warning is an
# error.  `make builds` calls this, as root or through sudo; it uses the folders of the matrix.
#
#   tools/builds.sh [VERSION…]   these versions alone
#   WAYS="O0 arm64 …"            these ways alone: plain NDEBUG O0 O3 lto arm64
#
# Ends with a line for each version, and one for all.  Exits with 1 where one has failed, and with 3 where none has,
# but a version could not be had.
set -uo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=folders.sh
. "$(dirname "$0")/folders.sh"

ways=${WAYS:-plain NDEBUG O0 O3 lto arm64}
passed=0 failed=0 absent=0
results=()

# build FOLDER VERSION NAME OPTIONS ARGUMENT…: a build outside of the tree, with these options of the compiler and
# arguments of make.  The linker takes part: it's what sees all of LTO.
build()
{
	local folder=$1 version=$2 name=$3 log=$matrix/$2-builds.log

	printf '==> PostgreSQL %s: %s\n' "$version" "$name" | tee -a "$log"
	# shellcheck disable=SC2016
	if in_folder "$folder" bash -c '
		rm -rf /tmp/build && mkdir /tmp/build && cd /tmp/build || exit 1
		make -j"$(nproc)" -s -f /src/crisp_fdw/Makefile WERROR=1 COPT="$1" "${@:2}" all &&
			make -j"$(nproc)" -s -C /src/crisp_fdw/sandbox WERROR=1 OUT=/tmp/build/crisp-sandbox \
				CFLAGS="-O2 -g $1" "${@:2}"
		status=$?
		rm -rf /tmp/build
		exit $status' build "${@:4}" >>"$log" 2>&1; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		grep -E -A 4 'error|warning' "$log" | tail -n 30
		printf 'failed: PostgreSQL %s: %s\n' "$version" "$name"
	fi
}

# have_arm64 FOLDER VERSION: what Debian needs to build for another processor; its PostgreSQL lies in /arm64.
have_arm64()
{
	local folder=$1 version=$2

	[ ! -e "$folder/arm64/usr/lib/postgresql/$version/lib/pgxs/src/makefiles/pgxs.mk" ] || return 0
	# Where Debian has built a package twice, pages of its manual differ between processors.
	in_folder "$folder" dpkg --add-architecture arm64 && apt_in "$folder" update &&
		apt_in "$folder" --option DPkg::Options::=--force-overwrite --fix-broken install \
			gcc-aarch64-linux-gnu libc6-dev-arm64-cross libcurl4-openssl-dev:arm64 libjson-c-dev:arm64 \
			libmicrohttpd-dev:arm64 zlib1g-dev:arm64 || return 1
	mkdir -p "$folder/arm64"
	# PGXS comes with the client's package.
	in_folder "$folder" sh -c "cd /arm64 &&
		apt-get download postgresql-server-dev-$version:arm64 postgresql-client-$version:arm64 &&
		for package in *.deb; do dpkg -x \"\$package\" /arm64 || exit 1; done && rm *.deb" || return 1
	printf '#!/bin/sh\n/usr/lib/postgresql/%s/bin/pg_config "$@" | sed "s|/usr/|/arm64/usr/|g"\n' "$version" \
		>"$folder/arm64/pg_config"
	chmod 755 "$folder/arm64/pg_config"
}

# build_arm64 FOLDER VERSION
build_arm64()
{
	local with=(PG_CONFIG=/arm64/pg_config
		PKG_CONFIG="env PKG_CONFIG_LIBDIR=/usr/lib/aarch64-linux-gnu/pkgconfig:/usr/share/pkgconfig pkg-config")

	if ! have_arm64 "$1" "$2" >>"$matrix/$2-builds.log" 2>&1; then
		absent=$((absent + 1))
		printf 'PostgreSQL %s: there is nothing to build for arm64 with\n' "$2"
		return
	fi
	build "$1" "$2" "gcc, arm64" "" CC=aarch64-linux-gnu-gcc "${with[@]}"
	build "$1" "$2" "clang, arm64" "" CC="clang --target=aarch64-linux-gnu" "${with[@]}"
}

# build_version VERSION
build_version()
{
	local version=$1 folder=$matrix/$1 way compiler before_passed=$passed before_failed=$failed options
	local pg_config=/usr/lib/postgresql/$1/bin/pg_config

	: >"$matrix/$version-builds.log"
	for way in $ways; do
		if [ "$way" = arm64 ]; then
			build_arm64 "$folder" "$version"
			continue
		fi
		for compiler in gcc clang; do
			case "$way $compiler" in
				plain*) options= ;;
				NDEBUG*) options=-DNDEBUG ;;
				"lto gcc") options="-flto=auto" ;;
				"lto clang") options="-flto=thin" ;;
				O0*) options="-O0 -U_FORTIFY_SOURCE" ;;
				*) options=-$way ;;
			esac
			build "$folder" "$version" "$compiler $options" "$options" CC="$compiler" PG_CONFIG="$pg_config"
		done
	done
	results+=("PostgreSQL $version: $((passed - before_passed)) builds passed, $((failed - before_failed)) failed")
}

[ "$(id -u)" = 0 ] || exec sudo --preserve-env=MATRIX,WAYS "$0" "$@"
"$tree/tools/setup.sh" matrix || exit 3
versions=("$@")
[ ${#versions[@]} -gt 0 ] || versions=(15 17 18 19)
mkdir -p "$matrix"
for version in "${versions[@]}"; do
	[ -n "${suites[$version]:-}" ] || die "Debian has no PostgreSQL $version: it is ${!suites[*]}"
	if ! have_folder "$version" tap >"$matrix/$version-builds.log" 2>&1; then
		tail -n 20 "$matrix/$version-builds.log"
		absent=$((absent + 1))
		results+=("PostgreSQL $version: could not be had")
		continue
	fi
	build_version "$version"
done
printf '%s\n' "${results[@]}"
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" = 0 ] || exit 1
[ "$absent" = 0 ] || exit 3
