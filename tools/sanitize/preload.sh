#!/bin/bash
#
# Let the private copy of PostgreSQL in $WORK/pg load AddressSanitizer, and exact_chunks.c.
set -euo pipefail

bin=$WORK/pg$("$PG_CONFIG" --bindir)
library=$WORK/run/exact_chunks.so
server=$bin/postgres.checked

gcc -O2 -g -fPIC -shared -Wall -Wextra -Werror -Wno-unused-parameter -D_GNU_SOURCE \
	-isystem "$("$PG_CONFIG" --includedir-server)" -o "$library" tools/sanitize/exact_chunks.c
[ -e "$server" ] || mv "$bin/postgres" "$server"

# PostgreSQL finds its files by the name that it was called by.
cat >"$bin/postgres" <<END
#!/bin/bash
LD_PRELOAD='$(realpath "$(gcc -print-file-name=libasan.so)") $library' exec -a "\$0" '$server' "\$@"
END
chmod +x "$bin/postgres"
