/*-------------------------------------------------------------------------
 *
 * plugins.c
 *		Describe in the catalog what websites have subscribed to.
 *
 * Source of the facts: Crisp's public REST reference (v1) and the types of its
 * official client.  A new column is one line.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "resource/plugins.h"

/* One line a column. */
/* clang-format off */
/* Websites have the same plugins, so a plugin's identifier is no key. */
static const CrispColumn plugin_subscription_columns[] = {
	{"id", CRISP_TEXT, "identifier of the plugin, a UUID"},
	{"website_id", CRISP_TEXT, "website that has subscribed", CRISP_WEBSITE},
	{"urn", CRISP_TEXT, "name of the plugin among all"},
	{"type", CRISP_TEXT, "what kind of plugin it is"},
	{"category", CRISP_TEXT, "category"},
	{"name", CRISP_TEXT, "name of the plugin"},
	{"summary", CRISP_TEXT, "what it does"},
	{"price", CRISP_NUMBER, "price"},
	{"plans", CRISP_JSON, "plans that it offers: id, name, price"},
	{"icon", CRISP_TEXT, "URL of the icon"},
	{"website_url", CRISP_TEXT, "URL of its web site"},
	{"contact_url", CRISP_TEXT, "URL for getting into contact"},
	{"terms_url", CRISP_TEXT, "URL of its terms"},
	{"privacy_url", CRISP_TEXT, "URL of its privacy policy"},
	{"help_url", CRISP_TEXT, "URL of its help"},
	{"video_url", CRISP_TEXT, "URL of a video"},
	{"configurable", CRISP_BOOLEAN, "whether it has settings"},
	{"since", CRISP_TEXT, "since when, as Crisp writes it"},
	{"active", CRISP_BOOLEAN, "whether the subscription is active"},
	{"card_id", CRISP_TEXT, "payment card that is charged"},
};
/* clang-format on */

const CrispResource crisp_plugin_subscriptions = {
	.name = "plugin_subscriptions",
	.description = "plugins that websites have subscribed to; tier plugin only",
	.list_route = "plugins/subscription[/{website_id}]",
	.tier = "plugin",
	.typical_rows = 20,
	.filters = crisp_no_filters,
	.lookups = crisp_no_lookups,
	.orders = crisp_no_orders,
	.columns = plugin_subscription_columns,
	.ncolumns = lengthof(plugin_subscription_columns),
};
