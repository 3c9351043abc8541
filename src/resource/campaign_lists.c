/*-------------------------------------------------------------------------
 *
 * campaign_lists.c
 *		Describe whom campaigns have reached in the catalog.
 *
 * Source of the facts: Crisp's public REST reference (v1) and the types of its
 * official client.  A new column is one line.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "resource/campaign_lists.h"
#include "resource/campaigns.h"

/* One line a column. */
/* clang-format off */
static const CrispColumn campaign_recipient_columns[] = {
	{"campaign_id", CRISP_TEXT, "campaign that the recipient belongs to, see campaigns",
	 CRISP_REQUIRED | CRISP_INHERITED},
	{"people_id", CRISP_TEXT, "profile of the recipient, see people_profiles", CRISP_KEY},
	CRISP_WEBSITE_COLUMN,
	{"email", CRISP_TEXT, "e-mail address of the recipient"},
	{"person.nickname", CRISP_TEXT, "name of the recipient"},
	{"person.avatar", CRISP_TEXT, "URL of the recipient's picture"},
	{"subscribed", CRISP_BOOLEAN, "whether the recipient still wants campaigns"},
};

/* What elements call the type isn't documented: the column reads the word that was asked for. */
static const CrispColumn campaign_statistic_columns[] = {
	{"campaign_id", CRISP_TEXT, "campaign that it is about, see campaigns",
	 CRISP_REQUIRED | CRISP_INHERITED},
	{"type", CRISP_TEXT, "what the profile did: opened, clicked or unsubscribed; a condition can "
	 "name others that Crisp knows", CRISP_REQUIRED | CRISP_WORD},
	CRISP_WEBSITE_COLUMN,
	{"profile.people_id", CRISP_TEXT, "profile, see people_profiles"},
	{"profile.email", CRISP_TEXT, "e-mail address of the profile"},
	{"profile.person.nickname", CRISP_TEXT, "name of the profile"},
	{"profile.person.avatar", CRISP_TEXT, "URL of the profile's picture"},
	{"profile.person.geolocation.country", CRISP_TEXT, "country of the profile, two letters"},
	{"profile.person.geolocation.region", CRISP_TEXT, "region of the profile"},
	{"profile.person.geolocation.city", CRISP_TEXT, "city of the profile"},
	{"profile.person.geolocation.coordinates.latitude", CRISP_NUMBER,
	 "latitude of the profile, degrees"},
	{"profile.person.geolocation.coordinates.longitude", CRISP_NUMBER,
	 "longitude of the profile, degrees"},
	{"data", CRISP_JSON, "more of what was done, such as the link that was clicked"},
	{"created_at", CRISP_TIME, "when it was done"},
	{"updated_at", CRISP_TIME, "when it was done again, or changed"},
};
/* clang-format on */

/* Elements don't say which campaign they are of; its id is made of these. */
#define CAMPAIGN_ID_CHARACTERS "0123456789abcdef-"

static const CrispParent campaign_recipients_parent = {
	.resource = &crisp_campaigns,
	.path = "campaign_id",
	.sure = CAMPAIGN_ID_CHARACTERS,
	.typical_rows = 500,
};

/* What campaigns count; whether Crisp knows others isn't documented. */
static const char *const statistic_types[] = {"opened", "clicked", "unsubscribed", NULL};

static const CrispWords campaign_statistic_words = {statistic_types, .open = true};

static const CrispParent campaign_statistics_parent = {
	.resource = &crisp_campaigns,
	.path = "campaign_id",
	.sure = CAMPAIGN_ID_CHARACTERS,
	.words = &campaign_statistic_words,
	.typical_rows = 300,
};

const CrispResource crisp_campaign_recipients = {
	.name = "campaign_recipients",
	.description = "people whom campaigns are for",
	.list_route = "website/{website_id}/campaign/{campaign_id}/recipients/{page_number}",
	.typical_rows = 50000,
	.parent = &campaign_recipients_parent,
	.filters = crisp_no_filters,
	.lookups = crisp_no_lookups,
	.orders = crisp_no_orders,
	.columns = campaign_recipient_columns,
	.ncolumns = lengthof(campaign_recipient_columns),
};

const CrispResource crisp_campaign_statistics = {
	.name = "campaign_statistics",
	.description = "what people did with campaigns",
	.list_route = "website/{website_id}/campaign/{campaign_id}/statistics/{type}/{page_number}",
	.per_page_param = "per_page",
	.typical_rows = 30000,
	.parent = &campaign_statistics_parent,
	.filters = crisp_no_filters,
	.lookups = crisp_no_lookups,
	.orders = crisp_no_orders,
	.columns = campaign_statistic_columns,
	.ncolumns = lengthof(campaign_statistic_columns),
};
