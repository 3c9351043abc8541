/*
 * change.c
 *		Change the data, at once or when a certain request comes: POST /_data.
 *
 * Each operation is one entry of the table "operations".
 */
#include "change.h"

#include <stdlib.h>
#include <string.h>

#include "below.h"
#include "json_path.h"
#include "patch.h"
#include "sandbox.h"

struct Change
{
	json_object *operation;
	Match		 match;
	bool		 after;
	bool		 due; /* its request is being answered */
	Change		*next;
};

/* What an operation works on. */
typedef struct Target
{
	Sandbox		*sandbox;
	Collection	*list;
	json_object *operation;
	Buffer		*keys;
} Target;

typedef struct Operation
{
	const char *name;
	const char *members; /* that it may have, besides the common ones; between spaces */
	const char *(*run)(Target *target);
} Operation;

#define COMMON_MEMBERS " op resource website_id session_id people_id campaign_id type at_request "

static json_object *
member(const Target *target, const char *name)
{
	return json_object_object_get(target->operation, name);
}

static int64_t
int_member(const Target *target, const char *name, int64_t otherwise)
{
	json_object *value = member(target, name);

	return value != NULL ? json_object_get_int64(value) : otherwise;
}

static void
tell_key(Target *target, uint32_t id)
{
	Buffer	   key = {0};
	JsonWriter writer = {target->keys, false, target->keys->len > 0};

	if (collection_key(target->list, id, &key))
		jw_string(&writer, key.data);
	else
		jw_null(&writer);
	buffer_free(&key);
}

static const RowIndex *
default_index(const Target *target)
{
	return collection_index(target->list, listing_true_order(target->list), false);
}

/* Find the row that "key" or "index" names. */
static const char *
find_row(const Target *target, uint32_t *id)
{
	json_object	   *key = member(target, "key");
	int64_t			place = int_member(target, "index", -1);
	const RowIndex *index = default_index(target);

	*id = NO_ROW;
	if ((key != NULL) == (place >= 0))
		return "either key or index must name the row";
	if (key != NULL)
		*id = collection_find(target->list, json_object_get_string(key));
	else if ((uint64_t) place < index->count)
		*id = index->ids[place];
	return *id == NO_ROW ? "there is no such row" : NULL;
}

static const char *
run_touch(Target *target)
{
	uint32_t	id;
	const char *error = find_row(target, &id);

	if (error == NULL && target->list->type->updated_path == NULL)
		error = "rows of this resource have no time of update";
	if (error != NULL)
		return error;
	tell_key(target, id);
	touch_row(target->list, id, int_member(target, "updated_at", next_moment(target->list)));
	return NULL;
}

static const char *
run_delete(Target *target)
{
	uint32_t	id;
	const char *error = find_row(target, &id);

	if (error != NULL)
		return error;
	tell_key(target, id);
	collection_delete(target->list, id);
	return NULL;
}

static const char *
run_insert(Target *target)
{
	json_object *row = member(target, "row");
	json_object *key;
	size_t		 len;
	const char	*text;
	uint32_t	 id;

	if (!json_object_is_type(row, json_type_object))
		return "row must be an object";
	key = json_path_get(row, target->list->type->key_path);
	if (key != NULL && !target->list->type->is_log &&
		collection_find(target->list, json_object_get_string(key)) != NO_ROW)
		return "there is a row with this key already";
	text = json_text(row, &len);
	id = collection_set_text(target->list, NO_ROW, text, len, false);
	if (json_object_get_boolean(member(target, "empty")))
		collection_set_flag(target->list, id, ROW_EMPTY, true);
	tell_key(target, id);
	return NULL;
}

static const char *
run_patch(Target *target)
{
	uint32_t	id;
	const char *error = find_row(target, &id);

	if (error != NULL)
		return error;
	if (member(target, "set") == NULL && member(target, "unset") == NULL)
		return "set or unset must say what to change";
	tell_key(target, id);
	return patch_row(target->list, id, member(target, "set"), member(target, "unset"));
}

/* Return the verbatim text of "text" or "text_base64", which the caller frees; or NULL. */
static char *
verbatim_text(const Target *target, size_t *len)
{
	json_object *text = member(target, "text");
	json_object *encoded = member(target, "text_base64");

	if ((text != NULL) == (encoded != NULL))
		return NULL;
	if (encoded != NULL)
		return base64_decode(json_object_get_string(encoded), len);
	*len = (size_t) json_object_get_string_len(text);
	return xstrndup(json_object_get_string(text), *len);
}

static const char *
run_raw(Target *target)
{
	uint32_t	id;
	const char *error = find_row(target, &id);
	size_t		len;
	char	   *text;

	if (error != NULL)
		return error;
	text = verbatim_text(target, &len);
	if (text == NULL)
		return "either text or text_base64 must give the text";
	tell_key(target, id);
	collection_set_text(target->list, id, text, len, true);
	free(text);
	return NULL;
}

