#!/bin/bash
#
# Run the tests where faults of memory are reported.  `make sanitize` calls this.
#
# The tests run on a PostgreSQL built from Debian's source package with assertions, AddressSanitizer and
# UndefinedBehaviorSanitizer, and with memory contexts whose chunks are each a malloc of its exact size
# (sanitize/exact_chunks.patch).  Without that, the sanitizer sees nothing of what palloc and pfree do.
#
#   QUICK=1              take Debian's own PostgreSQL instead, where sanitize/exact_chunks.c does the same when the
#                        server starts: the extension and the sandbox alone are checked, with assertions of the
#                        former; nothing else is built, and tests take little longer than without
#   STRAIN=memory        as `make memory` instead of the tests; STATEMENTS and KINDS are as there
#   SANITIZE=DIRECTORY   where that PostgreSQL stays for the next time (sanitize in /var/cache/crisp_fdw, or in
#                        the user's own cache): some GB
#   ONLY, TESTS, KEEP    as of test.sh; the contract has no part in it
#   TEMP_CONFIG=FILE     lines for postgresql.conf of every server, such as debug_discard_caches = 1
#
# Exits with 0 where all tests have passed and no process has reported anything, with 3 where that
# PostgreSQL could not be had.
set -uo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

# The patch, and the library, are for the allocator of this release.
version=15
plain="-O1 -g1 -fno-omit-frame-pointer"
sanitizers="-fsanitize=address,undefined -fno-sanitize-recover=all"
sanitizers_of_server="$sanitizers -fno-sanitize=alignment"

# What tests need: the server, the programs that they call, and what they are called by.
parts=(src/common src/port src/timezone src/backend src/backend/utils/mb/conversion_procs src/backend/snowball
	src/backend/replication/libpqwalreceiver src/backend/replication/pgoutput src/include src/interfaces/libpq
	src/fe_utils src/bin/initdb src/bin/pg_ctl src/bin/psql src/bin/pg_dump src/bin/pg_config src/bin/pg_basebackup
	src/bin/pg_upgrade src/bin/pg_resetwal src/bin/pg_controldata src/bin/scripts src/pl/plpgsql
	src/test/regress src/test/isolation contrib/postgres_fdw contrib/auto_explain)

cache=/var/cache/crisp_fdw/sanitize
[ "$(id -u)" = 0 ] || cache=${XDG_CACHE_HOME:-$HOME/.cache}/crisp_fdw/sanitize
cache=${SANITIZE:-$cache}
built=$cache/postgresql-$version

# apt_sources COMMAND ARGUMENT…: apt-get with the source packages of the Debian that this machine has its
# packages from, in lists of its own.
apt_sources()
{
	local command=$1

	shift
	"$command" --quiet=2 --option Dir::Etc::SourceList="$cache/apt/sources.list" \
		--option Dir::Etc::SourceParts=- --option Dir::State::Lists="$cache/apt/lists" \
		--option Acquire::Check-Valid-Until=false --option Acquire::Retries=3 --option APT::Sandbox::User="" "$@"
}

