/*
 * api_batch.c
 *		Change many conversations, or profiles of people, by one request.
 *
 * Each operation is one entry of the table "operations".
 */
#include <string.h>

#include "body.h"
#include "json_path.h"
#include "operator.h"
#include "patch.h"
#include "written.h"

/* A request, for conversations or for profiles. */
typedef struct Batch
{
	Call		*call;
	json_object *body;
	bool		 people;
	Collection	*rows;	/* of which it names some ... */
	json_object *names; /* ... by these keys; NULL: it doesn't */
} Batch;

typedef struct Operation
{
	const char		*name;
	bool			 takes_inbox; /* all conversations of "inbox_id", where there are no sessions */
	const BodyField *fields;
	const char *(*check)(const Batch *batch); /* NULL: nothing more to check */
	void (*run)(const Batch *batch, uint32_t id, json_object *set);
} Operation;

static json_object *
member(const Batch *batch, const char *name)
{
	return json_object_object_get(batch->body, name);
}

static void
set_member(json_object *set, const char *path, json_object *value)
{
	json_object *copy = NULL;

	if (value != NULL)
		json_object_deep_copy(value, &copy, NULL);
	json_object_object_add(set, path, copy);
}

static void
set_state(json_object *set, const char *state, int status)
{
	json_object_object_add(set, "state", json_object_new_string(state));
	json_object_object_add(set, "status", json_object_new_int(status));
}

static void
run_resolve(const Batch *batch, uint32_t id, json_object *set)
{
	(void) batch, (void) id;
	set_state(set, "resolved", 2);
}

static void
run_unresolve(const Batch *batch, uint32_t id, json_object *set)
{
	(void) batch, (void) id;
	set_state(set, "unresolved", 1);
}

static void
run_block(const Batch *batch, uint32_t id, json_object *set)
{
	(void) id;
	set_member(set, "is_blocked", member(batch, "blocked"));
}

static const char *
check_block(const Batch *batch)
{
	return member(batch, "blocked") == NULL ? "blocked is missing" : NULL;
}

/* Say whether a body that assigns nobody is one that unassigns. */
static bool
may_unassign(const Batch *batch, json_object *assigned)
{
	switch ((UnassignBody) batch->call->sandbox->settings.batch_unassign_body)
	{
		case UNASSIGN_EITHER:
			return true;
		case UNASSIGN_USER_ID:
			return json_object_object_get_ex(assigned, "user_id", NULL);
		case UNASSIGN_ASSIGNED:
			return assigned == NULL;
		case UNASSIGN_NEITHER:
			break;
	}
	return false;
}

static const char *
check_routing(const Batch *batch)
{
	const char	*user_id = json_path_string(batch->body, "assigned.user_id");
	json_object *assigned;

	if (!json_object_object_get_ex(batch->body, "assigned", &assigned))
		return "assigned is missing";
	if (user_id != NULL && !operator_exists(batch->call->website, user_id))
		return "there is no such operator";
	return user_id == NULL && !may_unassign(batch, assigned) ? "assigned is of the wrong type"
															 : NULL;
}

static void
run_routing(const Batch *batch, uint32_t id, json_object *set)
{
	(void) id;
	set_member(set, "assigned",
			   json_path_string(batch->body, "assigned.user_id") ? member(batch, "assigned")
																 : NULL);
}

static const char *
check_inbox(const Batch *batch)
{
	const Collection *inboxes = &batch->call->website->lists[RESOURCE_INBOXES];
	json_object		 *inbox_id;

	if (!json_object_object_get_ex(batch->body, "inbox_id", &inbox_id))
		return "inbox_id is missing";
	if (inbox_id != NULL && !batch->call->sandbox->settings.unknown_inbox &&
		collection_find(inboxes, json_object_get_string(inbox_id)) == NO_ROW)
		return "there is no such inbox";
	return NULL;
}

static void
run_inbox(const Batch *batch, uint32_t id, json_object *set)
{
	(void) id;
	set_member(set, "inbox_id", member(batch, "inbox_id"));
}

static const char *
check_segments(const Batch *batch)
{
	return member(batch, "segments") == NULL ? "segments is missing" : NULL;
}

/* Add to an array the texts of another that it lacks. */
static void
add_texts(json_object *array, json_object *more)
{
	for (size_t i = 0; i < json_object_array_length(more); i++)
	{
		json_object *text = json_object_array_get_idx(more, i);
		bool		 found = false;

		for (size_t j = 0; j < json_object_array_length(array); j++)
			found |= json_object_equal(json_object_array_get_idx(array, j), text);
		if (!found)
			json_object_array_add(array, json_object_get(text));
	}
}

static void
run_segments(const Batch *batch, uint32_t id, json_object *set)
{
	json_object *tree = collection_tree(batch->rows, id);
	const char	*path = batch->people ? "segments" : "meta.segments";
	json_object *old = json_path_get(tree, path);

	if (batch->call->sandbox->settings.batch_adds && json_object_is_type(old, json_type_array))
	{
		add_texts(old, member(batch, "segments"));
		set_member(set, path, old);
	}
	else
		set_member(set, path, member(batch, "segments"));
	json_object_put(tree);
}

static const char *
check_data(const Batch *batch)
{
	return member(batch, "data") == NULL ? "data is missing" : NULL;
}

static void
run_data(const Batch *batch, uint32_t id, json_object *set)
{
	json_object *tree = collection_tree(batch->rows, id);
	json_object *old = json_path_get(tree, "meta.data");

	if (batch->call->sandbox->settings.batch_adds && json_object_is_type(old, json_type_object))
	{
		body_merge(old, member(batch, "data"));
		set_member(set, "meta.data", old);
	}
	else
		set_member(set, "meta.data", member(batch, "data"));
	json_object_put(tree);
}

