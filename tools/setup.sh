#!/bin/bash
#
# Install what is missing on a Debian machine, and nothing else.
#
#   tools/setup.sh demo|test|fuzz|strain|lint|bench|dist|deb|matrix|sanitize
#
# PG_CONFIG may name another PostgreSQL than the newest one.
set -uo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

missing=()

# need PACKAGE COMMAND…: note the package as missing when the command fails.
need()
{
	local package=$1

	shift
	"$@" >/dev/null 2>&1 || [[ " ${missing[*]} " = *" $package "* ]] || missing+=("$package")
}

# as_root COMMAND…: run it as root, which is through sudo when we aren't.
as_root()
{
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		sudo "$@"
	fi
}

apt_install()
{
	say "installing: $*"
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 \
		install --yes --quiet=2 --no-install-recommends "$@" </dev/null ||
		die "apt-get could not install: $*"
}

node_is_recent()
{
	[ "$(node --print 'parseInt(process.versions.node)')" -ge 18 ]
}

# have_fuzzer: is libFuzzer there, without a main() of its own?  Debian has it in a package of clang's version.
have_fuzzer()
{
	compgen -G "$(clang --print-runtime-dir 2>/dev/null)/libclang_rt.fuzzer_no_main*.a" >/dev/null
}

# need_postgres: a Debian release of PostgreSQL that PG_CONFIG names is installed.
# Else a server that has only its headers missing, or that only the headers are
# there of, is completed; else the newest of Debian is chosen, once its package
# lists are there.
need_postgres()
{
	local version installed

	if [[ ${PG_CONFIG:-} =~ ^/usr/lib/postgresql/([0-9]+)/bin/pg_config$ ]]; then
		pg_usable "$PG_CONFIG" ||
			missing+=("postgresql-${BASH_REMATCH[1]}" "postgresql-server-dev-${BASH_REMATCH[1]}")
		return
	fi
	find_pg_config && return
	installed=$(for version in /usr/lib/postgresql/*/bin/postgres /usr/lib/postgresql/*/lib/pgxs; do
		[ -e "$version" ] && echo "$version"
	done | cut -d/ -f5 | sort -nu | awk -v o=$pg_oldest -v n=$pg_newest '$1 >= o && $1 <= n' | tail -1)
	missing+=("postgresql-${installed:-NEWEST}" "postgresql-server-dev-${installed:-NEWEST}")
}

newest_postgres()
{
	apt-cache pkgnames postgresql-server-dev- | sed -n 's/^postgresql-server-dev-\([0-9]*\)$/\1/p' |
		awk -v o=$pg_oldest -v n=$pg_newest '$1 >= o && $1 <= n' | sort -n | tail -1
}

# install_postgres PACKAGE…: Debian makes and starts a database cluster when a
# server is installed.  We don't need one, and leave nothing running.
install_postgres()
{
	local setting=/etc/postgresql-common/createcluster.d/crisp-fdw-no-cluster.conf

	[ -d /etc/postgresql-common ] || apt_install postgresql-common
	as_root mkdir -p "${setting%/*}"
	trap 'as_root rm -f $setting' EXIT
	echo "create_main_cluster = false" | as_root tee $setting >/dev/null
	apt_install "$@"
	as_root rm -f $setting
	trap - EXIT
}

# need_cron: the tests of what runs on a schedule use pg_cron, which Debian has for
# the PostgreSQL that it has.  Where that one isn't here yet, it's the one that
# need_postgres has noted.  For another, those tests tell that it's missing.
need_cron()
{
	local package version=

	for package in "${missing[@]}"; do
		case "$package" in
			postgresql-server-dev-*) version=${package##*-} ;;
		esac
	done
	if [ -z "$version" ] && [[ $PG_CONFIG =~ ^/usr/lib/postgresql/([0-9]+)/ ]] &&
		[ ! -e "$("$PG_CONFIG" --sharedir)/extension/pg_cron.control" ]; then
		version=${BASH_REMATCH[1]}
	fi
	[ -z "$version" ] || missing+=("postgresql-$version-cron")
}

# install_http: the benchmark also measures pgsql-http, where Debian has it for
# the PostgreSQL in use.
install_http()
{
	local package

	find_pg_config || return
	package=postgresql-$("$PG_CONFIG" --version | sed 's/^[^0-9]*\([0-9]*\).*/\1/')-http
	if [ ! -e "$("$PG_CONFIG" --sharedir)/extension/http.control" ] &&
		apt-cache show "$package" >/dev/null 2>&1; then
		(apt_install "$package") || say "the benchmark goes without pgsql-http"
	fi
}

case "${1:-}" in
	demo | test | fuzz | strain | lint | bench | dist | deb | matrix | sanitize) ;;
	*) die "say what to set up for: demo, test, fuzz, strain, lint, bench, dist, deb, matrix or sanitize" ;;
esac

