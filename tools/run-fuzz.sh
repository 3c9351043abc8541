#!/bin/bash
#
# The part of fuzz.sh that runs inside the work directory $WORK, in its copy of the sources.
set -uo pipefail
# shellcheck source=sandbox.sh
. tools/sandbox.sh

bin=$("$PG_CONFIG" --bindir)
found=$WORK/found
failed=0

# seed TARGET NAME: keep standard input as a seed.
seed()
{
	mkdir -p "$WORK/corpus/$1"
	cat >"$WORK/corpus/$1/$2"
}

# What Crisp sends, as the sandbox has it, and pieces of the other languages that are read.
make_seeds()
{
	local number=0 page type text

	for page in conversations/1 people/profiles/1 operators/list visitors/list/1 campaigns/list/1; do
		perl -MHTTP::Tiny -MMIME::Base64 -e '
			my $token = encode_base64("56a80adf-1630-4103-963a-7cbb0279fc13:" .
				"87c37bf5799850486a7b9a691832a36c9c97dd8291bbb4f2bb6686e8f2278848", "");
			print HTTP::Tiny->new->get($ARGV[0], { headers => { Authorization => "Basic $token",
				"X-Crisp-Tier" => "website" } })->{content}' \
			"$CRISP_SANDBOX_URL/website/8c842203-7ed8-4e29-a608-7cf78a7d2fcc/$page?per_page=20" >"$WORK/tmp/page"
		seed json "page$number" <"$WORK/tmp/page"
		{
			printf 'data\tmeta.device.system.os.name\tdata_meta_email\terror\n'
			cat "$WORK/tmp/page"
		} | seed path "page$number"
		number=$((number + 1))
	done
	for text in '"x"' 12 -1.5e300 1774494734867 true null '["a",null]' '{"a":{"b":[1]}}' '"\u0000\ud800"' \
		'"2026-01-01T00:00:00Z"' '"65f17c87-e603-4bc6-b82f-8b3fe5c25d65"'; do
		printf '%s' "$text" | seed json "text$number"
		for type in {0..15}; do
			printf "\\x$(printf %x "$type")%s" "$text" | seed convert "$type-$number"
		done
		number=$((number + 1))
	done
	for text in 'base_url=https://api.crisp.chat/v1' 'base_url=http://[::1]:80/' 'per_page=50' 'request_timeout=30s' \
		'max_response_size=64MB' 'website_id=8c842203-7ed8-4e29-a608-7cf78a7d2fcc' 'startup_cost=1e3' 'updatable=on' \
		'inbox=_internal:agent' 'sslrootcert=/etc/x.pem'; do
		printf '\0%s' "$text" | seed option "$number"
		number=$((number + 1))
	done
	printf '\1tier=plugin' | seed option mapping
	printf '\1identifier=a:b' | seed option identifier
	printf '\2resource=conversations' | seed option table
	printf '\3json_path=meta."a.b"' | seed option column
	printf 'HTTP/1.1 429 Too Many\r\nRetry-After: 12\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n' | seed head answer
	printf 'HTTP/1.1 200\r\nretry-after: Sun, 06 Nov 2094 08:49:37 GMT\r\nContent-Type: a\r\nLocation: b\r\n\r\n' |
		seed head date
	printf '\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0' | seed time_range zero
	printf '\377\377\377\377\377\377\377\177\377\377\377\377\377\377\377\177\1\0' | seed time_range end
	printf 'identifier = 56a80adf\nkey = "87c37bf5"\n' | seed credentials plain
	printf '# comment\r\n\r\nkey=a\nidentifier=b\n' | seed credentials other
}

# run TARGET: PostgreSQL ends with libFuzzer, which says how.
run()
{
	local log=$WORK/log/fuzz-$1.log artifact=$found/$1- arguments

	printf -v arguments "'%s', " "-max_total_time=$FUZZ_SECONDS" -timeout=20 -rss_limit_mb=4096 -max_len=16384 \
		"-artifact_prefix=$artifact" -print_final_stats=1 -use_value_profile=1
	"$bin/postgres" --single -D "$WORK/data" -c max_stack_depth=2MB postgres >"$log" 2>&1 <<END
SELECT crisp_fuzz('$1', ARRAY[$arguments '$WORK/corpus/$1'])
END
	if grep -q '^stat::number_of_executed_units' "$log" && ! compgen -G "$artifact*" >/dev/null; then
		printf '==> %s: %s inputs, nothing found\n' "$1" \
			"$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")"
		return
	fi
	failed=$((failed + 1))
	printf '==> %s: found something\n' "$1"
	tail -n 40 "$log"
}

mkdir -p "$found" "$WORK/gcc"
cp -R sandbox "$WORK/gcc/sandbox"
if ! make -C "$WORK/gcc/sandbox" >"$WORK/log/sandbox-build.log" 2>&1 ||
	! make -C fuzz -j"$(nproc)" PG_CONFIG="$PG_CONFIG" >"$WORK/log/fuzz-build.log" 2>&1; then
	grep -hE '(error|warning): ' "$WORK/log/sandbox-build.log" "$WORK/log/fuzz-build.log"
	echo "building failed"
	exit 1
fi
start_sandbox --conversations 200 --people 100 || exit 1
make_seeds
kill $sandbox_pid
"$bin/initdb" -D "$WORK/data" -U postgres -E UTF8 --no-locale -N >"$WORK/log/initdb.log" 2>&1 || exit 1
"$bin/postgres" --single -D "$WORK/data" postgres >"$WORK/log/create.log" 2>&1 <<END
CREATE FUNCTION crisp_fuzz(text, text[]) RETURNS int AS '$PWD/fuzz/crisp_fuzz.so' LANGUAGE C
END
if grep 'ERROR:' "$WORK/log/create.log"; then
	exit 1
fi
for target in ${TARGETS:-json path convert option head time_range credentials}; do
	run "$target"
done
[ $failed = 0 ]
