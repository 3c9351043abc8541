#!/bin/bash
#
# The part of scaling.sh that runs inside the work directory $WORK, in its copy
# of the sources.
#
#   bench/run-scaling.sh CONVERSATIONS[@LATENCY_MS]…
set -uo pipefail
# shellcheck source=../tools/sandbox.sh
. tools/sandbox.sh

bin=$WORK/pg$("$PG_CONFIG" --bindir)
log=$WORK/log/postgres.log

failed()
{
	echo "the measurement failed: $1" >&2
	[ ! -s "${2:-}" ] || tail -n 20 "$2" >&2
	exit 1
}

# sql DATABASE STATEMENT: what it returns.
sql()
{
	"$bin/psql" -XqAt -v ON_ERROR_STOP=1 -d "$1" -c "$2" 2>>"$WORK/log/psql.log" ||
		failed "$2" "$WORK/log/psql.log"
}

# Touch one conversation in a hundred.
touch_some()
{
	perl -MHTTP::Tiny -e '
		my $url = shift =~ s{/v1$}{/_data}r;
		my $done = HTTP::Tiny->new(timeout => 600)->request("POST", $url, { content => shift });
		die "$done->{status} $done->{content}\n" unless $done->{success};' \
		"$CRISP_SANDBOX_URL" "[{\"op\": \"touch_random\", \"count\": $(($1 / 100)), \"seed\": 1}]" ||
		failed "the sandbox does not change"
}

# synchronise DATABASE WHAT: run the sync, and print what it took.
synchronise()
{
	local before begin seconds

	before=$(sql "$1" 'SELECT pg_current_wal_insert_lsn()') || exit 1
	begin=$(date +%s.%N)
	sql "$1" "CALL crisp_sync('crisp.conversations', 'public.conversations', max_requests => NULL)" >/dev/null || exit 1
	seconds=$(echo "$(date +%s.%N) $begin" | awk '{ printf "%.1f", $1 - $2 }')
	sql "$1" "
		SELECT concat_ws(' | ', '| $size', '$2', r.requests, r.rows_fetched, $seconds,
			pg_size_pretty(pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '$before')),
			(SELECT count(*) FROM conversations),
			pg_size_pretty(pg_table_size('conversations')), pg_size_pretty(pg_indexes_size('conversations'))) || ' |'
		FROM crisp_sync_run r ORDER BY r.run_id DESC LIMIT 1" || exit 1
}

# insert_select DATABASE: copy the list by one statement, which a first load is compared with.
insert_select()
{
	local begin seconds

	sql "$1" 'CREATE TABLE plain (LIKE crisp.conversations)' || exit 1
	begin=$(date +%s.%N)
	sql "$1" 'INSERT INTO plain SELECT * FROM crisp.conversations' || exit 1
	seconds=$(echo "$(date +%s.%N) $begin" | awk '{ printf "%.1f", $1 - $2 }')
	echo "| $size | INSERT … SELECT | | $(sql "$1" 'SELECT count(*) FROM plain') | $seconds | | | | |"
	sql "$1" 'DROP TABLE plain'
}

measure()
{
	local size=$1 conversations=${1%@*} latency=0 database=size_${1/@/_}

	[ "$size" = "$conversations" ] || latency=${size#*@}
	start_sandbox --seed 42 --conversations "$conversations" --websites 1 --people 10 --no-log \
		--latency-ms "$latency" || exit 1
	"$bin/createdb" "$database" || failed "there is no database" "$log"
	sql "$database" "
		CREATE EXTENSION crisp_fdw;
		CREATE SERVER support FOREIGN DATA WRAPPER crisp_fdw
			OPTIONS (base_url '$CRISP_SANDBOX_URL', website_id '8c842203-7ed8-4e29-a608-7cf78a7d2fcc');
		CREATE USER MAPPING FOR CURRENT_USER SERVER support OPTIONS (identifier '56a80adf-1630-4103-963a-7cbb0279fc13',
			key '87c37bf5799850486a7b9a691832a36c9c97dd8291bbb4f2bb6686e8f2278848');
		CREATE SCHEMA crisp;
		IMPORT FOREIGN SCHEMA crisp LIMIT TO (conversations) FROM SERVER support INTO crisp;"
	insert_select "$database"
	synchronise "$database" 'first load'
	synchronise "$database" 'nothing has changed'
	touch_some "$conversations"
	synchronise "$database" '1 % has changed'
	kill "$sandbox_pid"
	wait "$sandbox_pid"
}

tools/build.sh gcc || exit 1
tools/private-postgres.sh "$PG_CONFIG" "$WORK/pg" || exit 1
make -C "$WORK/gcc" install DESTDIR="$WORK/pg" PG_CONFIG="$PG_CONFIG" >"$WORK/log/install.log" 2>&1 ||
	failed "cannot install the extension" "$WORK/log/install.log"
"$bin/initdb" -D "$WORK/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 >"$log" 2>&1 &&
	"$bin/pg_ctl" -D "$WORK/data" -l "$log" -w -s -o "-k '$WORK/run' -c listen_addresses=" start ||
	failed "PostgreSQL did not start" "$log"
export PGHOST=$WORK/run PGUSER=postgres

echo '| conversations | run | requests | rows fetched | seconds | WAL | rows | table | indexes |'
echo '|---:|---|---:|---:|---:|---:|---:|---:|---:|'
for size in "$@"; do
	measure "$size"
done
