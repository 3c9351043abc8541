#!/bin/bash
#
# Run every test on each PostgreSQL that Debian has, each in a Debian of its own: a folder that debootstrap
# makes, and that stays for the next time.  `make matrix` calls this, as root or through sudo.
#
#   tools/matrix.sh [VERSION…]   these versions alone
#   MATRIX=DIRECTORY             where the folders are (/var/cache/crisp_fdw): some 2 GB each
#   MATRIX_SECONDS=N             begin with no version once so many seconds have passed
#   ONLY, TESTS                  as of test.sh; PG_TEST_TIMEOUT_DEFAULT is that of PostgreSQL's tests
#
# Ends with a line for each version, and one for all.  Exits with 0 where all tests have passed on all
# versions, with 1 where one has failed, and with 3 where none has, but a version could not be had.
set -uo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"
# shellcheck source=folders.sh
. "$(dirname "$0")/folders.sh"

# From which version databases are taken to another one by pg_upgrade.
declare -A upgraded_from=([19]=18)

results=()
passed=0 failed=0 absent=0

if [ "$(id -u)" != 0 ]; then
	command -v sudo >/dev/null || die "debootstrap and chroot are for root: run this as root, or install sudo"
	exec sudo --preserve-env=MATRIX,MATRIX_SECONDS,ONLY,TESTS,PG_TEST_TIMEOUT_DEFAULT "$0" "$@"
fi

# note VERSION TEXT
note()
{
	results+=("PostgreSQL $1: $2")
	say "PostgreSQL $1: $2"
}

# run_version VERSION: count what its tests say.
run_version()
{
	local version=$1 folder=$matrix/$1 log=$matrix/$1.log start=$SECONDS counts

	if [ -n "${MATRIX_SECONDS:-}" ] && [ "$SECONDS" -ge "$MATRIX_SECONDS" ]; then
		missing "$version" "not run: there is no time left"
		return
	fi
	say "PostgreSQL $version, in $folder"
	mkdir -p "$matrix"
	if ! have_folder "$version" >"$log" 2>&1; then
		missing "$version" "could not be had" "$log"
		return
	fi
	in_folder "$folder" env ${PG_TEST_TIMEOUT_DEFAULT:+"PG_TEST_TIMEOUT_DEFAULT=$PG_TEST_TIMEOUT_DEFAULT"} \
		make -C /src/crisp_fdw test PG_CONFIG="/usr/lib/postgresql/$version/bin/pg_config" \
		ONLY="${ONLY:-}" TESTS="${TESTS:-}" 2>&1 | tee "$log" | grep --line-buffered '^==>'
	counts=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$log" | tail -n 1)
	if [[ $counts =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed ]]; then
		passed=$((passed + BASH_REMATCH[1]))
		failed=$((failed + BASH_REMATCH[2]))
	else
		tail -n 20 "$log"
		failed=$((failed + 1))
		counts="the tests did not come to an end"
	fi
	[ "${BASH_REMATCH[2]:-1}" = 0 ] || sed -n '/^Test Summary Report/,/^Files=/p' "$log"
	note "$version" "$counts, in $((SECONDS - start)) s"
	[ -z "${ONLY:-}${TESTS:-}" ] || return 0
	[ -z "${upgraded_from[$version]:-}" ] || run_upgrade "$version"
	run_packages "$version"
}

# count_tests VERSION WHAT LOG: count what a script with tests has said there, if it has come to its end.
count_tests()
{
	local counts

	counts=$(tail -n 1 "$3")
	if [[ $counts =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]] && [ $((BASH_REMATCH[1] + BASH_REMATCH[2])) -gt 5 ]; then
		passed=$((passed + BASH_REMATCH[1]))
		failed=$((failed + BASH_REMATCH[2]))
		! grep -B 30 '^not ok' "$3" || true
	else
		failed=$((failed + 1))
		counts="did not come to its end"
		tail -n 30 "$3"
	fi
	note "$1" "$2: $counts"
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
	count_tests "$version" "pg_upgrade from $old" "$log"
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

# run_packages VERSION: build what is released in its folder, and try it in one that has no compiler.
run_packages()
{
	local version=$1 folder=$matrix/$1 clean=$matrix/$1-packages log=$matrix/$1-packages.log
	local pg_config=/usr/lib/postgresql/$1/bin/pg_config tests=/src/crisp_fdw/tools/matrix-packages.sh

	if [ ! -d "$clean" ] && ! make_folder "$version" "$clean" "postgresql-$version" >"$log" 2>&1; then
		missing "$version" "a folder without a compiler could not be had" "$log"
		return
	fi
	if ! { apt_in "$folder" update && apt_in "$folder" install pgxnclient &&
		apt_in "$clean" update; } >"$log" 2>&1; then
		missing "$version" "there are no packages, to try those of crisp_fdw" "$log"
		return
	fi
	copy_tree "$clean"
	if ! copy_tree "$folder" ||
		! in_folder "$folder" make -C /src/crisp_fdw deb dist PG_CONFIG="$pg_config" >"$log" 2>&1; then
		failed=$((failed + 1))
		tail -n 30 "$log"
		note "$version" "packages and archive were not made"
		return
	fi
	rm -rf "$clean/released"
	mkdir "$clean/released"
	cp "$folder"/src/crisp_fdw/dist/*.deb "$clean/released"
	in_folder "$clean" $tests packages "$version" >>"$log" 2>&1
	count_tests "$version" "packages" "$log"

	log=$matrix/$version-archive.log
	in_folder "$folder" $tests archive "$version" >"$log" 2>&1
	count_tests "$version" "archive" "$log"

	log=$matrix/$version-image.log
	rm -rf "$folder/installed"
	if ! run_dockerfile "$version" >"$log" 2>&1; then
		failed=$((failed + 1))
		tail -n 30 "$log"
		note "$version" "the Dockerfile does not do what it says"
		return
	fi
	in_folder "$clean" $tests image "$version" >>"$log" 2>&1
	count_tests "$version" "image" "$log"
	remove_image "$version"
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
