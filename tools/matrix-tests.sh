#!/bin/bash
#
# Sourced by the scripts that matrix.sh runs in its folders, as root: servers in a directory of their own, $work,
# a sandbox, and tests that are counted.  Their last line is as that of test.sh: how many have passed and failed.
# shellcheck shell=bash

tree=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
work=$(mktemp -d)
export PGOPTIONS="-c client_min_messages=warning"
passed=0 failed=0
servers=()

as_postgres()
{
	(cd "$work" && exec setpriv --reuid=postgres --regid=postgres --init-groups -- "$@")
}

end()
{
	local bin

	for bin in "${servers[@]}"; do
		as_postgres "$bin/bin/pg_ctl" -D "$work/${bin##*/}" -m immediate stop >/dev/null 2>&1 || true
	done
	[ -z "${sandbox_pid:-}" ] || kill "$sandbox_pid" 2>/dev/null || true
	rm -rf "$work"
	echo "$passed passed, $failed failed"
}
trap end EXIT
chown postgres: "$work"

# make_server DIRECTORY: a cluster for the PostgreSQL of that directory, /usr/lib/postgresql/N.
make_server()
{
	servers+=("$1")
	as_postgres "$1/bin/initdb" -D "$work/${1##*/}" -A trust -E UTF8 --no-locale >/dev/null
}

# start DIRECTORY: its server, reached by a socket in $work alone.
start()
{
	as_postgres "$1/bin/pg_ctl" -D "$work/${1##*/}" -l "$work/log" -w \
		-o "-p 54321 -k $work -c listen_addresses= -c fsync=off" start >/dev/null
}

stop()
{
	as_postgres "$1/bin/pg_ctl" -D "$work/${1##*/}" -m fast stop >/dev/null
}

# psql_in DATABASE ARGUMENT…
psql_in()
{
	as_postgres psql -XAtq -h "$work" -p 54321 -d "$1" "${@:2}"
}

# sql DATABASE STATEMENT
sql()
{
	psql_in "$1" -v ON_ERROR_STOP=1 -c "$2"
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

# ok NAME COMMAND…: a test, of whether the command works.  It says what it has to say where it doesn't.
ok()
{
	local name=$1 status=0

	"${@:2}" >"$work/out" 2>&1 </dev/null || status=$?
	[ $status = 0 ] || tail -n 30 "$work/out"
	is $status 0 "$name"
}

# start_sandbox PROGRAM [OPTION…]: set url, website, identifier and key.
start_sandbox()
{
	local _

	: >"$work/sandbox"
	(cd "$work" && exec "$1" --port 0 "${@:2}" >"$work/sandbox" 2>&1) &
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

# former_database NAME: what 1.0 has left, in the middle of its jobs (t/upgrade/states_1.0.sql), for that sandbox.
former_database()
{
	sql postgres "CREATE DATABASE $1 TEMPLATE template0"
	sed "/^CREATE EXTENSION IF NOT EXISTS crisp_fdw /s/;/ VERSION '1.0';/" "$tree/t/upgrade/states_1.0.sql" |
		psql_in "$1" -v ON_ERROR_STOP=1 >/dev/null
	sql "$1" "ALTER SERVER support OPTIONS (SET base_url '$url', SET website_id '$website');
		ALTER USER MAPPING FOR CURRENT_USER SERVER support OPTIONS (SET identifier '$identifier', SET key '$key')"
}

# fill_copy DATABASE TARGET SOURCE KEY UNPROVED: give a copy that 1.0 has begun its rows, as the database `current` has
# them at Crisp; among those of which the job has proved nothing, every other one, and not as it is now.
fill_copy()
{
	local columns source=$3 copy=copies.$2 unproved="USING tools.crisp_sync_job j
		WHERE j.target = 'copies.$2'::regclass AND ($5)"

	columns=$(sql "$1" "SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
		WHERE attrelid = '$copy'::regclass AND attnum > 0 AND attname !~ '^_'")
	sql current "COPY (SELECT $columns FROM $source) TO STDOUT" | sql "$1" "COPY $copy ($columns) FROM STDIN"
	sql "$1" "DELETE FROM $copy t $unproved AND hashtext(t.$4) % 2 = 0"
	sql "$1" "UPDATE $copy t SET updated_at = t.updated_at - interval '1 day' FROM ${unproved#USING }"
}

# is_done DATABASE TARGET SOURCE: the job comes to its end, and nothing is missing.
is_done()
{
	local path="SET search_path = public, tools" _

	for _ in 1 2 3 4 5 6; do
		psql_in "$1" -c "$path" -c "CALL crisp_sync('$3', 'copies.$2', max_requests => 200)"
	done
	is "$(sql "$1" "$path; SELECT state FROM crisp_sync_status WHERE target = 'copies.$2'::regclass")" \
		'up to date' "$1: the job of $2 comes to its end"
	is "$(sql "$1" "SELECT count(*) FROM (SELECT website_id, created_at, updated_at FROM $3
		EXCEPT ALL SELECT website_id, created_at, updated_at FROM copies.$2) m")" 0 "$1: $2 has all rows"
}
