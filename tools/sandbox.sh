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