static const char *
run_insert_raw(Target *target)
{
	int64_t	 updated_at = int_member(target, "updated_at", next_moment(target->list));
	size_t	 len;
	char	*text = verbatim_text(target, &len);
	uint32_t id;

	if (text == NULL)
		return "either text or text_base64 must give the text";
	id = collection_set_text(target->list, NO_ROW, text, len, true);
	collection_set_time(target->list, id, SORT_UPDATED, updated_at);
	collection_set_time(target->list, id, SORT_CREATED,
						int_member(target, "created_at", updated_at));
	tell_key(target, id);
	free(text);
	return NULL;
}

static const char *
run_insert_many(Target *target)
{
	int64_t count = int_member(target, "count", 1);
	int64_t at = int_member(target, "at", next_moment(target->list));

	if (target->list->type->is_log)
		return "such rows cannot be generated: insert them one by one";
	for (int64_t i = 0; i < count; i++)
		tell_key(target, collection_generate(target->list, at));
	return NULL;
}

static const char *
run_insert_random(Target *target)
{
	int64_t count = int_member(target, "count", 1);

	if (target->list->type->is_log)
		return "such rows cannot be generated: insert them one by one";
	for (int64_t i = 0; i < count; i++)
		tell_key(target, collection_generate(target->list, next_moment(target->list)));
	return NULL;
}

/* Return a row that the list shows, at random; NO_ROW if it shows none. */
static uint32_t
random_row(const Target *target, Random *random)
{
	const RowIndex *index = default_index(target);

	return index->count > 0 ? index->ids[random_below(random, (uint32_t) index->count)] : NO_ROW;
}

static const char *
run_touch_random(Target *target)
{
	Random random = random_stream((uint64_t) int_member(target, "seed", 0), 1, 0);

	if (target->list->type->updated_path == NULL)
		return "rows of this resource have no time of update";
	for (int64_t i = int_member(target, "count", 1); i > 0; i--)
	{
		uint32_t id = random_row(target, &random);

		if (id == NO_ROW)
			return "there is no row to touch";
		tell_key(target, id);
		touch_row(target->list, id, next_moment(target->list));
	}
	return NULL;
}

static const char *
run_delete_random(Target *target)
{
	Random random = random_stream((uint64_t) int_member(target, "seed", 0), 2, 0);

	for (int64_t i = int_member(target, "count", 1); i > 0; i--)
	{
		uint32_t id = random_row(target, &random);

		if (id == NO_ROW)
			return "there is no row to delete";
		tell_key(target, id);
		collection_delete(target->list, id);
	}
	return NULL;
}

static const char *
run_clear(Target *target)
{
	collection_clear(target->list);
	return NULL;
}

static const Operation operations[] = {
	{"touch", " key index updated_at ", run_touch},
	{"delete", " key index ", run_delete},
	{"insert", " row empty ", run_insert},
	{"patch", " key index set unset ", run_patch},
	{"raw", " key index text text_base64 ", run_raw},
	{"insert_raw", " text text_base64 created_at updated_at ", run_insert_raw},
	{"insert_many", " count at ", run_insert_many},
	{"insert_random", " count seed ", run_insert_random},
	{"touch_random", " count seed ", run_touch_random},
	{"delete_random", " count seed ", run_delete_random},
	{"clear", " ", run_clear},
};

static const Operation *
find_operation(json_object *operation)
{
	const char *name = json_path_string(operation, "op");

	for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]) && name != NULL; i++)
		if (strcmp(operations[i].name, name) == 0)
			return &operations[i];
	return NULL;
}

static bool
is_among(const char *name, const char *names)
{
	Buffer word = {0};
	bool   found;

	buffer_printf(&word, " %s ", name);
	found = strchr(name, ' ') == NULL && strstr(names, word.data) != NULL;
	buffer_free(&word);
	return found;
}

static const char *
check_type(const char *name, json_object *value)
{
	if (is_among(name, " index updated_at created_at count seed at "))
	{
		if (!json_object_is_type(value, json_type_int))
			return "index, count, seed and times must be integers";
		if (is_among(name, " index count ") &&
			(json_object_get_int64(value) < 0 || json_object_get_int64(value) > 1000000))
			return "index and count must be from 0 to 1000000";
	}
	if (is_among(name, " op resource website_id session_id people_id campaign_id type text "
					   "text_base64 ") &&
		!json_object_is_type(value, json_type_string))
		return "op, resource, ids, type, text and text_base64 must be strings";
	if (strcmp(name, "key") == 0 && !json_object_is_type(value, json_type_string) &&
		!json_object_is_type(value, json_type_int))
		return "key must be a string, or a fingerprint";
	return NULL;
}

