#!/bin/bash
#
# The part of test.sh that runs inside the work directory $WORK, in its copy of
# the sources.  Each suite adds to `passed` and `failed`; a suite, or a test,
# that was to run and did not counts as failed, but for tests of what pg_cron runs
# where there is no pg_cron for this PostgreSQL: these add to `skipped`.
set -uo pipefail
# shellcheck source=sandbox.sh
. tools/sandbox.sh

passed=0
failed=0
skipped=0

# What the tests in sql/ and specs/ see.  Their expected output depends on it.
regress_data=(--seed 42 --conversations 1000 --people 500 --visitors 40 --operators 12)

# wanted SUITE: is it among the suites to run?
wanted()
{
	[[ " ${ONLY:-regress isolation tap contract} " = *" $1 "* ]]
}

# tests_of SUITE: the names of its tests, or those of TESTS among them.  A test in t/ has its folder in
# its name; TESTS may leave it out, or name a folder alone, with a slash at its end.
tests_of()
{
	local file name

	case $1 in
		regress) set -- .sql sql/*.sql ;;
		isolation) set -- .spec specs/*.spec ;;
		tap) set -- .t t/*/*.t ;;
		contract) set -- .test.mjs contract/*.test.mjs ;;
	esac
	for file in "${@:2}"; do
		name=${file#*/}
		name=${name%"$1"}
		if [ -e "$file" ] && { [ -z "$TESTS" ] || [[ " $TESTS " = *" $name "* ]] ||
			[[ " $TESTS " = *" ${name##*/} "* ]] || [[ " $TESTS " = *" ${name%/*}/ "* ]]; }; then
			echo "$name"
		fi
	done
}

# count SUITE PASSED FAILED
count()
{
	printf '==> %s: %d passed, %d failed\n\n' "$1" "$2" "$3"
	passed=$((passed + $2))
	failed=$((failed + $3))
}

# not_run SUITE WHY
not_run()
{
	printf '==> %s: was not run: %s\n' "$1" "$2"
	count "$1" 0 1
}

# tails FILE…: the ends of the logs, for who has to find out what went wrong.
tails()
{
	local file

	for file in "$@"; do
		if [ -s "$file" ]; then
			printf -- '--- the end of %s\n' "${file#"$WORK"/}"
			tail -n 40 "$file"
		fi
	done
}

# count_regress SUITE STATUS TESTS: count what pg_regress, which ended with this
# status, has said of so many tests.
count_regress()
{
	local ok bad out=$WORK/$1

	# PostgreSQL 16 changed the form of these lines.
	ok=$(grep -cE '^ok [0-9]+|^(test| ) .* \.\.\. ok' "$WORK/log/$1.out")
	bad=$(($3 - ok))
	if [ "$2" != 0 ] && [ $bad = 0 ]; then
		bad=1
	fi
	if [ $bad != 0 ]; then
		[ ! -e "$out/regression.diffs" ] || cat "$out/regression.diffs"
		tails "$out/log/postmaster.log" "$out/log/initdb.log" "$WORK/log/sandbox.log"
	fi
	count "$1" "$ok" "$bad"
}

