/*
 * blocked.c
 *		Generate rules that block visitors.  They have no key, and two may be equal.
 */
#include <stdio.h>

#include "dataset.h"

static void
blocked_generate(const Collection *collection, Row *row)
{
	(void) collection;
	row_clear_facts(row);
}

static void
blocked_key(const Collection *collection, uint32_t number, char key[KEY_SIZE])
{
	random_uuid(collection->seed, number, key);
}

static void
blocked_write(const Collection *collection, const Row *row, JsonWriter *writer)
{
	char text[64];

	(void) collection;
	jw_begin(writer, '{');
	if (row->number != 3)
	{
		jw_key(writer, "rule");
		jw_begin(writer, '[');

		/* The first two are equal. */
		snprintf(text, sizeof(text), "203.0.113.%u", row->number / 2);
		for (uint32_t i = 0; i < 2 && row->number != 4; i++)
			jw_string(writer, i == 0 ? "ip" : text);
		jw_end(writer, ']');
	}
	if (row->number == 5)
		jw_put_null(writer, "blocked");
	else
		jw_put_int(writer, "blocked", (int64_t) (row->number / 2) * 7);
	jw_end(writer, '}');
}

const ResourceType blocked_type = {
	.name = "blocked",
	.key_path = "key",
	.generate = blocked_generate,
	.write = blocked_write,
	.key = blocked_key,
};
