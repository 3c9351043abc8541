/*
 * campaign_below.c
 *		Generate whom campaigns have reached: recipients, statistics, campaigns of profiles.
 *
 * In data that is untidy, some statistics are the same in everything, and say of what type they are
 * in other words, or not at all.
 */
#include <stdio.h>
#include <string.h>

#include "below.h"
#include "json_path.h"
#include "writing.h"

enum
{
	STREAM_REACH = 90,
	STREAM_ACTION,
	STREAM_TIMES,
	STREAM_TEXT
};

/* Say whether a campaign was sent to a profile: some to nobody, and to some profiles all others. */
static bool
reaches(const Website *website, uint32_t campaign, uint32_t person)
{
	static const uint32_t rates[] = {300, 60, 700, 20};
	uint64_t			  seed = random_mix(website->lists[RESOURCE_CAMPAIGNS].seed, campaign);
	Random				  random = random_stream(seed, STREAM_REACH, person);

	if (campaign % 7 == 1 || person % 10 == 9)
		return false;
	return person % 17 == 3 || random_permille(&random, rates[campaign % 4]);
}

/* Say whether a profile did with the campaign what the list of that type tells of. */
static bool
acted(const Website *website, const ResourceType *type, uint32_t campaign, uint32_t person)
{
	uint32_t rate = type == &campaign_opened_type ? 600 : type == &campaign_clicked_type ? 250 : 40;
	uint64_t seed = random_mix(website->lists[RESOURCE_CAMPAIGNS].seed ^ rate, campaign);
	Random	 random = random_stream(seed, STREAM_ACTION, person);

	return reaches(website, campaign, person) &&
		   (type == &campaign_recipient_type || random_permille(&random, rate));
}

/* Say whether a profile did it twice, and both were noted alike. */
static bool
is_noted_twice(const Website *website, const ResourceType *type, uint32_t person)
{
	return website->dataset->untidy && type != &campaign_recipient_type && person % 9 == 4;
}

static uint32_t
count_below(const Website *website, const ResourceType *type, uint32_t campaign)
{
	uint32_t count = 0;

	if (campaign >= website->lists[RESOURCE_CAMPAIGNS].generated)
		return 0;
	for (uint32_t person = 0; person < website->lists[RESOURCE_PEOPLE].generated; person++)
		if (acted(website, type, campaign, person))
			count += is_noted_twice(website, type, person) ? 2 : 1;
	return count;
}

uint32_t
campaign_recipient_count(const Website *website, uint32_t owner)
{
	return count_below(website, &campaign_recipient_type, owner);
}

uint32_t
campaign_opened_count(const Website *website, uint32_t owner)
{
	return count_below(website, &campaign_opened_type, owner);
}

uint32_t
campaign_clicked_count(const Website *website, uint32_t owner)
{
	return count_below(website, &campaign_clicked_type, owner);
}

uint32_t
campaign_unsubscribed_count(const Website *website, uint32_t owner)
{
	return count_below(website, &campaign_unsubscribed_type, owner);
}

uint32_t
people_campaign_count(const Website *website, uint32_t owner)
{
	uint32_t count = 0;

	if (owner >= website->lists[RESOURCE_PEOPLE].generated)
		return 0;
	for (uint32_t campaign = 0; campaign < website->lists[RESOURCE_CAMPAIGNS].generated; campaign++)
		count += reaches(website, campaign, owner);
	return count;
}

/* Return whom a row below a campaign is about; rows are generated one after the other. */
static uint32_t
next_person(const Collection *collection, uint32_t number)
{
	const Website *website = collection->website;
	const Row	  *before = number > 0 ? &collection->rows[number - 1] : NULL;
	uint32_t	   person = before != NULL ? before->person : 0;

	if (before != NULL)
	{
		bool second = number > 1 && before[-1].person == before->person;

		if (is_noted_twice(website, collection->type, person) && !second)
			return person;
		person++;
	}
	while (person < website->lists[RESOURCE_PEOPLE].generated &&
		   !acted(website, collection->type, collection->owner, person))
		person++;
	return person;
}

static void
generate_recipient(const Collection *collection, Row *row)
{
	row_clear_facts(row);
	row->person = next_person(collection, row->number);
}

static void
generate_statistic(const Collection *collection, Row *row)
{
	int64_t now = collection->website->dataset->options->now;
	Row		campaign = {.number = collection->owner};
	Random	random;

	generate_recipient(collection, row);
	random = random_stream(collection->seed, STREAM_TIMES, row->person);
	campaign_type.generate(&collection->website->lists[RESOURCE_CAMPAIGNS], &campaign);
	row->times[SORT_CREATED] = choose_time_after(&random, campaign.times[SORT_CREATED], now);
	row->times[SORT_UPDATED] = choose_time_after(&random, row->times[SORT_CREATED], now);
}

/* A row of a profile's campaigns keeps the number of the campaign where others keep a profile's. */
static void
generate_people_campaign(const Collection *collection, Row *row)
{
	const Website *website = collection->website;
	uint32_t	   campaign = row->number > 0 ? collection->rows[row->number - 1].person + 1 : 0;
	Row			   facts = {0};
	Random		   random;

	while (campaign < website->lists[RESOURCE_CAMPAIGNS].generated &&
		   !reaches(website, campaign, collection->owner))
		campaign++;
	row_clear_facts(row);
	row->person = facts.number = campaign;
	campaign_type.generate(&website->lists[RESOURCE_CAMPAIGNS], &facts);
	random = random_stream(collection->seed, STREAM_TIMES, campaign);
	row->times[SORT_CREATED] = row->times[SORT_UPDATED] = //
		choose_time_after(&random, facts.times[SORT_CREATED], website->dataset->options->now);
}

