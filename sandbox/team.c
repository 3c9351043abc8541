/*
 * team.c
 *		Generate the teams of a website.
 */
#include <stdio.h>

#include "operator.h"
#include "writing.h"

enum
{
	STREAM_FACTS,
	STREAM_TEXT
};

static const char *const names[] = {"Support", "Vertrieb & Beratung", "支払い", "Night shift", ""};
static const char *const emojis[] = {"🛟", "📈", "💳", "🌙"};

static void
team_generate(const Collection *collection, Row *row)
{
	int64_t now = collection->website->dataset->options->now;
	Random	random = random_stream(collection->seed, STREAM_FACTS, row->number);

	row_clear_facts(row);
	row->times[SORT_CREATED] = choose_time(&random, now, 730);
	row->times[SORT_UPDATED] = choose_time_after(&random, row->times[SORT_CREATED], now);
}

static void
team_key(const Collection *collection, uint32_t number, char key[KEY_SIZE])
{
	random_uuid(collection->seed, number, key);
}

static void
write_operators(const Collection *collection, JsonWriter *writer, Random *random)
{
	jw_key(writer, "operators");
	jw_begin(writer, '[');
	for (uint32_t i = random_below(random, 4); i > 0; i--)
	{
		int16_t chosen = operator_choose(collection->website, random);
		char	id[KEY_SIZE];

		if (chosen < 0)
			continue;
		operator_user_id(collection->website, (uint32_t) chosen, id);
		jw_string(writer, id);
	}
	jw_end(writer, ']');
}

static void
team_write(const Collection *collection, const Row *row, JsonWriter *writer)
{
	Random random = random_stream(collection->seed, STREAM_TEXT, row->number);
	char   id[KEY_SIZE];

	jw_begin(writer, '{');
	team_key(collection, row->number, id);
	jw_put_string(writer, "team_id", id);
	jw_put_string(writer, "name", names[row->number % 5]);
	optional_string(writer, &random, "emoji", emojis[row->number % 4]);
	if (optional(writer, &random, "operators"))
		write_operators(collection, writer, &random);
	jw_put_int(writer, "created_at", row->times[SORT_CREATED]);
	jw_put_int(writer, "updated_at", row->times[SORT_UPDATED]);
	jw_end(writer, '}');
}

const ResourceType team_type = {
	.name = "teams",
	.key_path = "team_id",
	.created_path = "created_at",
	.updated_path = "updated_at",
	.generate = team_generate,
	.write = team_write,
	.key = team_key,
};
