/*
 * inbox.c
 *		Generate the sub-inboxes of a website.
 */
#include <stdio.h>

#include "operator.h"
#include "writing.h"

enum
{
	STREAM_FACTS,
	STREAM_TEXT
};

static const char *const names[] = {"Sales", "Rückfragen", "Urgent", "日本"};
static const char *const emojis[] = {"💰", "❓", "🔥", "🗾"};

static void
inbox_generate(const Collection *collection, Row *row)
{
	int64_t now = collection->website->dataset->options->now;
	Random	random = random_stream(collection->seed, STREAM_FACTS, row->number);

	row_clear_facts(row);
	row->times[SORT_CREATED] = choose_time(&random, now, 730);
	row->times[SORT_UPDATED] = choose_time_after(&random, row->times[SORT_CREATED], now);
}

static void
inbox_key(const Collection *collection, uint32_t number, char key[KEY_SIZE])
{
	if (number == AGENT_INBOX)
		snprintf(key, KEY_SIZE, "_internal:agent");
	else
		random_uuid(collection->seed, number, key);
}

static void
write_conditions(JsonWriter *writer, Random *random)
{
	jw_key(writer, "conditions");
	jw_begin(writer, '[');
	for (uint32_t i = random_below(random, 3); i > 0; i--)
	{
		jw_begin(writer, '{');
		jw_put_string(writer, "model", "session");
		jw_put_string(writer, "criterion",
					  i == 1 ? "meta.segments" : "meta.device.geolocation.country");
		jw_put_string(writer, "operator", i == 1 ? "eq" : "neq");
		jw_key(writer, "query");
		jw_begin(writer, '[');
		jw_string(writer, i == 1 ? "vip" : "FR");
		jw_end(writer, ']');
		jw_end(writer, '}');
	}
	jw_end(writer, ']');
}

static void
inbox_write(const Collection *collection, const Row *row, JsonWriter *writer)
{
	Random	random = random_stream(collection->seed, STREAM_TEXT, row->number);
	char	id[KEY_SIZE];
	int16_t chosen = operator_choose(collection->website, &random);

	jw_begin(writer, '{');
	inbox_key(collection, row->number, id);
	jw_put_string(writer, "inbox_id", id);
	jw_put_string(writer, "name", names[row->number % 4]);
	optional_string(writer, &random, "emoji", emojis[row->number % 4]);
	jw_put_int(writer, "order", row->number + 1);
	jw_key(writer, "operators");
	jw_begin(writer, '[');
	if (chosen >= 0)
	{
		operator_user_id(collection->website, (uint32_t) chosen, id);
		jw_string(writer, id);
	}
	jw_end(writer, ']');
	jw_key(writer, "teams");
	jw_begin(writer, '[');
	random_uuid(collection->seed + 1, row->number, id);
	jw_string(writer, id);
	jw_end(writer, ']');
	jw_key(writer, "team_operators");
	jw_begin(writer, '[');
	jw_end(writer, ']');
	write_conditions(writer, &random);
	optional_string(writer, &random, "operator", random_permille(&random, 500) ? "and" : "or");
	jw_put_int(writer, "created_at", row->times[SORT_CREATED]);
	jw_put_int(writer, "updated_at", row->times[SORT_UPDATED]);
	jw_end(writer, '}');
}

const ResourceType inbox_type = {
	.name = "inboxes",
	.key_path = "inbox_id",
	.created_path = "created_at",
	.updated_path = "updated_at",
	.generate = inbox_generate,
	.write = inbox_write,
	.key = inbox_key,
};
