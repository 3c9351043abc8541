#!/bin/bash
#
# Run every test on each PostgreSQL that Debian has, each in a Debian of its own: a folder that debootstrap
# makes, and that stays for the next time.  `make matrix` calls this, as root or through sudo.
#
#   tools/matrix.sh [VERSION…]   these versions alone
#   MATRIX=DIRECTORY             where the folders are (/var/cache/crisp_fdw): some 2 GB each
#   MATRIX_SECONDS=N             stop after so many seconds
#   PARTS="tests upgrade packages"   these parts alone
#   ONLY, TESTS, SHUFFLE         as of test.sh, and no other part; PG_TEST_TIMEOUT_DEFAULT is that of PostgreSQL's tests
#
# Ends with a line for each version, and one for all.  Exits with 0 where all tests have passed on all
# versions, with 1 where one has failed, and with 3 where none has, but a version could not be had, or was cut off.
set -uo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=folders.sh
. "$(dirname "$0")/folders.sh"

# From which version databases are taken to another one by pg_upgrade.
declare -A upgraded_from=([19]=18)

parts=${PARTS:-tests upgrade packages}
[ -z "${ONLY:-}${TESTS:-}" ] || parts=tests
results=()
passed=0 failed=0 absent=0

if [ "$(id -u)" != 0 ]; then
	if ! command -v sudo >/dev/null; then
		say "debootstrap and chroot are for root: run this as root, or install sudo"
		exit 3
	fi
	exec sudo --preserve-env=MATRIX,MATRIX_SECONDS,PARTS,ONLY,TESTS,SHUFFLE,PG_TEST_TIMEOUT_DEFAULT "$0" "$@"
fi

# note VERSION TEXT
note()
{
	results+=("PostgreSQL $1: $2")
	say "PostgreSQL $1: $2"
}

# wanted PART: is it among those to run?
wanted()
{
	[[ " $parts " = *" $1 "* ]]
}

# run_version VERSION
run_version()
{
	local version=$1 log=$matrix/$1.log

	if is_over; then
		missing "$version" "not run: there is no time left"
		return
	fi
	say "PostgreSQL $version, in $matrix/$version"
	mkdir -p "$matrix"
	# shellcheck disable=SC2086
	if ! have_folder "$version" ${ONLY:-} >"$log" 2>&1; then
		missing "$version" "could not be had" "$log"
		return
	fi
	! wanted tests || run_tests "$version"
	if wanted upgrade && [ -n "${upgraded_from[$version]:-}" ]; then
		run_upgrade "$version"
	fi
	! wanted packages || run_packages "$version"
}

# run_tests VERSION: count what its tests say.
run_tests()
{
	local version=$1 folder=$matrix/$1 log=$matrix/$1.log start=$SECONDS counts

	in_folder "$folder" env ${PG_TEST_TIMEOUT_DEFAULT:+"PG_TEST_TIMEOUT_DEFAULT=$PG_TEST_TIMEOUT_DEFAULT"} \
		${SHUFFLE:+"SHUFFLE=$SHUFFLE"} \
		make -C /src/crisp_fdw test PG_CONFIG="/usr/lib/postgresql/$version/bin/pg_config" \
		ONLY="${ONLY:-}" TESTS="${TESTS:-}" 2>&1 | tee "$log" | grep --line-buffered '^==>'
	counts=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$log" | tail -n 1)
	if [[ $counts =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed ]]; then
		passed=$((passed + BASH_REMATCH[1]))
		failed=$((failed + BASH_REMATCH[2]))
		[ "${BASH_REMATCH[2]}" = 0 ] || sed -n '/^Test Summary Report/,/^Files=/p' "$log"
	elif is_over; then
		count_begun "$version" "$log"
		return
	else
		tail -n 20 "$log"
		failed=$((failed + 1))
		counts="the tests did not come to an end"
	fi
	note "$version" "$counts, in $((SECONDS - start)) s"
}

# count_begun VERSION LOG: count what has come to its end, as prove tells, before the time was up.
count_begun()
{
	local ok bad

	ok=$(grep -cE '^\[[0-9:]+\] .*\.t \.+ ok ' "$2")
	bad=$(grep -cE '^\[[0-9:]+\] .*\.t \.+ *$|^==> (regress|isolation): [0-9]+ passed, [1-9]' "$2")
	passed=$((passed + ok))
	failed=$((failed + bad))
	[ "$bad" = 0 ] || grep -E -A 3 '^\[[0-9:]+\] .*\.t \.+ *$|^#   Failed test ' "$2"
	missing "$1" "cut off by the time limit: $ok files of tests had passed, $bad had failed"
}

# count_tests VERSION WHAT LOG FEWEST: count what a script with tests has said there, if it has come to its end, and
# run no fewer.
count_tests()
{
	local counts

	counts=$(tail -n 1 "$3")
	if [[ $counts =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]] &&
		[ $((BASH_REMATCH[1] + BASH_REMATCH[2])) -ge "$4" ]; then
		passed=$((passed + BASH_REMATCH[1]))
		failed=$((failed + BASH_REMATCH[2]))
		! grep -B 30 '^not ok' "$3" || true
		note "$1" "$2: $counts"
	elif grep -B 30 '^not ok' "$3" || ! is_over; then
		broken "$1" "$2: did not come to the end" "$3"
	else
		missing "$1" "$2: cut off by the time limit"
	fi
}

