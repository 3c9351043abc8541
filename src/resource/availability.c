/*-------------------------------------------------------------------------
 *
 * availability.c
 *		Describe in the catalog who of a website's operators is there.
 *
 * Source of the facts: Crisp's public REST reference (v1) and the types of its
 * official client.  A new column is one line.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "resource/availability.h"

/* One line a column. */
/* clang-format off */
static const CrispColumn operator_active_columns[] = {
	{"user_id", CRISP_TEXT, "identifier of the operator, see operators",
	 CRISP_KEY | CRISP_REQUIRED},
	CRISP_WEBSITE_COLUMN,
	{"avatar", CRISP_TEXT, "URL of the picture"},
	{"nickname", CRISP_TEXT, "name"},
	{"timestamp", CRISP_TIME, "when the operator was active last"},
};

static const CrispColumn operator_availability_columns[] = {
	{"user_id", CRISP_TEXT, "identifier of the operator, see operators",
	 CRISP_KEY | CRISP_REQUIRED},
	CRISP_WEBSITE_COLUMN,
	{"type", CRISP_TEXT, "online, away or offline"},
	{"time.for", CRISP_NUMBER, "how long that has been so, seconds"},
	{"time.since", CRISP_TIME, "since when"},
};

static const CrispColumn website_availability_columns[] = {
	CRISP_WEBSITE_COLUMN,
	{"status", CRISP_TEXT, "whether somebody is there: online, away or offline"},
	{"since", CRISP_TIME, "since when"},
};
/* clang-format on */

const CrispResource crisp_operators_active = {
	.name = "operators_active",
	.description = "operators who were active last, and when",
	.list_route = "website/{website_id}/operators/active",
	.typical_rows = 20,
	.filters = crisp_no_filters,
	.lookups = crisp_no_lookups,
	.orders = crisp_no_orders,
	.keys_name = "operator",
	.keys_recur = true,
	.columns = operator_active_columns,
	.ncolumns = lengthof(operator_active_columns),
};

const CrispResource crisp_operators_availability = {
	.name = "operators_availability",
	.description = "which operators are there now, and since when",
	.list_route = "website/{website_id}/availability/operators",
	.typical_rows = 20,
	.filters = crisp_no_filters,
	.lookups = crisp_no_lookups,
	.orders = crisp_no_orders,
	.keys_name = "operator",
	.keys_recur = true,
	.columns = operator_availability_columns,
	.ncolumns = lengthof(operator_availability_columns),
};

const CrispResource crisp_website_availability = {
	.name = "website_availability",
	.description = "whether anybody is there now: one row",
	.list_route = "website/{website_id}/availability/status",
	.one_row = true,
	.typical_rows = 1,
	.filters = crisp_no_filters,
	.lookups = crisp_no_lookups,
	.orders = crisp_no_orders,
	.columns = website_availability_columns,
	.ncolumns = lengthof(website_availability_columns),
};
