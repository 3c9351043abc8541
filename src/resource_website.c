/*-------------------------------------------------------------------------
 *
 * resource_website.c
 *		The catalog: what belongs to a website besides conversations and people.
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
static const CrispColumn visitor_columns[] = {
	{"session_id", CRISP_TEXT, "identifier of the visitor's session: session_ and a UUID", CRISP_KEY | CRISP_REQUIRED},
	CRISP_WEBSITE_COLUMN,
	{"inbox_id", CRISP_TEXT, "sub-inbox of the session"},
	{"nickname", CRISP_TEXT, "name"},
	{"email", CRISP_TEXT, "e-mail address"},
	{"avatar", CRISP_TEXT, "URL of the picture"},
	{"useragent", CRISP_TEXT, "User-Agent header of the browser"},
	{"initiated", CRISP_BOOLEAN, "whether the visitor has begun a conversation"},
	{"active", CRISP_BOOLEAN, "whether the visitor is active now"},
	{"last_page.page_title", CRISP_TEXT, "title of the page that the visitor is on"},
	{"last_page.page_url", CRISP_TEXT, "URL of the page that the visitor is on"},
	{"geolocation.country", CRISP_TEXT, "country of the visitor, two letters"},
	{"geolocation.region", CRISP_TEXT, "region of the visitor"},
	{"geolocation.city", CRISP_TEXT, "city of the visitor"},
	{"geolocation.coordinates.latitude", CRISP_NUMBER, "latitude of the visitor, degrees"},
	{"geolocation.coordinates.longitude", CRISP_NUMBER, "longitude of the visitor, degrees"},
	{"timezone", CRISP_INTEGER, "offset of the time zone, minutes"},
	{"capabilities", CRISP_TEXT_ARRAY, "what the device can do: browsing, call, ..."},
	{"locales", CRISP_TEXT_ARRAY, "languages"},
};

static const CrispColumn operator_columns[] = {
	{"type", CRISP_TEXT, "operator, invite or sandbox"},
	{"details.user_id", CRISP_TEXT, "identifier of the operator", CRISP_KEY | CRISP_REQUIRED},
	CRISP_WEBSITE_COLUMN,
	{"details.email", CRISP_TEXT, "e-mail address"},
	{"details.avatar", CRISP_TEXT, "URL of the picture"},
	{"details.first_name", CRISP_TEXT, "first name"},
	{"details.last_name", CRISP_TEXT, "last name"},
	{"details.role", CRISP_TEXT, "owner or member"},
	{"details.title", CRISP_TEXT, "job title"},
	{"details.availability", CRISP_TEXT, "online, away or offline"},
	{"details.has_token", CRISP_BOOLEAN, "whether the operator has an API token"},
	{"details.identifier", CRISP_TEXT, "identifier of a sandbox operator's token"},
	{"details.key", CRISP_TEXT, "key of a sandbox operator's token"},
};
/* clang-format on */

static const CrispCount visitor_count = {"website/{website_id}/visitors/count", "count", "limited"};

const CrispResource crisp_visitors = {
	.name = "visitors",
	.description = "visitors who are on the website now",
	.list_route = "website/{website_id}/visitors/list/{page_number}",
	.typical_rows = 100,
	.filters = crisp_no_filters,
	.lookups = crisp_no_lookups,
	.orders = crisp_no_orders,
	.count = &visitor_count,
	.columns = visitor_columns,
	.ncolumns = lengthof(visitor_columns),
};

const CrispResource crisp_operators = {
	.name = "operators",
	.description = "operators of the website, and those invited",
	.list_route = "website/{website_id}/operators/list",
	.envelope = "details",
	.typical_rows = 20,
	.filters = crisp_no_filters,
	.lookups = crisp_no_lookups,
	.orders = crisp_no_orders,
	.columns = operator_columns,
	.ncolumns = lengthof(operator_columns),
};