#define SESSIONS                 \
	{                            \
		"sessions", BODY_STRINGS \
	}

#define PROFILES                        \
	{                                   \
		"people.profiles", BODY_STRINGS \
	}

static const BodyField plain_fields[] = {SESSIONS, {"inbox_id", BODY_STRING}, {NULL, 0}};
static const BodyField remove_fields[] = {SESSIONS, PROFILES, {"inbox_id", BODY_STRING}, {NULL, 0}};
static const BodyField block_fields[] = {SESSIONS, {"blocked", BODY_BOOLEAN}, {NULL, 0}};
static const BodyField routing_fields[] = {SESSIONS, {"assigned.user_id", BODY_STRING}, {NULL, 0}};
static const BodyField segments_fields[] = {
	SESSIONS, PROFILES, {"segments", BODY_STRINGS}, {NULL, 0}};
static const BodyField data_fields[] = {SESSIONS, {"data", BODY_DATA}, {NULL, 0}};

static const Operation operations[] = {
	{"resolve", true, plain_fields, NULL, run_resolve},
	{"unresolve", true, plain_fields, NULL, run_unresolve},
	{"remove", true, remove_fields, NULL, NULL},
	{"block", false, block_fields, check_block, run_block},
	{"routing", false, routing_fields, check_routing, run_routing},
	{"inbox", false, plain_fields, check_inbox, run_inbox},
	{"segments", false, segments_fields, check_segments, run_segments},
	{"data", false, data_fields, check_data, run_data},
};

/* Say what is wrong with a request, or return NULL. */
static const char *
find_fault(const Batch *batch, const Operation *operation)
{
	const char *error = body_check(batch->body, operation->fields, true);
	uint32_t	limit = batch->call->sandbox->settings.batch_limit;

	if (error != NULL)
		return error;
	if (batch->people && member(batch, "sessions") != NULL)
		return "it is for sessions or for people";
	if (batch->names == NULL &&
		(batch->people || !operation->takes_inbox || member(batch, "inbox_id") == NULL))
		return "sessions is missing";
	if (batch->names != NULL && json_object_array_length(batch->names) == 0)
		return "there is nobody to change";
	if (batch->names != NULL && json_object_array_length(batch->names) > limit)
		return "there are too many of them";
	return operation->check ? operation->check(batch) : NULL;
}

/* Change one row as an operator's action does, which updates it. */
static void
change_row(const Batch *batch, const Operation *operation, uint32_t id)
{
	json_object *set;

	batch->call->sandbox->dataset.dirty = true;
	if (operation->run == NULL)
	{
		collection_delete(batch->rows, id);
		return;
	}
	set = json_object_new_object();
	operation->run(batch, id, set);
	json_object_object_add(set, "updated_at", json_object_new_int64(next_moment(batch->rows)));
	patch_row(batch->rows, id, set, NULL);
	json_object_put(set);
}

/* Change the conversations of an inbox, whatever their number. */
static void
change_inbox(const Batch *batch, const Operation *operation)
{
	const char *inbox_id = json_object_get_string(member(batch, "inbox_id"));

	for (uint32_t id = 0; id < batch->rows->row_count; id++)
	{
		json_object *tree;
		const char	*inbox;

		if (batch->rows->rows[id].flags & (ROW_DELETED | ROW_VERBATIM))
			continue;
		tree = collection_tree(batch->rows, id);
		inbox = json_path_string(tree, "inbox_id");
		if (inbox != NULL && strcmp(inbox, inbox_id) == 0)
			change_row(batch, operation, id);
		json_object_put(tree);
	}
}

/* Find a row by its place among the names; NO_ROW when it's gone. */
static uint32_t
find_named(const Batch *batch, size_t place)
{
	return collection_find(batch->rows,
						   json_object_get_string(json_object_array_get_idx(batch->names, place)));
}

/* Change the rows that are named, if the settings have it so when one is gone. */
static bool
change_named(const Batch *batch, const Operation *operation)
{
	size_t count = json_object_array_length(batch->names);

	for (size_t i = 0; i < count && batch->call->sandbox->settings.batch_gone_refused; i++)
		if (find_named(batch, i) == NO_ROW)
			return false;
	for (size_t i = 0; i < count; i++)
	{
		uint32_t id = find_named(batch, i);

		if (id != NO_ROW)
			change_row(batch, operation, id);
	}
	return true;
}

void
patch_batch(Call *call)
{
	Batch			 batch = {.call = call};
	const Operation *operation = NULL;

	for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
		if (strcmp(operations[i].name, call->arguments[0]) == 0)
			operation = &operations[i];
	if (operation == NULL)
	{
		reply_error(call->reply, 404, "route_not_found", "There is no such route");
		return;
	}
	batch.body = json_parse(call->request->body.data, call->request->body.len);
	batch.people = member(&batch, "people") != NULL;
	batch.rows = &call->website->lists[batch.people ? RESOURCE_PEOPLE : RESOURCE_CONVERSATIONS];
	batch.names = json_path_get(batch.body, batch.people ? "people.profiles" : "sessions");
	if (!written_refuses(call, find_fault(&batch, operation)))
	{
		bool found = true;

		if (batch.names != NULL)
			found = change_named(&batch, operation);
		else
			change_inbox(&batch, operation);
		if (found)
			written_done(call, "updated");
		else
			written_error(call, 404, "not_found", "One of them does not exist");
	}
	json_object_put(batch.body);
}
