#!/bin/bash
#
# Run every test, on a private copy of PostgreSQL in a directory that is
# removed in the end.  `make test` calls this.
#
#   ONLY="regress isolation tap contract"  run these suites alone
#   TESTS="name … folder/ …"     run these tests alone: sql/name.sql, specs/name.spec, t/*/name.t,
#                                contract/name.test.mjs, t/folder/*.t
#   KEEP=1                       keep the directory, with all logs
#   CRISP_ENCODING=LATIN1        the encoding of databases in t/, EUC_JP for example; UTF8 unless set
#   SHUFFLE=1                    run files of t/ in random order: what a time limit leaves isn't always the same
#   PG_CONFIG                    another PostgreSQL than the newest one
set -uo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

for suite in ${ONLY:-}; do
	case "$suite" in
		regress | isolation | tap | contract) ;;
		*) die "ONLY=\"${ONLY}\": the suites are regress, isolation, tap and contract" ;;
	esac
done

"$tree/tools/setup.sh" test || exit 1
find_pg_config || exit 1
work_begin

say "testing with $("$PG_CONFIG" --version) in $work"
if [[ " ${ONLY:-contract} " = *" contract "* ]]; then
	say "installing Crisp's official client from npm"
	if ! attended npm --prefix "$work/src/contract" --cache "$work/npm" ci --ignore-scripts \
		--no-audit --no-fund >"$work/log/npm.log" 2>&1; then
		say "npm ci failed:"
		cat "$work/log/npm.log"
	fi
	work_hand_over
fi

inside tools/run-tests.sh
