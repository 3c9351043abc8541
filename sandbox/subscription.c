/*
 * subscription.c
 *		Generate subscriptions of plugins: of each website, to several.
 */
#include <stdio.h>

#include "writing.h"
#include "dataset.h"

enum
{
	STREAM_TEXT
};

static const char *const names[] = {"CRM Sync", "Übersetzer", "請求書", "Shipping", "Reviews"};
static const char *const urns[] = {"acme:crm", "acme:translate", "acme:billing", "acme:shipping",
								   "acme:reviews"};

static void
subscription_generate(const Collection *collection, Row *row)
{
	(void) collection;
	row_clear_facts(row);
}

/* Plugins have the same identifier on each website; the first is the one of the plugin token. */
static void
subscription_key(const Collection *collection, uint32_t number, char key[KEY_SIZE])
{
	const Dataset *dataset = collection->website->dataset;

	if (number == 0)
		snprintf(key, KEY_SIZE, "%s", dataset->plugin_id);
	else
		random_uuid(dataset->options->seed ^ 0x706c, number, key);
}

static void
write_links(JsonWriter *writer, Random *random, uint32_t number)
{
	static const char *const kinds[] = {"website", "contact", "terms", "privacy", "help", "video"};
	char					 key[32];
	char					 url[96];

	for (int i = 0; i < 6; i++)
	{
		snprintf(key, sizeof(key), "%s_url", kinds[i]);
		snprintf(url, sizeof(url), "https://plugin%u.example.com/%s", number, kinds[i]);
		optional_string(writer, random, key, url);
	}
}

static void
write_plans(JsonWriter *writer, uint32_t number)
{
	jw_key(writer, "plans");
	jw_begin(writer, '[');
	for (uint32_t i = 0; i < number % 3; i++)
	{
		jw_begin(writer, '{');
		jw_put_string(writer, "id", i == 0 ? "basic" : "pro");
		jw_put_string(writer, "name", i == 0 ? "Basic" : "Pro");
		jw_key(writer, "price");
		jw_decimal(writer, i == 0 ? 5 : 19.5, 1);
		jw_end(writer, '}');
	}
	jw_end(writer, ']');
}

static void
subscription_write(const Collection *collection, const Row *row, JsonWriter *writer)
{
	Random random = random_stream(collection->seed, STREAM_TEXT, row->number);
	char   id[KEY_SIZE];

	jw_begin(writer, '{');
	subscription_key(collection, row->number, id);
	jw_put_string(writer, "id", id);
	jw_put_string(writer, "urn", urns[row->number % 5]);
	optional_string(writer, &random, "type", row->number % 2 == 0 ? "store" : "private");
	optional_string(writer, &random, "category", "productivity");
	jw_put_string(writer, "name", names[row->number % 5]);
	optional_string(writer, &random, "summary", "Does \"it\" all — einfach so");
	if (row->number != 1)
	{
		jw_key(writer, "price");
		jw_decimal(writer, row->number * 2.5, 1);
	}
	if (row->number != 2)
		write_plans(writer, row->number);
	optional_string(writer, &random, "icon", "https://storage.crisp.chat/plugins/icon.png");
	write_links(writer, &random, row->number);
	if (optional(writer, &random, "configurable"))
		jw_put_bool(writer, "configurable", row->number % 2 == 0);
	optional_string(writer, &random, "since", "2024-05-17T09:30:00Z");
	jw_put_bool(writer, "active", row->number % 4 != 3);
	if (row->number != 4)
		jw_put_string(writer, "website_id", collection->website->id);
	optional_string(writer, &random, "card_id", id);
	jw_end(writer, '}');
}

const ResourceType subscription_type = {
	.name = "subscriptions",
	.key_path = "id",
	.generate = subscription_generate,
	.write = subscription_write,
	.key = subscription_key,
};
