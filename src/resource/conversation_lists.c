/*-------------------------------------------------------------------------
 *
 * conversation_lists.c
 *		Describe events, pages and files of conversations in the catalog.
 *
 * Source of the facts: Crisp's public REST reference (v1) and the types of its
 * official client.  A new column is one line.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "resource/conversation_lists.h"
#include "resource/conversations.h"

/* One line a column. */
/* clang-format off */
static const CrispColumn conversation_event_columns[] = {
	{"session_id", CRISP_TEXT, "conversation that it happened in, see conversations",
	 CRISP_REQUIRED | CRISP_INHERITED},
	{"timestamp", CRISP_TIME, "when it happened"},
	{"text", CRISP_TEXT, "what happened"},
	{"color", CRISP_TEXT, "color that it is shown in"},
	{"data", CRISP_JSON, "data of the event: an object with any keys"},
	CRISP_WEBSITE_COLUMN,
};

static const CrispColumn conversation_page_columns[] = {
	{"session_id", CRISP_TEXT, "conversation of the customer who saw it, see conversations",
	 CRISP_REQUIRED | CRISP_INHERITED},
	{"timestamp", CRISP_TIME, "when it was opened"},
	{"page_title", CRISP_TEXT, "title of the page"},
	{"page_url", CRISP_TEXT, "URL of the page"},
	{"page_referrer", CRISP_TEXT, "URL of the page that led to it"},
	CRISP_WEBSITE_COLUMN,
};

static const CrispColumn conversation_file_columns[] = {
	{"session_id", CRISP_TEXT, "conversation that it was sent in, see conversations",
	 CRISP_REQUIRED | CRISP_INHERITED},
	{"timestamp", CRISP_TIME, "when it was sent"},
	{"name", CRISP_TEXT, "name of the file"},
	{"type", CRISP_TEXT, "MIME type: image/png, application/pdf, ..."},
	{"url", CRISP_TEXT, "where it can be fetched"},
	{"fingerprint", CRISP_INTEGER,
	 "what its sender calls the message that it came with, see messages; several may have one"},
	CRISP_WEBSITE_COLUMN,
};
/* clang-format on */

/*
 * Elements don't say which conversation they are of.  Should routes know a conversation by an id in
 * capitals, too: rows must have the id that the conversation has, which is made of these.
 */
#define SESSION_ID_CHARACTERS "0123456789abcdef-session_"

/*
 * Whether an event, or a page that is opened, updates the conversation isn't documented, nor that a
 * file has the time of the message that it came with.  So these times bound nothing: only the
 * conversations' own dates tell which of them have changed.
 */
static const CrispParent conversation_events_parent = {
	.resource = &crisp_conversations,
	.path = "session_id",
	.sure = SESSION_ID_CHARACTERS,
	.typical_rows = 5,
};

static const CrispParent conversation_pages_parent = {
	.resource = &crisp_conversations,
	.path = "session_id",
	.sure = SESSION_ID_CHARACTERS,
	.typical_rows = 10,
};

static const CrispParent conversation_files_parent = {
	.resource = &crisp_conversations,
	.path = "session_id",
	.sure = SESSION_ID_CHARACTERS,
	.typical_rows = 1,
};

const CrispResource crisp_conversation_events = {
	.name = "conversation_events",
	.description = "what happened in conversations",
	.list_route = "website/{website_id}/conversation/{session_id}/events/{page_number}",
	.typical_rows = 50000,
	.parent = &conversation_events_parent,
	.filters = crisp_no_filters,
	.lookups = crisp_no_lookups,
	.orders = crisp_no_orders,
	.columns = conversation_event_columns,
	.ncolumns = lengthof(conversation_event_columns),
};

const CrispResource crisp_conversation_pages = {
	.name = "conversation_pages",
	.description = "pages of the website that customers saw",
	.list_route = "website/{website_id}/conversation/{session_id}/pages/{page_number}",
	.typical_rows = 100000,
	.parent = &conversation_pages_parent,
	.filters = crisp_no_filters,
	.lookups = crisp_no_lookups,
	.orders = crisp_no_orders,
	.columns = conversation_page_columns,
	.ncolumns = lengthof(conversation_page_columns),
};

const CrispResource crisp_conversation_files = {
	.name = "conversation_files",
	.description = "files sent in conversations",
	.list_route = "website/{website_id}/conversation/{session_id}/files/{page_number}",
	.typical_rows = 10000,
	.parent = &conversation_files_parent,
	.filters = crisp_no_filters,
	.lookups = crisp_no_lookups,
	.orders = crisp_no_orders,
	.columns = conversation_file_columns,
	.ncolumns = lengthof(conversation_file_columns),
};
