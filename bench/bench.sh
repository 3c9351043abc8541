#!/bin/bash
#
# Measure crisp_fdw side by side with other ways to get Crisp's conversations
# into PostgreSQL.  `make bench` calls this; bench/README.md says what it does.
#
#   QUICK=1       a minute's worth: 10,000 conversations, few rounds
#   KEEP=1        keep the work directory, with all logs
#   PG_CONFIG     another PostgreSQL than the newest one
#
# Leaves its report, the chart and the raw numbers in bench/results.
set -uo pipefail
# shellcheck source=../tools/common.sh
. "$(dirname "$0")/../tools/common.sh"

"$tree/tools/setup.sh" bench || exit 1
find_pg_config || exit 1
work_begin

say "measuring with $("$PG_CONFIG" --version) in $work"
say "installing Crisp's official client from npm"
attended npm --prefix "$work/src/bench" --cache "$work/npm" ci --ignore-scripts \
	--no-audit --no-fund >"$work/log/npm.log" 2>&1 || die "npm ci failed: $(tail -n 5 "$work/log/npm.log")"
work_hand_over

inside bench/run.sh "${QUICK:-}" || exit 1

rm -rf "$tree/bench/results"
cp -R "$work/results" "$tree/bench/results" || exit 1
if [ "$(id -u)" = 0 ]; then
	chown -R --reference="$tree/bench" "$tree/bench/results"
fi
say "the report is bench/results/report.md, the chart bench/results/performance.svg"
