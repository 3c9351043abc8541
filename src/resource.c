/*-------------------------------------------------------------------------
 *
 * resource.c
 *		The catalog: every Crisp resource as data.
 *
 * Source of the facts: Crisp's public REST reference (v1) and the types of its
 * official client.  A new column is one line, a new resource one entry.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "resource.h"

/* One line a column. */
/* clang-format off */
/*
 * Neither created_at nor waiting_since can be later than updated_at, which the
 * API's dates are about, so the lower bound serves all three.
 */
static const CrispColumn conversation_columns[] = {
	{"session_id", CRISP_TEXT, "identifier of the conversation: session_ and a UUID", CRISP_KEY | CRISP_REQUIRED},
	{"website_id", CRISP_TEXT, "website that the conversation belongs to"},
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
	{"updated_at", CRISP_TIME, "when it last changed", CRISP_REQUIRED, "filter_date_start", "filter_date_end"},
	{"waiting_since", CRISP_TIME, "since when the customer waits for an answer", 0, "filter_date_start"},
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
	{"meta.device.geolocation.coordinates.latitude", CRISP_NUMBER, "latitude of the device, degrees"},
	{"meta.device.geolocation.coordinates.longitude", CRISP_NUMBER, "longitude of the device, degrees"},
	{"meta.device.system.os.name", CRISP_TEXT, "operating system"},
	{"meta.device.system.os.version", CRISP_TEXT, "version of the operating system"},
	{"meta.device.system.engine.name", CRISP_TEXT, "browser engine"},
	{"meta.device.system.engine.version", CRISP_TEXT, "version of the browser engine"},
	{"meta.device.system.browser.name", CRISP_TEXT, "browser"},
	{"meta.device.system.browser.major", CRISP_TEXT, "major version of the browser"},
	{"meta.device.system.browser.version", CRISP_TEXT, "version of the browser"},
	{"meta.device.system.useragent", CRISP_TEXT, "User-Agent header of the browser"},
	{"search_query", CRISP_TEXT, "full-text search: a condition search_query = '…' asks Crisp for it", CRISP_ASKED},
};

static const CrispColumn people_profile_columns[] = {
	{"people_id", CRISP_TEXT, "identifier of the profile, a UUID", CRISP_KEY | CRISP_REQUIRED},
	{"email", CRISP_TEXT, "e-mail address"},
	{"person.nickname", CRISP_TEXT, "name"},
	{"person.avatar", CRISP_TEXT, "URL of the picture"},
	{"person.gender", CRISP_TEXT, "gender"},
	{"person.phone", CRISP_TEXT, "telephone number"},
	{"person.address", CRISP_TEXT, "postal address"},
	{"person.description", CRISP_TEXT, "about the person"},
	{"person.website", CRISP_TEXT, "web site"},
	{"person.timezone", CRISP_INTEGER, "offset of the time zone, minutes"},
	{"person.profiles", CRISP_JSON, "accounts elsewhere: type, handle, url"},
	{"person.employment.name", CRISP_TEXT, "employer"},
	{"person.employment.domain", CRISP_TEXT, "domain of the employer"},
	{"person.employment.title", CRISP_TEXT, "job title"},
	{"person.employment.role", CRISP_TEXT, "role"},
	{"person.employment.seniority", CRISP_TEXT, "seniority"},
	{"person.geolocation.country", CRISP_TEXT, "country of the person, two letters"},
	{"person.geolocation.region", CRISP_TEXT, "region of the person"},
	{"person.geolocation.city", CRISP_TEXT, "city of the person"},
	{"person.geolocation.coordinates.latitude", CRISP_NUMBER, "latitude of the person, degrees"},
	{"person.geolocation.coordinates.longitude", CRISP_NUMBER, "longitude of the person, degrees"},
	{"person.locales", CRISP_TEXT_ARRAY, "languages"},
	{"company.name", CRISP_TEXT, "name of the company"},
	{"company.legal_name", CRISP_TEXT, "legal name of the company"},
	{"company.domain", CRISP_TEXT, "domain of the company"},
	{"company.url", CRISP_TEXT, "web site of the company"},
	{"company.description", CRISP_TEXT, "about the company"},
	{"company.timezone", CRISP_INTEGER, "offset of the company's time zone, minutes"},
	{"company.phones", CRISP_TEXT_ARRAY, "telephone numbers of the company"},
	{"company.emails", CRISP_TEXT_ARRAY, "e-mail addresses of the company"},
	{"company.tags", CRISP_TEXT_ARRAY, "tags of the company"},
	{"company.geolocation.country", CRISP_TEXT, "country of the company, two letters"},
	{"company.geolocation.region", CRISP_TEXT, "region of the company"},
	{"company.geolocation.city", CRISP_TEXT, "city of the company"},
	{"company.geolocation.coordinates.latitude", CRISP_NUMBER, "latitude of the company, degrees"},
	{"company.geolocation.coordinates.longitude", CRISP_NUMBER, "longitude of the company, degrees"},
	{"company.metrics.employees", CRISP_NUMBER, "number of employees"},
	{"company.metrics.market_cap", CRISP_NUMBER, "market capitalization"},
	{"company.metrics.raised", CRISP_NUMBER, "capital raised"},
	{"company.metrics.arr", CRISP_NUMBER, "annual recurring revenue"},
	{"segments", CRISP_TEXT_ARRAY, "segments of the profile"},
	{"notepad", CRISP_TEXT, "operators' notes"},
	{"active.now", CRISP_BOOLEAN, "whether the person is active now"},
	{"active.last", CRISP_TIME, "when the person was active last"},
	{"score", CRISP_NUMBER, "satisfaction score"},
	{"created_at", CRISP_TIME, "when the profile was created", CRISP_REQUIRED, "filter_date_start", "filter_date_end"},
	{"updated_at", CRISP_TIME, "when it last changed", CRISP_REQUIRED},
	{"search_query", CRISP_TEXT, "full-text search: a condition search_query = '…' asks Crisp for it", CRISP_ASKED},
};

