/*
 * message.c
 *		Generate the messages of a conversation.
 */
#include "below.h"
#include "message.h"

#include <stdio.h>
#include <string.h>

#include "lexicon.h"
#include "operator.h"
#include "people.h"
#include "writing.h"

#define UNTIDY_GROUP 4 /* one of so many conversations has fingerprints that repeat */

enum
{
	STREAM_COUNT = 16, /* apart from the streams of conversations, whose seed is the same */
	STREAM_EXCERPT,
	STREAM_TEXT = 1
};

typedef enum MessageKind
{
	MESSAGE_TEXT,
	MESSAGE_NOTE,
	MESSAGE_FILE,
	MESSAGE_ANIMATION,
	MESSAGE_AUDIO,
	MESSAGE_PICKER,
	MESSAGE_FIELD,
	MESSAGE_CAROUSEL,
	MESSAGE_EVENT
} MessageKind;

static const char *const kind_names[] = {
	"text", "note", "file", "animation", "audio", "picker", "field", "carousel", "event",
};

/* What is written about a message, besides its content. */
typedef struct MessageFacts
{
	MessageKind kind;
	bool		by_operator;
	uint32_t	number;
	const char *excerpt;
} MessageFacts;

uint32_t
message_count(const Collection *conversations, const Row *conversation)
{
	Random random;

	if (conversation->flags & ROW_EMPTY)
		return 0;
	random = random_stream(conversations->seed, STREAM_COUNT, conversation->number);
	return random_below(&random, UINT32_C(1) << random_below(&random, 8)) % 99 + 1;
}

const char *
message_excerpt(const Collection *conversations, uint32_t conversation, uint32_t number)
{
	Random random = random_stream(random_mix(conversations->seed, conversation), STREAM_EXCERPT,
								  number);

	return lexicon_phrases[random_below(&random, lexicon_phrase_count)];
}

int64_t
message_fingerprint(int64_t timestamp, uint32_t number)
{
	return timestamp * 100 + number % 100;
}

int64_t
message_generated_fingerprint(const Website *website, uint32_t conversation, uint32_t number,
							  int64_t timestamp)
{
	const int64_t of_trigger = -1078189900;

	if (website->dataset->untidy && conversation % UNTIDY_GROUP == 1)
	{
		/* In pairs, some of which share a millisecond. */
		uint32_t pair = (number + 1) / 2 % 3;

		if (pair > 0)
			return pair == 1 ? of_trigger : 0;
	}
	return message_fingerprint(timestamp, number);
}

/* Return the conversation's row as it was generated, whatever happened to it since. */
static Row
original_conversation(const Collection *collection)
{
	Row row = {.number = collection->owner};

	conversation_type.generate(&collection->website->lists[RESOURCE_CONVERSATIONS], &row);
	return row;
}

static int64_t
timestamp_of(const Collection *collection, uint32_t number)
{
	Row		 conversation = original_conversation(collection);
	int64_t	 created = conversation.times[SORT_CREATED];
	int64_t	 span = conversation.times[SORT_UPDATED] - created;
	uint32_t count;

	count = conversation_message_count(collection->website, collection->owner);

	/* There is no way to get at more of one millisecond than two pages have. */
	if (span < count && count > 20)
		span = count;

	/* At times two messages share one millisecond. */
	if (number % 9 == 8 && number + 1 < count)
		number--;
	return count > 1 ? created + span * number / (count - 1) : created + span;
}

static void
message_generate(const Collection *collection, Row *row)
{
	for (int sort = 0; sort < SORT_STORED; sort++)
		row->times[sort] = NO_TIME;
	row->times[SORT_CREATED] = row->times[SORT_UPDATED] = timestamp_of(collection, row->number);
	row->person = NO_ROW;
	row->inbox = row->operator_number = -1;
	row->state = STATE_NONE;
}

static void
message_key(const Collection *collection, uint32_t number, char key[KEY_SIZE])
{
	snprintf(key, KEY_SIZE, "%lld",
			 (long long) message_generated_fingerprint(collection->website, collection->owner,
													   number, timestamp_of(collection, number)));
}

