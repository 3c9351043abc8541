#!/bin/bash
#
# Build the extension and the sandbox of the sources in $WORK/src, in a
# directory of the compiler's name beside them.  A warning is an error.
#
#   tools/build.sh gcc|clang
set -uo pipefail

log=$WORK/log/build-$1.log
printf '==> building with %s\n' "$1"
rm -rf "${WORK:?}/$1"
cp -R "$WORK/src" "$WORK/$1"
for part in all sandbox; do
	if ! make -C "$WORK/$1" -j2 CC="$1" WERROR=1 PG_CONFIG="$PG_CONFIG" $part >>"$log" 2>&1; then
		cat "$log"
		printf '==> building with %s failed\n' "$1"
		exit 1
	fi
done