static const CrispColumn visitor_columns[] = {
	{"session_id", CRISP_TEXT, "identifier of the visitor's session: session_ and a UUID", CRISP_KEY | CRISP_REQUIRED},
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
	{"search_query", CRISP_SEARCHES, "search_query", NULL, 0.01},
	{NULL},
};

static const CrispLookup conversation_lookups[] = {
	{"session_id", "website/{website_id}/conversation/{key}"},
	{NULL},
};

static const CrispOrder conversation_orders[] = {
	{"updated_at", "order_date_updated=1"},
	{"created_at", "order_date_created=1"},
	{"waiting_since", "order_date_waiting=1"},
	{NULL},
};

static const CrispFilter people_profile_filters[] = {
	{"segments", CRISP_CONTAINS, "segments", NULL, 0.1},
	{"search_query", CRISP_SEARCHES, "search_text", NULL, 0.01},
	{NULL},
};

/* One route knows profiles by id and by e-mail address. */
static const CrispLookup people_profile_lookups[] = {
	{"people_id", "website/{website_id}/people/profile/{key}"},
	{"email", "website/{website_id}/people/profile/{key}", "@"},
	{NULL},
};

static const CrispOrder people_profile_orders[] = {
	{"updated_at", "sort_field=updated_at&sort_order=descending",
	 "sort_field=updated_at&sort_order=ascending"},
	{"created_at", "sort_field=created_at&sort_order=descending",
	 "sort_field=created_at&sort_order=ascending"},
	{NULL},
};

static const CrispCount people_profile_count = {"website/{website_id}/people/stats", "total"};

static const CrispCount visitor_count = {"website/{website_id}/visitors/count", "count", "limited"};

static const CrispFilter no_filters[] = {{NULL}};
static const CrispLookup no_lookups[] = {{NULL}};
static const CrispOrder	 no_orders[] = {{NULL}};

