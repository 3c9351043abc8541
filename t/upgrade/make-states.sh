#!/bin/bash
#
# Write states_1.0.sql anew: a dump of a database in which crisp_fdw 1.0 itself has left jobs of every kind in the
# middle of their work (make_states.pl).  The tests have no 1.0: packages have no history, and later versions of
# PostgreSQL can't build it.
#
#   t/upgrade/make-states.sh [PG_CONFIG]        of PostgreSQL 15 to 18
#
# CRISP_SANDBOX says where the sandbox is, of today: its API is the one that 1.0 knew.
set -euo pipefail

# The commit that was released as 1.0.
released=f5c3131dbb58dd7e2b0c98df92f642d0359f25b2

here=$(cd "$(dirname "$0")" && pwd)
tree=$(cd "$here/../.." && pwd)
pg_config=${1:-${PG_CONFIG:-pg_config}}
pgxs=$("$pg_config" --pgxs)
pgxs=${pgxs%/src/makefiles/*}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export CRISP_SANDBOX=${CRISP_SANDBOX:-$tree/sandbox/crisp-sandbox}

mkdir "$work/src"
git -C "$tree" archive "$released" | tar -x -C "$work/src"
make -C "$work/src" PG_CONFIG="$pg_config" >"$work/log"
"$tree/tools/private-postgres.sh" "$pg_config" "$work/pg"
make -C "$work/src" install PG_CONFIG="$pg_config" DESTDIR="$work/pg" >>"$work/log"

PATH="$work/pg$("$pg_config" --bindir):$PATH" TESTDIR=$work TESTDATADIR=$work/tmp_check TESTLOGDIR=$work/log.d \
	PG_REGRESS=$pgxs/src/test/regress/pg_regress PGPORT=65432 STATES=$here/states_1.0.sql \
	perl -I "$tree/t/lib" -I "$pgxs/src/test/perl" "$here/make_states.pl"
