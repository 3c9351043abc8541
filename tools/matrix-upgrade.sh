#!/bin/bash
#
# Take databases with copies, and jobs in the middle of their work, from one PostgreSQL to the next by pg_upgrade.
# matrix.sh runs this, as root, in the Debian of the newer one, where both are installed.
#
#   tools/matrix-upgrade.sh OLD NEW       numbers of versions, as of Debian's packages
#
# One database has this version of crisp_fdw, another what 1.0 has left (t/upgrade/states_1.0.sql), which is updated
# afterwards.  Ends with a line as that of test.sh: how many of its tests have passed, and how many have failed.
set -euo pipefail

old=/usr/lib/postgresql/$1
new=/usr/lib/postgresql/$2
tree=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
export PGOPTIONS="-c client_min_messages=warning"
passed=0 failed=0

as_postgres()
{
	(cd "$work" && exec setpriv --reuid=postgres --regid=postgres --init-groups -- "$@")
}

end()
{
	for bin in "$old" "$new"; do
		as_postgres "$bin/bin/pg_ctl" -D "$work/${bin##*/}" -m immediate stop >/dev/null 2>&1 || true
	done
	[ -z "${sandbox_pid:-}" ] || kill "$sandbox_pid" 2>/dev/null || true
	rm -rf "$work"
	echo "$passed passed, $failed failed"
}
trap end EXIT

# start BIN: its server, reached by a socket in $work alone.
start()
{
	as_postgres "$1/bin/pg_ctl" -D "$work/${1##*/}" -l "$work/log" -w \
		-o "-p 54321 -k $work -c listen_addresses= -c fsync=off" start >/dev/null
}

# sql DATABASE STATEMENT
sql()
{
	as_postgres psql -XAtq -v ON_ERROR_STOP=1 -h "$work" -p 54321 -d "$1" -c "$2"
}

# is GOT EXPECTED NAME: a test.
is()
{
	if [ "$1" = "$2" ]; then
		passed=$((passed + 1))
		echo "ok - $3"
	else
		failed=$((failed + 1))
		echo "not ok - $3: got \"$1\", not \"$2\""
	fi
}

# start_sandbox: set url, website, identifier and key.
start_sandbox()
{
	install -m 755 "$tree/sandbox/crisp-sandbox" "$work"
	(cd "$work" && exec ./crisp-sandbox --port 0 --conversations 1000 --people 400 >"$work/sandbox" 2>&1) &
	sandbox_pid=$!
	for _ in {1..100}; do
		url=$(sed -n 's/^crisp-sandbox: listening on //p' "$work/sandbox")
		[ -z "$url" ] || break
		sleep 0.1
	done
	# shellcheck disable=SC2016
	read -r website identifier key <<<"$(perl -MHTTP::Tiny -MJSON::PP -e '
		my $website = decode_json(HTTP::Tiny->new->get($ARGV[0] =~ s{/v1$}{/_info}r)->{content})->{websites}[0];
		print join " ", $website->{website_id}, @{ $website->{token} }{qw(identifier key)}' "$url")"
}

# is_done DATABASE TARGET SOURCE: the job comes to its end, and nothing is missing.
is_done()
{
	local path="SET search_path = public, tools"

	for _ in 1 2 3 4 5 6; do
		as_postgres psql -XAtq -h "$work" -p 54321 -d "$1" -c "$path" \
			-c "CALL crisp_sync('$3', 'copies.$2', max_requests => 200)"
	done
	is "$(sql "$1" "$path; SELECT state FROM crisp_sync_status WHERE target = 'copies.$2'::regclass")" \
		'up to date' "$1: the job of $2 comes to its end"
	is "$(sql "$1" "SELECT count(*) FROM (SELECT website_id, created_at, updated_at FROM $3
		EXCEPT ALL SELECT website_id, created_at, updated_at FROM copies.$2) m")" 0 "$1: $2 has all rows"
}

# Both have crisp_fdw of this tree.
chown postgres: "$work"
for bin in "$old" "$new"; do
	mkdir "$work/build-${bin##*/}"
	(cd "$work/build-${bin##*/}" && make -s -j"$(nproc)" -f "$tree/Makefile" all install PG_CONFIG="$bin/bin/pg_config")
	as_postgres "$bin/bin/initdb" -D "$work/${bin##*/}" -A trust -E UTF8 --no-locale >/dev/null
done
[ -x "$tree/sandbox/crisp-sandbox" ] || make -s -C "$tree" sandbox
start_sandbox

start "$old"
sql postgres 'CREATE DATABASE current'
sql postgres 'CREATE DATABASE former TEMPLATE template0'
sql current "CREATE EXTENSION crisp_fdw; CREATE SCHEMA crisp; CREATE SCHEMA copies;
	CREATE SERVER support FOREIGN DATA WRAPPER crisp_fdw OPTIONS (base_url '$url', website_id '$website');
	CREATE USER MAPPING FOR CURRENT_USER SERVER support OPTIONS (identifier '$identifier', key '$key');
	IMPORT FOREIGN SCHEMA crisp FROM SERVER support INTO crisp"
sql current "CALL crisp_sync('crisp.conversations', 'copies.whole')"
sql current "CALL crisp_sync('crisp.conversations', 'copies.begun', max_requests => 6)"
sql current "CALL crisp_sync('crisp.people_profiles', 'copies.people_begun', max_requests => 5)"
known="SELECT source, target, state, watermark, gaps, rows_fetched, requests FROM crisp_sync_status
	ORDER BY target::text"
before=$(sql current "$known")
sed "/^CREATE EXTENSION IF NOT EXISTS crisp_fdw /s/;/ VERSION '1.0';/" "$tree/t/upgrade/states_1.0.sql" |
	as_postgres psql -Xq -v ON_ERROR_STOP=1 -h "$work" -p 54321 -d former >/dev/null
sql former "ALTER SERVER support OPTIONS (SET base_url '$url', SET website_id '$website');
	ALTER USER MAPPING FOR CURRENT_USER SERVER support OPTIONS (SET identifier '$identifier', SET key '$key')"
as_postgres "$old/bin/pg_ctl" -D "$work/${old##*/}" -m fast stop >/dev/null

as_postgres "$new/bin/pg_upgrade" -b "$old/bin" -B "$new/bin" -d "$work/${old##*/}" -D "$work/${new##*/}" \
	-s "$work" >"$work/pg_upgrade.log" 2>&1 || {
	tail -n 30 "$work/pg_upgrade.log"
	is failed passed "pg_upgrade from $1 to $2"
	exit 1
}
is passed passed "pg_upgrade from $1 to $2"

start "$new"
is "$(sql current "$known")" "$before" 'what is known of jobs is moved'
is_done current whole crisp.conversations
is_done current begun crisp.conversations
is_done current people_begun crisp.people_profiles
is "$(sql former "SELECT extversion FROM pg_extension WHERE extname = 'crisp_fdw'")" 1.0 '1.0 is moved'
sql former 'ALTER EXTENSION crisp_fdw UPDATE'
is_done former begun crisp.conversations
is_done former people_begun crisp.people_profiles
[ "$failed" = 0 ]
