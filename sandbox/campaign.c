/*
 * campaign.c
 *		Write campaigns: the list's excerpts, and the details of one.
 */
#include "campaign.h"

#include <stdio.h>
#include <string.h>

#include "json_path.h"
#include "lexicon.h"
#include "operator.h"
#include "people.h"
#include "writing.h"

enum
{
	STREAM_FACTS,
	STREAM_TEXT,
	STREAM_DETAILS
};

static const char *const names[] = {
	"Welcome message", "Black Friday 🛍", "Neuigkeiten im März",	 "Re-engage churned customers",
	"アンケート",	   "عرض خاص",			"Release notes, \"v2\"",
};

static const char *const tags[] = {"onboarding", "promo", "news", "größe"};

static void
campaign_generate(const Collection *collection, Row *row)
{
	int64_t now = collection->website->dataset->options->now;
	Random	random = random_stream(collection->seed, STREAM_FACTS, row->number);

	row_clear_facts(row);
	row->times[SORT_CREATED] = choose_time(&random, now, 730);
	row->times[SORT_UPDATED] = choose_time_after(&random, row->times[SORT_CREATED], now);
}

static void
campaign_key(const Collection *collection, uint32_t number, char key[KEY_SIZE])
{
	random_uuid(collection->seed, number, key);
}

static bool
is_automated(const Row *row)
{
	return row->number % 3 == 2;
}

static void
write_progress(const Row *row, JsonWriter *writer, Random *random)
{
	CampaignStatus status = (CampaignStatus) random_below(random, CAMPAIGN_STATUS_COUNT);
	uint32_t	   targets = random_below(random, 5000);
	uint32_t	   progress = status == CAMPAIGN_DONE ? 100 : random_below(random, 99) + 1;
	bool		   dispatched = status >= CAMPAIGN_PAUSED;

	if (!dispatched)
		progress = 0;
	jw_put_bool(writer, "ready", status != CAMPAIGN_NOT_CONFIGURED);
	jw_put_bool(writer, "dispatched", dispatched);
	jw_put_bool(writer, "running", status == CAMPAIGN_SENDING);
	jw_put_int(writer, "progress", progress);
	if (optional(writer, random, "targets"))
		jw_put_int(writer, "targets", targets);
	if (optional(writer, random, "reached"))
		jw_put_int(writer, "reached", (int64_t) targets * progress / 100);
	jw_put_int(writer, "created_at", row->times[SORT_CREATED]);
	jw_put_int(writer, "updated_at", row->times[SORT_UPDATED]);
	if (dispatched)
		jw_put_int(writer, "dispatched_at", row->times[SORT_UPDATED]);
	else if (random_permille(random, 500))
		jw_put_null(writer, "dispatched_at");
}

/* Write the members of the excerpt, inside an object that the caller began. */
static void
write_excerpt(const Collection *collection, const Row *row, JsonWriter *writer)
{
	Random random = random_stream(collection->seed, STREAM_TEXT, row->number);
	char   id[KEY_SIZE];

	campaign_key(collection, row->number, id);
	jw_put_string(writer, "campaign_id", id);
	jw_put_string(writer, "type", is_automated(row) ? "automated" : "one_shot");
	optional_string(writer, &random, "format", random_permille(&random, 600) ? "normal" : "html");
	jw_put_string(writer, "name", names[random_below(&random, 7)]);
	optional_string(writer, &random, "subject",
					lexicon_subjects[random_below(&random, lexicon_subject_count)]);
	optional_string(writer, &random, "tag", tags[random_below(&random, 4)]);
	write_progress(row, writer, &random);
}

static void
campaign_write(const Collection *collection, const Row *row, JsonWriter *writer)
{
	jw_begin(writer, '{');
	write_excerpt(collection, row, writer);
	jw_end(writer, '}');
}

CampaignStatus
campaign_status(json_object *campaign)
{
	if (!json_object_get_boolean(json_path_get(campaign, "ready")))
		return CAMPAIGN_NOT_CONFIGURED;
	if (!json_object_get_boolean(json_path_get(campaign, "dispatched")))
		return CAMPAIGN_READY;
	if (json_object_get_boolean(json_path_get(campaign, "running")))
		return CAMPAIGN_SENDING;
	return json_object_get_int(json_path_get(campaign, "progress")) >= 100 ? CAMPAIGN_DONE
																		   : CAMPAIGN_PAUSED;
}

