#!/bin/bash
#
# The part of bench.sh that runs inside the work directory $WORK, in its copy
# of the sources: builds all that takes part, starts PostgreSQL, measures, and
# draws.
#
#   bench/run.sh [1]    1: the quick mode
set -uo pipefail

bin=$WORK/pg$("$PG_CONFIG" --bindir)
log=$WORK/log/postgres.log

failed()
{
	echo "the benchmark failed: $1" >&2
	[ ! -s "${2:-}" ] || tail -n 20 "$2" >&2
	exit 1
}

tools/build.sh gcc || exit 1
tools/private-postgres.sh "$PG_CONFIG" "$WORK/pg" || exit 1
make -C "$WORK/gcc" install DESTDIR="$WORK/pg" PG_CONFIG="$PG_CONFIG" >"$WORK/log/install.log" 2>&1 ||
	failed "cannot install the extension" "$WORK/log/install.log"
# shellcheck disable=SC2046
gcc -O2 -Wall -Wextra -Werror -o "$WORK/run/floor" bench/floor.c \
	$(pkg-config --cflags --libs libcurl json-c) || exit 1

# Durable writes would measure the disk.  The tables that are loaded must not
# be vacuumed while the next round is timed.
"$bin/initdb" -D "$WORK/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 -N >"$log" 2>&1 &&
	"$bin/pg_ctl" -D "$WORK/data" -l "$log" -w -s -o "-k '$WORK/run' -c listen_addresses= -c fsync=off \
		-c autovacuum=off -c max_wal_size=8GB -c checkpoint_timeout=1h" start &&
	"$bin/createdb" -h "$WORK/run" -U postgres bench ||
	failed "PostgreSQL did not start" "$log"

export PGHOST=$WORK/run PGUSER=postgres PGDATABASE=bench
export CRISP_SANDBOX=$WORK/gcc/sandbox/crisp-sandbox CRISP_FLOOR=$WORK/run/floor
mkdir -p "$WORK/results"
node bench/run.mjs "$WORK/results" ${1:+--quick} || failed "see above" "$log"
node bench/changes.mjs "$WORK/results" ${1:+--quick} || failed "see above" "$log"
(cd "$WORK/results" && gnuplot "$WORK/src/bench/chart.gp") || failed "gnuplot could not draw"