static void
write_file_like(const MessageFacts *facts, JsonWriter *writer, Random *random)
{
	char url[96];

	snprintf(url, sizeof(url), "https://storage.crisp.chat/upload/session/%08x/file",
			 (unsigned) (random_next(random) & 0xFFFFFFFF));
	jw_begin(writer, '{');
	if (facts->kind == MESSAGE_FILE)
		jw_put_string(writer, "name", "Capture d’écran 2025-11-03.png");
	jw_put_string(writer, "url", url);
	jw_put_string(writer, "type",
				  facts->kind == MESSAGE_FILE	 ? "image/png"
				  : facts->kind == MESSAGE_AUDIO ? "audio/webm"
												 : "image/gif");
	if (facts->kind == MESSAGE_AUDIO)
		jw_put_int(writer, "duration", random_below(random, 120) + 1);
	jw_end(writer, '}');
}

static void
write_form(const MessageFacts *facts, JsonWriter *writer, Random *random)
{
	bool picker = facts->kind == MESSAGE_PICKER;

	jw_begin(writer, '{');
	jw_put_string(writer, "id", picker ? "csat" : "email-form");
	jw_put_string(writer, "text", facts->excerpt);
	if (!picker)
	{
		jw_put_string(writer, "explain", "Enter your e-mail…");
		if (optional(writer, random, "value"))
			jw_put_string(writer, "value", "jane@example.org");
	}
	else
	{
		jw_key(writer, "choices");
		jw_begin(writer, '[');
		for (uint32_t i = 0; i < 2; i++)
		{
			jw_begin(writer, '{');
			jw_put_string(writer, "value", i == 0 ? "good" : "bad");
			jw_put_string(writer, "icon", i == 0 ? "👍" : "👎");
			jw_put_string(writer, "label", i == 0 ? "Good" : "Not so good");
			jw_put_bool(writer, "selected", i == 0 && random_permille(random, 500));
			if (i == 1)
			{
				jw_key(writer, "action");
				jw_begin(writer, '{');
				jw_put_string(writer, "type", "link");
				jw_put_string(writer, "target", "https://example.com/feedback");
				jw_end(writer, '}');
			}
			jw_end(writer, '}');
		}
		jw_end(writer, ']');
	}
	jw_put_bool(writer, "required", random_permille(random, 300));
	jw_end(writer, '}');
}

static void
write_carousel(const MessageFacts *facts, JsonWriter *writer)
{
	jw_begin(writer, '{');
	jw_put_string(writer, "text", facts->excerpt);
	jw_key(writer, "targets");
	jw_begin(writer, '[');
	for (uint32_t i = 0; i < 2; i++)
	{
		jw_begin(writer, '{');
		jw_put_string(writer, "title", lexicon_pages[i]);
		jw_put_string(writer, "description", lexicon_pages[i + 2]);
		if (i == 0)
			jw_put_string(writer, "image", "https://example.com/carousel.png");
		jw_key(writer, "actions");
		jw_begin(writer, '[');
		jw_begin(writer, '{');
		jw_put_string(writer, "label", "Öffnen");
		jw_put_string(writer, "url", "https://example.com/open");
		jw_end(writer, '}');
		jw_end(writer, ']');
		jw_end(writer, '}');
	}
	jw_end(writer, ']');
	jw_end(writer, '}');
}

static void
write_content(const MessageFacts *facts, JsonWriter *writer, Random *random)
{
	jw_key(writer, "content");
	switch (facts->kind)
	{
		case MESSAGE_TEXT:
		case MESSAGE_NOTE:
			jw_string(writer, facts->excerpt);
			break;
		case MESSAGE_FILE:
		case MESSAGE_ANIMATION:
		case MESSAGE_AUDIO:
			write_file_like(facts, writer, random);
			break;
		case MESSAGE_PICKER:
		case MESSAGE_FIELD:
			write_form(facts, writer, random);
			break;
		case MESSAGE_CAROUSEL:
			write_carousel(facts, writer);
			break;
		case MESSAGE_EVENT:
			jw_begin(writer, '{');
			jw_put_string(writer, "namespace",
						  random_permille(random, 500) ? "state:resolved" : "user:blocked");
			jw_put_string(writer, "text", facts->excerpt);
			jw_end(writer, '}');
			break;
	}
}

