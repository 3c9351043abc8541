#!/bin/bash
#
# Strain the extension on a throwaway server: for long, by many, or by what nobody would write.  `make soak`,
# `make sqlsmith` and `make memory` call this.
#
#   tools/strain.sh soak       twenty sessions, pg_cron, faults and restarts for MINUTES=n (30)
#   tools/strain.sh sqlsmith   statements of sqlsmith for MINUTES=n (10)
#   tools/strain.sh memory     STATEMENTS=n (10000) of each kind of KINDS="scan lookup …" (all) in one backend
#
#   KEEP=1      keep the directory, with all logs
#   PG_CONFIG   another PostgreSQL than the newest one
#
# Exits with 3 where what it needs could not be had.
set -uo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

kind=${1:-}
[ -n "$kind" ] && [ -e "$tree/tools/strain/$kind.pl" ] || die "say what is to be done: soak, sqlsmith or memory"
"$tree/tools/setup.sh" strain || exit 3
find_pg_config || exit 3
work_begin

say "$kind with $("$PG_CONFIG" --version) in $work"
inside env MINUTES="${MINUTES:-}" STATEMENTS="${STATEMENTS:-}" KINDS="${KINDS:-}" tools/run-strain.sh "$kind"
