#!/bin/bash
#
# Write the part of docs/reference.md that is made from the catalog anew:
#
#   tools/reference.sh [OPTION OF PSQL]...
#
# connects, as psql does with these options, to a database that has the
# extension.  t/docs/reference.t fails as long as the page and the catalog differ.
set -euo pipefail
cd "$(dirname "$0")/.."

page=docs/reference.md
catalog=$(psql -XAtq -v ON_ERROR_STOP=1 "$@" -f tools/reference.sql)
grep -q '^<!-- catalog: begin' "$page" && grep -q '^<!-- catalog: end' "$page"
awk -v catalog="${catalog//\\/\\\\}" '
	/^<!-- catalog: begin/ { print; print catalog; print ""; skip = 1 }
	/^<!-- catalog: end/ { skip = 0 }
	!skip' "$page" >"$page.new"
mv "$page.new" "$page"
tools/fill.pl "$page"
