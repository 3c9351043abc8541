#!/bin/bash
#
# Check the style of the C code, and look for mistakes in all that is written
# here.  `make lint` calls this.  `tools/lint.sh --format` puts the C code into
# the style instead.
set -uo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

# A file longer than this has more than one reason to exist.
longest_file=700

problems=0

# check WHAT COMMAND…: run it, and note when it finds something.
check()
{
	say "$1"
	shift
	"$@" || problems=$((problems + 1))
}

# tidy FILE: clang-tidy, without its remarks on what it has left out.
tidy()
{
	clang-tidy --quiet "$1" -- "${flags[@]}" 2>/dev/null
}

tidy_all()
{
	export -f tidy
	printf '%s\0' "${sources[@]}" |
		FLAGS="${flags[*]}" xargs -0 -n 1 -P "$(nproc)" bash -c 'read -ra flags <<<"$FLAGS"; tidy "$1"' tidy
}

cpp_check()
{
	cppcheck --quiet --error-exitcode=1 --inline-suppr --std=c99 --language=c -j "$(nproc)" \
		--enable=warning,performance,portability --library=posix --library=tools/postgres.cfg \
		--suppress=missingIncludeSystem --suppress=nullPointerOutOfMemory -I . -I src "${sources[@]}"
}

file_lengths()
{
	wc -l "${sources[@]}" "${headers[@]}" |
		awk -v longest=$longest_file '$2 != "total" && $1 > longest {
			print $2 ": " $1 " lines, more than " longest; found = 1 } END { exit found }'
}

# test_names: the servers of two tests with one name would have one directory, where both run at a time.
test_names()
{
	! basename --multiple t/*/*.t | sort | uniq --repeated | grep .
}

# versions: what some version of PostgreSQL has in a header that others don't need comes by base/compat.h, also where
# the one at hand would do without.
versions()
{
	local names='VAR(DATA|SIZE|ATT)[A-Z0-9_]*|SET_VAR[A-Z0-9_]*|heap_free_minimal_tuple|get_database_name' file found=0

	names+='|ExplainProperty[A-Za-z]*|Explain(Open|Close)Group|AddWaitEventToSet|mbms_[a-z_]*|GetNamedDSMSegment'
	while read -r file; do
		grep -q '^#include "base/compat.h"' "$file" && continue
		echo "$file: includes no base/compat.h, for $(grep -owE -m 1 "$names" "$file")"
		found=1
	done < <(grep -lwE "$names" "${sources[@]}")
	return $found
}

# perl_syntax FILE…: with PostgreSQL's test modules at hand, as when it's run.
perl_syntax()
{
	local file failed=0 pgxs

	pgxs=$("$PG_CONFIG" --pgxs)
	for file in "$@"; do
		perl -I t/lib -I "${pgxs%/src/makefiles/*}/src/test/perl" -wc "$file" 2>&1 |
			grep -v 'syntax OK$'
		[ "${PIPESTATUS[0]}" = 0 ] || failed=1
	done
	return $failed
}

# spelling: codespell knows common mistakes; tools/words.txt has what it takes for one, and isn't.  The sandbox's
# invented people speak many languages.
spelling()
{
	codespell --ignore-words tools/words.txt --skip sandbox/lexicon.c "${sources[@]}" "${headers[@]}" "${sql[@]}" \
		"${perl[@]}" "${scripts[@]}" "${pages[@]}" Makefile debian/*
}

# phrases: what is said in plainer words here.
phrases()
{
	local file found=0

	for file in "$@"; do
		tr '\n' ' ' <"$file" | grep -oiE ".{0,40}\\b(but for|of (its|their) own|is Crisp's to say)\\b.{0,20}" |
			sed "s|^|$file: |" && found=1
	done
	return $found
}

"$tree/tools/setup.sh" lint || exit 1
find_pg_config || exit 1
cd "$tree" || exit 1

shopt -s nullglob
sources=(crisp_fdw.c src/*/*.c sandbox/*.c bench/*.c fuzz/*.c)
headers=(src/*/*.h sandbox/*.h fuzz/*.h)

# What is for one release of PostgreSQL alone can't be analysed with another.
tool_sources=(tools/sanitize/*.c)
scripts=(tools/*.sh tools/sanitize/*.sh bench/*.sh .ci/run)
pages=(*.md docs/*.md */README.md)
perl=(tools/*.pl tools/strain/*.pl t/lib/*.pm t/*/*.t)
sql=(install/*.sql sql/*.sql tools/*.sql)
read -ra flags <<<"-I src -isystem $("$PG_CONFIG" --includedir-server) -D_GNU_SOURCE \
	-DCRISP_FDW_VERSION=\"lint\" -Wall -Wextra \
	-Wno-unused-parameter -Wno-missing-field-initializers \
	$(pkg-config --cflags libcurl json-c libmicrohttpd zlib | tr '\n' ' ')"

case "${1:-}" in
	--format)
		clang-format -i "${sources[@]}" "${headers[@]}" "${tool_sources[@]}"
		exit
		;;
	'') ;;
	*) die "usage: tools/lint.sh [--format]" ;;
esac

check "clang-format" clang-format --dry-run -Werror "${sources[@]}" "${headers[@]}" "${tool_sources[@]}"
check "clang-tidy" tidy_all
check "cppcheck" cpp_check
check "rooms" tools/rooms.pl
check "versions" versions
check "lengths of files" file_lengths
check "names of tests" test_names
check "lines" tools/lines.pl "${sources[@]}" "${headers[@]}" "${tool_sources[@]}" "${sql[@]}" "${perl[@]}" \
	"${scripts[@]}" Makefile
check "shellcheck" shellcheck --severity=warning --external-sources --source-path=SCRIPTDIR "${scripts[@]}"
check "spelling" spelling
check "phrases" phrases "${pages[@]}"
check "paragraphs" tools/fill.pl --check "${pages[@]}"
check "perl" perl_syntax "${perl[@]}"

if [ $problems != 0 ]; then
	say "lint: $problems of the checks found something"
	exit 1
fi
say "lint: nothing found"
