/*
 * visitor.c
 *		Generate visitors that are online now.
 */
#include <stdio.h>
#include <string.h>

#include "people.h"
#include "writing.h"

enum
{
	STREAM_TEXT = 1,
	STREAM_KEY
};

static void
visitor_generate(const Collection *collection, Row *row)
{
	(void) collection;
	row_clear_facts(row);
}

/* Write a visitor's key; every third visitor is in one of the website's conversations. */
static void
visitor_key(const Collection *collection, uint32_t number, char key[KEY_SIZE])
{
	const Collection *conversations = &collection->website->lists[RESOURCE_CONVERSATIONS];

	if (number % 3 == 0 && number < conversations->generated)
		conversation_type.key(conversations, number, key);
	else
	{
		memcpy(key, "session_", 8);
		random_uuid(collection->seed, number, key + 8);
	}
}

static void
write_last_page(JsonWriter *writer, Random *random, const Website *website)
{
	char url[96];

	if (!optional(writer, random, "last_page"))
		return;
	jw_key(writer, "last_page");
	jw_begin(writer, '{');
	optional_string(writer, random, "page_title",
					lexicon_pages[random_below(random, lexicon_page_count)]);
	snprintf(url, sizeof(url), "https://%s/p/%u?utm_source=mail&x=%%C3%%A9", website->domain,
			 random_below(random, 500));
	optional_string(writer, random, "page_url", url);
	jw_end(writer, '}');
}

static void
write_identity(const Website *website, const Identity *identity, uint32_t number,
			   JsonWriter *writer, Random *random)
{
	char   text[KEY_SIZE];
	size_t inboxes = website->lists[RESOURCE_INBOXES].generated;

	if (inboxes > 0 && random_permille(random, 400))
	{
		inbox_type.key(&website->lists[RESOURCE_INBOXES], random_below(random, (uint32_t) inboxes),
					   text);
		jw_put_string(writer, "inbox_id", text);
	}
	else if (random_permille(random, 500))
		jw_put_null(writer, "inbox_id");
	if (random_permille(random, 500))
	{
		optional_string(writer, random, "nickname", identity->nickname);
		optional_string(writer, random, "email", identity->email);
		optional_string(writer, random, "avatar", identity->avatar);
		return;
	}
	snprintf(text, sizeof(text), "visitor%u", 1000 + number);
	optional_string(writer, random, "nickname", text);
}

static void
visitor_write(const Collection *collection, const Row *row, JsonWriter *writer)
{
	const Website *website = collection->website;
	size_t		   people = website->lists[RESOURCE_PEOPLE].generated;
	Random		   random = random_stream(collection->seed, STREAM_TEXT, row->number);
	const Browser *browser = &lexicon_browsers[random_below(&random, lexicon_browser_count)];
	char		   key[KEY_SIZE];
	Identity	   identity;

	people_identity(website, random_below(&random, people > 0 ? (uint32_t) people : 1), &identity);
	jw_begin(writer, '{');
	visitor_key(collection, row->number, key);
	jw_put_string(writer, "session_id", key);
	write_identity(website, &identity, row->number, writer, &random);
	optional_string(writer, &random, "useragent", browser->useragent);
	if (optional(writer, &random, "initiated"))
		jw_put_bool(writer, "initiated", row->number % 3 == 0);
	if (optional(writer, &random, "active"))
		jw_put_bool(writer, "active", random_permille(&random, 600));
	write_last_page(writer, &random, website);
	write_geolocation(writer, &random, identity.locale);
	if (optional(writer, &random, "timezone"))
		jw_put_int(writer, "timezone", identity.locale->timezone);
	write_capabilities(writer, &random);
	write_locales(writer, &random, identity.locale);
	jw_end(writer, '}');
}

const ResourceType visitor_type = {
	.name = "visitors",
	.key_path = "session_id",
	.generate = visitor_generate,
	.write = visitor_write,
	.key = visitor_key,
};
