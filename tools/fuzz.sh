#!/bin/bash
#
# Let libFuzzer try what reads JSON, options, heads of answers, times and credentials files, within a backend of
# PostgreSQL.  `make fuzz` calls this.
#
#   FUZZ_SECONDS=N so long for each target (60)
#   TARGETS="json path convert option head time_range credentials"
#   KEEP=1         keep the directory, with what was found
#
# An input that breaks something is printed, in Base64, and stays in fuzz/found/ of the current directory.  Exits with 3
# where what it needs could not be had.
set -uo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

"$tree/tools/setup.sh" fuzz || exit 3
find_pg_config || exit 3
work_begin

say "fuzzing with $("$PG_CONFIG" --version) in $work"
inside env FUZZ_SECONDS="${FUZZ_SECONDS:-60}" TARGETS="${TARGETS:-}" tools/run-fuzz.sh
status=$?
if [ -n "$(ls -A "$work/found" 2>/dev/null)" ]; then
	mkdir -p "$PWD/fuzz/found"
	cp "$work/found"/* "$PWD/fuzz/found"
	say "what was found lies in fuzz/found"
fi
exit $status
