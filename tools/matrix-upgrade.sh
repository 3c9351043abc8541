#!/bin/bash
#
# Take databases with copies, and jobs in the middle of their work, from one PostgreSQL to the next by pg_upgrade,
# and a dump of 1.0 to where this version is.  matrix.sh runs this, as root, in the Debian of the newer
# one, where both are installed.
#
#   tools/matrix-upgrade.sh OLD NEW       numbers of versions, as of Debian's packages
#
# One database has this version of crisp_fdw, another what 1.0 has left, which is updated afterwards.
set -euo pipefail
# shellcheck source=matrix-tests.sh
. "$(dirname "$0")/matrix-tests.sh"

old=/usr/lib/postgresql/$1
new=/usr/lib/postgresql/$2

# Both have crisp_fdw of this tree.
for bin in "$old" "$new"; do
	mkdir "$work/build-${bin##*/}"
	(cd "$work/build-${bin##*/}" && make -s -j"$(nproc)" -f "$tree/Makefile" all install PG_CONFIG="$bin/bin/pg_config")
	make_server "$bin"
done
make -s -C "$tree" sandbox
install -m 755 "$tree/sandbox/crisp-sandbox" "$work"
start_sandbox "$work/crisp-sandbox" --conversations 1000 --people 400

start "$old"
sql postgres 'CREATE DATABASE current'
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
former_database former
fill_copy former begun crisp.conversations session_id "t.updated_at <@ ANY (j.gaps) OR
	t.updated_at > j.watermark - interval '30 min' OR t.updated_at < j.reaches_to"
fill_copy former people_begun crisp.people_profiles people_id "t.created_at <@ ANY (j.gaps) OR
	t.updated_at > j.watermark - interval '30 min' OR t.updated_at < j.reaches_to"
is "$(sql former 'SELECT count(*) BETWEEN 300 AND 900 FROM copies.begun')" t 'copies of 1.0 have rows'
as_postgres "$old/bin/pg_dump" -h "$work" -p 54321 -d former -f "$work/former.sql"
stop "$old"

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

# As docs/upgrading.md has it.
sed -i "/^CREATE EXTENSION IF NOT EXISTS crisp_fdw /s/;/ VERSION '1.0';/" "$work/former.sql"
sql postgres 'CREATE DATABASE restored TEMPLATE template0'
ok 'a dump of 1.0 is restored where this version is' psql_in restored -v ON_ERROR_STOP=1 -f "$work/former.sql"
sql restored 'ALTER EXTENSION crisp_fdw UPDATE'
is_done restored begun crisp.conversations
is_done restored people_begun crisp.people_profiles
[ "$failed" = 0 ]
