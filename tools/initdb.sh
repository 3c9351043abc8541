#!/bin/bash
#
# What TAP tests call as initdb: make a cluster once for each set of options, and copy it from then on, which
# takes a tenth of the time.  The copies have the same system identifier, which no test minds.
#
#   REAL_INITDB=PROGRAM         the one of the PostgreSQL under test
#   INITDB_CACHE=DIRECTORY      where the clusters to be copied are
set -euo pipefail

arguments=("$@")
directory=
options=()
while [ $# -gt 0 ]; do
	case $1 in
		-D | --pgdata) directory=$2 && shift 2 ;;
		*) options+=("$1") && shift ;;
	esac
done

# Some options are for one cluster alone.
if [[ " ${options[*]} " =~ \ (--pwfile|--waldir|-X|-W|--pwprompt)[=\ ] ]] ||
	[ -z "$directory" ] || [ -e "$directory" ]; then
	exec "$REAL_INITDB" "${arguments[@]}"
fi

mkdir -p "$INITDB_CACHE"
cached=$INITDB_CACHE/$(printf '%s\n' "${options[@]}" | sha1sum | cut -c1-16)
exec 9>"$cached.lock"
flock 9
if [ ! -d "$cached" ]; then
	rm -rf "$cached.new"
	"$REAL_INITDB" -D "$cached.new" "${options[@]}"
	mv "$cached.new" "$cached"
fi
flock --unlock 9
cp -a "$cached" "$directory"