static void
key_of_person(const Collection *collection, uint32_t number, char text[KEY_SIZE])
{
	people_type.key(&collection->website->lists[RESOURCE_PEOPLE], collection->rows[number].person,
					text);
}

static void
key_of_campaign(const Collection *collection, uint32_t number, char text[KEY_SIZE])
{
	campaign_type.key(&collection->website->lists[RESOURCE_CAMPAIGNS],
					  collection->rows[number].person, text);
}

/* Write a member of another row's tree at that path under a name, if it's there. */
static void
copy_member(JsonWriter *writer, json_object *tree, const char *path, const char *name)
{
	json_object *value = json_path_get(tree, path);
	size_t		 len;
	const char	*text;

	if (value == NULL)
		return;
	text = json_text(value, &len);
	jw_key(writer, name);
	jw_raw(writer, text, len);
}

/* Write the members by which rows name a profile, inside an object that the caller began. */
static void
write_profile(const Collection *collection, const Row *row, bool with_place, JsonWriter *writer)
{
	json_object *profile = collection_tree(&collection->website->lists[RESOURCE_PEOPLE],
										   row->person);

	copy_member(writer, profile, "people_id", "people_id");
	copy_member(writer, profile, "email", "email");
	if (json_path_get(profile, "person") != NULL)
	{
		jw_key(writer, "person");
		jw_begin(writer, '{');
		copy_member(writer, profile, "person.nickname", "nickname");
		copy_member(writer, profile, "person.avatar", "avatar");
		if (with_place)
			copy_member(writer, profile, "person.geolocation", "geolocation");
		jw_end(writer, '}');
	}
	json_object_put(profile);
}

static void
write_recipient(const Collection *collection, const Row *row, JsonWriter *writer)
{
	Random random = random_stream(collection->seed, STREAM_TEXT, row->person);

	jw_begin(writer, '{');
	write_profile(collection, row, false, writer);
	if (optional(writer, &random, "subscribed"))
		jw_put_bool(writer, "subscribed", random_permille(&random, 900));
	jw_end(writer, '}');
}

static const char *
word_of(const ResourceType *type)
{
	if (type == &campaign_opened_type)
		return "opened";
	return type == &campaign_clicked_type ? "clicked" : "unsubscribed";
}

static void
write_statistic(const Collection *collection, const Row *row, JsonWriter *writer)
{
	Random		random = random_stream(collection->seed, STREAM_TEXT, row->person);
	const char *word = word_of(collection->type);
	bool		untidy = collection->website->dataset->untidy;

	jw_begin(writer, '{');
	if (!untidy || row->person % 6 > 1)
		jw_put_string(writer, "type", word);
	else if (row->person % 6 == 1)
		jw_put_string(writer, "type", "campaign:action");
	jw_key(writer, "profile");
	jw_begin(writer, '{');
	write_profile(collection, row, true, writer);
	jw_end(writer, '}');
	if (collection->type == &campaign_clicked_type)
	{
		jw_key(writer, "data");
		jw_begin(writer, '{');
		jw_put_string(writer, "url", "https://shop.example.com/größe?a=1&b=2");
		jw_put_int(writer, "count", random_below(&random, 5) + 1);
		jw_end(writer, '}');
	}
	else if (random_permille(&random, 500))
		jw_put_null(writer, "data");
	jw_put_int(writer, "created_at", row->times[SORT_CREATED]);
	if (optional(writer, &random, "updated_at"))
		jw_put_int(writer, "updated_at", row->times[SORT_UPDATED]);
	jw_end(writer, '}');
}

static void
write_people_campaign(const Collection *collection, const Row *row, JsonWriter *writer)
{
	static const ResourceType *const types[] = {&campaign_opened_type, &campaign_clicked_type,
												&campaign_unsubscribed_type};
	static const char *const		 members[] = {"campaign_id", "type",	   "name",
												  "created_at",	 "updated_at", "dispatched_at"};
	const Website					*website = collection->website;
	json_object *campaign = collection_tree(&website->lists[RESOURCE_CAMPAIGNS], row->person);
	Random		 random = random_stream(collection->seed, STREAM_TEXT, row->person);

	jw_begin(writer, '{');
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		copy_member(writer, campaign, members[i], members[i]);
	if (optional(writer, &random, "occurred_at"))
		jw_put_int(writer, "occurred_at", row->times[SORT_CREATED]);
	if (optional(writer, &random, "statistics"))
	{
		jw_key(writer, "statistics");
		jw_begin(writer, '[');
		for (size_t i = 0; i < 3; i++)
			if (acted(website, types[i], row->person, collection->owner))
				jw_string(writer, word_of(types[i]));
		jw_end(writer, ']');
	}
	jw_end(writer, '}');
	json_object_put(campaign);
}

const ResourceType campaign_recipient_type = {
	.name = "campaign_recipients",
	.key_path = "people_id",
	.generate = generate_recipient,
	.write = write_recipient,
	.key = key_of_person,
};

#define STATISTIC_TYPE                                                                 \
	{                                                                                  \
		.name = "campaign_statistics", .key_path = "profile.people_id",                \
		.created_path = "created_at", .updated_path = "updated_at", .is_log = true,    \
		.generate = generate_statistic, .write = write_statistic, .key = key_of_person \
	}

const ResourceType campaign_opened_type = STATISTIC_TYPE;
const ResourceType campaign_clicked_type = STATISTIC_TYPE;
const ResourceType campaign_unsubscribed_type = STATISTIC_TYPE;

const ResourceType people_campaign_type = {
	.name = "people_campaigns",
	.key_path = "campaign_id",
	.created_path = "occurred_at",
	.updated_path = "occurred_at",
	.generate = generate_people_campaign,
	.write = write_people_campaign,
	.key = key_of_campaign,
};
