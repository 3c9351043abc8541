/*
 * people.c
 *		Generate people profiles: their facts, their text, their custom data and events.
 */
#include "people.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "json_path.h"
#include "people_extra.h"
#include "writing.h"

#define DATA_DAYS 730
#define BULK_GROUP 61
#define BULK_SIZE 5 /* of each group were imported in one millisecond */

enum
{
	STREAM_FACTS,
	STREAM_TEXT,
	STREAM_DATA,
	STREAM_BULK,
	STREAM_IDENTITY,
	STREAM_EVENTS,
	STREAM_SUBSCRIPTION
};

void
people_identity(const Website *website, uint32_t number, Identity *identity)
{
	const Collection *people = &website->lists[RESOURCE_PEOPLE];
	Random			  random = random_stream(people->seed, STREAM_IDENTITY, number);
	const Locale	 *locale = &lexicon_locales[random_below(&random, lexicon_locale_count)];
	uint32_t		  name = random_below(&random, NAMES_PER_LOCALE);

	identity->locale = locale;
	identity->nickname = locale->names[name];
	identity->email[0] = '\0';
	if (!random_permille(&random, 60))
		snprintf(identity->email, sizeof(identity->email), "%s%u@%s", locale->ascii_names[name],
				 number, locale->domain);
	snprintf(identity->avatar, sizeof(identity->avatar),
			 "https://storage.crisp.chat/users/avatar/%016llx.png",
			 (unsigned long long) random_next(&random));
	random_uuid(people->seed, number, identity->people_id);
}

/* Say whether the living row's e-mail address is this one, case aside unless "exact". */
static bool
has_email(const Collection *people, uint32_t id, const char *email, bool exact)
{
	int (*compare)(const char *, const char *) = exact ? strcmp : strcasecmp;
	const Row *row = &people->rows[id];
	Identity   identity;

	if (row->flags & ROW_DELETED)
		return false;
	if (row->own != NULL)
		return row->own->email != NULL && compare(row->own->email, email) == 0;
	people_identity(people->website, row->number, &identity);
	return identity.email[0] != '\0' && compare(identity.email, email) == 0;
}

uint32_t
people_find_email(const Collection *people, const char *email, bool exact)
{
	const char	 *at = strchr(email, '@');
	const char	 *digits = at;
	unsigned long number;

	if (at == NULL)
		return NO_ROW;
	while (digits > email && isdigit((unsigned char) digits[-1]))
		digits--;
	number = strtoul(digits, NULL, 10);
	if (digits < at && number < people->row_count &&
		has_email(people, (uint32_t) number, email, exact))
		return (uint32_t) number;
	for (uint32_t id = 0; people->own_keys != NULL && id < people->row_count; id++)
		if (people->rows[id].own != NULL && has_email(people, id, email, exact))
			return id;
	return NO_ROW;
}

static void
people_generate(const Collection *collection, Row *row)
{
	int64_t now = collection->website->dataset->options->now;
	Random	random = random_stream(collection->seed, STREAM_FACTS, row->number);
	int64_t created = choose_time(&random, now, DATA_DAYS);

	if (row->number % BULK_GROUP < BULK_SIZE)
	{
		Random bulk = random_stream(collection->seed, STREAM_BULK, row->number / BULK_GROUP);

		created = choose_time(&bulk, now, DATA_DAYS);
	}
	row->times[SORT_CREATED] = created;
	row->times[SORT_UPDATED] = choose_time_after(&random, created, now);
	row->times[SORT_WAITING] = NO_TIME;
	row->times[SORT_ACTIVE] = NO_TIME;
	if (random_permille(&random, 850))
		row->times[SORT_ACTIVE] = choose_time_after(&random, created, now);
	row->person = NO_ROW;
	row->inbox = row->operator_number = -1;
	row->state = STATE_NONE;
	row->segments = choose_segments(&random);
}

static void
people_key(const Collection *collection, uint32_t number, char key[KEY_SIZE])
{
	random_uuid(collection->seed, number, key);
}

static bool
people_number(const Collection *collection, const char *key, uint32_t *number)
{
	return random_uuid_number(collection->seed, key, number);
}

