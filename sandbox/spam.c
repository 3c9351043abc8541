/*
 * spam.c
 *		Generate conversations that Crisp took for spam.
 */
#include <stdio.h>

#include "dataset.h"
#include "writing.h"

enum
{
	STREAM_FACTS,
	STREAM_TEXT
};

static const char *const types[] = {"email", "email", "email", "chat"};
static const char *const reasons[] = {"score", "blocklist", "Verdächtig 🕵", ""};

static void
spam_generate(const Collection *collection, Row *row)
{
	int64_t now = collection->website->dataset->options->now;
	Random	random = random_stream(collection->seed, STREAM_FACTS, row->number);

	row_clear_facts(row);
	row->times[SORT_CREATED] = choose_time(&random, now, 60);
}

static void
spam_key(const Collection *collection, uint32_t number, char key[KEY_SIZE])
{
	random_uuid(collection->seed, number, key);
}

static void
write_headers(const Row *row, JsonWriter *writer)
{
	char text[64];

	jw_key(writer, "headers");
	jw_begin(writer, '{');
	snprintf(text, sizeof(text), "winner%u@spam.example.net", row->number);
	jw_put_string(writer, "from", text);
	jw_put_string(writer, "subject", "You won \"1,000,000\" €");
	jw_key(writer, "received");
	jw_begin(writer, '[');
	jw_string(writer, "mx1");
	jw_string(writer, "mx2");
	jw_end(writer, ']');
	jw_end(writer, '}');
}

static void
spam_write(const Collection *collection, const Row *row, JsonWriter *writer)
{
	Random random = random_stream(collection->seed, STREAM_TEXT, row->number);
	char   id[KEY_SIZE];

	jw_begin(writer, '{');
	spam_key(collection, row->number, id);
	jw_put_string(writer, "spam_id", id);
	optional_string(writer, &random, "type", types[random_below(&random, 4)]);
	optional_string(writer, &random, "reason", reasons[random_below(&random, 4)]);
	if (optional(writer, &random, "metadata"))
	{
		jw_key(writer, "metadata");
		jw_begin(writer, '{');
		jw_key(writer, "score");
		jw_decimal(writer, random_below(&random, 100) / 10.0, 1);
		jw_put_bool(writer, "first", random_permille(&random, 500));
		jw_end(writer, '}');
	}
	if (optional(writer, &random, "headers"))
		write_headers(row, writer);
	jw_put_int(writer, "timestamp", row->times[SORT_CREATED]);
	jw_end(writer, '}');
}

const ResourceType spam_type = {
	.name = "spams",
	.key_path = "spam_id",
	.created_path = "timestamp",
	.generate = spam_generate,
	.write = spam_write,
	.key = spam_key,
};
