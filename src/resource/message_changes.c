/*-------------------------------------------------------------------------
 *
 * message_changes.c
 *		Describe in the catalog what can be written of messages.
 *
 * Source of the facts: Crisp's public REST reference (v1) and the types of its
 * official client.  A new column that can be written is one line.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "resource/message_changes.h"

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
