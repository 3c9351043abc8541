/*-------------------------------------------------------------------------
 *
 * resource_message.c
 *		The catalog: messages of conversations.
 *
 * Source of the facts: Crisp's public REST reference (v1) and the types of its
 * official client.  A new column is one line.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "resource_catalog.h"

/* One line a column. */
/* clang-format off */
/* What content holds depends on the type. */
static const CrispColumn message_columns[] = {
	{"session_id", CRISP_TEXT, "conversation that the message is part of, see conversations", CRISP_REQUIRED},
	{"website_id", CRISP_TEXT, "website that the conversation belongs to", CRISP_WEBSITE | CRISP_REQUIRED},
	{"fingerprint", CRISP_INTEGER, "identifier of the message within its conversation", CRISP_KEY | CRISP_REQUIRED},
	{"timestamp", CRISP_TIME, "when it was sent", CRISP_REQUIRED},
	{"type", CRISP_TEXT, "text, note, file, animation, audio, picker, field, carousel or event"},
	{"from", CRISP_TEXT, "who sent it: user or operator"},
	{"origin", CRISP_TEXT, "where it came from: chat, email, urn:..."},
	{"content", CRISP_TEXT, "what it says, of types text and note", CRISP_STRINGS},
	{"content", CRISP_JSON, "what it holds, of other types: an object", CRISP_STRUCTURES, NULL, NULL, "content_json"},
	{"preview", CRISP_JSON, "pages that it links to: url, website, title, preview, stamped"},
	{"mentions", CRISP_TEXT_ARRAY, "operators mentioned"},
	{"read", CRISP_TEXT, "where it was read: chat, email, ..."},
	{"delivered", CRISP_TEXT, "where it was delivered: chat, email, ..."},
	{"ignored", CRISP_JSON, "why it was not delivered: type and reason, by channel"},
	{"edited", CRISP_BOOLEAN, "whether it was changed after it was sent"},
	{"translated", CRISP_BOOLEAN, "whether it was translated"},
	{"automated", CRISP_BOOLEAN, "whether a machine sent it"},
	{"stamped", CRISP_BOOLEAN, "whether Crisp has seen to it"},
	{"user.type", CRISP_TEXT, "what the sender is: participant or website"},
	{"user.user_id", CRISP_TEXT, "who sent it: identifier, see operators"},
	{"user.nickname", CRISP_TEXT, "who sent it: name"},
	{"user.avatar", CRISP_TEXT, "who sent it: URL of the picture"},
	{"references", CRISP_JSON, "what it refers to: type, name, target"},
	{"original.original_id", CRISP_TEXT, "identifier of the original, as of an e-mail"},
	{"properties", CRISP_JSON, "custom data: an object with any keys"},
	{"stealth", CRISP_BOOLEAN, "for sending alone, and NULL when read: nobody is told of the message", CRISP_SENT},
};
/* clang-format on */

static const CrispParent message_parent = {
	.resource = &crisp_conversations,
	.path = "session_id",
	.bound_path = "timestamp",
	.typical_rows = 10,
};

static const CrispCursor message_cursor = {"timestamp", "timestamp_before", "timestamp_after"};

static const CrispLookup message_lookups[] = {
	{"fingerprint", "website/{website_id}/conversation/{session_id}/message/{key}"},
	{NULL},
};

const CrispResource crisp_messages = {
	.name = "messages",
	.description = "messages of conversations",
	.list_route = "website/{website_id}/conversation/{session_id}/messages",
	.typical_rows = 100000,
	.parent = &message_parent,
	.cursor = &message_cursor,
	.filters = crisp_no_filters,
	.lookups = message_lookups,
	.orders = crisp_no_orders,
	.changes = &crisp_message_changes,
	.columns = message_columns,
	.ncolumns = lengthof(message_columns),
};
