#!/bin/bash
#
# The part of demo.sh that runs inside the work directory $WORK, in its copy of
# the sources.
#
#   tools/run-demo.sh [1]    1: keep the servers running after the queries
set -uo pipefail
# shellcheck source=sandbox.sh
. tools/sandbox.sh

bin=$WORK/pg$("$PG_CONFIG" --bindir)
data=$WORK/data
log=$WORK/log/postgres.log

failed()
{
	echo "the demo failed: $1" >&2
	[ ! -s "${2:-}" ] || tail -n 20 "$2" >&2
	exit 1
}

tools/build.sh gcc || exit 1
tools/private-postgres.sh "$PG_CONFIG" "$WORK/pg" || exit 1
make -C "$WORK/gcc" install DESTDIR="$WORK/pg" PG_CONFIG="$PG_CONFIG" >"$WORK/log/install.log" 2>&1 ||
	failed "cannot install the extension" "$WORK/log/install.log"

printf '==> starting the sandbox and PostgreSQL\n'
start_sandbox --seed 42 --conversations 10000 --people 5000 --visitors 40 --operators 12 --now current ||
	exit 1
echo "$CRISP_SANDBOX_URL" >"$WORK/run/url"

"$bin/initdb" -D "$data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 -N >"$log" 2>&1 &&
	"$bin/pg_ctl" -D "$data" -l "$log" -w -s -o "-k '$WORK/run' -c listen_addresses= -c fsync=off" start &&
	"$bin/createdb" -h "$WORK/run" -U postgres demo ||
	failed "PostgreSQL did not start" "$log"

export CRISP_REQUESTS=$WORK/src/tools/requests.pl CRISP_CHANGE=$WORK/src/tools/change.pl
"$bin/psql" -X -q -h "$WORK/run" -U postgres -d demo -v ON_ERROR_STOP=1 -P pager=off -f tools/demo.sql ||
	failed "a query did not work" "$log"

if [ -n "${1:-}" ]; then
	cat <<END

PostgreSQL and the sandbox are still running.  In another terminal, try it yourself:

    $WORK/psql

Press Ctrl-C here to stop them and to remove everything that the demo made.
END
	while kill -0 $sandbox_pid 2>/dev/null; do
		sleep 1
	done
	failed "the sandbox has ended" "$WORK/log/sandbox.log"
fi
cat <<END

The demo ends here, and removes everything that it made, since it does not run in a terminal.  In one, it
stays, and names a psql to try your own queries with.
END
