/*-------------------------------------------------------------------------
 *
 * conversations.c
 *		Describe conversations in the catalog.
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
#include "resource/conversation_changes.h"

/* One line a column. */
/* clang-format off */
/*
 * Neither created_at nor waiting_since can be later than updated_at, which the
 * API's dates are about, so the lower bound serves all three.
 */
static const CrispColumn conversation_columns[] = {
	{"session_id", CRISP_TEXT, "identifier of the conversation: session_ and a UUID",
	 CRISP_KEY | CRISP_REQUIRED},
	{"website_id", CRISP_TEXT, "website that the conversation belongs to",
	 CRISP_WEBSITE | CRISP_REQUIRED},
	{"inbox_id", CRISP_TEXT, "sub-inbox that it is filed in"},
	{"people_id", CRISP_TEXT, "profile of the customer, see people_profiles"},
	{"state", CRISP_TEXT, "pending, unresolved or resolved"},
	{"status", CRISP_INTEGER, "the state as a number: 0 pending, 1 unresolved, 2 resolved"},
	{"is_verified", CRISP_BOOLEAN, "whether the customer's identity is verified"},
	{"is_blocked", CRISP_BOOLEAN, "whether the customer is blocked"},
	{"availability", CRISP_TEXT, "whether the customer is online or offline"},
	{"active.now", CRISP_BOOLEAN, "whether the customer is active now"},
	{"active.last", CRISP_TIME, "when the customer was active last"},
	{"last_message", CRISP_TEXT, "text of the last message"},
	{"preview_message.type", CRISP_TEXT, "type of the message shown in the list"},
	{"preview_message.from", CRISP_TEXT, "who sent it: user or operator"},
	{"preview_message.excerpt", CRISP_TEXT, "its beginning"},
	{"preview_message.fingerprint", CRISP_INTEGER, "its fingerprint"},
	{"topic", CRISP_TEXT, "what the conversation is about"},
	{"verifications", CRISP_JSON, "verified identities: identity, method, annotation"},
	{"participants", CRISP_JSON, "others who take part: type, target"},
	{"mentions", CRISP_TEXT_ARRAY, "operators mentioned"},
	{"compose.operator.type", CRISP_TEXT, "what the operator does: start or stop writing"},
	{"compose.operator.excerpt", CRISP_TEXT, "what the operator has written so far"},
	{"compose.operator.timestamp", CRISP_TIME, "when the operator was last writing"},
	{"compose.operator.user.user_id", CRISP_TEXT, "who writes: identifier"},
	{"compose.operator.user.nickname", CRISP_TEXT, "who writes: name"},
	{"compose.operator.user.avatar", CRISP_TEXT, "who writes: URL of the picture"},
	{"compose.operator.automated", CRISP_BOOLEAN, "whether a machine writes"},
	{"compose.visitor.type", CRISP_TEXT, "what the customer does: start or stop writing"},
	{"compose.visitor.excerpt", CRISP_TEXT, "what the customer has written so far"},
	{"compose.visitor.timestamp", CRISP_TIME, "when the customer was last writing"},
	{"compose.visitor.user.user_id", CRISP_TEXT, "who writes: identifier"},
	{"compose.visitor.user.nickname", CRISP_TEXT, "who writes: name"},
	{"compose.visitor.user.avatar", CRISP_TEXT, "who writes: URL of the picture"},
	{"compose.visitor.automated", CRISP_BOOLEAN, "whether a machine writes"},
	{"unread.operator", CRISP_INTEGER, "messages that no operator has read"},
	{"unread.visitor", CRISP_INTEGER, "messages that the customer has not read"},
	{"assigned.user_id", CRISP_TEXT, "operator in charge, see operators"},
	{"created_at", CRISP_TIME, "when the conversation began", CRISP_REQUIRED, "filter_date_start"},
	{"updated_at", CRISP_TIME, "when it last changed",
	 CRISP_REQUIRED, "filter_date_start", "filter_date_end"},
	{"waiting_since", CRISP_TIME, "since when the customer waits for an answer",
	 0, "filter_date_start"},
	{"meta.nickname", CRISP_TEXT, "name of the customer"},
	{"meta.email", CRISP_TEXT, "e-mail address of the customer"},
	{"meta.phone", CRISP_TEXT, "telephone number of the customer"},
	{"meta.address", CRISP_TEXT, "postal address of the customer"},
	{"meta.subject", CRISP_TEXT, "subject of the conversation"},
	{"meta.ip", CRISP_TEXT, "IP address of the customer"},
	{"meta.origin", CRISP_TEXT, "where the conversation came from: chat, email, urn:..."},
	{"meta.avatar", CRISP_TEXT, "URL of the customer's picture"},
	{"meta.segments", CRISP_TEXT_ARRAY, "segments of the conversation"},
	{"meta.data", CRISP_JSON, "custom data: an object with any keys"},
	{"meta.connection.isp", CRISP_TEXT, "internet provider of the customer"},
	{"meta.connection.asn", CRISP_TEXT, "autonomous system of the customer"},
	{"meta.device.capabilities", CRISP_TEXT_ARRAY, "what the device can do: browsing, call, ..."},
	{"meta.device.locales", CRISP_TEXT_ARRAY, "languages of the device"},
	{"meta.device.timezone", CRISP_INTEGER, "offset of the device's time zone, minutes"},
	{"meta.device.geolocation.country", CRISP_TEXT, "country of the device, two letters"},
	{"meta.device.geolocation.region", CRISP_TEXT, "region of the device"},
	{"meta.device.geolocation.city", CRISP_TEXT, "city of the device"},
	{"meta.device.geolocation.coordinates.latitude", CRISP_NUMBER,
	 "latitude of the device, degrees"},
	{"meta.device.geolocation.coordinates.longitude", CRISP_NUMBER,
	 "longitude of the device, degrees"},
	{"meta.device.system.os.name", CRISP_TEXT, "operating system"},
	{"meta.device.system.os.version", CRISP_TEXT, "version of the operating system"},
	{"meta.device.system.engine.name", CRISP_TEXT, "browser engine"},
	{"meta.device.system.engine.version", CRISP_TEXT, "version of the browser engine"},
	{"meta.device.system.browser.name", CRISP_TEXT, "browser"},
	{"meta.device.system.browser.major", CRISP_TEXT, "major version of the browser"},
	{"meta.device.system.browser.version", CRISP_TEXT, "version of the browser"},
	{"meta.device.system.useragent", CRISP_TEXT, "User-Agent header of the browser"},
	{"search_query", CRISP_TEXT,
	 "full-text search: a condition search_query = '…' asks Crisp for it", CRISP_ASKED},
};
/* clang-format on */

