/*-------------------------------------------------------------------------
 *
 * writable.c
 *		Describe in the catalog what can be written.
 *
 * Source of the facts: Crisp's public REST reference (v1) and the types of its
 * official client.  A new column that can be written is one line.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "resource/writable.h"

/*----------
 * Conversations
 *----------
 */

static const char *const conversation_states[] = {"pending", "unresolved", "resolved", NULL};

static const CrispField state_fields[] = {
	{"state", "state", CRISP_FIELD_REQUIRED, NULL, conversation_states},
	{NULL},
};

/*
 * To unassign, a null for either of two members is sent by clients [seen]; which Crisp takes is
 * open.
 */
static const CrispField routing_fields[] = {
	{"assigned_user_id", "assigned.user_id", .null_path = "assigned"},
	{NULL},
};

static const CrispChange conversation_updates[] = {
	{"PATCH", "website/{website_id}/conversation/{session_id}/state", true, state_fields},
	{"PATCH", "website/{website_id}/conversation/{session_id}/routing", true, routing_fields},
	{NULL},
};

const CrispChanges crisp_conversation_changes = {
	.noun = "conversation",
	.updates = conversation_updates,
};

/*----------
 * Messages
 *----------
 */

static const char *const message_types[] = {"text",	  "note",  "file",	   "animation", "audio",
											"picker", "field", "carousel", "event",		NULL};
static const char *const text_types[] = {"text", "note", NULL};
static const char *const object_types[] = {"file",	"animation", "audio", "picker",
										   "field", "carousel",	 "event", NULL};
static const char *const senders[] = {"operator", "user", NULL};

#define CONTENT_FIELDS                                                                            \
	{"content", "content", CRISP_FIELD_REQUIRED, NULL, NULL, "type", text_types},                 \
	{                                                                                             \
		"content_json", "content", CRISP_FIELD_REQUIRED | CRISP_FIELD_OBJECT, NULL, NULL, "type", \
			object_types                                                                          \
	}

/* clang-format off */
static const CrispField message_fields[] = {
	{"type", "type", CRISP_FIELD_REQUIRED, NULL, message_types},
	{"from", "from", 0, "operator", senders},
	{"origin", "origin", 0, "chat"},
	CONTENT_FIELDS,
	{"mentions", "mentions"},
	{"fingerprint", "fingerprint"},
	{"timestamp", "timestamp"},
	{"user_type", "user.type"},
	{"user_user_id", "user.user_id"},
	{"user_nickname", "user.nickname"},
	{"user_avatar", "user.avatar"},
	{"references", "references"},
	{"original_original_id", "original.original_id"},
	{"properties", "properties", CRISP_FIELD_OBJECT},
	{"translated", "translated"},
	{"automated", "automated"},
	{"stealth", "stealth"},
	{NULL},
};
/* clang-format on */

static const CrispField content_fields[] = {
	CONTENT_FIELDS,
	{NULL},
};

/* Sent twice, a customer reads it twice. */
static const CrispChange message_insert = {
	"POST", "website/{website_id}/conversation/{session_id}/message", false, message_fields};

static const CrispAnswered message_answered[] = {
	{"fingerprint", "fingerprint"},
	{NULL},
};

#define MESSAGE_ROUTE "website/{website_id}/conversation/{session_id}/message/{fingerprint}"

static const CrispChange message_updates[] = {
	{"PATCH", MESSAGE_ROUTE, true, content_fields},
	{NULL},
};

static const CrispChange message_remove = {"DELETE", MESSAGE_ROUTE, true, NULL};

const CrispChanges crisp_message_changes = {
	.noun = "message",
	.parent = "conversation",
	.parent_key = "session_id",
	.insert = &message_insert,
	.answered = message_answered,
	.read_route = MESSAGE_ROUTE,
	.updates = message_updates,
	.remove = &message_remove,
};

/*----------
 * Looking things up
 *----------
 */

bool
crisp_words_have(const char *const *words, const char *word)
{
	for (; *words != NULL; words++)
		if (strcmp(*words, word) == 0)
			return true;
	return false;
}

/*
 * Append a name to a list of them, once.
 */
static void
append_name(StringInfo list, const char *name)
{
	appendStringInfo(list, "%s%s", list->len > 0 ? ", " : "", name);
}

char *
crisp_words_text(const char *const *words)
{
	StringInfoData text;

	initStringInfo(&text);
	for (; *words != NULL; words++)
		append_name(&text, *words);
	return text.data;
}

char *
crisp_route_column(const char **place)
{
	const char *open;

	while ((open = strchr(*place, '{')) != NULL)
	{
		const char *close = strchr(open, '}');
		char	   *name = pnstrdup(open + 1, close - open - 1);

		*place = close + 1;
		if (strcmp(name, "website_id") != 0)
			return name;
		pfree(name);
	}
	return NULL;
}

char *
crisp_insert_columns(const CrispChanges *changes)
{
	StringInfoData text;
	const char	  *place = changes->insert->route;
	char		  *name;

	initStringInfo(&text);
	while ((name = crisp_route_column(&place)) != NULL)
		append_name(&text, name);
	for (const CrispField *field = changes->insert->fields; field->column != NULL; field++)
		append_name(&text, field->column);
	return text.data;
}

char *
crisp_update_columns(const CrispChanges *changes)
{
	StringInfoData text;

	initStringInfo(&text);
	for (const CrispChange *change = changes->updates; change->method != NULL; change++)
		for (const CrispField *field = change->fields; field->column != NULL; field++)
			append_name(&text, field->column);
	return text.data;
}

bool
crisp_change_has(const CrispChange *change, const char *column)
{
	for (const CrispField *field = change->fields; field->column != NULL; field++)
		if (strcmp(field->column, column) == 0)
			return true;
	return false;
}

bool
crisp_insert_takes(const CrispChanges *changes, const char *column)
{
	const char *place = changes->insert->route;
	char	   *name;

	while ((name = crisp_route_column(&place)) != NULL)
		if (strcmp(name, column) == 0)
			return true;
	return crisp_change_has(changes->insert, column);
}

bool
crisp_update_takes(const CrispChanges *changes, const char *column)
{
	for (const CrispChange *change = changes->updates; change->method != NULL; change++)
		if (crisp_change_has(change, column))
			return true;
	return false;
}

const char *
crisp_written_by(const CrispChanges *changes, const char *column)
{
	bool by_insert = changes && changes->insert && crisp_insert_takes(changes, column);
	bool by_update = changes && changes->updates && crisp_update_takes(changes, column);

	if (by_insert)
		return by_update ? "INSERT, UPDATE" : "INSERT";
	return by_update ? "UPDATE" : NULL;
}
