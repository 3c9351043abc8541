#!/bin/bash
#
# Measure how a copy that crisp_sync() keeps grows with the website: requests,
# rows, time, disk, and WAL, for the first load and for what comes after.
#
#   bench/scaling.sh [CONVERSATIONS[@LATENCY_MS]…]
#
# The default is 10000 100000 100000@50.  A million take a quarter of an hour.
#   KEEP=1        keep the work directory, with all logs
#   PG_CONFIG     another PostgreSQL than the newest one
#
# Prints a line for each size; docs/scaling.md says what they mean.
set -uo pipefail
# shellcheck source=../tools/common.sh
. "$(dirname "$0")/../tools/common.sh"

[ $# -gt 0 ] || set -- 10000 100000 100000@50
for size in "$@"; do
	[[ $size =~ ^[1-9][0-9]*(@[0-9]+)?$ ]] || die "what is $size? say CONVERSATIONS or CONVERSATIONS@LATENCY_MS"
done

"$tree/tools/setup.sh" demo || exit 1
find_pg_config || exit 1
work_begin

say "measuring with $("$PG_CONFIG" --version) in $work"
inside bench/run-scaling.sh "$@"