# get_source: the newest source package that can be had, in $cache/source, without Debian's patches: they set
# directories of the system's own PostgreSQL.  Where Debian has just brought out another, the archive may
# lack it for a while.
get_source()
{
	local number keyring=/usr/share/keyrings/debian-archive-keyring.gpg

	mkdir -p "$cache/apt/lists/partial" "$cache/download"
	# shellcheck disable=SC2016
	apt-get indextargets --format "deb-src [signed-by=$keyring] "'$(REPO_URI) $(RELEASE) main' 'Origin: Debian' \
		'Created-By: Packages' | sort -u >"$cache/apt/sources.list"
	apt_sources apt-get update || return 1
	for number in $(apt_sources apt-cache showsrc "postgresql-$version" | sed -n 's/^Version: //p' | sort -rVu); do
		rm -rf "$cache/download"/* "$cache/source"
		if (cd "$cache/download" && apt_sources apt-get source --download-only "postgresql-$version=$number"); then
			dpkg-source --skip-patches --extract "$cache/download"/*.dsc "$cache/source"
			return
		fi
	done
	return 1
}

# installs_here: would make install, in the current directory, write below $built alone?
installs_here()
{
	local directory

	# shellcheck disable=SC2016
	for directory in $(printf 'include src/Makefile.global\nshow: ; @echo %s\n' \
		'$(bindir) $(libdir) $(pkglibdir) $(pgxsdir) $(datadir) $(includedir_server) $(localedir) $(docdir)' |
		make --silent --file=- top_builddir=. show); do
		case "$directory" in
			"$built"/*) ;;
			*) echo "it would be installed into $directory" && return 1 ;;
		esac
	done
}

# build_postgres: what is half built isn't taken for whole.
build_postgres()
{
	local part

	cd "$cache/source" || return 1
	patch -p1 <"$tree/tools/sanitize/exact_chunks.patch" || return 1
	# What configure tries, and what the build runs, leaks.
	export ASAN_OPTIONS=detect_leaks=0
	./configure --prefix="$built" --enable-cassert --enable-debug --enable-tap-tests --with-openssl --with-icu \
		--without-readline --without-zlib --without-llvm --with-system-tzdata=/usr/share/zoneinfo CFLAGS="$plain" \
		CC="$(command -v ccache) gcc" && installs_here || return 1
	# The sanitizers come in here: configure, which tries hundreds of programs, takes half as long again with them.
	export COPT=$sanitizers_of_server
	make -C src/backend -j"$(nproc)" generated-headers || return 1
	for part in "${parts[@]}"; do
		make -C "$part" -j"$(nproc)" all && make -C "$part" install || return 1
	done
	make -C src install-local && make -C config install && make -C src/makefiles install &&
		make -C src/test/perl install || return 1
	link_cron
	made_of >"$built/made_of"
}

# made_of: what another build is needed for where it's another.
made_of()
{
	printf '%s\n' "$version $plain $sanitizers_of_server" && cat "$tree/tools/sanitize/exact_chunks.patch"
}

# link_cron: Debian's own pg_cron does here, too.
link_cron()
{
	local debian=/usr/lib/postgresql/$version/bin/pg_config

	[ -x "$debian" ] || return 0
	ln -sf "$("$debian" --pkglibdir)/pg_cron.so" "$("$built/bin/pg_config" --pkglibdir)/"
	ln -sf "$("$debian" --sharedir)"/extension/pg_cron* "$("$built/bin/pg_config" --sharedir)/extension/"
}

# have_postgres: build it, if it isn't there yet.
have_postgres()
{
	"$tree/tools/setup.sh" sanitize && mkdir -p "$cache" || return 1
	made_of | cmp -s - "$built/made_of" && return
	say "building PostgreSQL $version with sanitizers, in $cache"
	rm -rf "$built"
	(get_source && build_postgres) >"$cache/build.log" 2>&1 && return
	tail -n 20 "$cache/build.log"
	say "PostgreSQL with sanitizers could not be had: $cache/build.log"
	return 1
}

if [ "${QUICK:-}" = 1 ]; then
	export PG_CONFIG=/usr/lib/postgresql/$version/bin/pg_config EXACT_CHUNKS=1
	"$tree/tools/setup.sh" test || exit 3
else
	have_postgres || exit 3
	export PG_CONFIG=$built/bin/pg_config
fi

# Our own code is to keep to alignments, too.
export SANITIZED=1 COPT="$plain $sanitizers${EXACT_CHUNKS:+ -DUSE_ASSERT_CHECKING}"

# Whatever a process reports goes to a file of its own, since a test may not look into the server's log.
reports=$(mktemp -d) || exit 1
chmod 1777 "$reports"
trap 'rm -rf "$reports"' EXIT

# Exact chunks, what surrounds each, and what was freed and is not used again for a while, take their room.
# What was freed is filled, for those whose accesses aren't checked.
export ONLY="${ONLY:-regress isolation tap}" CRISP_MEMORY_FACTOR=40 CRISP_QUIET_MORE=100 \
	PG_TEST_TIMEOUT_DEFAULT=600 \
	ASAN_OPTIONS="detect_leaks=0:detect_stack_use_after_return=0:detect_odr_violation=0:abort_on_error=1:\
allocator_may_return_null=1:quarantine_size_mb=32:max_free_fill_size=4096:free_fill_byte=165:log_path=$reports/asan" \
	UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1:abort_on_error=1:log_path=$reports/ubsan"
if [ -n "${STRAIN:-}" ]; then
	"$tree/tools/strain.sh" "$STRAIN"
else
	"$tree/tools/test.sh"
fi
status=$?
for report in "$reports"/*; do
	[ -e "$report" ] || continue
	cat "$report"
	status=1
done
say "$(find "$reports" -type f | wc -l) reports of sanitizers"
exit $status