static void
write_employment(JsonWriter *writer, Random *random, const Identity *identity)
{
	static const char *const roles[] = {"engineering", "sales", "Geschäftsführung", "支持"};

	if (!optional(writer, random, "employment"))
		return;
	jw_key(writer, "employment");
	jw_begin(writer, '{');
	optional_string(writer, random, "name",
					lexicon_companies[random_below(random, lexicon_company_count)]);
	optional_string(writer, random, "domain", identity->locale->domain);
	optional_string(writer, random, "title", "Head of Support");
	optional_string(writer, random, "role", roles[random_below(random, 4)]);
	optional_string(writer, random, "seniority",
					random_permille(random, 500) ? "executive" : "manager");
	jw_end(writer, '}');
}

static void
write_social_profiles(JsonWriter *writer, Random *random)
{
	static const char *const networks[] = {"twitter", "github", "linkedin"};

	if (!optional(writer, random, "profiles"))
		return;
	jw_key(writer, "profiles");
	jw_begin(writer, '[');
	for (uint32_t i = random_below(random, 3); i > 0; i--)
	{
		uint32_t handle = random_below(random, 10000);
		char	 url[64];

		jw_begin(writer, '{');
		jw_put_string(writer, "type", networks[i]);
		snprintf(url, sizeof(url), "user%u", handle);
		jw_put_string(writer, "handle", url);
		snprintf(url, sizeof(url), "https://%s.example/user%u", networks[i], handle);
		optional_string(writer, random, "url", url);
		jw_end(writer, '}');
	}
	jw_end(writer, ']');
}

static void
write_person(JsonWriter *writer, Random *random, const Identity *identity)
{
	static const char *const genders[] = {"male", "female", "unknown"};
	const Locale			*locale = identity->locale;
	char					 text[96];

	jw_key(writer, "person");
	jw_begin(writer, '{');
	optional_string(writer, random, "nickname", identity->nickname);
	optional_string(writer, random, "avatar", identity->avatar);
	optional_string(writer, random, "gender", genders[random_below(random, 3)]);
	snprintf(text, sizeof(text), "%s%u", locale->dialling,
			 200000000 + random_below(random, 700000000));
	optional_string(writer, random, "phone", random_permille(random, 400) ? "" : text);
	snprintf(text, sizeof(text), "%u, %s", random_below(random, 200) + 1, locale->city);
	optional_string(writer, random, "address", text);
	optional_string(writer, random, "description",
					lexicon_phrases[random_below(random, lexicon_phrase_count)]);
	snprintf(text, sizeof(text), "https://%s/", locale->domain);
	optional_string(writer, random, "website", text);
	if (optional(writer, random, "timezone"))
		jw_put_int(writer, "timezone", locale->timezone);
	write_social_profiles(writer, random);
	write_employment(writer, random, identity);
	write_geolocation(writer, random, locale);
	write_locales(writer, random, locale);
	jw_end(writer, '}');
}

static void
write_metrics(JsonWriter *writer, Random *random)
{
	if (!optional(writer, random, "metrics"))
		return;
	jw_key(writer, "metrics");
	jw_begin(writer, '{');
	if (optional(writer, random, "employees"))
		jw_put_int(writer, "employees", random_below(random, 20000));
	if (optional(writer, random, "market_cap"))
		jw_put_int(writer, "market_cap", (int64_t) random_below(random, 4000000) * 1000000);
	if (optional(writer, random, "raised"))
	{
		jw_key(writer, "raised");
		jw_decimal(writer, random_below(random, 1000000000) / 100.0, 2);
	}
	if (optional(writer, random, "arr"))
		jw_put_int(writer, "arr", random_below(random, 90000000));
	jw_end(writer, '}');
}

/* Write an array of strings: the texts up to the first NULL, or none at times. */
static void
write_texts(JsonWriter *writer, Random *random, const char *key, const char *const *texts)
{
	if (!optional(writer, random, key))
		return;
	jw_key(writer, key);
	jw_begin(writer, '[');
	for (; *texts != NULL && !random_permille(random, 250); texts++)
		jw_string(writer, *texts);
	jw_end(writer, ']');
}

