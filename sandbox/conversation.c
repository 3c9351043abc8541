/*
 * conversation.c
 *		Generate conversations: their facts and their text.
 */
#include "conversation.h"

#include <stdio.h>
#include <string.h>

#include "json_path.h"
#include "message.h"
#include "operator.h"
#include "people.h"
#include "writing.h"

#define DATA_DAYS 730
#define BULK_GROUP 97 /* of so many neighbours … */
#define BULK_SIZE 4	  /* … so many were updated in one and the same millisecond */

enum
{
	STREAM_FACTS,
	STREAM_TEXT,
	STREAM_DATA,
	STREAM_BULK,
	STREAM_UNTIDY
};

static const char *const state_names[] = {"pending", "unresolved", "resolved"};

static void
generate_times(const Collection *collection, Row *row, Random *random)
{
	int64_t now = collection->website->dataset->options->now;
	int64_t created = choose_time(random, now, DATA_DAYS);
	int64_t updated = choose_time_after(random, created, now);

	if (row->number % BULK_GROUP < BULK_SIZE)
	{
		Random bulk = random_stream(collection->seed, STREAM_BULK, row->number / BULK_GROUP);

		updated = choose_time(&bulk, now, DATA_DAYS);
		created = updated - (int64_t) (random_next(random) % 864000000);
	}
	row->times[SORT_CREATED] = created;
	row->times[SORT_UPDATED] = updated;
	row->times[SORT_WAITING] = NO_TIME;
	row->times[SORT_ACTIVE] = NO_TIME;
	if (random_permille(random, 550))
		row->times[SORT_WAITING] = choose_time_after(random, created, updated);
	if (random_permille(random, 930))
		row->times[SORT_ACTIVE] = choose_time_after(random, created, updated);
}

static uint8_t
generate_state(Random *random)
{
	uint32_t draw = random_below(random, 100);

	if (draw < 60)
		return STATE_RESOLVED;
	if (draw < 85)
		return STATE_UNRESOLVED;
	return draw < 97 ? STATE_PENDING : STATE_NONE;
}

/*
 * Give some of those without an inbox to the AI agent's, and let hardly any conversation that is
 * resolved wait.
 */
static void
make_untidy(const Collection *collection, Row *row)
{
	Random random = random_stream(collection->seed, STREAM_UNTIDY, row->number);

	if (row->inbox < 0 && random_permille(&random, 200))
		row->inbox = AGENT_INBOX;
	if (row->state == STATE_RESOLVED && !random_permille(&random, 40))
		row->times[SORT_WAITING] = NO_TIME;
}

static void
conversation_generate(const Collection *collection, Row *row)
{
	const Website *website = collection->website;
	size_t		   people = website->lists[RESOURCE_PEOPLE].generated;
	size_t		   inboxes = website->lists[RESOURCE_INBOXES].generated;
	Random		   random = random_stream(collection->seed, STREAM_FACTS, row->number);

	generate_times(collection, row, &random);
	row->person = NO_ROW;
	row->inbox = row->operator_number = -1;
	if (people > 0 && random_permille(&random, 720))
		row->person = random_below(&random, (uint32_t) people);
	if (inboxes > 0 && random_permille(&random, 500))
		row->inbox = (int16_t) random_below(&random, (uint32_t) inboxes);
	if (random_permille(&random, 650))
		row->operator_number = operator_choose(website, &random);
	row->state = generate_state(&random);
	row->segments = choose_segments(&random);
	if (random_permille(&random, 60))
		row->flags |= ROW_EMPTY;
	else if (random_permille(&random, 180))
		row->flags |= ROW_UNREAD;
	if (random_permille(&random, 50) && operator_choose(website, &random) >= 0)
		row->flags |= ROW_MENTION;
	if (website->dataset->untidy)
		make_untidy(collection, row);
}

static void
conversation_key(const Collection *collection, uint32_t number, char key[KEY_SIZE])
{
	memcpy(key, "session_", 8);
	random_uuid(collection->seed, number, key + 8);
}