static void
write_previews(JsonWriter *writer, Random *random)
{
	jw_key(writer, "preview");
	jw_begin(writer, '[');
	if (random_permille(random, 100))
	{
		jw_begin(writer, '{');
		jw_put_string(writer, "url", "https://example.com/docs?a=1&b=é");
		jw_put_string(writer, "website", "Example Docs");
		jw_put_string(writer, "title", "How to export – Example");
		jw_key(writer, "preview");
		jw_begin(writer, '{');
		optional_string(writer, random, "excerpt", "Everything, as tables.");
		optional_string(writer, random, "image", "https://example.com/og.png");
		optional_string(writer, random, "embed", "https://example.com/embed");
		jw_end(writer, '}');
		jw_put_bool(writer, "stamped", random_permille(random, 500));
		jw_end(writer, '}');
	}
	jw_end(writer, ']');
}

static void
write_marks(const Collection *collection, const MessageFacts *facts, JsonWriter *writer,
			Random *random)
{
	static const char bounce[] = "{\"email\":{\"type\":\"bounce\",\"reason\":\"mailbox_full\"}}";
	char			  id[KEY_SIZE];

	jw_key(writer, "mentions");
	jw_begin(writer, '[');
	if (facts->kind == MESSAGE_NOTE && facts->by_operator)
	{
		operator_user_id(collection->website,
						 (uint32_t) operator_choose(collection->website, random), id);
		jw_string(writer, id);
	}
	jw_end(writer, ']');
	optional_string(writer, random, "read", random_permille(random, 500) ? "chat" : "email");
	optional_string(writer, random, "delivered", random_permille(random, 500) ? "chat" : "email");
	if (random_permille(random, 30))
	{
		jw_key(writer, "ignored");
		jw_raw(writer, bounce, sizeof(bounce) - 1);
	}
	if (optional(writer, random, "edited"))
		jw_put_bool(writer, "edited", random_permille(random, 50));
	if (optional(writer, random, "translated"))
		jw_put_bool(writer, "translated", random_permille(random, 50));
	if (optional(writer, random, "automated"))
		jw_put_bool(writer, "automated", random_permille(random, 150));
	if (optional(writer, random, "stamped"))
		jw_put_bool(writer, "stamped", random_permille(random, 900));
}

static void
write_user(const Collection *collection, const Row *conversation, const MessageFacts *facts,
		   JsonWriter *writer, Random *random)
{
	char	 text[96];
	uint32_t number = conversation->operator_number >= 0 ? (uint32_t) conversation->operator_number
														 : 0;

	if (!optional(writer, random, "user"))
		return;
	jw_key(writer, "user");
	jw_begin(writer, '{');
	jw_put_string(writer, "type", facts->kind == MESSAGE_EVENT ? "website" : "participant");
	if (facts->by_operator)
	{
		operator_user_id(collection->website, number, text);
		jw_put_string(writer, "user_id", text);
		jw_put_string(writer, "nickname", operator_nickname(number));
		operator_avatar(number, text, sizeof(text));
		jw_put_string(writer, "avatar", text);
	}
	else
	{
		conversation_type.key(&collection->website->lists[RESOURCE_CONVERSATIONS],
							  conversation->number, text);
		jw_put_string(writer, "user_id", text);
		if (conversation->person != NO_ROW)
		{
			Identity identity;

			people_identity(collection->website, conversation->person, &identity);
			jw_put_string(writer, "nickname", identity.nickname);
			optional_string(writer, random, "avatar", identity.avatar);
		}
	}
	jw_end(writer, '}');
}