static void
write_company(JsonWriter *writer, Random *random, const Locale *locale, bool has_null)
{
	static const char *const phones[] = {"+33 2 40 00 00 00", "+1-555-0100", NULL};
	static const char *const emails[] = {"contact@example.com", "hello@example.org", NULL};
	static const char *const tags[] = {"saas", "B2B", "größer, \"besser\"", NULL};
	const char				*name = lexicon_companies[random_below(random, lexicon_company_count)];
	char					 text[96];

	if (!random_permille(random, 450))
	{
		if (has_null)
			jw_put_null(writer, "company");
		return;
	}
	jw_key(writer, "company");
	jw_begin(writer, '{');
	optional_string(writer, random, "name", name);
	snprintf(text, sizeof(text), "%s GmbH", name);
	optional_string(writer, random, "legal_name", text);
	optional_string(writer, random, "domain", locale->domain);
	snprintf(text, sizeof(text), "https://www.%s/", locale->domain);
	optional_string(writer, random, "url", text);
	optional_string(writer, random, "description",
					lexicon_phrases[random_below(random, lexicon_phrase_count)]);
	if (optional(writer, random, "timezone"))
		jw_put_int(writer, "timezone", locale->timezone);
	write_texts(writer, random, "phones", phones);
	write_texts(writer, random, "emails", emails);
	write_texts(writer, random, "tags", tags);
	write_geolocation(writer, random, locale);
	write_metrics(writer, random);
	jw_end(writer, '}');
}

static void
write_active(const Row *row, JsonWriter *writer, Random *random)
{
	if (row->times[SORT_ACTIVE] == NO_TIME)
	{
		if (random_permille(random, 500))
			jw_put_null(writer, "active");
		return;
	}
	jw_key(writer, "active");
	jw_begin(writer, '{');
	if (optional(writer, random, "now"))
		jw_put_bool(writer, "now", random_permille(random, 20));
	jw_put_int(writer, "last", row->times[SORT_ACTIVE]);
	jw_end(writer, '}');
}

static void
people_write(const Collection *collection, const Row *row, JsonWriter *writer)
{
	Random	 random = random_stream(collection->seed, STREAM_TEXT, row->number);
	Identity identity;

	people_identity(collection->website, row->number, &identity);
	jw_begin(writer, '{');
	jw_put_string(writer, "people_id", identity.people_id);
	if (identity.email[0] != '\0')
		jw_put_string(writer, "email", identity.email);
	else if (random_permille(&random, 500))
		jw_put_null(writer, "email");
	if (optional(writer, &random, "person"))
		write_person(writer, &random, &identity);
	write_company(writer, &random, identity.locale,
				  collection->website->dataset->untidy && row->number % 3 == 0);
	if (row->segments != 0)
		write_segments(writer, row->segments);
	else if (random_permille(&random, 500))
		write_segments(writer, 0);
	optional_string(writer, &random, "notepad",
					lexicon_phrases[random_below(&random, lexicon_phrase_count)]);
	write_active(row, writer, &random);
	if (optional(writer, &random, "score"))
	{
		jw_key(writer, "score");
		jw_decimal(writer, random_below(&random, 1001) / 10.0,
				   random_permille(&random, 500) ? 0 : 1);
	}
	jw_put_int(writer, "created_at", row->times[SORT_CREATED]);
	jw_put_int(writer, "updated_at", row->times[SORT_UPDATED]);
	jw_end(writer, '}');
}

uint32_t
people_data_mask(const Website *website, uint32_t number)
{
	Random random = random_stream(website->lists[RESOURCE_PEOPLE].seed, STREAM_DATA, number);

	return choose_custom_keys(&random);
}

void
people_write_data(const Website *website, uint32_t number, JsonWriter *writer)
{
	Random		 random = random_stream(website->lists[RESOURCE_PEOPLE].seed, STREAM_DATA, number);
	uint32_t	 mask = choose_custom_keys(&random);
	json_object *written = people_extra_written(website, number, "data");
	size_t		 len;

	if (written != NULL)
	{
		const char *text = json_text(written, &len);

		jw_raw(writer, text, len);
		return;
	}
	write_custom_data(writer, &random, mask);
}