run_regress()
{
	local tests name status out=$WORK/regress

	mapfile -t tests < <(tests_of regress | grep -vx init)
	[ ! -e sql/init.sql ] || tests=(init "${tests[@]}")
	if [ ${#tests[@]} -eq 0 ]; then
		not_run regress "there are no tests in sql/"
		return
	fi
	if ! start_sandbox "${regress_data[@]}"; then
		not_run regress "there is no sandbox"
		return
	fi

	# A test without its expected output fails as any other: by what it prints.
	mkdir -p expected
	for name in "${tests[@]}"; do
		[ -e "expected/$name.out" ] || touch "expected/$name.out"
	done

	mkdir -p "$out"
	"$pgxs/src/test/regress/pg_regress" --inputdir="$WORK/src" --outputdir="$out" --bindir="$bin" \
		--temp-instance="$out/instance" --encoding=UTF8 --no-locale \
		${TEMP_CONFIG:+--temp-config="$TEMP_CONFIG"} \
		--dbname=contrib_regression "${tests[@]}" | tee "$WORK/log/regress.out"
	status=$?
	kill $sandbox_pid
	wait $sandbox_pid

	count_regress regress $status ${#tests[@]}
}

run_isolation()
{
	local tests status out=$WORK/isolation

	mapfile -t tests < <(tests_of isolation)
	if [ ${#tests[@]} -eq 0 ]; then
		not_run isolation "there are no tests in specs/"
		return
	fi
	if [ ! -x "$pgxs/src/test/isolation/pg_isolation_regress" ]; then
		not_run isolation "$("$PG_CONFIG" --version) has no pg_isolation_regress"
		return
	fi
	if ! start_sandbox "${regress_data[@]}"; then
		not_run isolation "there is no sandbox"
		return
	fi

	mkdir -p "$out"
	PGOPTIONS="-c crisp.url=$CRISP_SANDBOX_URL" "$pgxs/src/test/isolation/pg_isolation_regress" \
		--inputdir="$WORK/src" --outputdir="$out" --bindir="$bin" --temp-instance="$out/instance" \
		--encoding=UTF8 --no-locale \
		${TEMP_CONFIG:+--temp-config="$TEMP_CONFIG"} \
		--dbname=isolation_regression "${tests[@]}" | tee "$WORK/log/isolation.out"
	status=$?
	kill $sandbox_pid
	wait $sandbox_pid
	count_regress isolation "$status" "${#tests[@]}"
}

run_tap()
{
	local tests name status ok bad without log=$WORK/log/tap.out

	mapfile -t tests < <(tests_of tap)
	if [ ${#tests[@]} -eq 0 ]; then
		not_run tap "there are no tests in t/"
		return
	fi
	if [ ! -e "$pgxs/src/test/perl/PostgreSQL/Test/Cluster.pm" ]; then
		not_run tap "$("$PG_CONFIG" --version) has no PostgreSQL::Test::Cluster"
		return
	fi

	(
		tap_environment
		cd "$WORK/tap" || exit 1
		tests=("${tests[@]/#/../src/t/}")
		# Three at a time: much of what they do is wait.
		prove --jobs 3 --timer ${SHUFFLE:+--shuffle} "${tests[@]/%/.t}"
	) 2>&1 | tee "$log"
	status=$?

	# Tests that ran, and those that failed among them; on top of those a failure
	# for each file that ended badly for another reason, or that was skipped for any reason but that
	# there is no pg_cron.
	read -r ok bad < <(awk '
		/^Files=[0-9]+, Tests=[0-9]+,/ { split($2, field, /[=,]/); total = field[2] }
		/ \(Wstat: .* Tests: [0-9]+ Failed: [0-9]+\)$/ {
			failed += $NF + 0
			if ($NF + 0 == 0 && !/ \(Wstat: 0 /)
				broken++
		}
		/ \.+ skipped: there is no pg_cron / { next }
		/ \.+ skipped: / { broken++ }
		END { print total - failed, failed + broken }' "$log")
	if [ $status != 0 ] && [ "$bad" = 0 ]; then
		bad=1
	fi
	sed -n 's|^\.\./src/t/.*/\(.*\)\.t *(Wstat: .*|\1|p' "$log" | while read -r name; do
		tails "$WORK/tap/tmp_check/log/"*"$name"*
	done
	count tap "$ok" "$bad"
	without=$(grep -cE ' \.+ skipped: there is no pg_cron ' "$log")
	if [ "$without" != 0 ]; then
		printf '==> not run for want of pg_cron: %s\n\n' "$(
			sed -n 's|^.*\.\./src/t/\(.*\)\.t \.* skipped: there is no pg_cron .*|\1|p' "$log" | paste -sd ' ')"
		skipped=$((skipped + without))
	fi
}

run_contract()
{
	local tests status ok bad log=$WORK/log/contract.tap

	mapfile -t tests < <(tests_of contract)
	if [ ${#tests[@]} -eq 0 ]; then
		not_run contract "there are no tests in contract/"
		return
	fi
	if [ ! -d contract/node_modules/crisp-api ]; then
		not_run contract "Crisp's official client could not be installed"
		return
	fi

	tests=("${tests[@]/%/.test.mjs}")
	(
		cd contract || exit 1
		node --test --test-reporter=spec --test-reporter-destination=stdout \
			--test-reporter=tap --test-reporter-destination="$log" "${tests[@]}"
	)
	status=$?

	ok=$(sed -n 's/^# pass //p' "$log")
	bad=$(awk '/^# (fail|cancelled|skipped|todo) / { n += $3 } END { print n + 0 }' "$log")
	if [ $status != 0 ] && [ "$bad" = 0 ]; then
		bad=1
	fi
	count contract "${ok:-0}" "$bad"
}

# failures: what has failed, in some lines, for those who see just the end of a long output.
failures()
{
	{
		sed -nE '/^not ok [0-9]+|\.\.\. FAILED/p' "$WORK/log/regress.out" "$WORK/log/isolation.out"
		sed -n '/^Test Summary Report/,/^Files=/{/^\.\.\/src\|^  /p}' "$WORK/log/tap.out"
		grep -hE "^ *# +(Failed test|at|got:|expected:) " "$WORK"/tap/tmp_check/log/regress_log_*
		grep -E '^not ok ' "$WORK/log/contract.tap"
	} 2>/dev/null | cut -c1-160 | head -n 14
}

# reported: what sanitizers and assertions have told the servers' logs, if anything.
reported()
{
	local text

	text=$(grep -rhE -A 8 ' runtime error: |^TRAP: ' "$WORK/log" "$WORK/tap/tmp_check/log" "$WORK/regress/log" \
		"$WORK/isolation/log" 2>/dev/null)
	[ -n "$text" ] && head -n 100 <<<"$text"
}

# finish: the closing line, and the exit status that goes with it.  A run in
# which nothing passed has tested nothing.
finish()
{
	if [ -n "${SANITIZED:-}" ] && reported; then
		failed=$((failed + 1))
	fi
	[ $failed = 0 ] || failures
	if [ -n "$ONLY$TESTS" ]; then
		echo "This was a partial run:${ONLY:+ ONLY=\"$ONLY\"}${TESTS:+ TESTS=\"$TESTS\"}"
	fi
	printf '%d passed, %d failed' $passed $failed
	[ $skipped = 0 ] || printf ', %d skipped' $skipped
	printf '\n'
	[ $failed = 0 ] && [ $passed -gt 0 ]
	exit
}

find_private_postgres

# Developers who run a part of the tests don't wait for the second compiler.
compilers=(gcc)
[ -n "$ONLY$TESTS" ] || compilers+=(clang)
for compiler in "${compilers[@]}"; do
	tools/build.sh "$compiler" || failed=$((failed + 1))
done
[ $failed = 0 ] || finish
if wanted regress || wanted isolation || wanted tap; then
	if ! install_extension; then
		tails "$WORK/log/install.log"
		failed=1
		finish
	fi
fi

all=$TESTS
for name in $all; do
	TESTS=$name
	if [ -z "$(for suite in regress isolation tap contract; do tests_of $suite; done)" ]; then
		not_run "$name" "there is no test of this name"
	fi
done
TESTS=$all
for suite in regress isolation tap contract; do
	# With TESTS, a suite without a test of these names has nothing to do.
	if wanted $suite && { [ -z "$TESTS" ] || [ -n "$(tests_of $suite)" ]; }; then
		run_$suite
	fi
done
finish
