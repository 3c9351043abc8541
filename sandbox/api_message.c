/*
 * api_message.c
 *		Answer routes of messages.
 *
 * A page has 20 messages, or as many as the settings say, oldest first within
 * it; the first page holds the newest ones.
 */
#include <string.h>

#include "json_path.h"
#include "message.h"
#include "parameters.h"
#include "patch.h"
#include "route.h"

/* Which part of the index, newest first, makes the page: from "first" on, "count" rows. */
typedef struct MessagePage
{
	size_t first;
	size_t count;
	bool   more; /* in the direction that was asked for */
} MessagePage;

static MessagePage
page_before(size_t first, size_t total, size_t size)
{
	size_t left = total - first;

	return (MessagePage){first, left < size ? left : size, left > size};
}

static MessagePage
choose_page(const Call *call, const Collection *messages, const RowIndex *index, const char **error)
{
	const Request *request = call->request;
	int64_t		   inclusive = call->sandbox->settings.messages_inclusive;
	size_t		   size = call->sandbox->settings.messages_per_page;
	int64_t		   time = 0;
	bool		   before = false;
	bool		   after = false;
	bool		   around = false;
	size_t		   place;

	parameter_timestamp(request, "timestamp_before", &time, &before, error);
	parameter_timestamp(request, "timestamp_after", &time, &after, error);
	parameter_timestamp(request, "timestamp_around", &time, &around, error);
	if (before + after + around > 1)
		*error = "only one of timestamp_before, timestamp_after, timestamp_around";
	if (before)
		return page_before(collection_rank(messages, index, SORT_CREATED, time - 1 + inclusive),
						   index->count, size);
	if (!after && !around)
		return page_before(0, index->count, size);

	/* So many are newer than the time. */
	place = collection_rank(messages, index, SORT_CREATED, after ? time - inclusive : time);
	if (after)
	{
		size_t count = place < size ? place : size;

		return (MessagePage){place - count, count, place > count};
	}
	place = place > size / 2 ? place - size / 2 : 0;
	return page_before(place, index->count, size);
}

void
list_messages(Call *call)
{
	uint32_t		  conversation = call_conversation(call);
	Collection		  scratch = {0};
	const Collection *messages;
	const RowIndex	 *index;
	const char		 *error = NULL;
	MessagePage		  page;

	if (conversation == NO_ROW)
		return;
	messages = website_messages(call->website, conversation, &scratch);
	index = collection_index(messages, SORT_CREATED, true);
	page = choose_page(call, messages, index, &error);
	if (error != NULL)
		reply_error(call->reply, 400, "invalid_data", error);
	else
	{
		const Settings *settings = &call->sandbox->settings;
		unsigned		status = listing_status(settings, page.count, settings->messages_per_page,
												page.more);
		JsonWriter		writer = reply_begin(call->reply, status, "listed");

		jw_begin(&writer, '[');
		for (size_t i = page.count; i-- > 0;)
			collection_write(messages, index->ids[page.first + i], &writer);
		jw_end(&writer, ']');
		reply_end(&writer);
		call->reply->rows = (int64_t) page.count;
	}
	collection_free(&scratch);
}

/*
 * Return the message that is meant by a fingerprint, or NO_ROW.  Several may have it: the newest is
 * meant, or the oldest, as the settings say.
 */
static uint32_t
find_message(const Call *call, const Collection *messages, const char *fingerprint)
{
	const RowIndex *index = collection_index(messages, SORT_CREATED, true);
	bool			oldest = call->sandbox->settings.oldest_message;

	for (size_t i = 0; i < index->count; i++)
	{
		uint32_t id = index->ids[oldest ? index->count - 1 - i : i];
		Buffer	 key = {0};
		bool	 found = collection_key(messages, id, &key) && strcmp(key.data, fingerprint) == 0;

		buffer_free(&key);
		if (found)
			return id;
	}
	return NO_ROW;
}

