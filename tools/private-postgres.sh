#!/bin/bash
#
# Make a private copy of an installed PostgreSQL, to install an extension into
# without touching the original.
#
#   tools/private-postgres.sh PG_CONFIG DESTDIR
#
# PostgreSQL finds its libraries and shared files relative to where its own
# program really lies.  So the programs are copied, and the files are symbolic
# links in directories of their own; `make install DESTDIR=…` adds to those.
set -euo pipefail

pg_config=$1
dest=$2
bin=$("$pg_config" --bindir)
lib=$("$pg_config" --pkglibdir)
share=$("$pg_config" --sharedir)

# link_all DIRECTORY: the directory in the copy, with a link to each entry of
# the original, but for what an earlier `make install` of ours has put there.
link_all()
{
	mkdir -p "$dest$1"
	find "$1" -mindepth 1 -maxdepth 1 ! -name 'crisp_fdw*' -exec ln -s -t "$dest$1" {} +
}

mkdir -p "$dest$bin"
cp -P "$bin"/* "$dest$bin"
link_all "$lib"
link_all "$share"
rm "$dest$share/extension"
link_all "$share/extension"

copied=$("$dest$bin/pg_config" --sharedir)
if [ "$copied" != "$(realpath "$dest")$share" ]; then
	echo "${0##*/}: the copy looks for its files in $copied" >&2
	exit 1
fi