static void
write_extras(const MessageFacts *facts, JsonWriter *writer, Random *random)
{
	jw_key(writer, "references");
	jw_begin(writer, '[');
	if (facts->by_operator && random_permille(random, 60))
	{
		jw_begin(writer, '{');
		jw_put_string(writer, "type", "link");
		jw_put_string(writer, "name", "Artikel: Rückgabe");
		jw_put_string(writer, "target", "https://help.example.com/de/article/1");
		jw_end(writer, '}');
	}
	jw_end(writer, ']');
	if (random_permille(random, 80))
	{
		char id[UUID_SIZE];

		random_uuid(random_next(random), facts->number, id);
		jw_key(writer, "original");
		jw_begin(writer, '{');
		jw_put_string(writer, "original_id", id);
		jw_end(writer, '}');
	}
	if (random_permille(random, 150))
	{
		jw_key(writer, "properties");
		write_custom_data(writer, random, choose_custom_keys(random));
	}
	else if (random_permille(random, 300))
		jw_put_null(writer, "properties");
}

static MessageKind
choose_kind(Random *random, bool by_operator)
{
	if (random_permille(random, 700))
		return MESSAGE_TEXT;
	if (!by_operator)
		return random_permille(random, 600)
				   ? MESSAGE_TEXT
				   : (MessageKind) (MESSAGE_FILE + random_below(random, 3));
	return (MessageKind) (MESSAGE_NOTE + random_below(random, 8));
}

static void
message_write(const Collection *collection, const Row *row, JsonWriter *writer)
{
	static const char *const origins[] = {"chat", "chat", "email", "urn:crisp.im:whatsapp:0"};
	Row						 conversation = original_conversation(collection);
	Random					 random = random_stream(collection->seed, STREAM_TEXT, row->number);
	bool		 has_operators = collection->website->lists[RESOURCE_OPERATORS].generated > 0;
	MessageFacts facts;
	char		 id[KEY_SIZE];

	facts.number = row->number;
	facts.by_operator = has_operators && row->number > 0 && random_permille(&random, 500);
	facts.kind = choose_kind(&random, facts.by_operator);
	facts.excerpt = message_excerpt(&collection->website->lists[RESOURCE_CONVERSATIONS],
									collection->owner, row->number);
	jw_begin(writer, '{');
	conversation_type.key(&collection->website->lists[RESOURCE_CONVERSATIONS], collection->owner,
						  id);
	jw_put_string(writer, "session_id", id);
	jw_put_string(writer, "website_id", collection->website->id);
	jw_put_string(writer, "type", kind_names[facts.kind]);
	jw_put_string(writer, "from", facts.by_operator ? "operator" : "user");
	jw_put_string(writer, "origin", origins[random_below(&random, 4)]);
	write_content(&facts, writer, &random);
	write_previews(writer, &random);
	write_marks(collection, &facts, writer, &random);
	jw_put_int(writer, "fingerprint",
			   message_generated_fingerprint(collection->website, collection->owner, row->number,
											 row->times[SORT_CREATED]));
	jw_put_int(writer, "timestamp", row->times[SORT_CREATED]);
	write_user(collection, &conversation, &facts, writer, &random);
	write_extras(&facts, writer, &random);
	jw_end(writer, '}');
}

const ResourceType message_type = {
	.name = "messages",
	.key_path = "fingerprint",
	.created_path = "timestamp",
	.updated_path = "timestamp",
	.is_log = true,
	.generate = message_generate,
	.write = message_write,
	.key = message_key,
};

uint32_t
conversation_message_count(const Website *website, uint32_t conversation)
{
	const Collection *conversations = &website->lists[RESOURCE_CONVERSATIONS];
	Row				  row = {.number = conversation};

	/* Conversations that were not generated start without messages. */
	if (conversation >= conversations->generated && conversations->rows[conversation].own != NULL)
		return 0;
	conversation_type.generate(conversations, &row);

	/* Whether there are any is what the list of conversations says. */
	row.flags = conversations->rows[conversation].flags;
	return message_count(conversations, &row);
}

Collection *
website_messages(Website *website, uint32_t conversation, Collection *scratch)
{
	return website_below(website, below_find(message_type.name, NULL), conversation, scratch);
}