static bool
conversation_number(const Collection *collection, const char *key, uint32_t *number)
{
	return strncmp(key, "session_", 8) == 0 &&
		   random_uuid_number(collection->seed, key + 8, number);
}

uint32_t
conversation_data_mask(const Collection *conversations, uint32_t number)
{
	Random random = random_stream(conversations->seed, STREAM_DATA, number);

	return choose_custom_keys(&random);
}

/* Leave a member out, or write null or "other", as it falls. */
static void
absent(JsonWriter *writer, Random *random, const char *key, const char *other)
{
	uint32_t draw = random_below(random, 3);

	if (draw == 0)
		jw_put_null(writer, key);
	else if (draw == 1 && other != NULL)
	{
		jw_key(writer, key);
		jw_raw(writer, other, strlen(other));
	}
}

static void
optional_time(JsonWriter *writer, Random *random, const char *key, int64_t time)
{
	if (time == NO_TIME)
		absent(writer, random, key, NULL);
	else
		jw_put_int(writer, key, time);
}

static void
write_references(const Collection *collection, const Row *row, JsonWriter *writer, Random *random)
{
	const Website *website = collection->website;
	char		   id[KEY_SIZE];

	if (row->inbox >= 0)
	{
		inbox_type.key(&website->lists[RESOURCE_INBOXES], (uint32_t) row->inbox, id);
		jw_put_string(writer, "inbox_id", id);
	}
	else
		absent(writer, random, "inbox_id", NULL);
	if (row->person != NO_ROW)
	{
		people_type.key(&website->lists[RESOURCE_PEOPLE], row->person, id);
		jw_put_string(writer, "people_id", id);
	}
	else
		absent(writer, random, "people_id", NULL);
	if (row->operator_number >= 0)
	{
		operator_user_id(website, (uint32_t) row->operator_number, id);
		jw_key(writer, "assigned");
		jw_begin(writer, '{');
		jw_put_string(writer, "user_id", id);
		jw_end(writer, '}');
	}
	else
		absent(writer, random, "assigned",
			   random_permille(random, 500) ? "{}" : "{\"user_id\":null}");
}

static void
write_status(const Row *row, JsonWriter *writer, Random *random)
{
	static const char *const availabilities[] = {"online", "away", "offline"};

	if (row->state == STATE_NONE)
		absent(writer, random, "state", NULL);
	else
	{
		jw_put_string(writer, "state", state_names[row->state]);
		if (optional(writer, random, "status"))
			jw_put_int(writer, "status", row->state);
	}
	if (optional(writer, random, "is_verified"))
		jw_put_bool(writer, "is_verified", random_permille(random, 250));
	if (optional(writer, random, "is_blocked"))
		jw_put_bool(writer, "is_blocked", random_permille(random, 20));
	optional_string(writer, random, "availability", availabilities[random_below(random, 3)]);
	if (row->times[SORT_ACTIVE] == NO_TIME)
		absent(writer, random, "active", "{\"now\":false}");
	else
	{
		jw_key(writer, "active");
		jw_begin(writer, '{');
		if (optional(writer, random, "now"))
			jw_put_bool(writer, "now", random_permille(random, 15));
		jw_put_int(writer, "last", row->times[SORT_ACTIVE]);
		jw_end(writer, '}');
	}
}

/*
 * Return when the conversation was updated before any change from outside: the time of its last
 * message.
 */
static int64_t
original_update(const Collection *collection, uint32_t number)
{
	Row original = {.number = number};

	conversation_generate(collection, &original);
	return original.times[SORT_UPDATED];
}

static void
write_last_message(const Collection *collection, const Row *row, JsonWriter *writer, Random *random)
{
	uint32_t	count = message_count(collection, row);
	const char *excerpt;

	if (count == 0)
	{
		absent(writer, random, "last_message", "\"\"");
		absent(writer, random, "preview_message", NULL);
		return;
	}
	excerpt = message_excerpt(collection, row->number, count - 1);
	if (optional(writer, random, "last_message"))
		jw_put_string(writer, "last_message", excerpt);
	if (!optional(writer, random, "preview_message"))
		return;
	jw_key(writer, "preview_message");
	jw_begin(writer, '{');
	optional_string(writer, random, "type", "text");
	optional_string(writer, random, "from", random_permille(random, 500) ? "user" : "operator");
	jw_put_string(writer, "excerpt", excerpt);
	if (optional(writer, random, "fingerprint"))
		jw_put_int(writer, "fingerprint",
				   message_generated_fingerprint(collection->website, row->number, count - 1,
												 original_update(collection, row->number)));
	jw_end(writer, '}');
}

