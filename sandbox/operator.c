/*
 * operator.c
 *		Generate operators: {type, details}.
 */
#include "operator.h"

#include <stdio.h>
#include <string.h>

#include "lexicon.h"
#include "writing.h"

enum
{
	STREAM_TEXT = 1
};

#define OPERATOR_NAMES 12

static const char *const first_names[OPERATOR_NAMES] = {
	"Zoé",	  "Liam",	"Jürgen", "Ximena", "محمد", "יעל",
	"さくら", "Łukasz", "Юлия",	  "Işıl",	"Ava",	"小明",
};

static const char *const last_names[OPERATOR_NAMES] = {
	"Lefèvre", "O'Connor",	"Weiß",		 "Güemes", "عبد الله", "כהן",
	"佐藤",	   "Błaszczyk", "Щербакова", "Güneş",  "Johnson",  "王",
};

#define INVITED 5 /* of each seven; in data that is untidy it has no user_id */

/*
 * Say whether an operator can be assigned to.  Of each seven, one is invited and one is a sandbox's
 * own; neither can.
 */
static bool
can_be_assigned(uint32_t number)
{
	return number % 7 < 5;
}

void
operator_user_id(const Website *website, uint32_t number, char user_id[KEY_SIZE])
{
	random_uuid(website->lists[RESOURCE_OPERATORS].seed, number, user_id);
}

const char *
operator_nickname(uint32_t number)
{
	return first_names[number % OPERATOR_NAMES];
}

void
operator_avatar(uint32_t number, char *avatar, size_t size)
{
	snprintf(avatar, size, "https://storage.crisp.chat/users/avatar/operator/%08x.png",
			 (unsigned) (random_mix(7, number) & 0xFFFFFFFF));
}

bool
operator_exists(const Website *website, const char *user_id)
{
	return collection_find(&website->lists[RESOURCE_OPERATORS], user_id) != NO_ROW;
}

int16_t
operator_choose(const Website *website, Random *random)
{
	size_t	 count = website->lists[RESOURCE_OPERATORS].generated;
	uint32_t number;

	if (count == 0)
		return -1;
	number = random_below(random, (uint32_t) count);
	return (int16_t) (can_be_assigned(number) ? number : number % 7 - 5);
}

static void
operator_generate(const Collection *collection, Row *row)
{
	(void) collection;
	row_clear_facts(row);
}

static void
operator_key(const Collection *collection, uint32_t number, char key[KEY_SIZE])
{
	operator_user_id(collection->website, number, key);
}

static void
write_token(const Collection *collection, uint32_t number, JsonWriter *writer, Random *random)
{
	char text[KEY_HEX_SIZE];

	if (optional(writer, random, "has_token"))
		jw_put_bool(writer, "has_token", can_be_assigned(number));
	if (!can_be_assigned(number) && number % 7 == 6)
	{
		random_uuid(collection->seed + 1, number, text);
		jw_put_string(writer, "identifier", text);
		random_hex_key(random_mix(collection->seed, number), text);
		jw_put_string(writer, "key", text);
	}
}

static void
operator_write(const Collection *collection, const Row *row, JsonWriter *writer)
{
	static const char *const types[] = {"operator", "operator", "operator", "operator",
										"operator", "invite",	"sandbox"};
	static const char *const roles[] = {"owner", "admin", "member"};
	static const char *const availabilities[] = {"online", "offline"};
	static const char *const titles[] = {"Customer support", "Leiter Kundendienst", "サポート 🎧",
										 ""};
	Random					 random = random_stream(collection->seed, STREAM_TEXT, row->number);
	uint32_t				 name = row->number % OPERATOR_NAMES;
	char					 text[96];

	jw_begin(writer, '{');
	jw_put_string(writer, "type", types[row->number % 7]);
	jw_key(writer, "details");
	jw_begin(writer, '{');
	operator_user_id(collection->website, row->number, text);
	if (!collection->website->dataset->untidy || row->number % 7 != INVITED)
		jw_put_string(writer, "user_id", text);
	snprintf(text, sizeof(text), "operator%u@%s", row->number + 1, collection->website->domain);
	jw_put_string(writer, "email", text);
	operator_avatar(row->number, text, sizeof(text));
	optional_string(writer, &random, "avatar", text);
	optional_string(writer, &random, "first_name", first_names[name]);
	optional_string(writer, &random, "last_name", last_names[name]);
	optional_string(writer, &random, "role",
					roles[row->number == 0 ? 0 : random_below(&random, 2) + 1]);
	optional_string(writer, &random, "title", titles[random_below(&random, 4)]);
	optional_string(writer, &random, "availability", availabilities[random_below(&random, 2)]);
	write_token(collection, row->number, writer, &random);
	jw_end(writer, '}');
	jw_end(writer, '}');
}

const ResourceType operator_type = {
	.name = "operators",
	.key_path = "details.user_id",
	.generate = operator_generate,
	.write = operator_write,
	.key = operator_key,
};
