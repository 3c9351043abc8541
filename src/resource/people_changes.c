/*-------------------------------------------------------------------------
 *
 * people_changes.c
 *		Describe in the catalog what can be written of people.
 *
 * Source of the facts: Crisp's public REST reference (v1) and the types of its
 * official client.  A new column that can be written is one line.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "resource/people_changes.h"

/*
 * Crisp has active as a number when it's written, and as an object when it's read; so it can't be
 * written.
 */
/* clang-format off */
#define PROFILE_FIELDS \
	{"person_avatar", "person.avatar"}, \
	{"person_gender", "person.gender"}, \
	{"person_phone", "person.phone"}, \
	{"person_address", "person.address"}, \
	{"person_description", "person.description"}, \
	{"person_website", "person.website"}, \
	{"person_timezone", "person.timezone"}, \
	{"person_profiles", "person.profiles", CRISP_FIELD_ARRAY}, \
	{"person_employment_name", "person.employment.name"}, \
	{"person_employment_domain", "person.employment.domain"}, \
	{"person_employment_title", "person.employment.title"}, \
	{"person_employment_role", "person.employment.role"}, \
	{"person_employment_seniority", "person.employment.seniority"}, \
	{"person_geolocation_country", "person.geolocation.country"}, \
	{"person_geolocation_region", "person.geolocation.region"}, \
	{"person_geolocation_city", "person.geolocation.city"}, \
	{"person_geolocation_coordinates_latitude", "person.geolocation.coordinates.latitude"}, \
	{"person_geolocation_coordinates_longitude", "person.geolocation.coordinates.longitude"}, \
	{"person_locales", "person.locales"}, \
	{"company_name", "company.name"}, \
	{"company_legal_name", "company.legal_name"}, \
	{"company_domain", "company.domain"}, \
	{"company_url", "company.url"}, \
	{"company_description", "company.description"}, \
	{"company_timezone", "company.timezone"}, \
	{"company_phones", "company.phones"}, \
	{"company_emails", "company.emails"}, \
	{"company_tags", "company.tags"}, \
	{"company_geolocation_country", "company.geolocation.country"}, \
	{"company_geolocation_region", "company.geolocation.region"}, \
	{"company_geolocation_city", "company.geolocation.city"}, \
	{"company_geolocation_coordinates_latitude", "company.geolocation.coordinates.latitude"}, \
	{"company_geolocation_coordinates_longitude", "company.geolocation.coordinates.longitude"}, \
	{"company_metrics_employees", "company.metrics.employees"}, \
	{"company_metrics_market_cap", "company.metrics.market_cap"}, \
	{"company_metrics_raised", "company.metrics.raised"}, \
	{"company_metrics_arr", "company.metrics.arr"}, \
	{"segments", "segments"}, \
	{"notepad", "notepad"}, \
	{NULL}

/* Crisp needs both in a new profile [seen]. */
static const CrispField new_profile_fields[] = {
	{"email", "email", CRISP_FIELD_REQUIRED},
	{"person_nickname", "person.nickname", CRISP_FIELD_REQUIRED},
	PROFILE_FIELDS
};

static const CrispField profile_fields[] = {
	{"email", "email"},
	{"person_nickname", "person.nickname"},
	PROFILE_FIELDS
};
/* clang-format on */

#define PROFILE_ROUTE "website/{website_id}/people/profile/{people_id}"

/* Sent twice, it would be refused the second time, and nobody could tell by whom it was made. */
static const CrispChange profile_insert = {"POST", "website/{website_id}/people/profile", false,
										   new_profile_fields};

static const CrispAnswered profile_answered[] = {
	{"people_id", "people_id"},
	{NULL},
};

#define BATCH(operation) \
	"PATCH", "website/{website_id}/batch/" operation, "people.profiles", "people_id"

/* There is none for other fields. */
static const CrispBatch profile_batches[] = {
	{BATCH("segments"), "segments", .adds = true},
	{NULL},
};

static const CrispBatch profile_remove_batches[] = {
	{BATCH("remove")},
	{NULL},
};

/* Fields that aren't sent stay as they are [doc]. */
static const CrispChange profile_updates[] = {
	{"PATCH", PROFILE_ROUTE, true, profile_fields, .batches = profile_batches},
	{NULL},
};

static const CrispChange profile_remove = {"DELETE", PROFILE_ROUTE, true, NULL,
										   .batches = profile_remove_batches};

/* One route knows profiles by id and by e-mail address. */
static const CrispOtherKey profile_other_key = {"people_id", "email", "@"};

const CrispChanges crisp_people_profile_changes = {
	.noun = "profile",
	.conflict = "email",
	.other_key = &profile_other_key,
	.insert = &profile_insert,
	.answered = profile_answered,
	.read_route = PROFILE_ROUTE,
	.updates = profile_updates,
	.remove = &profile_remove,
};

/*
 * The routes below a profile are documented by its id; the id is found by the e-mail address, where
 * a table or a row has that alone.
 */
static const CrispOtherKey below_profile_other_key = {
	"people_id", "email", "@", "website/{website_id}/people/profile/{email}", "people_id"};

/* The subscription has a member email, so the address has another name. */
static const CrispOtherKey subscription_other_key = {
	"people_id", "profile_email", "@", "website/{website_id}/people/profile/{profile_email}",
	"people_id"};

static const CrispField subscription_fields[] = {
	{"email", "email", CRISP_FIELD_REQUIRED},
	{NULL},
};

static const CrispChange subscription_updates[] = {
	{"PATCH", "website/{website_id}/people/subscription/{people_id}", true, subscription_fields},
	{NULL},
};

const CrispChanges crisp_people_subscription_changes = {
	.noun = "subscription",
	.other_key = &subscription_other_key,
	.updates = subscription_updates,
};

#define DATA_ROUTE "website/{website_id}/people/data/{people_id}"

static const CrispField data_fields[] = {
	{"data", "data", CRISP_FIELD_REQUIRED | CRISP_FIELD_OBJECT | CRISP_FIELD_DATA},
	{NULL},
};

/*
 * A PATCH sets the keys that are sent; only a PUT removes some, and with them all that aren't sent,
 * whoever has set them [seen].
 */
static const CrispChange data_insert = {"PATCH", DATA_ROUTE, true, data_fields, "PUT"};

static const CrispChange data_updates[] = {
	{"PATCH", DATA_ROUTE, true, data_fields, "PUT"},
	{NULL},
};

const CrispChanges crisp_people_data_changes = {
	.noun = "data record",
	.parent = "profile",
	.parent_key = "people_id",
	.other_key = &below_profile_other_key,
	.conflict = "people_id",
	.insert = &data_insert,
	.read_route = DATA_ROUTE,
	.updates = data_updates,
};

static const CrispField event_fields[] = {
	{"text", "text", CRISP_FIELD_REQUIRED},
	{"data", "data", CRISP_FIELD_OBJECT},
	{"color", "color"},
	{"timestamp", "timestamp"},
	{NULL},
};

/* Sent twice, it's two events. */
static const CrispChange event_insert = {"POST", "website/{website_id}/people/events/{people_id}",
										 false, event_fields};

const CrispChanges crisp_people_event_changes = {
	.noun = "event",
	.parent = "profile",
	.parent_key = "people_id",
	.insert = &event_insert,
};
