/*
 * api_batch.c
 *		Change many conversations by one request.
 *
 * Each operation is one entry of the table "operations".
 */
#include <string.h>

#include "body.h"
#include "json_path.h"
#include "operator.h"
#include "patch.h"
#include "written.h"

/* What is done to each conversation. */
typedef struct Batch
{
	Call		*call;
	Collection	*conversations;
	json_object *body;
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
	json_object *tree = collection_tree(batch->conversations, id);
	json_object *old = json_path_get(tree, "meta.segments");

	if (batch->call->sandbox->settings.batch_adds && json_object_is_type(old, json_type_array))
	{
		add_texts(old, member(batch, "segments"));
		set_member(set, "meta.segments", old);
	}
	else
		set_member(set, "meta.segments", member(batch, "segments"));
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
	json_object *tree = collection_tree(batch->conversations, id);
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

static const BodyField plain_fields[] = {SESSIONS, {"inbox_id", BODY_STRING}, {NULL, 0}};
static const BodyField block_fields[] = {SESSIONS, {"blocked", BODY_BOOLEAN}, {NULL, 0}};
static const BodyField routing_fields[] = {SESSIONS, {"assigned.user_id", BODY_STRING}, {NULL, 0}};
static const BodyField segments_fields[] = {SESSIONS, {"segments", BODY_STRINGS}, {NULL, 0}};
static const BodyField data_fields[] = {SESSIONS, {"data", BODY_DATA}, {NULL, 0}};

static const Operation operations[] = {
	{"resolve", true, plain_fields, NULL, run_resolve},
	{"unresolve", true, plain_fields, NULL, run_unresolve},
	{"remove", true, plain_fields, NULL, NULL},
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
	const char	*error = body_check(batch->body, operation->fields, true);
	json_object *sessions = member(batch, "sessions");
	uint32_t	 limit = batch->call->sandbox->settings.batch_limit;

	if (error != NULL)
		return error;
	if (sessions == NULL && (!operation->takes_inbox || member(batch, "inbox_id") == NULL))
		return "sessions is missing";
	if (sessions != NULL && json_object_array_length(sessions) == 0)
		return "sessions is empty";
	if (sessions != NULL && json_object_array_length(sessions) > limit)
		return "there are too many sessions";
	return operation->check ? operation->check(batch) : NULL;
}

/* Change one conversation as an operator's action does, which updates it. */
static void
change_conversation(const Batch *batch, const Operation *operation, uint32_t id)
{
	json_object *set;

	batch->call->sandbox->dataset.dirty = true;
	if (operation->run == NULL)
	{
		collection_delete(batch->conversations, id);
		return;
	}
	set = json_object_new_object();
	operation->run(batch, id, set);
	json_object_object_add(set, "updated_at",
						   json_object_new_int64(next_moment(batch->conversations)));
	patch_row(batch->conversations, id, set, NULL);
	json_object_put(set);
}

/* Change the conversations of an inbox, whatever their number. */
static void
change_inbox(const Batch *batch, const Operation *operation)
{
	const char *inbox_id = json_object_get_string(member(batch, "inbox_id"));

	for (uint32_t id = 0; id < batch->conversations->row_count; id++)
	{
		json_object *tree;
		const char	*inbox;

		if (batch->conversations->rows[id].flags & (ROW_DELETED | ROW_VERBATIM))
			continue;
		tree = collection_tree(batch->conversations, id);
		inbox = json_path_string(tree, "inbox_id");
		if (inbox != NULL && strcmp(inbox, inbox_id) == 0)
			change_conversation(batch, operation, id);
		json_object_put(tree);
	}
}

/* Change the conversations of a list, if the settings have it so when one is gone. */
static bool
change_sessions(const Batch *batch, const Operation *operation, json_object *sessions)
{
	size_t count = json_object_array_length(sessions);

	for (size_t i = 0; i < count && batch->call->sandbox->settings.batch_gone_refused; i++)
		if (collection_find(batch->conversations, json_object_get_string(json_object_array_get_idx(
													  sessions, i))) == NO_ROW)
			return false;
	for (size_t i = 0; i < count; i++)
	{
		uint32_t id = collection_find(
			batch->conversations, json_object_get_string(json_object_array_get_idx(sessions, i)));

		if (id != NO_ROW)
			change_conversation(batch, operation, id);
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
	batch.conversations = &call->website->lists[RESOURCE_CONVERSATIONS];
	batch.body = json_parse(call->request->body.data, call->request->body.len);
	if (!written_refuses(call, find_fault(&batch, operation)))
	{
		json_object *sessions = member(&batch, "sessions");
		bool		 found = true;

		if (sessions != NULL)
			found = change_sessions(&batch, operation, sessions);
		else
			change_inbox(&batch, operation);
		if (found)
			written_done(call, "updated");
		else
			written_error(call, 404, "not_found", "A conversation does not exist");
	}
	json_object_put(batch.body);
}
