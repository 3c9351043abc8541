/*-------------------------------------------------------------------------
 *
 * campaigns.c
 *		Describe campaigns in the catalog.
 *
 * Source of the facts: Crisp's public REST reference (v1) and the types of its
 * official client.  A new column is one line.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "resource/campaigns.h"

/* One line a column. */
/* clang-format off */
static const CrispColumn campaign_columns[] = {
	{"campaign_id", CRISP_TEXT, "identifier of the campaign, a UUID", CRISP_KEY | CRISP_REQUIRED},
	CRISP_WEBSITE_COLUMN,
	{"type", CRISP_TEXT, "one_shot or automated"},
	{"format", CRISP_TEXT, "format of the message: normal, html, ..."},
	{"name", CRISP_TEXT, "name"},
	{"subject", CRISP_TEXT, "subject of the message"},
	{"tag", CRISP_TEXT, "tag"},
	{"ready", CRISP_BOOLEAN, "whether it is configured"},
	{"dispatched", CRISP_BOOLEAN, "whether it was sent off, or switched on"},
	{"running", CRISP_BOOLEAN, "whether it is being sent now"},
	{"progress", CRISP_NUMBER, "how far it has been sent, percent"},
	{"targets", CRISP_INTEGER, "people whom it is for"},
	{"reached", CRISP_INTEGER, "people whom it has reached"},
	{"created_at", CRISP_TIME, "when the campaign was created", CRISP_REQUIRED},
	{"updated_at", CRISP_TIME, "when it last changed", CRISP_REQUIRED},
	{"dispatched_at", CRISP_TIME, "when it was sent off"},
	{"sender.user_id", CRISP_TEXT, "operator in whose name it is sent, see operators",
	 CRISP_DETAIL},
	{"recipients.type", CRISP_TEXT, "how recipients are chosen: all, segments, people, filter",
	 CRISP_DETAIL},
	{"recipients.segments", CRISP_TEXT_ARRAY, "segments whose people receive it", CRISP_DETAIL},
	{"recipients.people", CRISP_TEXT_ARRAY, "people who receive it, see people_profiles",
	 CRISP_DETAIL},
	{"recipients.filter", CRISP_JSON,
	 "filter that recipients pass: model, criterion, operator, query", CRISP_DETAIL},
	{"flow.launch_event", CRISP_TEXT, "event that launches an automated campaign", CRISP_DETAIL},
	{"flow.assert_filter", CRISP_JSON, "filter that a person must pass then", CRISP_DETAIL},
	{"flow.assert_delay", CRISP_INTEGER, "how long after the event that is checked", CRISP_DETAIL},
	{"flow.deliver_once", CRISP_BOOLEAN, "whether a person receives it once only", CRISP_DETAIL},
	{"flow.deliver_delay", CRISP_INTEGER, "how long after the check it is sent", CRISP_DETAIL},
	{"message", CRISP_TEXT, "text of the message", CRISP_DETAIL},
	{"options.deliver_to_chatbox", CRISP_BOOLEAN, "whether it is sent to the chat box",
	 CRISP_DETAIL},
	{"options.deliver_to_email", CRISP_BOOLEAN, "whether it is sent by e-mail", CRISP_DETAIL},
	{"options.sender_name_website", CRISP_BOOLEAN, "whether the website's name is the sender's",
	 CRISP_DETAIL},
	{"options.sender_email_reply", CRISP_BOOLEAN, "whether e-mails can be replied to",
	 CRISP_DETAIL},
	{"options.tracking", CRISP_BOOLEAN, "whether opening and clicking is tracked", CRISP_DETAIL},
	{"statistics.opened", CRISP_INTEGER, "how often it was opened", CRISP_DETAIL},
	{"statistics.clicked", CRISP_INTEGER, "how often a link in it was clicked", CRISP_DETAIL},
	{"statistics.unsubscribed", CRISP_INTEGER, "how many people unsubscribed", CRISP_DETAIL},
	{"filter_status", CRISP_TEXT,
	 "status of the campaign in Crisp's words: a condition filter_status = '…' asks Crisp for it",
	 CRISP_ASKED},
};

static const CrispColumn campaign_template_columns[] = {
	{"template_id", CRISP_TEXT, "identifier of the template, a UUID", CRISP_KEY | CRISP_REQUIRED},
	CRISP_WEBSITE_COLUMN,
	{"type", CRISP_TEXT, "static or custom"},
	{"name", CRISP_TEXT, "name"},
	{"format", CRISP_TEXT, "format of the content: html, markdown, ..."},
	{"created_at", CRISP_TIME, "when the template was created"},
	{"updated_at", CRISP_TIME, "when it last changed"},
	{"content", CRISP_TEXT, "what messages are made of", CRISP_DETAIL},
};
/* clang-format on */

/*
 * How Crisp makes a status of ready, dispatched, running and progress isn't
 * documented, so a condition on those asks for none: it might lose rows.
 */
static const CrispFilter campaign_filters[] = {
	{"name", CRISP_FINDS, "search_name", NULL, 0.05},
	{"tag", CRISP_EQUALS, "filter_tag", NULL, 0.2},
	{"type", CRISP_IS, "filter_type_one_shot", "one_shot", 0.7},
	{"type", CRISP_IS, "filter_type_automated", "automated", 0.3},
	{"filter_status", CRISP_IS, "filter_status_not_configured", "not_configured", 0.2},
	{"filter_status", CRISP_IS, "filter_status_ready", "ready", 0.1},
	{"filter_status", CRISP_IS, "filter_status_paused", "paused", 0.1},
	{"filter_status", CRISP_IS, "filter_status_sending", "sending", 0.1},
	{"filter_status", CRISP_IS, "filter_status_done", "done", 0.5},
	{NULL},
};

static const CrispLookup campaign_lookups[] = {
	{"campaign_id", "website/{website_id}/campaign/{key}"},
	{NULL},
};

const CrispResource crisp_campaigns = {
	.name = "campaigns",
	.description = "campaigns; what they are made of takes a request for each",
	.list_route = "website/{website_id}/campaigns/list/{page_number}",
	.detail_route = "website/{website_id}/campaign/{key}",
	.typical_rows = 100,
	.filters = campaign_filters,
	.lookups = campaign_lookups,
	.orders = crisp_no_orders,
	.created_path = "created_at",
	.columns = campaign_columns,
	.ncolumns = lengthof(campaign_columns),
};

static const CrispFilter campaign_template_filters[] = {
	{"name", CRISP_FINDS, "search_name", NULL, 0.05},
	{"type", CRISP_IS, "filter_type_static", "static", 0.3},
	{"type", CRISP_IS, "filter_type_custom", "custom", 0.7},
	{NULL},
};

static const CrispLookup campaign_template_lookups[] = {
	{"template_id", "website/{website_id}/campaigns/template/{key}"},
	{NULL},
};

const CrispResource crisp_campaign_templates = {
	.name = "campaign_templates",
	.description = "templates of campaigns; what they hold takes a request for each",
	.list_route = "website/{website_id}/campaigns/templates/{page_number}",
	.detail_route = "website/{website_id}/campaigns/template/{key}",
	.typical_rows = 20,
	.filters = campaign_template_filters,
	.lookups = campaign_template_lookups,
	.orders = crisp_no_orders,
	.created_path = "created_at",
	.columns = campaign_template_columns,
	.ncolumns = lengthof(campaign_template_columns),
};