# broken VERSION WHAT LOG: count a failure, unless it's the time limit that has made it.
broken()
{
	if is_over && ! grep -q '^not ok' "$3"; then
		missing "$1" "cut off by the time limit: $2"
		return
	fi
	failed=$((failed + 1))
	tail -n 30 "$3"
	note "$1" "$2"
}

# missing VERSION WHAT [LOG]
missing()
{
	absent=$((absent + 1))
	[ -z "${3:-}" ] || tail -n 20 "$3"
	note "$1" "$2"
}

# run_upgrade VERSION: the tests of pg_upgrade to that version.
run_upgrade()
{
	local version=$1 old=${upgraded_from[$1]} folder=$matrix/$1 log=$matrix/$1-upgrade.log

	if [ ! -x "$folder/usr/lib/postgresql/$old/bin/pg_ctl" ] &&
		! apt_in "$folder" install "postgresql-$old" "postgresql-server-dev-$old" >"$log" 2>&1; then
		missing "$version" "PostgreSQL $old could not be had, to upgrade it" "$log"
		return
	fi
	in_folder "$folder" /src/crisp_fdw/tools/matrix-upgrade.sh "$old" "$version" >"$log" 2>&1
	count_tests "$version" "pg_upgrade from $old" "$log" 19
}

# dockerfile: its instructions, each in a line, with the number of the stage that it's in.
dockerfile()
{
	sed -e '/^#/d' -e ':again' -e '/\\$/{N;s/\\\n *//;b again' -e '}' "$tree/Dockerfile" |
		awk '$1 == "FROM" { stage++ } $1 == "RUN" || $1 == "COPY" { print stage, $0 }'
}

# run_dockerfile VERSION: do as it says, in the folder that has a compiler, and then in the one that has none.
run_dockerfile()
{
	local version=$1 stage instruction words folder

	while read -r stage instruction words; do
		folder=$matrix/$version
		[ "$stage" = 1 ] || folder=$matrix/$version-packages
		case "$instruction $words" in
			RUN*) in_folder "$folder" env "PG_MAJOR=$version" sh -c "$words" || return 1 ;;
			"COPY . /src/crisp_fdw") copy_tree "$folder" || return 1 ;;
			"COPY --from=build /installed /") cp -a "$matrix/$version/installed/." "$folder" || return 1 ;;
			*)
				echo "the matrix doesn't know what to do with this: $instruction $words"
				return 1
				;;
		esac
	done < <(dockerfile)
}

# remove_image VERSION: what run_dockerfile has installed, for the next run.
remove_image()
{
	local file

	(cd "$matrix/$1/installed" && find . ! -type d -print) | while read -r file; do
		rm -f "$matrix/$1-packages/$file"
	done
	rm -rf "$matrix/$1/installed"
}

# have_clean VERSION FOLDER: one that has no compiler, as it was made: what a run has left there that was cut off, or
# has failed, goes with it.
have_clean()
{
	[ ! -e "$2/in-use" ] || remove_folder "$2" || return 1
	[ -d "$2" ] || make_folder "$1" "$2" "postgresql-$1" || return 1
	touch "$2/in-use"
	copy_tree "$2"
	apt_in "$2" update
}

# run_packages VERSION: build what is released in its folder, and try it in one that has no compiler.
run_packages()
{
	local version=$1 folder=$matrix/$1 clean=$matrix/$1-packages log=$matrix/$1-packages.log failed_before=$failed
	local pg_config=/usr/lib/postgresql/$1/bin/pg_config tests=/src/crisp_fdw/tools/matrix-packages.sh

	if ! have_clean "$version" "$clean" >"$log" 2>&1; then
		missing "$version" "a folder without a compiler could not be had" "$log"
		return
	fi
	if ! { apt_in "$folder" update && apt_in "$folder" install pgxnclient; } >"$log" 2>&1; then
		missing "$version" "there is no client of PGXN, to try the archive" "$log"
		return
	fi
	copy_tree "$folder"
	if ! in_folder "$folder" make -C /src/crisp_fdw deb dist PG_CONFIG="$pg_config" >"$log" 2>&1; then
		broken "$version" "packages and archive were not made" "$log"
		return
	fi
	rm -rf "$clean/released"
	mkdir "$clean/released"
	cp "$folder"/src/crisp_fdw/dist/*.deb "$clean/released"
	in_folder "$clean" $tests packages "$version" >>"$log" 2>&1
	count_tests "$version" "packages" "$log" 13

	log=$matrix/$version-archive.log
	in_folder "$folder" $tests archive "$version" >"$log" 2>&1
	count_tests "$version" "archive" "$log" 6

	log=$matrix/$version-image.log
	rm -rf "$folder/installed"
	if ! run_dockerfile "$version" >"$log" 2>&1; then
		broken "$version" "the Dockerfile does not do what it says" "$log"
		return
	fi
	in_folder "$clean" $tests image "$version" >>"$log" 2>&1
	count_tests "$version" "image" "$log" 5
	remove_image "$version"
	[ "$failed" != "$failed_before" ] || is_over || rm "$clean/in-use"
}

"$tree/tools/setup.sh" matrix || exit 3
versions=("$@")
[ ${#versions[@]} -gt 0 ] || versions=(15 17 18 19)
for version in "${versions[@]}"; do
	[ -n "${suites[$version]:-}" ] || die "Debian has no PostgreSQL $version: it is ${!suites[*]}"
done
for version in "${versions[@]}"; do
	run_version "$version"
done

printf '\n'
printf '%s\n' "${results[@]}"
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" = 0 ] || exit 1
[ "$absent" = 0 ] || exit 3