static void
write_filter(JsonWriter *writer, const char *key, const char *criterion, const char *value)
{
	jw_key(writer, key);
	jw_begin(writer, '[');
	jw_begin(writer, '{');
	jw_put_string(writer, "model", "people");
	jw_put_string(writer, "criterion", criterion);
	jw_put_string(writer, "operator", "eq");
	jw_key(writer, "query");
	jw_begin(writer, '[');
	jw_string(writer, value);
	jw_end(writer, ']');
	jw_end(writer, '}');
	jw_end(writer, ']');
}

static void
write_recipients(const Collection *campaigns, JsonWriter *writer, Random *random)
{
	static const char *const types[] = {"all", "segments", "people", "filter"};
	const Website			*website = campaigns->website;
	size_t					 people = website->lists[RESOURCE_PEOPLE].generated;
	uint32_t				 type = random_below(random, 4);
	char					 id[KEY_SIZE];

	jw_key(writer, "recipients");
	jw_begin(writer, '{');
	jw_put_string(writer, "type", types[type]);
	write_segments(writer, type == 1 ? choose_segments(random) | 1 : 0);
	jw_key(writer, "people");
	jw_begin(writer, '[');
	if (type == 2 && people > 0)
	{
		people_type.key(&website->lists[RESOURCE_PEOPLE], random_below(random, (uint32_t) people),
						id);
		jw_string(writer, id);
	}
	jw_end(writer, ']');
	if (type == 3)
		write_filter(writer, "filter", "segments", "vip");
	jw_end(writer, '}');
}

static void
write_flow(JsonWriter *writer, Random *random)
{
	jw_key(writer, "flow");
	jw_begin(writer, '{');
	jw_put_string(writer, "launch_event", "people:profile:created");
	write_filter(writer, "assert_filter", "geolocation.country", "FR");
	jw_put_int(writer, "assert_delay", random_below(random, 60));
	jw_put_bool(writer, "deliver_once", random_permille(random, 500));
	jw_put_int(writer, "deliver_delay", random_below(random, 3600));
	jw_end(writer, '}');
}

static void
write_details(const Collection *campaigns, const Row *row, JsonWriter *writer)
{
	static const char *const flags[] = {"deliver_to_chatbox", "deliver_to_email",
										"sender_name_website", "sender_email_reply", "tracking"};
	static const char *const counters[] = {"opened", "clicked", "unsubscribed"};
	Random					 random = random_stream(campaigns->seed, STREAM_DETAILS, row->number);
	int16_t					 sender = operator_choose(campaigns->website, &random);
	char					 id[KEY_SIZE];

	if (sender >= 0)
	{
		jw_key(writer, "sender");
		jw_begin(writer, '{');
		operator_user_id(campaigns->website, (uint32_t) sender, id);
		jw_put_string(writer, "user_id", id);
		jw_end(writer, '}');
	}
	write_recipients(campaigns, writer, &random);
	if (is_automated(row))
		write_flow(writer, &random);
	jw_put_string(writer, "message", lexicon_phrases[random_below(&random, lexicon_phrase_count)]);
	jw_key(writer, "options");
	jw_begin(writer, '{');
	for (int i = 0; i < 5; i++)
		jw_put_bool(writer, flags[i], random_permille(&random, 500));
	jw_end(writer, '}');
	jw_key(writer, "statistics");
	jw_begin(writer, '{');
	for (int i = 0; i < 3; i++)
		jw_put_int(writer, counters[i], random_below(&random, 900U >> (2 * i)));
	jw_end(writer, '}');
}

void
campaign_write_details(const Collection *campaigns, uint32_t id, JsonWriter *writer)
{
	const Row *row = &campaigns->rows[id];

	if (row->own != NULL)
	{
		collection_write(campaigns, id, writer);
		return;
	}
	writer->ascii = row->number % 2 == 1;
	jw_begin(writer, '{');
	write_excerpt(campaigns, row, writer);
	write_details(campaigns, row, writer);
	jw_end(writer, '}');
	writer->ascii = false;
}

const ResourceType campaign_type = {
	.name = "campaigns",
	.key_path = "campaign_id",
	.created_path = "created_at",
	.updated_path = "updated_at",
	.generate = campaign_generate,
	.write = campaign_write,
	.key = campaign_key,
};
