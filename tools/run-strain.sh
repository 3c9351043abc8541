#!/bin/bash
#
# The part of strain.sh that runs inside the work directory $WORK, in its copy of the sources: builds, and runs one
# of the programs in tools/strain/ as a TAP test.
set -uo pipefail
# shellcheck source=sandbox.sh
. tools/sandbox.sh

tools/build.sh gcc || exit 1
if ! install_extension; then
	tail -n 40 "$WORK/log/install.log"
	exit 1
fi
tap_environment
cd "$WORK/tap" || exit 1

# The server gets the memory that it needs, not blocks of a test.
prove --verbose --norc --timer "../src/tools/strain/$1.pl"
status=$?
if [ $status != 0 ]; then
	tail -n 60 "$WORK/tap/tmp_check/log/$1_main.log"
fi
exit $status
