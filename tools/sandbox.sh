# Sourced by the scripts that run inside the work directory.
# shellcheck shell=bash

# start_sandbox OPTION…: start the sandbox of the build in $WORK/gcc, which
# ends with this shell, and set CRISP_SANDBOX_URL to where it answers.
start_sandbox()
{
	local out=$WORK/run/sandbox.out _

	# Not what an earlier one has said.
	: >"$out"
	"$WORK/gcc/sandbox/crisp-sandbox" --port 0 --exit-with-parent "$@" \
		>"$out" 2>"$WORK/log/sandbox.log" &
	sandbox_pid=$!
	for _ in {1..300}; do
		CRISP_SANDBOX_URL=$(sed -n 's/^crisp-sandbox: listening on //p' "$out")
		if [ -n "$CRISP_SANDBOX_URL" ]; then
			export CRISP_SANDBOX_URL
			return 0
		fi
		kill -0 $sandbox_pid 2>/dev/null || break
		sleep 0.1
	done
	echo "the sandbox did not start" >&2
	cat "$WORK/log/sandbox.log" >&2
	return 1
}

# find_private_postgres: set `bin` to the programs of the private copy of PostgreSQL, `pgxs` to where PGXS lies,
# and CRISP_SANDBOX to the sandbox of the build.
find_private_postgres()
{
	bin=$WORK/pg$("$PG_CONFIG" --bindir)
	pgxs=$("$PG_CONFIG" --pgxs)
	pgxs=${pgxs%/src/makefiles/*}
	export CRISP_SANDBOX=$WORK/gcc/sandbox/crisp-sandbox
}

# install_extension: make the private copy of PostgreSQL in $WORK/pg, and install what was built into it.
install_extension()
{
	tools/private-postgres.sh "$PG_CONFIG" "$WORK/pg" &&
		make -C "$WORK/gcc" install DESTDIR="$WORK/pg" PG_CONFIG="$PG_CONFIG" >"$WORK/log/install.log" 2>&1 ||
		return 1
	if [ -n "${EXACT_CHUNKS:-}" ]; then
		tools/sanitize/preload.sh || return 1
	fi
	[ -z "${SANITIZED:-}" ] || tools/sanitize/prove.sh
}

# tap_environment: what PostgreSQL's own modules for tests in Perl, and ours, want to know.
tap_environment()
{
	find_private_postgres
	mkdir -p "$WORK/tap/bin"
	ln -sf "$WORK/src/tools/initdb.sh" "$WORK/tap/bin/initdb"
	# Memory that was freed, or never set, is no zeros: who reads it is found out.
	export MALLOC_PERTURB_=165
	export TESTDIR=$WORK/tap TESTDATADIR=$WORK/tap/tmp_check TESTLOGDIR=$WORK/tap/tmp_check/log
	export REAL_INITDB=$bin/initdb INITDB_CACHE=$WORK/tap/clusters
	export PG_REGRESS=$pgxs/src/test/regress/pg_regress PATH=$WORK/tap/bin:$bin:$PATH PGPORT=65432
	export PERL5LIB=$WORK/src/t/lib:$pgxs/src/test/perl
}