static void
write_lists(const Collection *collection, const Row *row, JsonWriter *writer, Random *random)
{
	char id[KEY_SIZE];

	if (random_permille(random, 80))
	{
		jw_key(writer, "verifications");
		jw_begin(writer, '[');
		jw_begin(writer, '{');
		jw_put_string(writer, "identity", random_permille(random, 700) ? "email" : "phone");
		jw_put_string(writer, "method", "link");
		optional_string(writer, random, "annotation", "Verified by link ✔");
		jw_end(writer, '}');
		jw_end(writer, ']');
	}
	else
		absent(writer, random, "verifications", "[]");
	if (random_permille(random, 60))
	{
		jw_key(writer, "participants");
		jw_begin(writer, '[');
		for (uint32_t i = random_below(random, 3) + 1; i > 0; i--)
		{
			jw_begin(writer, '{');
			jw_put_string(writer, "type", "email");
			jw_put_string(writer, "target", i == 1 ? "boss@example.org" : "légal@example.org");
			jw_end(writer, '}');
		}
		jw_end(writer, ']');
	}
	else
		absent(writer, random, "participants", "[]");
	if (row->flags & ROW_MENTION)
	{
		jw_key(writer, "mentions");
		jw_begin(writer, '[');
		operator_user_id(collection->website,
						 (uint32_t) operator_choose(collection->website, random), id);
		jw_string(writer, id);
		jw_end(writer, ']');
	}
	else
		absent(writer, random, "mentions", "[]");
}

/* Find who writes: a profile, or somebody that Crisp gave a name such as "visitor12345". */
static void
find_visitor(const Collection *collection, const Row *row, Identity *identity, char *nickname,
			 size_t size)
{
	Random random = random_stream(collection->seed, STREAM_BULK, ~row->number);

	if (row->person != NO_ROW)
	{
		people_identity(collection->website, row->person, identity);
		snprintf(nickname, size, "%s", identity->nickname);
		return;
	}
	memset(identity, 0, sizeof(*identity));
	identity->locale = &lexicon_locales[random_below(&random, lexicon_locale_count)];
	snprintf(nickname, size, "visitor%u", random_below(&random, 100000));
}

static void
write_compose_user(const Collection *collection, const Row *row, JsonWriter *writer, Random *random,
				   bool by_operator)
{
	char	 text[96];
	uint32_t number = (uint32_t) operator_choose(collection->website, random);

	if (!optional(writer, random, "user"))
		return;
	jw_key(writer, "user");
	jw_begin(writer, '{');
	if (by_operator)
	{
		operator_user_id(collection->website, number, text);
		jw_put_string(writer, "user_id", text);
		optional_string(writer, random, "nickname", operator_nickname(number));
		operator_avatar(number, text, sizeof(text));
		optional_string(writer, random, "avatar", text);
	}
	else
	{
		Identity identity;

		find_visitor(collection, row, &identity, text, sizeof(text));
		optional_string(writer, random, "nickname", text);
		optional_string(writer, random, "avatar", identity.avatar);
		conversation_key(collection, row->number, text);
		jw_put_string(writer, "user_id", text);
	}
	jw_end(writer, '}');
}

static void
write_compose_side(const Collection *collection, const Row *row, JsonWriter *writer, Random *random,
				   bool by_operator)
{
	jw_begin(writer, '{');
	jw_put_string(writer, "type", random_permille(random, 800) ? "start" : "stop");
	optional_string(writer, random, "excerpt",
					lexicon_phrases[random_below(random, lexicon_phrase_count)]);
	if (optional(writer, random, "timestamp"))
		jw_put_int(writer, "timestamp", row->times[SORT_UPDATED]);
	write_compose_user(collection, row, writer, random, by_operator);
	if (optional(writer, random, "automated"))
		jw_put_bool(writer, "automated", random_permille(random, 100));
	jw_end(writer, '}');
}