/* Count the events that a profile was generated with. */
static uint32_t
generated_events(const Website *website, uint32_t number)
{
	Random random = random_stream(website->lists[RESOURCE_PEOPLE].seed, STREAM_EVENTS, number);

	if (people_extra_written(website, number, "bare") != NULL)
		return 0;
	return random_below(&random, UINT32_C(1) << random_below(&random, 7));
}

uint32_t
people_event_count(const Website *website, uint32_t number)
{
	json_object *written = people_extra_written(website, number, "events");

	return generated_events(website, number) +
		   (uint32_t) (written ? json_object_array_length(written) : 0);
}

/* Begin what an event is made of; its text comes first. */
static Random
event_random(const Website *website, uint32_t number, uint32_t event)
{
	return random_stream(random_mix(website->lists[RESOURCE_PEOPLE].seed, number), STREAM_EVENTS,
						 event);
}

static const char *
event_text(Random *random)
{
	static const char *const texts[] = {"payment:success", "signup", "Plan geändert", "購入"};

	return texts[random_below(random, 4)];
}

static void
write_generated_event(const Website *website, uint32_t number, uint32_t event, JsonWriter *writer)
{
	static const char *const colors[] = {"red",	   "orange", "yellow", "green", "blue",
										 "purple", "pink",	 "brown",  "grey",	"black"};
	const Collection		*people = &website->lists[RESOURCE_PEOPLE];
	Random					 random = event_random(website, number, event);
	Row						 row = {.number = number};
	int64_t					 span;

	people_generate(people, &row);
	span = row.times[SORT_UPDATED] - row.times[SORT_CREATED];
	jw_begin(writer, '{');
	jw_put_string(writer, "text", event_text(&random));
	if (optional(writer, &random, "data"))
	{
		jw_key(writer, "data");
		write_custom_data(writer, &random, choose_custom_keys(&random));
	}
	optional_string(writer, &random, "color", colors[random_below(&random, 10)]);
	jw_put_int(writer, "timestamp",
			   row.times[SORT_UPDATED] - span * event / (generated_events(website, number) + 1));
	jw_end(writer, '}');
}

const char *
people_event_text(const Website *website, uint32_t number, uint32_t event)
{
	json_object *written = people_extra_written(website, number, "events");
	size_t		 count = written ? json_object_array_length(written) : 0;
	Random		 random;

	if (event < count)
		return json_path_string(json_object_array_get_idx(written, count - 1 - event), "text");
	random = event_random(website, number, (uint32_t) (event - count));
	return event_text(&random);
}

void
people_write_event(const Website *website, uint32_t number, uint32_t event, JsonWriter *writer)
{
	json_object *written = people_extra_written(website, number, "events");
	size_t		 count = written ? json_object_array_length(written) : 0;
	size_t		 len;
	const char	*text;

	/* What was written comes first, the latest before all. */
	if (event >= count)
	{
		write_generated_event(website, number, (uint32_t) (event - count), writer);
		return;
	}
	text = json_text(json_object_array_get_idx(written, count - 1 - event), &len);
	jw_raw(writer, text, len);
}

void
people_write_subscription(const Website *website, uint32_t number, JsonWriter *writer)
{
	uint64_t	 seed = website->lists[RESOURCE_PEOPLE].seed;
	Random		 random = random_stream(seed, STREAM_SUBSCRIPTION, number);
	json_object *written = people_extra_written(website, number, "subscription");

	if (written != NULL)
	{
		size_t		len;
		const char *text = json_text(written, &len);

		jw_raw(writer, text, len);
		return;
	}
	jw_begin(writer, '{');
	if (optional(writer, &random, "email"))
		jw_put_bool(writer, "email", random_permille(&random, 800));
	jw_end(writer, '}');
}

const ResourceType people_type = {
	.name = "people",
	.key_path = "people_id",
	.created_path = "created_at",
	.updated_path = "updated_at",
	.generate = people_generate,
	.write = people_write,
	.key = people_key,
	.number = people_number,
};
