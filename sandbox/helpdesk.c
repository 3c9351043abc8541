/*
 * helpdesk.c
 *		Generate the helpdesk of a website: locales, pages, feedback, redirections.
 */
#include "helpdesk.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lexicon.h"
#include "operator.h"
#include "people.h"
#include "writing.h"

enum
{
	STREAM_FACTS,
	STREAM_TEXT
};

/* Feedback is given twice in the same words by each tenth reader. */
#define REPEATS_EVERY 10

static const char *const locale_names[HELPDESK_LOCALES] = {"en", "pt-br", "de", "ja"};
static const char *const content_types[CONTENT_COUNT] = {"articles", "guides", "references",
														 "news"};
static const char *const titles[] = {"Getting started", "Wie zahle ich?", "Limits & quotas", "設定",
									 ""};

ContentType
helpdesk_content_type(const char *name)
{
	int type = 0;

	while (type < CONTENT_COUNT && strcmp(content_types[type], name) != 0)
		type++;
	return (ContentType) type;
}

const char *
helpdesk_locale_name(int locale)
{
	return locale_names[locale];
}

int
helpdesk_locale(const Website *website, const char *name)
{
	for (int i = 0; i < HELPDESK_LOCALES; i++)
		if (strcasecmp(locale_names[i], name) == 0)
			return collection_find(&website->lists[RESOURCE_LOCALES], locale_names[i]) == NO_ROW
					   ? -1
					   : i;
	return -1;
}

/* All but the last locale have pages: most of them in the first. */
int
helpdesk_locale_of(const Row *row)
{
	return row->number % 5 < 3 ? 0 : (int) (row->number % 5 - 2);
}

/* Most are articles, and none are news. */
ContentType
helpdesk_content_type_of(const Row *row)
{
	switch (row->number % 7)
	{
		case 5:
			return CONTENT_GUIDES;
		case 6:
			return row->number % 5 == 0 ? CONTENT_REFERENCES : CONTENT_ARTICLES;
		default:
			return CONTENT_ARTICLES;
	}
}

/* Generate what is sorted and filtered by. */
static void
generate_times(const Collection *collection, Row *row)
{
	int64_t now = collection->website->dataset->options->now;
	Random	random = random_stream(collection->seed, STREAM_FACTS, row->number);

	row_clear_facts(row);
	row->times[SORT_CREATED] = choose_time(&random, now, 365);
	row->times[SORT_UPDATED] = choose_time_after(&random, row->times[SORT_CREATED], now);
}

static void
generate_nothing(const Collection *collection, Row *row)
{
	(void) collection;
	row_clear_facts(row);
}

static void
make_key(const Collection *collection, uint32_t number, char key[KEY_SIZE])
{
	random_uuid(collection->seed, number, key);
}

/* Locales */

static void
locale_key(const Collection *collection, uint32_t number, char key[KEY_SIZE])
{
	(void) collection;
	snprintf(key, KEY_SIZE, "%s", locale_names[number % HELPDESK_LOCALES]);
}

/* Count the pages of a locale, of one content type. */
static int64_t
count_pages(const Website *website, uint32_t locale, int type)
{
	const Collection *pages = &website->lists[RESOURCE_PAGES];
	int64_t			  count = 0;

	for (uint32_t i = 0; i < pages->row_count; i++)
	{
		const Row *row = &pages->rows[i];

		count += (row->flags & ROW_DELETED) == 0 && helpdesk_locale_of(row) == (int) locale &&
				 helpdesk_content_type_of(row) == (ContentType) type;
	}
	return count;
}

static void
write_statistics(const Website *website, uint32_t locale, JsonWriter *writer)
{
	jw_key(writer, "statistics");
	jw_begin(writer, '{');
	for (int type = 0; type < CONTENT_COUNT; type++)
	{
		jw_key(writer, content_types[type]);
		jw_begin(writer, '{');
		jw_put_int(writer, "entries", count_pages(website, locale, type));
		jw_put_int(writer, "groups", locale + (uint32_t) type);
		jw_end(writer, '}');
	}
	jw_end(writer, '}');
}

static void
locale_write(const Collection *collection, const Row *row, JsonWriter *writer)
{
	const char *name = locale_names[row->number % HELPDESK_LOCALES];
	char		text[96];

	jw_begin(writer, '{');
	make_key(collection, row->number, text);
	if (row->number != 2)
		jw_put_string(writer, "locale_id", text);
	jw_put_string(writer, "locale", name);
	snprintf(text, sizeof(text), "https://help.%s/%s/", collection->website->domain, name);
	if (row->number == 1)
		jw_put_null(writer, "url");
	else
		jw_put_string(writer, "url", text);
	if (row->number != 3)
		write_statistics(collection->website, row->number, writer);
	jw_end(writer, '}');
}

/* Pages */

