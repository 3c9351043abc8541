#!/bin/bash
#
# Try what is released, as who installs it does: with the README's quick start, against a sandbox.  matrix.sh runs
# this, as root, in its folders.
#
#   tools/matrix-packages.sh packages VERSION    the Debian packages in /released, where there is no compiler
#   tools/matrix-packages.sh image VERSION       what the lines of the Dockerfile have installed, likewise
#   tools/matrix-packages.sh archive VERSION     the archive in dist/, by PGXN's client
set -euo pipefail
# shellcheck source=matrix-tests.sh
. "$(dirname "$0")/matrix-tests.sh"

what=$1
version=$2
postgres=/usr/lib/postgresql/$version
package=postgresql-$version-crisp-fdw

apt_install()
{
	apt-get --quiet=2 --yes --no-install-recommends install "$@"
}

# installed: files of crisp_fdw and the sandbox in this system, outside of the sources.
installed()
{
	find / -xdev \( -path /src -o -path /released -o -path "$work" -o -path /proc \) -prune -o \
		-iname '*crisp[_-]*' -print | sort
}

no_compiler()
{
	! command -v cc gcc clang make
}

# quick_start: the statements of the README's first steps, as they stand there, but for where the sandbox is.
quick_start()
{
	awk -v url="$url" '
		/^## / { wanted = /minutes to the first query/ }
		!wanted { next }
		/^```/ { fenced = !fenced; plain = fenced && /sql/; next }
		!fenced { next }
		plain { print; next }
		/^=> / { asked = 1; sub(/^=> /, "") }
		asked { sub(/ *-- .*/, ""); print; if (/;$/) asked = 0 }' "$tree/README.md" |
		sed "s|http://127.0.0.1:8977/v1|$url|"
}

# try_quick_start NAME: in a cluster of its own, which goes away.
try_quick_start()
{
	make_server "$postgres"
	start "$postgres"
	sql postgres 'CREATE DATABASE first'
	quick_start >"$work/first.sql"
	is "$(grep -c -e '^CREATE EXTENSION' -e '^IMPORT' -e '^ANALYZE' -e '^SET ROLE' "$work/first.sql")" 4 \
		"$1: the README has its statements"
	ok "$1: the README's quick start" psql_in first -v ON_ERROR_STOP=1 -f "$work/first.sql"
	is "$(sql first 'SELECT count(*) > 900 FROM crisp.conversations')" t "$1: the tables have rows"
	is "$(sql first "SELECT extversion FROM pg_extension WHERE extname = 'crisp_fdw'")" \
		"$(sed -n "s/^default_version = '\(.*\)'/\1/p" "$tree/crisp_fdw.control")" \
		"$1: the version is that of the control file"
}

end_server()
{
	stop "$postgres"
	rm -rf "${work:?}/${postgres##*/}"
	servers=()
}

begin_sandbox()
{
	start_sandbox crisp-sandbox --conversations 1000 --people 400 --now current
}

try_packages()
{
	ok 'there is no compiler' no_compiler
	is "$(installed)" '' 'nothing of it is here before'
	ok 'apt installs the packages' apt_install /released/"$package"_*.deb /released/crisp-sandbox_*.deb
	ok 'the sandbox has a man page' test -s /usr/share/man/man1/crisp-sandbox.1.gz
	ok 'the pages are there' test -s "/usr/share/doc/$package/README.md" -o -s "/usr/share/doc/$package/README.md.gz"
	begin_sandbox
	try_quick_start package
	former_database former
	sql former 'ALTER EXTENSION crisp_fdw UPDATE'
	is "$(sql former "SELECT extversion = default_version FROM pg_extension JOIN pg_available_extensions
		ON name = extname WHERE extname = 'crisp_fdw'")" t 'package: 1.0 is updated'
	ok 'package: a job of 1.0 goes on' psql_in former -v ON_ERROR_STOP=1 -c 'SET search_path = public, tools' \
		-c "CALL crisp_sync('crisp.conversations', 'copies.begun', max_requests => 3)"
	end_server
	ok 'apt purges the packages' apt-get --quiet=2 --yes purge "$package" crisp-sandbox
	is "$(installed)" '' 'nothing of it is here afterwards'
}

try_image()
{
	ok 'there is no compiler' no_compiler
	apt_install /released/crisp-sandbox_*.deb >/dev/null 2>&1
	begin_sandbox
	try_quick_start image
	end_server
	apt-get --quiet=2 --yes purge crisp-sandbox >/dev/null 2>&1
}

try_archive()
{
	local archive

	archive=$(echo "$tree"/dist/crisp_fdw-*.zip)
	make -s -C "$tree" sandbox
	install -m 755 "$tree/sandbox/crisp-sandbox" /usr/local/bin
	ok 'pgxn installs the archive' pgxn install --yes --pg_config "$postgres/bin/pg_config" "$archive"
	begin_sandbox
	try_quick_start archive
	end_server
	ok 'pgxn uninstalls it' pgxn uninstall --yes --pg_config "$postgres/bin/pg_config" "$archive"
	rm /usr/local/bin/crisp-sandbox
}

"try_$what"
[ "$failed" = 0 ]