void
get_message(Call *call)
{
	uint32_t		  conversation = call_conversation(call);
	Collection		  scratch = {0};
	const Collection *messages;
	uint32_t		  id;

	if (conversation == NO_ROW)
		return;
	messages = website_messages(call->website, conversation, &scratch);
	id = find_message(call, messages, call->arguments[1]);
	if (id == NO_ROW)
		reply_error(call->reply, 404, "not_found", "This message does not exist");
	else
	{
		JsonWriter writer = reply_begin(call->reply, 200, "resolved");

		collection_write(messages, id, &writer);
		reply_end(&writer);
	}
	collection_free(&scratch);
}

/* Say what is wrong with a message to be sent, or return NULL. */
static const char *
check_message(json_object *body)
{
	static const char *const types[] = {
		"text", "note", "file", "animation", "audio", "picker", "field", "carousel", "event",
	};
	const char	*type = json_path_string(body, "type");
	const char	*from = json_path_string(body, "from");
	json_object *content = json_path_get(body, "content");
	size_t		 i;

	if (type == NULL || from == NULL || json_path_string(body, "origin") == NULL || content == NULL)
		return "type, from, origin and content are required";
	if (strcmp(from, "user") != 0 && strcmp(from, "operator") != 0)
		return "from must be user or operator";
	for (i = 0; i < 9 && strcmp(types[i], type) != 0; i++)
		continue;
	if (i == 9)
		return "unknown type of message";
	if (!json_object_is_type(content, i < 2 ? json_type_string : json_type_object))
		return "content must be a string for text and note, an object for other types";
	return NULL;
}

/* Make what is kept of a message that was sent: the documented fields of messages. */
static json_object *
stored_message(json_object *body, const char *session_id, const char *website_id)
{
	static const char *const kept[] = {
		"type",		 "from", "origin",	   "content",  "mentions",	 "translated",
		"automated", "user", "references", "original", "properties",
	};
	json_object *message = json_object_new_object();

	json_object_object_add(message, "session_id", json_object_new_string(session_id));
	json_object_object_add(message, "website_id", json_object_new_string(website_id));
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
	{
		json_object *value;

		if (json_object_object_get_ex(body, kept[i], &value))
			json_object_object_add(message, kept[i], json_object_get(value));
	}
	json_object_object_add(message, "preview", json_object_new_array());
	json_object_object_add(message, "edited", json_object_new_boolean(false));
	json_object_object_add(message, "stamped", json_object_new_boolean(true));
	return message;
}

/* Return a fingerprint that no message of the list has. */
static int64_t
free_fingerprint(const Collection *messages, int64_t timestamp)
{
	int64_t fingerprint = message_fingerprint(timestamp, (uint32_t) messages->row_count);
	bool	taken = true;

	while (taken)
	{
		Buffer key = {0};

		buffer_printf(&key, "%lld", (long long) fingerprint);
		taken = collection_find(messages, key.data) != NO_ROW;
		buffer_free(&key);
		fingerprint += taken;
	}
	return fingerprint;
}

/* Add the message to the list, and return the fingerprint that it got. */
static int64_t
add_message(Collection *messages, json_object *body, json_object *message, int64_t now)
{
	json_object *asked = json_path_get(body, "fingerprint");
	json_object *time = json_path_get(body, "timestamp");
	int64_t		 newest = collection_newest(messages, SORT_CREATED);
	int64_t		 timestamp = newest != NO_TIME && newest >= now ? newest + 1 : now;
	int64_t		 fingerprint;
	size_t		 len;
	const char	*text;

	if (json_object_is_type(time, json_type_int))
		timestamp = json_object_get_int64(time);
	fingerprint = json_object_is_type(asked, json_type_int) ? json_object_get_int64(asked)
															: free_fingerprint(messages, timestamp);
	json_object_object_add(message, "fingerprint", json_object_new_int64(fingerprint));
	json_object_object_add(message, "timestamp", json_object_new_int64(timestamp));
	text = json_text(message, &len);
	collection_set_text(messages, NO_ROW, text, len, false);
	return fingerprint;
}

