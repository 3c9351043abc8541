/*-------------------------------------------------------------------------
 *
 * messages.c
 *		Describe messages of conversations in the catalog.
 *
 * Source of the facts: Crisp's public REST reference (v1) and the types of its
 * official client.  A new column is one line.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "resource/conversations.h"
#include "resource/messages.h"
#include "resource/message_changes.h"

/* One line a column. */
/* clang-format off */
/*
 * What content holds depends on the type.  Fingerprints are chosen by senders: of several messages
 * of a conversation that have the same, the route of one message shows one.
 */
static const CrispColumn message_columns[] = {
	{"session_id", CRISP_TEXT, "conversation that the message is part of, see conversations",
	 CRISP_REQUIRED},
	{"website_id", CRISP_TEXT, "website that the conversation belongs to",
	 CRISP_WEBSITE | CRISP_REQUIRED},
	{"fingerprint", CRISP_INTEGER,
	 "what its sender calls the message; several of a conversation may have the same",
	 CRISP_NAME | CRISP_REQUIRED},
	{"timestamp", CRISP_TIME, "when it was sent", CRISP_REQUIRED},
	{"type", CRISP_TEXT, "text, note, file, animation, audio, picker, field, carousel or event"},
	{"from", CRISP_TEXT, "who sent it: user or operator"},
	{"origin", CRISP_TEXT, "where it came from: chat, email, urn:..."},
	{"content", CRISP_TEXT, "what it says, of types text and note", CRISP_STRINGS | CRISP_CHANGES},
	{"content", CRISP_JSON, "what it holds, of other types: an object",
	 CRISP_STRUCTURES | CRISP_CHANGES, NULL, NULL, "content_json"},
	{"preview", CRISP_JSON, "pages that it links to: url, website, title, preview, stamped",
	 CRISP_CHANGES},
	{"mentions", CRISP_TEXT_ARRAY, "operators mentioned", CRISP_CHANGES},
	{"read", CRISP_TEXT, "where it was read: chat, email, ...", CRISP_CHANGES},
	{"delivered", CRISP_TEXT, "where it was delivered: chat, email, ...", CRISP_CHANGES},
	{"ignored", CRISP_JSON, "why it was not delivered: type and reason, by channel", CRISP_CHANGES},
	{"edited", CRISP_BOOLEAN, "whether it was changed after it was sent", CRISP_CHANGES},
	{"translated", CRISP_BOOLEAN, "whether it was translated", CRISP_CHANGES},
	{"automated", CRISP_BOOLEAN, "whether a machine sent it"},
	{"stamped", CRISP_BOOLEAN, "whether Crisp has processed it", CRISP_CHANGES},
	{"user.type", CRISP_TEXT, "what the sender is: participant or website", CRISP_CHANGES},
	{"user.user_id", CRISP_TEXT, "who sent it: identifier, see operators", CRISP_CHANGES},
	{"user.nickname", CRISP_TEXT, "who sent it: name", CRISP_CHANGES},
	{"user.avatar", CRISP_TEXT, "who sent it: URL of the picture", CRISP_CHANGES},
	{"references", CRISP_JSON, "what it refers to: type, name, target", CRISP_CHANGES},
	{"original.original_id", CRISP_TEXT, "identifier of the original: of an e-mail, say"},
	{"properties", CRISP_JSON, "custom data: an object with any keys", CRISP_CHANGES},
	{"stealth", CRISP_BOOLEAN,
	 "whether nobody is notified: can only be sent, NULL when read", CRISP_SENT},
};
/* clang-format on */

static const CrispParent message_parent = {
	.resource = &crisp_conversations,
	.path = "session_id",
	.bound_path = "timestamp",
	.typical_rows = 10,
	.none_in_empty = true,
};

static const CrispCursor message_cursor = {
	.path = "timestamp",
	.before_param = "timestamp_before",
	.after_param = "timestamp_after",
	.content_path = "content",
	.edited_path = "edited",
};

const CrispResource crisp_messages = {
	.name = "messages",
	.description = "messages of conversations",
	.list_route = "website/{website_id}/conversation/{session_id}/messages",
	.typical_rows = 100000,
	.parent = &message_parent,
	.cursor = &message_cursor,
	.filters = crisp_no_filters,
	.lookups = crisp_no_lookups,
	.orders = crisp_no_orders,
	.changes = &crisp_message_changes,
	.columns = message_columns,
	.ncolumns = lengthof(message_columns),
};