const CrispResource crisp_resources[] = {
	{
		.name = "conversations",
		.description = "conversations with customers, newest first",
		.list_route = "website/{website_id}/conversations/{page_number}",
		.per_page_param = "per_page",
		.include_empty_param = "include_empty",
		.typical_rows = 10000,
		.filters = conversation_filters,
		.lookups = conversation_lookups,
		.orders = conversation_orders,
		.dates_path = "updated_at",
		.dates_follow_changes = true,
		.columns = conversation_columns,
		.ncolumns = lengthof(conversation_columns),
	},
	{
		.name = "people_profiles",
		.description = "profiles of the people who were in touch",
		.list_route = "website/{website_id}/people/profiles/{page_number}",
		.per_page_param = "per_page",
		.typical_rows = 10000,
		.filters = people_profile_filters,
		.lookups = people_profile_lookups,
		.orders = people_profile_orders,
		.dates_path = "created_at",
		.count = &people_profile_count,
		.search_filter_param = "search_filter",
		.search_filter_model = "people",
		.search_filter_query = "search_operator=and",
		.columns = people_profile_columns,
		.ncolumns = lengthof(people_profile_columns),
	},
	{
		.name = "visitors",
		.description = "visitors who are on the website now",
		.list_route = "website/{website_id}/visitors/list/{page_number}",
		.typical_rows = 100,
		.filters = no_filters,
		.lookups = no_lookups,
		.orders = no_orders,
		.count = &visitor_count,
		.columns = visitor_columns,
		.ncolumns = lengthof(visitor_columns),
	},
	{
		.name = "operators",
		.description = "operators of the website, and those invited",
		.list_route = "website/{website_id}/operators/list",
		.envelope = "details",
		.typical_rows = 20,
		.filters = no_filters,
		.lookups = no_lookups,
		.orders = no_orders,
		.columns = operator_columns,
		.ncolumns = lengthof(operator_columns),
	},
};

const int crisp_nresources = lengthof(crisp_resources);

const CrispResource *
crisp_resource_find(const char *name)
{
	for (int i = 0; i < crisp_nresources; i++)
		if (strcmp(crisp_resources[i].name, name) == 0)
			return &crisp_resources[i];
	return NULL;
}

char *
crisp_resource_names(void)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < crisp_nresources; i++)
		appendStringInfo(&names, "%s%s", i > 0 ? ", " : "", crisp_resources[i].name);
	return names.data;
}

char *
crisp_column_name(const CrispResource *resource, const CrispColumn *column)
{
	const char *path = column->path;
	size_t		envelope = resource->envelope ? strlen(resource->envelope) : 0;
	char	   *name;

	if (envelope > 0 && strncmp(path, resource->envelope, envelope) == 0 && path[envelope] == '.')
		path += envelope + 1;

	name = pstrdup(path);
	for (char *c = name; *c != '\0'; c++)
		if (*c == '.')
			*c = '_';
	return name;
}

const CrispColumn *
crisp_column_by_name(const CrispResource *resource, const char *name)
{
	for (int i = 0; i < resource->ncolumns; i++)
	{
		char *column_name = crisp_column_name(resource, &resource->columns[i]);
		bool  found = strcmp(column_name, name) == 0;

		pfree(column_name);
		if (found)
			return &resource->columns[i];
	}
	return NULL;
}

const CrispColumn *
crisp_column_by_path(const CrispResource *resource, const char *path)
{
	for (int i = 0; i < resource->ncolumns; i++)
		if (strcmp(resource->columns[i].path, path) == 0)
			return &resource->columns[i];
	return NULL;
}

const CrispColumn *
crisp_resource_key(const CrispResource *resource)
{
	for (int i = 0; i < resource->ncolumns; i++)
		if (resource->columns[i].flags & CRISP_KEY)
			return &resource->columns[i];
	return NULL;
}

bool
crisp_resource_needs_website(const CrispResource *resource)
{
	return strstr(resource->list_route, "{website_id}") != NULL;
}

bool
crisp_resource_is_paged(const CrispResource *resource)
{
	return strstr(resource->list_route, "{page_number}") != NULL;
}

const CrispLookup *
crisp_resource_lookup(const CrispResource *resource, const char *path)
{
	for (const CrispLookup *lookup = resource->lookups; lookup->path != NULL; lookup++)
		if (strcmp(lookup->path, path) == 0)
			return lookup;
	return NULL;
}

const CrispOrder *
crisp_resource_order(const CrispResource *resource, const char *path)
{
	for (const CrispOrder *order = resource->orders; order->path != NULL; order++)
		if (strcmp(order->path, path) == 0)
			return order;
	return NULL;
}

const CrispColumn *
crisp_resource_search(const CrispResource *resource)
{
	for (const CrispFilter *filter = resource->filters; filter->path != NULL; filter++)
		if (filter->test == CRISP_SEARCHES)
			return crisp_column_by_path(resource, filter->path);
	return NULL;
}

const CrispColumn *
crisp_resource_dates(const CrispResource *resource)
{
	return resource->dates_path ? crisp_column_by_path(resource, resource->dates_path) : NULL;
}