/* Update the conversation by the message, and let it show the message's start. */
static void
show_message(Collection *conversations, uint32_t id, json_object *body, int64_t fingerprint,
			 int64_t now)
{
	json_object *set = json_object_new_object();
	json_object *preview = json_object_new_object();
	json_object *content = json_path_get(body, "content");
	const char	*excerpt = json_object_is_type(content, json_type_string)
							   ? json_object_get_string(content)
							   : json_path_string(content, "text");

	json_object_object_add(preview, "type", json_object_get(json_path_get(body, "type")));
	json_object_object_add(preview, "from", json_object_get(json_path_get(body, "from")));
	json_object_object_add(preview, "excerpt", json_object_new_string(excerpt ? excerpt : ""));
	json_object_object_add(preview, "fingerprint", json_object_new_int64(fingerprint));
	json_object_object_add(set, "preview_message", preview);
	json_object_object_add(set, "last_message", json_object_new_string(excerpt ? excerpt : ""));
	json_object_object_add(set, "updated_at", json_object_new_int64(now));
	collection_set_flag(conversations, id, ROW_EMPTY, false);
	patch_row(conversations, id, set, NULL);
	json_object_put(set);
}

void
post_message(Call *call)
{
	Collection	*conversations = &call->website->lists[RESOURCE_CONVERSATIONS];
	json_object *body = json_parse(call->request->body.data, call->request->body.len);
	const char	*error = check_message(body);
	uint32_t	 conversation = call_conversation(call);

	if (conversation != NO_ROW && error != NULL)
		reply_error(call->reply, 400, "invalid_data", error);
	else if (conversation != NO_ROW)
	{
		int64_t		 now = next_moment(conversations);
		json_object *message = stored_message(body, call->arguments[0], call->website->id);
		int64_t		 fingerprint;
		JsonWriter	 writer;

		call->sandbox->dataset.dirty = true;
		fingerprint = add_message(website_messages(call->website, conversation, NULL), body,
								  message, now);
		show_message(conversations, conversation, body, fingerprint, now);
		json_object_put(message);
		writer = reply_begin(call->reply, 202, "dispatched");
		jw_begin(&writer, '{');
		jw_put_int(&writer, "fingerprint", fingerprint);
		jw_end(&writer, '}');
		reply_end(&writer);
	}
	json_object_put(body);
}

/*
 * Return the message that the path names, ready to be changed; NO_ROW when the reply is an error
 * already.
 */
static uint32_t
open_message(Call *call, Collection **messages)
{
	uint32_t conversation = call_conversation(call);
	uint32_t id;

	if (conversation == NO_ROW)
		return NO_ROW;
	call->sandbox->dataset.dirty = true;
	*messages = website_messages(call->website, conversation, NULL);
	id = find_message(call, *messages, call->arguments[1]);
	if (id == NO_ROW)
		reply_error(call->reply, 404, "not_found", "This message does not exist");
	return id;
}

void
patch_message(Call *call)
{
	json_object *body = json_parse(call->request->body.data, call->request->body.len);
	json_object *content = json_path_get(body, "content");
	Collection	*messages;
	uint32_t	 id = open_message(call, &messages);

	if (id != NO_ROW && content == NULL)
		reply_error(call->reply, 400, "invalid_data", "content is required");
	else if (id != NO_ROW)
	{
		json_object *set = json_object_new_object();
		const char	*error;

		json_object_object_add(set, "content", json_object_get(content));
		json_object_object_add(set, "edited", json_object_new_boolean(true));
		error = patch_row(messages, id, set, NULL);
		json_object_put(set);
		if (error != NULL)
			reply_error(call->reply, 400, "invalid_data", error);
		else
			reply_done(call->reply, "updated");
	}
	json_object_put(body);
}

void
delete_message(Call *call)
{
	Collection *messages;
	uint32_t	id = open_message(call, &messages);

	if (id == NO_ROW)
		return;
	collection_delete(messages, id);
	reply_done(call->reply, "removed");
}
