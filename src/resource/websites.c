/*-------------------------------------------------------------------------
 *
 * websites.c
 *		Describe in the catalog what belongs to a website besides conversations and people.
 *
 * Source of the facts: Crisp's public REST reference (v1) and the types of its
 * official client.  A new column is one line.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "resource/websites.h"

/* One line a column. */
/* clang-format off */
static const CrispColumn visitor_columns[] = {
	{"session_id", CRISP_TEXT, "identifier of the visitor's session: session_ and a UUID",
	 CRISP_KEY | CRISP_REQUIRED},
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
	/* Who was invited may have none yet. */
	{"details.user_id", CRISP_TEXT, "identifier of the operator", CRISP_KEY},
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

static const CrispColumn visitor_count_columns[] = {
	CRISP_WEBSITE_COLUMN,
	{"count", CRISP_INTEGER, "visitors who are on the website now"},
	{"active", CRISP_INTEGER, "those of them who are active"},
	{"limited", CRISP_BOOLEAN, "whether the numbers are cut off, and there are more"},
};

static const CrispColumn inbox_columns[] = {
	{"inbox_id", CRISP_TEXT, "identifier of the sub-inbox, a UUID", CRISP_KEY | CRISP_REQUIRED},
	CRISP_WEBSITE_COLUMN,
	{"name", CRISP_TEXT, "name"},
	{"emoji", CRISP_TEXT, "symbol"},
	{"order", CRISP_INTEGER, "place among the sub-inboxes"},
	{"operators", CRISP_TEXT_ARRAY, "operators who see it, see operators"},
	{"teams", CRISP_TEXT_ARRAY, "teams that see it"},
	{"team_operators", CRISP_TEXT_ARRAY, "operators of these teams"},
	{"conditions", CRISP_JSON,
	 "which conversations are filed in it: model, criterion, operator, query"},
	{"operator", CRISP_TEXT, "and or or: whether all conditions must hold, or one"},
	{"created_at", CRISP_TIME, "when the sub-inbox was created"},
	{"updated_at", CRISP_TIME, "when it last changed"},
};

static const CrispColumn team_columns[] = {
	{"team_id", CRISP_TEXT, "identifier of the team, a UUID", CRISP_KEY | CRISP_REQUIRED},
	CRISP_WEBSITE_COLUMN,
	{"name", CRISP_TEXT, "name"},
	{"emoji", CRISP_TEXT, "symbol"},
	{"operators", CRISP_TEXT_ARRAY, "operators who are in it, see operators"},
	{"created_at", CRISP_TIME, "when the team was created"},
	{"updated_at", CRISP_TIME, "when it last changed"},
};

static const CrispColumn visitor_blocked_columns[] = {
	CRISP_WEBSITE_COLUMN,
	{"rule", CRISP_TEXT_ARRAY, "by what visitors are blocked"},
	{"blocked", CRISP_INTEGER, "how many the rule has blocked"},
};

/* The list of a plugin has the second half, and Crisp's route for one website the first. */
static const CrispColumn website_columns[] = {
	{"website_id", CRISP_TEXT, "identifier of the website, a UUID", CRISP_KEY | CRISP_REQUIRED},
	{"name", CRISP_TEXT, "name", CRISP_DETAIL},
	{"domain", CRISP_TEXT, "domain", CRISP_DETAIL},
	{"logo", CRISP_TEXT, "URL of the logo", CRISP_DETAIL},
	{"verified", CRISP_BOOLEAN, "whether Crisp has verified it", CRISP_DETAIL},
	{"institutional", CRISP_BOOLEAN, "whether it belongs to an institution", CRISP_DETAIL},
	{"price", CRISP_NUMBER, "what it pays for the plugin; tier plugin only"},
	{"token", CRISP_TEXT,
	 "by which the plugin recognizes the website's requests; tier plugin only"},
	{"settings", CRISP_JSON, "the plugin's settings on the website; tier plugin only"},
	{"plan.id", CRISP_TEXT, "identifier of its Crisp plan; tier plugin only"},
	{"plan.name", CRISP_TEXT, "name of its Crisp plan; tier plugin only"},
	{"plan.trialing", CRISP_BOOLEAN, "whether it is trying the plan out; tier plugin only"},
	{"difference", CRISP_TEXT, "what changed, where Crisp tells; tier plugin only"},
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
	.keys_name = "session",
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
	.keys_name = "operator",
	.keys_recur = true,
	.columns = operator_columns,
	.ncolumns = lengthof(operator_columns),
};

/* The count by itself; the table visitors has what is counted. */
const CrispResource crisp_visitors_count = {
	.name = "visitors_count",
	.description = "how many visitors are on the website now: one row",
	.list_route = "website/{website_id}/visitors/count",
	.one_row = true,
	.typical_rows = 1,
	.filters = crisp_no_filters,
	.lookups = crisp_no_lookups,
	.orders = crisp_no_orders,
	.columns = visitor_count_columns,
	.ncolumns = lengthof(visitor_count_columns),
};

const CrispResource crisp_inboxes = {
	.name = "inboxes",
	.description = "sub-inboxes, in which conversations are filed",
	.list_route = "website/{website_id}/inboxes/list/{page_number}",
	.typical_rows = 10,
	.filters = crisp_no_filters,
	.lookups = crisp_no_lookups,
	.orders = crisp_no_orders,
	.columns = inbox_columns,
	.ncolumns = lengthof(inbox_columns),
};

static const CrispLookup team_lookups[] = {
	{"team_id", "website/{website_id}/team/{key}", .is_listed = true},
	{NULL},
};

const CrispResource crisp_teams = {
	.name = "teams",
	.description = "teams of operators",
	.list_route = "website/{website_id}/teams/list/{page_number}",
	.typical_rows = 10,
	.filters = crisp_no_filters,
	.lookups = team_lookups,
	.orders = crisp_no_orders,
	.created_path = "created_at",
	.columns = team_columns,
	.ncolumns = lengthof(team_columns),
};

/* The reference has a list; the official client's type is one object. */
const CrispResource crisp_visitors_blocked = {
	.name = "visitors_blocked",
	.description = "rules that block visitors",
	.list_route = "website/{website_id}/visitors/blocked",
	.maybe_one_row = true,
	.typical_rows = 20,
	.filters = crisp_no_filters,
	.lookups = crisp_no_lookups,
	.orders = crisp_no_orders,
	.columns = visitor_blocked_columns,
	.ncolumns = lengthof(visitor_blocked_columns),
};

/* A website can't be looked up by its key: that route knows nothing of plugins. */
const CrispResource crisp_websites = {
	.name = "websites",
	.description = "the website; for a plugin, all those that installed it",
	.list_route = "website/{website_id}",
	.one_row = true,
	.plugin_route = "plugin/connect/websites/all/{page_number}?filter_configured=0&include_plan=1",
	.detail_route = "website/{key}",
	.typical_rows = 10,
	.filters = crisp_no_filters,
	.lookups = crisp_no_lookups,
	.orders = crisp_no_orders,
	.columns = website_columns,
	.ncolumns = lengthof(website_columns),
};