static void
page_write(const Collection *collection, const Row *row, JsonWriter *writer)
{
	Random		random = random_stream(collection->seed, STREAM_TEXT, row->number);
	const char *locale = locale_names[helpdesk_locale_of(row)];
	const char *type = content_types[helpdesk_content_type_of(row)];
	char		id[KEY_SIZE];
	char		text[160];

	jw_begin(writer, '{');
	make_key(collection, row->number, id);
	jw_put_string(writer, "entity_id", id);
	optional_string(writer, &random, "title", titles[random_below(&random, 5)]);
	snprintf(text, sizeof(text), "/%u/%u/", row->number / 10, row->number);
	optional_string(writer, &random, "tree_path", text);
	snprintf(text, sizeof(text), "https://help.%s/%s/%s/%.8s/", collection->website->domain, locale,
			 type, id);
	optional_string(writer, &random, "url", text);
	jw_end(writer, '}');
}

/* Feedback */

/* Return the number of the row whose words a row has: its own, or the one before it. */
static uint32_t
original(uint32_t number)
{
	return number % REPEATS_EVERY == REPEATS_EVERY - 1 ? number - 5 : number;
}

static void
feedback_generate(const Collection *collection, Row *row)
{
	Row source = {.number = original(row->number)};

	generate_times(collection, &source);
	row_clear_facts(row);
	row->times[SORT_CREATED] = source.times[SORT_CREATED];
	if (row->number % 23 == 22)
		row->times[SORT_CREATED] = NO_TIME;
}

static void
write_session(const Collection *collection, JsonWriter *writer, Random *random)
{
	const Website *website = collection->website;
	size_t		   people = website->lists[RESOURCE_PEOPLE].generated;
	int16_t		   chosen = operator_choose(website, random);
	char		   id[KEY_SIZE];
	Identity	   reader;

	if (people == 0 || !optional(writer, random, "session"))
		return;
	people_identity(website, random_below(random, (uint32_t) people), &reader);
	jw_key(writer, "session");
	jw_begin(writer, '{');
	jw_put_string(writer, "session_id", reader.people_id);
	optional_string(writer, random, "nickname", reader.nickname);
	optional_string(writer, random, "email", reader.email);
	optional_string(writer, random, "avatar", reader.avatar);
	write_geolocation(writer, random, reader.locale);
	if (chosen >= 0 && optional(writer, random, "assigned"))
	{
		jw_key(writer, "assigned");
		jw_begin(writer, '{');
		operator_user_id(website, (uint32_t) chosen, id);
		jw_put_string(writer, "user_id", id);
		jw_end(writer, '}');
	}
	jw_end(writer, '}');
}

static void
feedback_write(const Collection *collection, const Row *row, JsonWriter *writer)
{
	uint32_t number = original(row->number);
	Random	 random = random_stream(collection->seed, STREAM_TEXT, number);
	char	 id[KEY_SIZE];

	jw_begin(writer, '{');
	optional_string(writer, &random, "rating",
					random_permille(&random, 600) ? "helpful" : "unhelpful");
	optional_string(writer, &random, "comment",
					lexicon_phrases[random_below(&random, lexicon_phrase_count)]);
	if (optional(writer, &random, "article"))
	{
		jw_key(writer, "article");
		jw_begin(writer, '{');
		make_key(&collection->website->lists[RESOURCE_PAGES], number % HELPDESK_PAGES, id);
		jw_put_string(writer, "article_id", id);
		optional_string(writer, &random, "title", titles[random_below(&random, 5)]);
		optional_string(writer, &random, "url", "https://help.example.com/article/");
		jw_end(writer, '}');
	}
	write_session(collection, writer, &random);
	if (row->times[SORT_CREATED] != NO_TIME)
		jw_put_int(writer, "created_at", row->times[SORT_CREATED]);
	jw_end(writer, '}');
}

/* Redirections */

static void
redirection_write(const Collection *collection, const Row *row, JsonWriter *writer)
{
	Random random = random_stream(collection->seed, STREAM_TEXT, row->number);
	char   text[KEY_SIZE];

	jw_begin(writer, '{');
	make_key(collection, row->number, text);
	jw_put_string(writer, "redirection_id", text);
	snprintf(text, sizeof(text), "/alt/größe-%u", row->number);
	jw_put_string(writer, "path", text);
	optional_string(writer, &random, "target", "https://example.com/?a=1&b=%20");
	if (optional(writer, &random, "created_at"))
		jw_put_int(writer, "created_at", row->times[SORT_CREATED]);
	jw_put_int(writer, "updated_at", row->times[SORT_UPDATED]);
	jw_end(writer, '}');
}

const ResourceType locale_type = {
	.name = "locales",
	.key_path = "locale",
	.generate = generate_nothing,
	.write = locale_write,
	.key = locale_key,
};

const ResourceType page_type = {
	.name = "pages",
	.key_path = "entity_id",
	.generate = generate_nothing,
	.write = page_write,
	.key = make_key,
};

const ResourceType feedback_type = {
	.name = "feedback",
	.key_path = "key",
	.created_path = "created_at",
	.generate = feedback_generate,
	.write = feedback_write,
	.key = make_key,
};

const ResourceType redirection_type = {
	.name = "redirections",
	.key_path = "redirection_id",
	.created_path = "created_at",
	.updated_path = "updated_at",
	.generate = generate_times,
	.write = redirection_write,
	.key = make_key,
};