# What these need has nothing to do with a build on this machine.
case "$1" in
	dist) need libarchive-zip-perl perl -MArchive::Zip -e 1 ;;
	matrix)
		need debootstrap command -v debootstrap
		need util-linux command -v unshare
		;;
	sanitize)
		need dpkg-dev command -v dpkg-source
		need patch command -v patch
		need gcc command -v gcc
		need libc6-dev test -e /usr/include/stdio.h
		need make command -v make
		need pkg-config command -v pkg-config
		need libssl-dev pkg-config --exists openssl
		need libicu-dev pkg-config --exists icu-uc
		;;
	*)
		need pkg-config command -v pkg-config
		need libcurl4-openssl-dev pkg-config --exists libcurl
		need libjson-c-dev pkg-config --exists json-c
		need libmicrohttpd-dev pkg-config --exists libmicrohttpd
		need zlib1g-dev pkg-config --exists zlib
		need_postgres
		;;
esac

case "$1" in
	demo | test | fuzz | strain | bench | deb)
		need gcc command -v gcc
		need libc6-dev test -e /usr/include/stdio.h
		need make command -v make
		need perl perl -MHTTP::Tiny -MJSON::PP -e 1
		;;
esac

if [ "$1" = fuzz ]; then
	need clang command -v clang
	have_fuzzer || missing+=("libclang-rt-dev")
fi

if [ "$1" = strain ]; then
	need perl command -v prove
	need libipc-run-perl perl -MIPC::Run -e 1
	need libjson-xs-perl perl -MJSON::XS -e 1
	need sqlsmith command -v sqlsmith
	need_cron
fi

if [ "$1" = test ]; then
	need clang command -v clang
	need perl command -v prove
	need libipc-run-perl perl -MIPC::Run -e 1
	need libjson-xs-perl perl -MJSON::XS -e 1
	need openssl command -v openssl
	need nghttp2-proxy command -v nghttpx
	need_cron
fi

# Crisp's official client is for the contract tests, and its package manager is large.
want_client()
{
	[ "$1" = bench ] || { [ "$1" = test ] && [[ " ${ONLY:-contract} " = *" contract "* ]]; }
}

if want_client "$1"; then
	need ca-certificates test -e /etc/ssl/certs/ca-certificates.crt
	if ! { command -v npm && node_is_recent; } >/dev/null 2>&1; then
		need nodejs node_is_recent
		need npm command -v npm
	fi
fi

if [ "$1" = bench ]; then
	need gnuplot-nox command -v gnuplot
fi

if [ "$1" = deb ]; then
	need dpkg-dev command -v dpkg-buildpackage
	need debhelper command -v dh
	need lintian command -v lintian
	need fakeroot command -v fakeroot
	need postgresql-common command -v pg_buildext
	need postgresql-server-dev-all test -e /usr/share/perl5/Debian/Debhelper/Sequence/pgxs.pm
fi

if [ "$1" = lint ]; then
	need clang-format command -v clang-format
	need clang-tidy command -v clang-tidy
	need cppcheck command -v cppcheck
	need perl perl -MHTTP::Tiny -MJSON::PP -MTest::More -e 1
	need libipc-run-perl perl -MIPC::Run -e 1
	need libjson-xs-perl perl -MJSON::XS -e 1
	need shellcheck command -v shellcheck
	need codespell command -v codespell
fi

if [ ${#missing[@]} -eq 0 ]; then
	[ "$1" != bench ] || install_http
	exit 0
fi

command -v apt-get >/dev/null ||
	die "this is no Debian (there is no apt-get); please install what these packages hold: ${missing[*]}"
if [ "$(id -u)" != 0 ]; then
	if ! command -v sudo >/dev/null || { ! [ -t 0 ] && ! sudo -n true 2>/dev/null; }; then
		die "to install ${missing[*]}, run this as root, or as a user who may use sudo"
	fi
fi

say "fetching Debian's package lists"
# What Debian may not have isn't worth a failure where there is no network.
as_root apt-get -o DPkg::Lock::Timeout=600 update --quiet=2 || [[ "${missing[*]}" =~ ^postgresql-[0-9]+-cron$ ]] ||
	die "apt-get update failed"

if [[ ${missing[*]} = *NEWEST* ]]; then
	newest=$(newest_postgres)
	[ -n "$newest" ] || die "Debian has no PostgreSQL $pg_oldest to $pg_newest here"
	missing=("${missing[@]/NEWEST/$newest}")
fi

postgres=() others=()
for package in "${missing[@]}"; do
	case "$package" in
		postgresql-*-cron)
			if apt-cache show "$package" >/dev/null 2>&1; then
				postgres+=("$package")
			else
				say "there is no package $package: the tests that need pg_cron won't be run"
			fi
			;;
		postgresql-*) postgres+=("$package") ;;
		*) others+=("$package") ;;
	esac
done
[ ${#others[@]} -eq 0 ] || apt_install "${others[@]}"
[ ${#postgres[@]} -eq 0 ] || install_postgres "${postgres[@]}"

case "$1" in
	dist | matrix | sanitize) exit 0 ;;
esac
find_pg_config || die "there is still no PostgreSQL with server and headers"
if want_client "$1"; then
	node_is_recent || die "Crisp's official client needs Node.js 18 or newer, and Debian has $(node --version) here"
fi
[ "$1" != bench ] || install_http
exit 0
