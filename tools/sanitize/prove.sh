#!/bin/bash
#
# Prove that faults of memory are reported by the PostgreSQL in $WORK/pg: those of faults.c.
set -uo pipefail
# shellcheck source=../sandbox.sh
. tools/sandbox.sh

find_private_postgres
data=$WORK/run/faults.data
library=$WORK/run/faults.so
log=$WORK/run/faults.log
reports=$WORK/run/faults.report
faults=7

# statement SQL: run it in a process of its own, whose reports go where they count as nothing.
statement()
{
	rm -f "$reports".*
	(
		export ASAN_OPTIONS=${ASAN_OPTIONS/log_path=*/log_path=$reports}
		export UBSAN_OPTIONS=${UBSAN_OPTIONS/log_path=*/log_path=$reports}
		"$bin/postgres" --single -D "$data" postgres <<<"$1"
	) >"$log" 2>&1
}

# reported: did the last one report anything?  UndefinedBehaviorSanitizer may print to the server's log.
reported()
{
	compgen -G "$reports.*" >/dev/null || grep -q ' runtime error: ' "$log"
}

# shellcheck disable=SC2086
"${CC:-gcc}" $COPT -fPIC -shared -isystem "$("$PG_CONFIG" --includedir-server)" -o "$library" tools/sanitize/faults.c &&
	"$bin/initdb" -D "$data" -U postgres -N >"$log" 2>&1 || exit 1
statement "CREATE FUNCTION commit_fault(int) RETURNS int AS '$library' LANGUAGE C" || exit 1
for ((fault = 0; fault <= faults; fault++)); do
	statement "SELECT commit_fault($fault)"
	if reported; then
		[ $fault = 0 ] || continue
		echo "the sanitizers report a fault where there is none: $log"
	else
		[ $fault != 0 ] || continue
		echo "the sanitizers don't report fault $fault of tools/sanitize/faults.c: $log"
	fi
	tail -n 20 "$log"
	exit 1
done
rm -rf "$data"
