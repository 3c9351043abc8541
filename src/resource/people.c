/*-------------------------------------------------------------------------
 *
 * people.c
 *		Describe people in the catalog, as Crisp keeps them.
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
#include "resource/people.h"
#include "resource/people_changes.h"

/* One line a column. */
/* clang-format off */
static const CrispColumn people_profile_columns[] = {
	{"people_id", CRISP_TEXT, "identifier of the profile, a UUID", CRISP_KEY | CRISP_REQUIRED},
	CRISP_WEBSITE_COLUMN,
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
	{"company.geolocation.coordinates.longitude", CRISP_NUMBER,
	 "longitude of the company, degrees"},
	{"company.metrics.employees", CRISP_NUMBER, "number of employees"},
	{"company.metrics.market_cap", CRISP_NUMBER, "market capitalization"},
	{"company.metrics.raised", CRISP_NUMBER, "capital raised"},
	{"company.metrics.arr", CRISP_NUMBER, "annual recurring revenue"},
	{"segments", CRISP_TEXT_ARRAY, "segments of the profile"},
	{"notepad", CRISP_TEXT, "operators' notes"},
	{"active.now", CRISP_BOOLEAN, "whether the person is active now"},
	{"active.last", CRISP_TIME, "when the person was active last"},
	{"score", CRISP_NUMBER, "satisfaction score"},
	{"created_at", CRISP_TIME, "when the profile was created",
	 CRISP_REQUIRED, "filter_date_start", "filter_date_end"},
	{"updated_at", CRISP_TIME, "when it last changed", CRISP_REQUIRED},
	{"search_query", CRISP_TEXT,
	 "full-text search: a condition search_query = '…' asks Crisp for it", CRISP_ASKED},
};

/*
 * Below the rows of people_profiles; what the elements themselves have comes after what they
 * inherit.
 */
static const CrispColumn people_data_columns[] = {
	{"people_id", CRISP_TEXT, "profile that the data belongs to, see people_profiles",
	 CRISP_KEY | CRISP_REQUIRED | CRISP_INHERITED},
	{"email", CRISP_TEXT, "e-mail address of the profile", CRISP_INHERITED},
	{"data", CRISP_JSON, "custom data: an object with any keys"},
	CRISP_WEBSITE_COLUMN,
};

static const CrispColumn people_event_columns[] = {
	{"people_id", CRISP_TEXT, "profile that it happened to, see people_profiles",
	 CRISP_REQUIRED | CRISP_INHERITED},
	{"timestamp", CRISP_TIME, "when it happened"},
	{"text", CRISP_TEXT, "what happened"},
	{"color", CRISP_TEXT, "color that it is shown in"},
	{"data", CRISP_JSON, "data of the event: an object with any keys"},
	CRISP_WEBSITE_COLUMN,
};

static const CrispColumn people_conversation_columns[] = {
	{"people_id", CRISP_TEXT, "profile that took part, see people_profiles",
	 CRISP_REQUIRED | CRISP_INHERITED},
	{"session_id", CRISP_TEXT, "identifier of the conversation, see conversations",
	 CRISP_KEY | CRISP_REQUIRED},
	CRISP_WEBSITE_COLUMN,
	{"email", CRISP_TEXT, "e-mail address of the profile", CRISP_INHERITED},
	{"filter_status", CRISP_TEXT,
	 "unread, resolved or not_resolved: a condition filter_status = '…' asks Crisp for these "
	 "conversations", CRISP_ASKED},
};
/* clang-format on */

static const CrispFilter people_profile_filters[] = {
	{"segments", CRISP_CONTAINS, "segments", NULL, 0.1},
	{"search_query", CRISP_SEARCHES, "search_text", NULL, 0.01},
	{NULL},
};

/* One route knows profiles by id and by e-mail address. */
static const CrispLookup people_profile_lookups[] = {
	{"people_id", "website/{website_id}/people/profile/{key}", .is_listed = true},
	{"email", "website/{website_id}/people/profile/{key}", "@", .is_listed = true,
	 .criterion = "email"},
	{NULL},
};

static const CrispOrder people_profile_orders[] = {
	{"updated_at", "sort_field=updated_at&sort_order=descending",
	 "sort_field=updated_at&sort_order=ascending"},
	{"created_at", "sort_field=created_at&sort_order=descending",
	 "sort_field=created_at&sort_order=ascending"},
	{NULL},
};

static const CrispSearchFilter people_search_filter = {
	.param = "search_filter",
	.model = "people",
	.after = "search_operator=and",
};

static const CrispCount people_profile_count = {"website/{website_id}/people/stats", "total"};

