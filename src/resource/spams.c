/*-------------------------------------------------------------------------
 *
 * spams.c
 *		Describe in the catalog what Crisp took for spam.
 *
 * Source of the facts: Crisp's public REST reference (v1) and the types of its
 * official client.  A new column is one line.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "resource/spams.h"

/* One line a column. */
/* clang-format off */
static const CrispColumn conversation_spam_columns[] = {
	{"spam_id", CRISP_TEXT, "identifier of the spam", CRISP_KEY | CRISP_REQUIRED},
	CRISP_WEBSITE_COLUMN,
	{"type", CRISP_TEXT, "how it came: email, ..."},
	{"reason", CRISP_TEXT, "why it was taken for spam"},
	{"metadata", CRISP_JSON, "what else is known of it: an object with any keys"},
	{"headers", CRISP_JSON, "headers of the e-mail: an object with any keys"},
	{"timestamp", CRISP_TIME, "when it came"},
};
/* clang-format on */

/* Which words the parameter takes isn't documented: so it's a search, which has to prove itself. */
static const CrispFilter conversation_spam_filters[] = {
	{"type", CRISP_FINDS, "filter_type", NULL, 0.5},
	{NULL},
};

const CrispResource crisp_conversation_spams = {
	.name = "conversation_spams",
	.description = "messages that were taken for spam, and are no conversations",
	.list_route = "website/{website_id}/conversations/spams/{page_number}",
	.typical_rows = 100,
	.filters = conversation_spam_filters,
	.lookups = crisp_no_lookups,
	.orders = crisp_no_orders,
	.created_path = "timestamp",
	.columns = conversation_spam_columns,
	.ncolumns = lengthof(conversation_spam_columns),
};