static void
write_compose(const Collection *collection, const Row *row, JsonWriter *writer, Random *random)
{
	uint32_t sides = random_permille(random, 100) ? random_below(random, 3) + 1 : 0;
	bool	 operators = operator_choose(collection->website, random) >= 0;

	if (sides == 0)
		absent(writer, random, "compose", "{}");
	else
	{
		jw_key(writer, "compose");
		jw_begin(writer, '{');
		if ((sides & 1) && operators)
		{
			jw_key(writer, "operator");
			write_compose_side(collection, row, writer, random, true);
		}
		if (sides & 2)
		{
			jw_key(writer, "visitor");
			write_compose_side(collection, row, writer, random, false);
		}
		jw_end(writer, '}');
	}
	if (!(row->flags & ROW_UNREAD) && random_permille(random, 200))
	{
		absent(writer, random, "unread", "{}");
		return;
	}
	jw_key(writer, "unread");
	jw_begin(writer, '{');
	jw_put_int(writer, "operator", row->flags & ROW_UNREAD ? random_below(random, 12) + 1 : 0);
	if (optional(writer, random, "visitor"))
		jw_put_int(writer, "visitor", random_below(random, 3));
	jw_end(writer, '}');
}

static void
write_system(JsonWriter *writer, Random *random, const Browser *browser)
{
	if (!optional(writer, random, "system"))
		return;
	jw_key(writer, "system");
	jw_begin(writer, '{');
	if (optional(writer, random, "os"))
	{
		jw_key(writer, "os");
		jw_begin(writer, '{');
		optional_string(writer, random, "name", browser->os);
		optional_string(writer, random, "version", browser->os_version);
		jw_end(writer, '}');
	}
	if (optional(writer, random, "engine"))
	{
		jw_key(writer, "engine");
		jw_begin(writer, '{');
		optional_string(writer, random, "name", browser->engine);
		optional_string(writer, random, "version", browser->engine_version);
		jw_end(writer, '}');
	}
	if (optional(writer, random, "browser"))
	{
		jw_key(writer, "browser");
		jw_begin(writer, '{');
		optional_string(writer, random, "name", browser->name);
		optional_string(writer, random, "major", browser->major);
		optional_string(writer, random, "version", browser->version);
		jw_end(writer, '}');
	}
	optional_string(writer, random, "useragent", browser->useragent);
	jw_end(writer, '}');
}

static void
write_device(JsonWriter *writer, Random *random, const Locale *locale)
{
	if (!optional(writer, random, "device"))
		return;
	jw_key(writer, "device");
	jw_begin(writer, '{');
	write_capabilities(writer, random);
	write_locales(writer, random, locale);
	if (optional(writer, random, "timezone"))
		jw_put_int(writer, "timezone", locale->timezone);
	write_geolocation(writer, random, locale);
	write_system(writer, random, &lexicon_browsers[random_below(random, lexicon_browser_count)]);
	jw_end(writer, '}');
}

static void
write_connection(JsonWriter *writer, Random *random, const Locale *locale)
{
	char	 text[64];
	uint32_t network = random_below(random, 65000);

	if (random_permille(random, 700))
		snprintf(text, sizeof(text), "203.0.113.%u", network % 256);
	else
		snprintf(text, sizeof(text), "2001:db8:%x::%x", network, network % 97);
	optional_string(writer, random, "ip", text);
	if (!optional(writer, random, "connection"))
		return;
	jw_key(writer, "connection");
	jw_begin(writer, '{');
	snprintf(text, sizeof(text), "Telecom %s", locale->region);
	optional_string(writer, random, "isp", text);
	snprintf(text, sizeof(text), "AS%u", network);
	optional_string(writer, random, "asn", text);
	jw_end(writer, '}');
}