/*
 * filter_unread and filter_mention are left out: whose unread messages, and whose mentions,
 * isn't documented.
 */
static const CrispFilter conversation_filters[] = {
	{"state", CRISP_IS, "filter_resolved", "resolved", 0.6},
	{"state", CRISP_IS_NOT, "filter_not_resolved", "resolved", 0.4},
	{"status", CRISP_IS, "filter_resolved", "2", 0.6},
	{"status", CRISP_IS_NOT, "filter_not_resolved", "2", 0.4},
	{"assigned.user_id", CRISP_EQUALS, "filter_assigned", NULL, 0.1},
	{"assigned.user_id", CRISP_IS_NULL, "filter_unassigned", NULL, 0.3},
	{"inbox_id", CRISP_EQUALS, "filter_inbox_id", NULL, 0.3},
	{"meta.segments", CRISP_CONTAINS, "meta.segments", NULL, 0.1},
	{"meta.segments", CRISP_LACKS, "meta.segments", NULL, 0.9},
	{"search_query", CRISP_SEARCHES, "search_query", NULL, 0.01},
	{NULL},
};

static const CrispInbox conversation_inbox = {"inbox_id", "filter_inbox_id", "all"};

static const CrispSearchFilter conversation_search_filter = {
	.param = "search_query",
	.model = "conversation",
	.before = "search_type=filter",
	.after = "search_operator=and",
	.is_shared = true,
};

static const CrispLookup conversation_lookups[] = {
	{"session_id", "website/{website_id}/conversation/{key}", .is_listed = true},
	{NULL},
};

/* The criteria of the list's search filter aren't documented for fields of meta. */
static const CrispDetour conversation_detours[] = {
	{"meta.email", "session_id IN (SELECT session_id FROM ", "people_conversations",
	 " WHERE email = '...') asks for the profile and its conversations alone, and leaves out those "
	 "without a profile"},
	{NULL},
};

/* Who waits longest comes first, and who doesn't wait isn't in the list. */
static const CrispOrder conversation_orders[] = {
	{"updated_at", "order_date_updated=1"},
	{"created_at", "order_date_created=1"},
	{"waiting_since", "order_date_waiting=1", .rising = true, .filters = true},
	{NULL},
};

/* clang-format off */
static const CrispColumn conversation_data_key_columns[] = {
	{"key", CRISP_TEXT, "key of custom data", CRISP_KEY | CRISP_REQUIRED},
	{"count", CRISP_INTEGER, "conversations that have it"},
};
/* clang-format on */

static const CrispResource conversation_data_keys = {
	.name = "keys of custom data",
	.description = "keys of custom data of conversations",
	.list_route = "website/{website_id}/conversations/suggest/data/{page_number}",
	.typical_rows = 50,
	.filters = crisp_no_filters,
	.lookups = crisp_no_lookups,
	.orders = crisp_no_orders,
	.columns = conversation_data_key_columns,
	.ncolumns = lengthof(conversation_data_key_columns),
};

static const CrispCustomData conversation_data = {"meta.data", &conversation_data_keys};

const CrispResource crisp_conversations = {
	.name = "conversations",
	.description = "conversations with customers, newest first",
	.list_route = "website/{website_id}/conversations/{page_number}",
	.per_page_param = "per_page",
	.include_empty_param = "include_empty",
	.typical_rows = 10000,
	.filters = conversation_filters,
	.lookups = conversation_lookups,
	.detours = conversation_detours,
	.orders = conversation_orders,
	.list_order = &conversation_orders[0],
	.inbox = &conversation_inbox,
	.search_filter = &conversation_search_filter,
	.custom_data = &conversation_data,
	.dates_path = "updated_at",
	.dates_follow_changes = true,
	.created_path = "created_at",
	.changes = &crisp_conversation_changes,
	.keys_name = "session",
	.columns = conversation_columns,
	.ncolumns = lengthof(conversation_columns),
};
