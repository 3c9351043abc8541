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
	{"campaign_id", CRISP_TEXT, "campaign that the recipient is of, see campaigns",
	 CRISP_REQUIRED | CRISP_INHERITED},
	{"people_id", CRISP_TEXT, "profile of the recipient, see people_profiles", CRISP_KEY},
	CRISP_WEBSITE_COLUMN,
	{"email", CRISP_TEXT, "e-mail address of the recipient"},
	{"person.nickname", CRISP_TEXT, "name of the recipient"},
	{"person.avatar", CRISP_TEXT, "URL of the recipient's picture"},
	{"subscribed", CRISP_BOOLEAN, "whether the recipient still wants campaigns"},
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
