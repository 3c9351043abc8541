#!/bin/bash
#
# Show crisp_fdw at work: a throwaway PostgreSQL server with the extension, and
# the sandbox as the Crisp that it asks.  `make demo` calls this.  All lies in
# a directory that is removed in the end, when the demo is stopped with Ctrl-C.
set -uo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

"$tree/tools/setup.sh" demo || exit 1
find_pg_config || exit 1
work_begin

say "building crisp_fdw for $("$PG_CONFIG" --version) in $work"

# A psql for another terminal, for who runs this, from whatever directory.
cat >"$work/psql" <<END
#!/bin/sh
cd / && exec ${as_owner[*]} env PGHOST='$work/run' PGUSER=postgres PGDATABASE=demo \\
	CRISP_REQUESTS='$work/src/tools/requests.pl' \\
	CRISP_SANDBOX_URL="\$(cat '$work/run/url')" '$work/pg$("$PG_CONFIG" --bindir)/psql' "\$@"
END
chmod 755 "$work/psql"
work_hand_over

stay=
if [ -t 0 ] && [ -t 1 ]; then
	stay=1
fi
inside tools/run-demo.sh "$stay"
