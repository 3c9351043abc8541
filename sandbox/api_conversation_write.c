/*
 * api_conversation_write.c
 *		Answer changes of conversations, but for their state and routing.
 */
#include "body.h"
#include "json_path.h"
#include "patch.h"
#include "written.h"

static const BodyField meta_fields[] = {
	{"nickname", BODY_STRING},
	{"email", BODY_STRING},
	{"phone", BODY_STRING},
	{"address", BODY_STRING},
	{"subject", BODY_STRING},
	{"avatar", BODY_STRING},
	{"segments", BODY_STRINGS},
	{"data", BODY_DATA},
	{"device", BODY_OBJECT},
	{"ip", BODY_STRING},
	{"origin", BODY_STRING},
	{"connection", BODY_OBJECT},
	{NULL, 0},
};

static const BodyField inbox_fields[] = {{"inbox_id", BODY_STRING}, {NULL, 0}};
static const BodyField block_fields[] = {
	{"blocked", BODY_BOOLEAN}, {"user", BODY_OBJECT}, {"origin", BODY_STRING}, {NULL, 0}};
static const BodyField verify_fields[] = {{"verified", BODY_BOOLEAN}, {NULL, 0}};
static const BodyField participant_fields[] = {{"participants", BODY_OBJECTS}, {NULL, 0}};

/*
 * Take the conversation that the path names, and the body, which must have these fields, and the
 * one that is required, if any; NO_ROW when the reply is an error already.
 */
static uint32_t
open_change(Call *call, const BodyField *fields, bool nulls, const char *required,
			json_object **body)
{
	uint32_t	id = call_conversation(call);
	const char *problem;

	*body = json_parse(call->request->body.data, call->request->body.len);
	problem = body_check(*body, fields, nulls);
	if (problem == NULL && required != NULL && !json_object_object_get_ex(*body, required, NULL))
		problem = "a required member is missing";
	if (id != NO_ROW && written_refuses(call, problem))
		id = NO_ROW;
	return id;
}

/* Set one member of a conversation to one of the body. */
static void
set_member(Call *call, uint32_t id, const char *path, json_object *value)
{
	json_object *set = json_object_new_object();

	json_object_object_add(set, path, json_object_get(value));
	update_conversation(call, id, set);
}

void
post_conversation(Call *call)
{
	Collection	*conversations = &call->website->lists[RESOURCE_CONVERSATIONS];
	json_object *tree = json_object_new_object();
	int64_t		 now = next_moment(conversations);
	char		 session_id[KEY_SIZE];
	uint32_t	 id;
	size_t		 len;
	const char	*text;
	JsonWriter	 writer;

	conversation_type.key(conversations, (uint32_t) conversations->row_count, session_id);
	json_object_object_add(tree, "session_id", json_object_new_string(session_id));
	json_object_object_add(tree, "website_id", json_object_new_string(call->website->id));
	json_object_object_add(tree, "state", json_object_new_string("unresolved"));
	json_object_object_add(tree, "status", json_object_new_int(1));
	json_object_object_add(tree, "is_verified", json_object_new_boolean(false));
	json_object_object_add(tree, "is_blocked", json_object_new_boolean(false));
	json_object_object_add(tree, "availability", json_object_new_string("offline"));
	json_path_set(tree, "meta.nickname", json_object_new_string("visitor"));
	json_object_object_add(tree, "created_at", json_object_new_int64(now));
	json_object_object_add(tree, "updated_at", json_object_new_int64(now));
	text = json_text(tree, &len);
	id = collection_set_text(conversations, NO_ROW, text, len, false);
	collection_set_flag(conversations, id, ROW_EMPTY, true);
	json_object_put(tree);
	call->sandbox->dataset.dirty = true;

	writer = written_begin(call, 201, "added");
	jw_begin(&writer, '{');
	jw_put_string(&writer, "session_id", session_id);
	jw_end(&writer, '}');
	reply_end(&writer);
}

void
patch_meta(Call *call)
{
	Collection	*conversations = &call->website->lists[RESOURCE_CONVERSATIONS];
	json_object *body;
	uint32_t	 id = open_change(call, meta_fields, !call->sandbox->settings.nulls_refused, NULL,
								  &body);

	if (id != NO_ROW)
	{
		json_object *tree = collection_tree(conversations, id);
		json_object *meta = json_path_get(tree, "meta");
		json_object *copy = NULL;

		if (meta == NULL)
			meta = json_object_new_object();
		else
			meta = json_object_get(meta);
		if (!call->sandbox->settings.meta_data_merged && json_path_get(body, "data") != NULL)
			json_object_object_del(meta, "data");
		body_merge(meta, body);
		json_object_deep_copy(meta, &copy, NULL);
		set_member(call, id, "meta", copy);
		json_object_put(copy);
		json_object_put(meta);
		json_object_put(tree);
	}
	json_object_put(body);
}

void
patch_inbox(Call *call)
{
	const Collection *inboxes = &call->website->lists[RESOURCE_INBOXES];
	json_object		 *body;
	uint32_t		  id = open_change(call, inbox_fields, true, "inbox_id", &body);
	const char		 *inbox_id = json_path_string(body, "inbox_id");

	if (id != NO_ROW && inbox_id != NULL && !call->sandbox->settings.unknown_inbox &&
		collection_find(inboxes, inbox_id) == NO_ROW)
		written_error(call, 400, "invalid_data", "There is no such inbox");
	else if (id != NO_ROW)
		set_member(call, id, "inbox_id", json_path_get(body, "inbox_id"));
	json_object_put(body);
}

void
patch_block(Call *call)
{
	json_object *body;
	uint32_t	 id = open_change(call, block_fields, false, "blocked", &body);

	if (id != NO_ROW)
		set_member(call, id, "is_blocked", json_path_get(body, "blocked"));
	json_object_put(body);
}

void
patch_verify(Call *call)
{
	json_object *body;
	uint32_t	 id = open_change(call, verify_fields, false, "verified", &body);

	if (id != NO_ROW)
		set_member(call, id, "is_verified", json_path_get(body, "verified"));
	json_object_put(body);
}

/* Say what is wrong with participants, or return NULL. */
static const char *
check_participants(json_object *participants)
{
	for (size_t i = 0; i < json_object_array_length(participants); i++)
	{
		json_object *one = json_object_array_get_idx(participants, i);

		if (json_path_string(one, "type") == NULL || json_path_string(one, "target") == NULL)
			return "a participant has a type and a target";
	}
	return NULL;
}

void
put_participants(Call *call)
{
	json_object *body;
	uint32_t	 id = open_change(call, participant_fields, false, "participants", &body);
	json_object *participants = json_path_get(body, "participants");

	if (id != NO_ROW && !written_refuses(call, check_participants(participants)))
		set_member(call, id, "participants", participants);
	json_object_put(body);
}

void
delete_conversation(Call *call)
{
	uint32_t id = call_conversation(call);

	if (id == NO_ROW)
		return;
	collection_delete(&call->website->lists[RESOURCE_CONVERSATIONS], id);
	call->sandbox->dataset.dirty = true;
	written_done(call, "deleted");
}
