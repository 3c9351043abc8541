/*-------------------------------------------------------------------------
 *
 * people_lists.c
 *		Describe campaigns and subscriptions of people in the catalog.
 *
 * Source of the facts: Crisp's public REST reference (v1) and the types of its
 * official client.  A new column is one line.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "resource/people.h"
#include "resource/people_changes.h"
#include "resource/people_lists.h"

/*
 * Below the rows of people_profiles; what the elements themselves have comes after what they
 * inherit.  One line a column.
 */
/* clang-format off */
static const CrispColumn people_campaign_columns[] = {
	{"people_id", CRISP_TEXT, "profile that it was sent to, see people_profiles",
	 CRISP_REQUIRED | CRISP_INHERITED},
	{"campaign_id", CRISP_TEXT, "identifier of the campaign, see campaigns",
	 CRISP_KEY},
	CRISP_WEBSITE_COLUMN,
	{"type", CRISP_TEXT, "one_shot or automated"},
	{"name", CRISP_TEXT, "name of the campaign"},
	{"created_at", CRISP_TIME, "when the campaign was created"},
	{"updated_at", CRISP_TIME, "when the campaign last changed"},
	{"dispatched_at", CRISP_TIME, "when the campaign was sent off"},
	{"occurred_at", CRISP_TIME, "when the profile received it"},
	{"statistics", CRISP_TEXT_ARRAY, "what the profile did with it: opened, clicked, ..."},
	{"email", CRISP_TEXT, "e-mail address of the profile", CRISP_INHERITED},
};

/* What is called email here is no address, which has another name. */
static const CrispColumn people_subscription_columns[] = {
	{"people_id", CRISP_TEXT, "profile that is subscribed or not, see people_profiles",
	 CRISP_KEY | CRISP_REQUIRED | CRISP_INHERITED},
	{"email", CRISP_BOOLEAN, "whether it receives campaigns by e-mail"},
	CRISP_WEBSITE_COLUMN,
	{"profile_email", CRISP_TEXT, "e-mail address of the profile", CRISP_INHERITED,
	 .parent_path = "email"},
};
/* clang-format on */

static const CrispParent people_campaigns_parent = {
	.resource = &crisp_people_profiles,
	.path = "people_id",
	.sure = PEOPLE_ID_CHARACTERS,
	.typical_rows = 2,
};

static const CrispParent people_subscriptions_parent = {
	.resource = &crisp_people_profiles,
	.path = "people_id",
	.sure = PEOPLE_ID_CHARACTERS,
	.typical_rows = 1,
};

const CrispResource crisp_people_campaigns = {
	.name = "people_campaigns",
	.description = "campaigns that people received",
	.list_route = "website/{website_id}/people/campaigns/{people_id}/list/{page_number}",
	.typical_rows = 20000,
	.parent = &people_campaigns_parent,
	.filters = crisp_no_filters,
	.lookups = crisp_no_lookups,
	.orders = crisp_no_orders,
	.columns = people_campaign_columns,
	.ncolumns = lengthof(people_campaign_columns),
};

const CrispResource crisp_people_subscriptions = {
	.name = "people_subscriptions",
	.description = "whether people receive campaigns",
	.list_route = "website/{website_id}/people/subscription/{people_id}",
	.one_row = true,
	.typical_rows = 10000,
	.parent = &people_subscriptions_parent,
	.filters = crisp_no_filters,
	.lookups = crisp_no_lookups,
	.orders = crisp_no_orders,
	.changes = &crisp_people_subscription_changes,
	.columns = people_subscription_columns,
	.ncolumns = lengthof(people_subscription_columns),
};
