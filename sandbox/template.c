/*
 * template.c
 *		Generate templates of campaigns: the list's excerpts, and the content of one.
 */
#include "template.h"

#include "lexicon.h"
#include "writing.h"

enum
{
	STREAM_FACTS,
	STREAM_TEXT,
	STREAM_CONTENT
};

static const char *const names[] = {"Plain", "Neuigkeiten", "Black Friday 🛍", "お知らせ",
									"Plain, \"v2\""};

static void
template_generate(const Collection *collection, Row *row)
{
	int64_t now = collection->website->dataset->options->now;
	Random	random = random_stream(collection->seed, STREAM_FACTS, row->number);

	row_clear_facts(row);
	row->times[SORT_CREATED] = choose_time(&random, now, 730);
	row->times[SORT_UPDATED] = choose_time_after(&random, row->times[SORT_CREATED], now);
}

static void
template_key(const Collection *collection, uint32_t number, char key[KEY_SIZE])
{
	random_uuid(collection->seed, number, key);
}

/* Write the members of the excerpt, inside an object that the caller began. */
static void
write_excerpt(const Collection *collection, const Row *row, JsonWriter *writer)
{
	Random random = random_stream(collection->seed, STREAM_TEXT, row->number);
	char   id[KEY_SIZE];

	template_key(collection, row->number, id);
	jw_put_string(writer, "template_id", id);
	if (row->number % 11 != 10)
		jw_put_string(writer, "type", row->number % 3 == 0 ? "static" : "custom");
	jw_put_string(writer, "name", names[random_below(&random, 5)]);
	optional_string(writer, &random, "format", random_permille(&random, 500) ? "html" : "markdown");
	jw_put_int(writer, "created_at", row->times[SORT_CREATED]);
	jw_put_int(writer, "updated_at", row->times[SORT_UPDATED]);
}

static void
template_write(const Collection *collection, const Row *row, JsonWriter *writer)
{
	jw_begin(writer, '{');
	write_excerpt(collection, row, writer);
	jw_end(writer, '}');
}

void
template_write_content(const Collection *templates, uint32_t id, JsonWriter *writer)
{
	const Row *row = &templates->rows[id];
	Random	   random = random_stream(templates->seed, STREAM_CONTENT, row->number);

	if (row->own != NULL)
	{
		collection_write(templates, id, writer);
		return;
	}
	jw_begin(writer, '{');
	write_excerpt(templates, row, writer);
	optional_string(writer, &random, "content",
					lexicon_phrases[random_below(&random, lexicon_phrase_count)]);
	jw_end(writer, '}');
}

const ResourceType template_type = {
	.name = "templates",
	.key_path = "template_id",
	.created_path = "created_at",
	.updated_path = "updated_at",
	.generate = template_generate,
	.write = template_write,
	.key = template_key,
};
