/*
 * conversation_below.c
 *		Generate what lies below conversations besides messages: events, pages and files.
 *
 * In data that is untidy, some rows are the same in everything, some have no time, and some are
 * later than the conversation's update.
 */
#include <stdio.h>

#include "below.h"
#include "lexicon.h"
#include "writing.h"

enum
{
	STREAM_COUNT,
	STREAM_TIMES,
	STREAM_TEXT
};

/* Count the rows below a conversation: none below many, and pages of them below some. */
static uint32_t
count_below(const Website *website, uint32_t owner, uint64_t salt)
{
	const Collection *conversations = &website->lists[RESOURCE_CONVERSATIONS];
	Random			  random = random_stream(conversations->seed ^ salt, STREAM_COUNT, owner);

	if (owner >= conversations->generated)
		return 0;
	return random_below(&random, UINT32_C(1) << random_below(&random, 7));
}

uint32_t
conversation_event_count(const Website *website, uint32_t owner)
{
	return count_below(website, owner, 0x65);
}

uint32_t
conversation_page_count(const Website *website, uint32_t owner)
{
	return count_below(website, owner, 0x70);
}

uint32_t
conversation_file_count(const Website *website, uint32_t owner)
{
	return count_below(website, owner, 0x66);
}

/* Return the number that a row is generated from: another's for one that is the same as that. */
static uint32_t
original(const Collection *collection, uint32_t number)
{
	return collection->website->dataset->untidy && number % 9 == 4 ? number - 1 : number;
}

static void
generate(const Collection *collection, Row *row)
{
	uint32_t number = original(collection, row->number);
	Random	 random = random_stream(collection->seed, STREAM_TIMES, number);
	Row		 conversation = {.number = collection->owner};

	conversation_type.generate(&collection->website->lists[RESOURCE_CONVERSATIONS], &conversation);
	row_clear_facts(row);
	row->times[SORT_CREATED] = choose_time_after(&random, conversation.times[SORT_CREATED],
												 conversation.times[SORT_UPDATED]);
	if (collection->website->dataset->untidy && number % 11 == 6)
		row->times[SORT_CREATED] = conversation.times[SORT_UPDATED] + random_below(&random, 600000);
	if (collection->website->dataset->untidy && number % 13 == 7)
		row->times[SORT_CREATED] = NO_TIME;
	row->times[SORT_UPDATED] = row->times[SORT_CREATED];
}

static void
key(const Collection *collection, uint32_t number, char text[KEY_SIZE])
{
	snprintf(text, KEY_SIZE, "%lld", (long long) collection->rows[number].times[SORT_CREATED]);
}

static void
write_time(const Row *row, JsonWriter *writer, Random *random)
{
	if (row->times[SORT_CREATED] != NO_TIME)
		jw_put_int(writer, "timestamp", row->times[SORT_CREATED]);
	else if (random_permille(random, 500))
		jw_put_null(writer, "timestamp");
}

static Random
begin_text(const Collection *collection, const Row *row)
{
	return random_stream(collection->seed, STREAM_TEXT, original(collection, row->number));
}

static void
write_event(const Collection *collection, const Row *row, JsonWriter *writer)
{
	static const char *const texts[] = {"payment:success", "signup", "Plan geändert", "購入", ""};
	static const char *const colors[] = {"red", "orange", "green", "grey", "black"};
	Random					 random = begin_text(collection, row);

	jw_begin(writer, '{');
	optional_string(writer, &random, "text", texts[random_below(&random, 5)]);
	if (optional(writer, &random, "data"))
	{
		jw_key(writer, "data");
		write_custom_data(writer, &random, choose_custom_keys(&random));
	}
	optional_string(writer, &random, "color", colors[random_below(&random, 5)]);
	write_time(row, writer, &random);
	jw_end(writer, '}');
}

static void
write_page(const Collection *collection, const Row *row, JsonWriter *writer)
{
	Random	 random = begin_text(collection, row);
	uint32_t page = random_below(&random, lexicon_page_count);
	char	 url[256];

	snprintf(url, sizeof(url), "https://%s/page/%u?utm_source=newsletter&q=größe",
			 collection->website->domain, page);
	jw_begin(writer, '{');
	optional_string(writer, &random, "page_title", lexicon_pages[page]);
	jw_put_string(writer, "page_url", url);
	optional_string(writer, &random, "page_referrer", "https://www.example.org/search?q=a%20b");
	write_time(row, writer, &random);
	jw_end(writer, '}');
}

static void
write_file(const Collection *collection, const Row *row, JsonWriter *writer)
{
	static const char *const names[] = {"Rechnung März.pdf", "screenshot.png", "スクリーン.jpg",
										""};
	static const char *const types[] = {"application/pdf", "image/png", "image/jpeg", ""};
	Random					 random = begin_text(collection, row);
	uint32_t				 kind = random_below(&random, 4);
	char					 url[96];

	snprintf(url, sizeof(url), "https://storage.crisp.chat/users/upload/%016llx",
			 (unsigned long long) random_next(&random));
	jw_begin(writer, '{');
	optional_string(writer, &random, "name", names[kind]);
	optional_string(writer, &random, "type", types[kind]);
	jw_put_string(writer, "url", url);
	if (optional(writer, &random, "fingerprint"))
		jw_put_int(writer, "fingerprint",
				   random_permille(&random, 100) ? 0 : (int64_t) (random_next(&random) >> 15));
	write_time(row, writer, &random);
	jw_end(writer, '}');
}

const ResourceType conversation_event_type = {
	.name = "conversation_events",
	.key_path = "timestamp",
	.created_path = "timestamp",
	.updated_path = "timestamp",
	.is_log = true,
	.generate = generate,
	.write = write_event,
	.key = key,
};

const ResourceType conversation_page_type = {
	.name = "conversation_pages",
	.key_path = "timestamp",
	.created_path = "timestamp",
	.updated_path = "timestamp",
	.is_log = true,
	.generate = generate,
	.write = write_page,
	.key = key,
};

const ResourceType conversation_file_type = {
	.name = "conversation_files",
	.key_path = "timestamp",
	.created_path = "timestamp",
	.updated_path = "timestamp",
	.is_log = true,
	.generate = generate,
	.write = write_file,
	.key = key,
};
