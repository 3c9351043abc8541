# Shared by the scripts in this directory, which source it: messages, the
# choice of a PostgreSQL, and a private work directory that is removed, with
# all that runs from it, however the script ends.
# shellcheck shell=bash

# The root of the source tree.
tree=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)

# PostgreSQL releases that the extension is made for.
pg_oldest=15
pg_newest=19

say()
{
	printf '==> %s\n' "$*"
}

die()
{
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# pg_usable PG_CONFIG: is this a PostgreSQL of a release that we support, with
# both its server and its headers?
pg_usable()
{
	local major

	[ -x "$1" ] && [ -x "$("$1" --bindir)/postgres" ] && [ -f "$("$1" --pgxs)" ] &&
		[ -f "$("$1" --includedir-server)/postgres.h" ] || return 1
	major=$("$1" --version | sed 's/^[^0-9]*\([0-9]*\).*/\1/')
	[ "$major" -ge $pg_oldest ] && [ "$major" -le $pg_newest ]
}

# find_pg_config: set PG_CONFIG to the path of the pg_config to use, which is
# the one that the user named, or that of the newest PostgreSQL here.  Returns
# non-zero when there is none.
find_pg_config()
{
	local candidate

	if [ "${PG_CONFIG:-pg_config}" != pg_config ]; then
		candidate=$(command -v "$PG_CONFIG") || die "PG_CONFIG: there is no $PG_CONFIG"
		pg_usable "$candidate" ||
			die "PG_CONFIG: $candidate is not a PostgreSQL $pg_oldest to $pg_newest with server and headers"
		PG_CONFIG=$candidate
		return
	fi
	for candidate in $(printf '%s\n' /usr/lib/postgresql/*/bin/pg_config | sort -rV) \
		"$(command -v pg_config)"; do
		if pg_usable "$candidate"; then
			PG_CONFIG=$candidate
			return
		fi
	done
	return 1
}

# work_begin: make the work directory, with a copy of the sources in $work/src,
# and see to it that it goes away in the end.  PostgreSQL refuses to run as
# root, and another user may not be able to read this tree; so under root all
# belongs to the user postgres, else to the user who runs this.
work_begin()
{
	local base

	as_owner=()
	if [ "$(id -u)" = 0 ]; then
		id postgres >/dev/null 2>&1 || die "there is no user postgres to run the server as"
		as_owner=(setpriv --reuid=postgres --regid=postgres --init-groups --)
	fi

	trap work_end EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	trap 'exit 129' HUP

	# The path of a Unix socket has little room.
	base=${TMPDIR:-/tmp}
	[ ${#base} -le 40 ] || base=/tmp
	work=$(mktemp -d "$base/crisp_fdw.XXXXXX") || exit 1
	work_hand_over
	if ! "${as_owner[@]}" test -w "$work" -a -x "$work"; then
		rmdir "$work"
		work=$(mktemp -d /tmp/crisp_fdw.XXXXXX) || exit 1
		work_hand_over
	fi

	mkdir "$work/src" "$work/tmp" "$work/home" "$work/run" "$work/log"
	tar -C "$tree" --exclude-vcs --exclude='*.o' --exclude='*.so' --exclude='*.bc' \
		--exclude=node_modules --exclude="./sandbox/crisp-sandbox*" --exclude=./results \
		--exclude=./tmp_check -cf - . | tar -C "$work/src" --no-same-owner -xf - ||
		die "cannot copy the sources to $work"
	cp /bin/true "$work/run/true"
	"$work/run/true" ||
		die "programs cannot be run from $work; set TMPDIR to a place where they can"
	work_hand_over
}

# work_hand_over: give all that was put into the work directory to its owner.
work_hand_over()
{
	if [ ${#as_owner[@]} -gt 0 ]; then
		chown -R postgres: "$work"
	fi
}

# attended COMMAND…: run it in a session of its own and wait for it.  A signal
# to this script is then acted on at once, and reaches all of the command's
# processes and nobody else's.
attended()
{
	local status

	setsid env --default-signal=INT,QUIT "$@" </dev/null &
	attended_group=$!
	wait "$attended_group"
	status=$?
	attended_group=
	return $status
}

# inside COMMAND…: run it as the owner of the work directory, in its copy of
# the sources, with an environment that the user's settings don't leak into.
inside()
{
	local name drawn=()

	# What tests that draw at random take, the databases' encoding, the order, and what sanitize.sh sets.
	for name in PROPERTY_SEED PROPERTY_QUERIES SETTINGS_DRAWS SYNC_SEED SYNC_SEQUENCES WRITE_SEED WRITE_STATEMENTS \
		BATCH_SEED BATCH_DRAWS PUSH_SEED STREAM_SEED STATEMENT_SEED STATEMENTS SQLSMITH_SEED CRISP_ENCODING SHUFFLE \
		COPT SANITIZED EXACT_CHUNKS ASAN_OPTIONS UBSAN_OPTIONS CRISP_MEMORY_FACTOR CRISP_QUIET_MORE \
		PG_TEST_TIMEOUT_DEFAULT TEMP_CONFIG; do
		[ -z "${!name:-}" ] || drawn+=("$name=${!name}")
	done
	attended "${as_owner[@]}" env --ignore-environment --chdir="$work/src" \
		PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
		LANG=C.UTF-8 TERM="${TERM:-dumb}" HOME="$work/home" TMPDIR="$work/tmp" \
		PG_CONFIG="$PG_CONFIG" WORK="$work" ONLY="${ONLY:-}" TESTS="${TESTS:-}" \
		"${drawn[@]}" "$@"
}

# work_pids: the processes that run a program of the work directory, or in it.
work_pids()
{
	find /proc/[0-9]*/exe /proc/[0-9]*/cwd -maxdepth 0 \( -lname "$work" -o -lname "$work/*" \) -printf '%h\n' \
		2>/dev/null | sed 's|^/proc/||' | sort -u
}

# work_end: stop what still runs, remove the work directory, and exit as the
# script was about to.  KEEP=1 leaves the directory for a look.
work_end()
{
	local status=$? signal try pids

	trap - EXIT
	trap '' INT TERM HUP
	[ -z "${attended_group:-}" ] || kill -TERM -- "-$attended_group" 2>/dev/null
	if [ -n "${work:-}" ]; then
		for signal in TERM TERM QUIT KILL; do
			for try in {1..15}; do
				mapfile -t pids < <(work_pids)
				[ ${#pids[@]} -gt 0 ] || break 2
				[ "$try" != 1 ] || kill -s "$signal" "${pids[@]}" 2>/dev/null
				sleep 0.2
			done
		done
		if [ "${KEEP:-}" = 1 ]; then
			say "kept $work"
		else
			rm -rf "$work"
		fi
	fi
	exit $status
}