static void
write_free_form(const Collection *collection, const Row *row, JsonWriter *writer, Random *random)
{
	Random	 data = random_stream(collection->seed, STREAM_DATA, row->number);
	uint32_t mask = choose_custom_keys(&data);

	if (row->segments != 0)
		write_segments(writer, row->segments);
	else
		absent(writer, random, "segments", "[]");
	if (mask != 0)
	{
		jw_key(writer, "data");
		write_custom_data(writer, &data, mask);
	}
	else
		absent(writer, random, "data", "{}");
}

static void
write_meta(const Collection *collection, const Row *row, JsonWriter *writer, Random *random)
{
	Identity identity;
	char	 text[96];

	find_visitor(collection, row, &identity, text, sizeof(text));
	jw_key(writer, "meta");
	jw_begin(writer, '{');
	optional_string(writer, random, "nickname", text);
	if (identity.email[0] != '\0')
		jw_put_string(writer, "email", identity.email);
	else
		absent(writer, random, "email", "\"\"");
	snprintf(text, sizeof(text), "%s%u", identity.locale->dialling,
			 200000000 + random_below(random, 700000000));
	if (random_permille(random, 500))
		jw_put_string(writer, "phone", "");
	else
		optional_string(writer, random, "phone", text);
	snprintf(text, sizeof(text), "%u, %s", random_below(random, 200) + 1, identity.locale->city);
	optional_string(writer, random, "address", text);
	optional_string(writer, random, "subject",
					lexicon_subjects[random_below(random, lexicon_subject_count)]);
	optional_string(writer, random, "origin", random_permille(random, 700) ? "chat" : "email");
	optional_string(writer, random, "avatar", identity.avatar);
	write_connection(writer, random, identity.locale);
	write_free_form(collection, row, writer, random);
	write_device(writer, random, identity.locale);
	jw_end(writer, '}');
}

static void
conversation_write(const Collection *collection, const Row *row, JsonWriter *writer)
{
	Random random = random_stream(collection->seed, STREAM_TEXT, row->number);
	char   key[KEY_SIZE];

	jw_begin(writer, '{');
	conversation_key(collection, row->number, key);
	jw_put_string(writer, "session_id", key);
	jw_put_string(writer, "website_id", collection->website->id);
	write_references(collection, row, writer, &random);
	write_status(row, writer, &random);
	write_last_message(collection, row, writer, &random);
	optional_string(writer, &random, "topic",
					lexicon_subjects[random_below(&random, lexicon_subject_count)]);
	write_lists(collection, row, writer, &random);
	write_compose(collection, row, writer, &random);
	jw_put_int(writer, "created_at", row->times[SORT_CREATED]);
	jw_put_int(writer, "updated_at", row->times[SORT_UPDATED]);
	optional_time(writer, &random, "waiting_since", row->times[SORT_WAITING]);

	/* What lists can be searched for is always there. */
	if (row->segments != 0 || conversation_data_mask(collection, row->number) != 0 ||
		optional(writer, &random, "meta"))
		write_meta(collection, row, writer, &random);
	jw_end(writer, '}');
}

static void
conversation_facts(const Collection *collection, json_object *tree, Row *row)
{
	const char	*state = json_path_string(tree, "state");
	const char	*people_id = json_path_string(tree, "people_id");
	json_object *mentions = json_path_get(tree, "mentions");

	for (uint8_t i = 0; state != NULL && i < STATE_NONE; i++)
		if (strcmp(state, state_names[i]) == 0)
			row->state = i;
	if (people_id != NULL)
		row->person = collection_find(&collection->website->lists[RESOURCE_PEOPLE], people_id);
	if (json_object_is_type(mentions, json_type_array) && json_object_array_length(mentions) > 0)
		row->flags |= ROW_MENTION;
	if (json_object_get_int64(json_path_get(tree, "unread.operator")) > 0)
		row->flags |= ROW_UNREAD;
}

const ResourceType conversation_type = {
	.name = "conversations",
	.key_path = "session_id",
	.created_path = "created_at",
	.updated_path = "updated_at",
	.generate = conversation_generate,
	.write = conversation_write,
	.key = conversation_key,
	.number = conversation_number,
	.facts = conversation_facts,
};
