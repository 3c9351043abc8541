/*-------------------------------------------------------------------------
 *
 * segments.c
 *		Describe segments in use in the catalog.
 *
 * Source of the facts: Crisp's public REST reference (v1) and the types of its
 * official client.  A new column is one line.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "resource/segments.h"

/* One line a column. */
/* clang-format off */
static const CrispColumn conversation_segment_columns[] = {
	{"segment", CRISP_TEXT, "name of the segment", CRISP_KEY | CRISP_REQUIRED},
	CRISP_WEBSITE_COLUMN,
	{"count", CRISP_INTEGER, "conversations in it"},
};

static const CrispColumn people_segment_columns[] = {
	{"segment", CRISP_TEXT, "name of the segment", CRISP_KEY | CRISP_REQUIRED},
	CRISP_WEBSITE_COLUMN,
	{"count", CRISP_INTEGER, "profiles in it"},
};
/* clang-format on */

const CrispResource crisp_conversation_segments = {
	.name = "conversation_segments",
	.description = "segments of conversations, and how many are in each",
	.list_route = "website/{website_id}/conversations/suggest/segments/{page_number}",
	.typical_rows = 50,
	.filters = crisp_no_filters,
	.lookups = crisp_no_lookups,
	.orders = crisp_no_orders,
	.keys_name = "segment",
	.keys_recur = true,
	.columns = conversation_segment_columns,
	.ncolumns = lengthof(conversation_segment_columns),
};

const CrispResource crisp_people_segments = {
	.name = "people_segments",
	.description = "segments of profiles, and how many are in each",
	.list_route = "website/{website_id}/people/suggest/segments/{page_number}",
	.typical_rows = 50,
	.filters = crisp_no_filters,
	.lookups = crisp_no_lookups,
	.orders = crisp_no_orders,
	.keys_name = "segment",
	.keys_recur = true,
	.columns = people_segment_columns,
	.ncolumns = lengthof(people_segment_columns),
};