const CrispResource crisp_people_profiles = {
	.name = "people_profiles",
	.description = "profiles of the people who were in touch",
	.list_route = "website/{website_id}/people/profiles/{page_number}",
	.per_page_param = "per_page",
	.typical_rows = 10000,
	.filters = people_profile_filters,
	.lookups = people_profile_lookups,
	.orders = people_profile_orders,
	.list_order = &people_profile_orders[1],
	.dates_path = "created_at",
	.created_path = "created_at",
	.count = &people_profile_count,
	.search_filter = &people_search_filter,
	.changes = &crisp_people_profile_changes,
	.columns = people_profile_columns,
	.ncolumns = lengthof(people_profile_columns),
};

static const CrispParent people_data_parent = {
	.resource = &crisp_people_profiles,
	.path = "people_id",
	.sure = PEOPLE_ID_CHARACTERS,
	.typical_rows = 1,
};

static const CrispParent people_events_parent = {
	.resource = &crisp_people_profiles,
	.path = "people_id",
	.sure = PEOPLE_ID_CHARACTERS,
	.typical_rows = 5,
};

/*
 * Whose unread messages are meant isn't documented, nor is the state in the list: so these are
 * asked for by Crisp's words.
 */
static const CrispFilter people_conversation_filters[] = {
	{"filter_status", CRISP_IS, "filter_unread", "unread", 0.1},
	{"filter_status", CRISP_IS, "filter_resolved", "resolved", 0.6},
	{"filter_status", CRISP_IS, "filter_not_resolved", "not_resolved", 0.4},
	{NULL},
};

static const CrispParent people_conversations_parent = {
	.resource = &crisp_people_profiles,
	.path = "people_id",
	.sure = PEOPLE_ID_CHARACTERS,
	.typical_rows = 2,
};

/* clang-format off */
static const CrispColumn people_event_name_columns[] = {
	{"text", CRISP_TEXT, "what happens, see people_events", CRISP_KEY | CRISP_REQUIRED},
	CRISP_WEBSITE_COLUMN,
	{"count", CRISP_INTEGER, "how often it has happened"},
};

static const CrispColumn people_data_key_columns[] = {
	{"key", CRISP_TEXT, "key of custom data", CRISP_KEY | CRISP_REQUIRED},
	{"count", CRISP_INTEGER, "profiles that have it"},
};
/* clang-format on */

static const CrispResource people_data_keys = {
	.name = "keys of custom data",
	.description = "keys of custom data of people",
	.list_route = "website/{website_id}/people/suggest/data/{page_number}",
	.typical_rows = 50,
	.filters = crisp_no_filters,
	.lookups = crisp_no_lookups,
	.orders = crisp_no_orders,
	.columns = people_data_key_columns,
	.ncolumns = lengthof(people_data_key_columns),
};

static const CrispCustomData people_custom_data = {"data", &people_data_keys};

const CrispResource crisp_people_data = {
	.name = "people_data",
	.description = "custom data of profiles",
	.list_route = "website/{website_id}/people/data/{people_id}",
	.one_row = true,
	.typical_rows = 10000,
	.custom_data = &people_custom_data,
	.parent = &people_data_parent,
	.filters = crisp_no_filters,
	.lookups = crisp_no_lookups,
	.orders = crisp_no_orders,
	.changes = &crisp_people_data_changes,
	.columns = people_data_columns,
	.ncolumns = lengthof(people_data_columns),
};

const CrispResource crisp_people_events = {
	.name = "people_events",
	.description = "what happened to people",
	.list_route = "website/{website_id}/people/events/{people_id}/list/{page_number}",
	.typical_rows = 50000,
	.parent = &people_events_parent,
	.filters = crisp_no_filters,
	.lookups = crisp_no_lookups,
	.orders = crisp_no_orders,
	.changes = &crisp_people_event_changes,
	.columns = people_event_columns,
	.ncolumns = lengthof(people_event_columns),
};

static const char *const people_conversation_link_params[] = {
	"filter_resolved=1",
	"filter_not_resolved=1",
	NULL,
};

static const CrispLink people_conversation_link = {
	.resource = &crisp_conversations,
	.path = "session_id",
	.other_path = "session_id",
	.params = people_conversation_link_params,
};

const CrispResource crisp_people_conversations = {
	.name = "people_conversations",
	.description = "conversations that people took part in",
	.list_route = "website/{website_id}/people/conversations/{people_id}/list/{page_number}",
	.typical_rows = 20000,
	.scalar_path = "session_id",
	.parent = &people_conversations_parent,
	.link = &people_conversation_link,
	.filters = people_conversation_filters,
	.lookups = crisp_no_lookups,
	.orders = crisp_no_orders,
	.columns = people_conversation_columns,
	.ncolumns = lengthof(people_conversation_columns),
};

const CrispResource crisp_people_event_names = {
	.name = "people_event_names",
	.description = "events of people, and how often each has happened",
	.list_route = "website/{website_id}/people/suggest/events/{page_number}",
	.typical_rows = 50,
	.filters = crisp_no_filters,
	.lookups = crisp_no_lookups,
	.orders = crisp_no_orders,
	.keys_recur = true,
	.columns = people_event_name_columns,
	.ncolumns = lengthof(people_event_name_columns),
};