/* Find the list that an operation is about; without "change" only check what does not change. */
static const char *
find_list(Sandbox *sandbox, json_object *operation, bool change, Collection **list)
{
	const char *website_id = json_path_string(operation, "website_id");
	const char *resource = json_path_string(operation, "resource");
	Website	   *website = &sandbox->dataset.websites[0];
	const char *parent_member;

	if (website_id != NULL && (website = dataset_website(&sandbox->dataset, website_id)) == NULL)
		return "there is no such website";
	if (resource == NULL)
		resource = "conversations";
	parent_member = below_parent_member(resource);
	if (parent_member == NULL)
	{
		*list = website_list(website, resource);
		return *list == NULL ? "there is no such resource" : NULL;
	}
	return below_named(website, resource, json_path_string(operation, "type"),
					   json_path_string(operation, parent_member), change, NULL, list);
}

static const char *
check_operation(Sandbox *sandbox, json_object *operation)
{
	const Operation *found = find_operation(operation);
	Collection		*list;

	if (!json_object_is_type(operation, json_type_object))
		return "each operation must be an object";
	if (found == NULL)
		return "unknown op";
	json_object_object_foreach(operation, name, value)
	{
		const char *error = NULL;

		if (!is_among(name, COMMON_MEMBERS) && !is_among(name, found->members))
			return "the operation has a member that it does not take";
		error = check_type(name, value);
		if (error != NULL)
			return error;
	}
	return find_list(sandbox, operation, false, &list);
}

static const char *
run_operation(Sandbox *sandbox, json_object *operation, Buffer *keys)
{
	Target		target = {.sandbox = sandbox, .operation = operation, .keys = keys};
	const char *error;

	sandbox->dataset.dirty = true;
	error = find_list(sandbox, operation, true, &target.list);
	return error != NULL ? error : find_operation(operation)->run(&target);
}

static void
free_change(Change *change)
{
	match_free(&change->match);
	json_object_put(change->operation);
	free(change);
}

/* Read {"path", "nth", "when", …}; a change waits for one request, the first unless told. */
static const char *
read_moment(Change *change, json_object *moment)
{
	json_object *when = json_path_get(moment, "when");
	const char	*error = match_parse(&change->match, moment, "when");

	if (error != NULL)
		return error;
	if (change->match.nth == 0)
		change->match.nth = 1;
	if (when == NULL)
		return NULL;
	change->after = strcmp(json_object_get_string(when), "after") == 0;
	if (!change->after && strcmp(json_object_get_string(when), "before") != 0)
		return "when must be before or after";
	return NULL;
}

static const char *
keep_change(ChangeList *list, json_object *operation, json_object *moment)
{
	Change	   *change = xcalloc(1, sizeof(*change));
	Change	  **tail = &list->first;
	const char *error = read_moment(change, moment);

	change->operation = json_object_get(operation);
	if (error != NULL)
	{
		free_change(change);
		return error;
	}
	while (*tail != NULL)
		tail = &(*tail)->next;
	*tail = change;
	return NULL;
}

const char *
changes_request(Sandbox *sandbox, json_object *operation_list, Buffer *keys, size_t *place)
{
	const char *error = NULL;
	size_t		count;

	*place = 0;
	if (!json_object_is_type(operation_list, json_type_array))
		return "the body must be an array of operations";
	count = json_object_array_length(operation_list);
	for (size_t i = 0; i < count && error == NULL; i++)
	{
		*place = i;
		error = check_operation(sandbox, json_object_array_get_idx(operation_list, i));
	}
	for (size_t i = 0; i < count && error == NULL; i++)
	{
		json_object *operation = json_object_array_get_idx(operation_list, i);
		json_object *moment;

		*place = i;
		if (json_object_object_get_ex(operation, "at_request", &moment))
			error = keep_change(&sandbox->changes, operation, moment);
		else
			error = run_operation(sandbox, operation, keys);
	}
	return error;
}

void
changes_clear(ChangeList *list)
{
	while (list->first != NULL)
	{
		Change *next = list->first->next;

		free_change(list->first);
		list->first = next;
	}
}

/* Carry out what is due, and forget it; what fails is told in the log. */
static void
run_due(Sandbox *sandbox, bool after)
{
	Change **link = &sandbox->changes.first;
	Buffer	 keys = {0};

	while (*link != NULL)
	{
		Change	   *change = *link;
		const char *error;

		if (!change->due || change->after != after)
		{
			link = &change->next;
			continue;
		}
		*link = change->next;
		error = run_operation(sandbox, change->operation, &keys);
		if (error != NULL)
			request_log_error(&sandbox->log, error);
		free_change(change);
	}
	buffer_free(&keys);
}

void
changes_before(Sandbox *sandbox, const Request *request)
{
	for (Change *change = sandbox->changes.first; change != NULL; change = change->next)
		if (match_request(&change->match, request) && change->match.seen == change->match.nth)
			change->due = true;
	run_due(sandbox, false);
}

void
changes_after(Sandbox *sandbox)
{
	run_due(sandbox, true);
}
