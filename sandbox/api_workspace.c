/*
 * api_workspace.c
 *		Answer routes of a website's visitors, operators, campaigns and inboxes, of the
 *		website itself, and of the account behind a token.
 */
#include <string.h>

#include "campaign.h"
#include "filtered.h"
#include "json_path.h"
#include "parameters.h"
#include "route.h"

void
list_visitors(Call *call)
{
	answer_plainly(call, RESOURCE_VISITORS, call->sandbox->settings.visitors_per_page);
}

void
count_visitors(Call *call)
{
	const Collection *visitors = &call->website->lists[RESOURCE_VISITORS];
	const RowIndex	 *index = collection_index(visitors, SORT_STORED, true);
	const Settings	 *settings = &call->sandbox->settings;
	size_t			  count = index->count;
	int64_t			  active = 0;
	JsonWriter		  writer;

	/* A limited count stops early, and is too low. */
	if (settings->visitors_limited && count > settings->visitors_per_page)
		count = settings->visitors_per_page;
	for (size_t i = 0; i < count; i++)
	{
		json_object *tree = collection_tree(visitors, index->ids[i]);

		active += json_object_get_boolean(json_path_get(tree, "active"));
		json_object_put(tree);
	}
	writer = reply_begin(call->reply, 200, "resolved");
	jw_begin(&writer, '{');
	jw_put_int(&writer, "count", (int64_t) count);
	jw_put_int(&writer, "active", active);
	jw_put_bool(&writer, "limited", settings->visitors_limited);
	jw_end(&writer, '}');
	reply_end(&writer);
}

void
list_operators(Call *call)
{
	answer_whole(call, RESOURCE_OPERATORS);
}

void
list_inboxes(Call *call)
{
	answer_plainly(call, RESOURCE_INBOXES, call->sandbox->settings.list_per_page);
}

/* What the list of campaigns was asked for. */
typedef struct CampaignFilter
{
	const char *name;
	const char *tag;
	bool		one_shot;
	bool		automated;
	bool		any_status; /* at least one of these is set */
	bool		statuses[CAMPAIGN_STATUS_COUNT];
} CampaignFilter;

static void
read_campaign_filter(const Request *request, CampaignFilter *filter, const char **error)
{
	static const char *const statuses[] = {
		"filter_status_not_configured", "filter_status_ready", "filter_status_paused",
		"filter_status_sending",		"filter_status_done",
	};

	parameter_text(request, "search_name", &filter->name);
	parameter_text(request, "filter_tag", &filter->tag);
	parameter_flag(request, "filter_type_one_shot", &filter->one_shot, error);
	parameter_flag(request, "filter_type_automated", &filter->automated, error);
	for (int i = 0; i < CAMPAIGN_STATUS_COUNT; i++)
	{
		parameter_flag(request, statuses[i], &filter->statuses[i], error);
		filter->any_status |= filter->statuses[i];
	}
}

static bool
campaign_passes(const Collection *collection, const Row *row, json_object *campaign,
				const void *filter)
{
	const CampaignFilter *wanted = filter;
	const char			 *name = json_path_string(campaign, "name");
	const char			 *tag = json_path_string(campaign, "tag");
	const char			 *type = json_path_string(campaign, "type");
	bool				  automated = type != NULL && strcmp(type, "automated") == 0;

	(void) collection;
	(void) row;
	if (wanted->name != NULL && (name == NULL || strcasestr(name, wanted->name) == NULL))
		return false;
	if (wanted->tag != NULL && (tag == NULL || strcmp(tag, wanted->tag) != 0))
		return false;
	if (wanted->one_shot != wanted->automated && wanted->automated != automated)
		return false;
	return !wanted->any_status || wanted->statuses[campaign_status(campaign)];
}

void
list_campaigns(Call *call)
{
	CampaignFilter filter = {0};
	const char	  *error = NULL;

	read_campaign_filter(call->request, &filter, &error);
	if (!settings_have_filters(&call->sandbox->settings))
		filter = (CampaignFilter){0};
	answer_filtered(call, RESOURCE_CAMPAIGNS, call->arguments[0], error, campaign_passes, &filter);
}

uint32_t
call_campaign(Call *call)
{
	const Collection *campaigns = &call->website->lists[RESOURCE_CAMPAIGNS];
	uint32_t		  id = collection_find(campaigns, call->arguments[0]);

	if (id == NO_ROW)
		reply_error(call->reply, 404, "not_found", "This campaign does not exist");
	return id;
}

void
get_campaign(Call *call)
{
	const Collection *campaigns = &call->website->lists[RESOURCE_CAMPAIGNS];
	uint32_t		  id = call_campaign(call);
	JsonWriter		  writer;

	if (id == NO_ROW)
		return;
	writer = reply_begin(call->reply, 200, "resolved");
	campaign_write_details(campaigns, id, &writer);
	reply_end(&writer);
}

void
get_website(Call *call)
{
	JsonWriter writer = reply_begin(call->reply, 200, "resolved");

	jw_begin(&writer, '{');
	jw_put_string(&writer, "website_id", call->website->id);
	jw_put_string(&writer, "name", call->website->name);
	jw_put_string(&writer, "domain", call->website->domain);
	if (call->website->number % 2 == 0)
		jw_put_string(&writer, "logo", "https://storage.crisp.chat/website/logo/1.png");
	else
		jw_put_null(&writer, "logo");
	jw_end(&writer, '}');
	reply_end(&writer);
}

void
get_plugin_account(Call *call)
{
	JsonWriter writer = reply_begin(call->reply, 200, "resolved");

	jw_begin(&writer, '{');
	jw_put_string(&writer, "plugin_id", call->sandbox->dataset.plugin_id);
	jw_end(&writer, '}');
	reply_end(&writer);
}

static void
write_plugin_website(const Website *website, bool configured, bool with_plan, JsonWriter *writer)
{
	char token[KEY_HEX_SIZE];

	jw_begin(writer, '{');
	jw_put_string(writer, "website_id", website->id);
	jw_put_int(writer, "price", website->number % 3 == 0 ? 0 : 25);
	random_hex_key(random_mix(website->number, 99), token);
	jw_put_string(writer, "token", token);
	jw_key(writer, "settings");
	jw_begin(writer, '{');
	if (configured)
		jw_put_string(writer, "language", "de");
	jw_end(writer, '}');
	if (with_plan)
	{
		jw_key(writer, "plan");
		jw_begin(writer, '{');
		jw_put_string(writer, "id", "3a8b1c0e-54c5-4d0b-9f3e-0c6a2f0d7e11");
		jw_put_string(writer, "name", website->number == 0 ? "Plus" : "Essentials");
		jw_put_bool(writer, "trialing", website->number % 2 == 1);
		jw_end(writer, '}');
	}
	jw_end(writer, '}');
}

void
list_plugin_websites(Call *call)
{
	const Dataset *dataset = &call->sandbox->dataset;
	bool		   only_configured = false;
	bool		   include_plan = false;
	const char	  *error = NULL;
	uint64_t	   page;
	uint64_t	   found = 0;
	Buffer		   rows = {0};
	JsonWriter	   writer = {&rows, false, false};

	parameter_page(call->arguments[0], &page, &error);
	parameter_flag(call->request, "filter_configured", &only_configured, &error);
	parameter_flag(call->request, "include_plan", &include_plan, &error);
	if (error != NULL)
	{
		reply_error(call->reply, 400, "invalid_data", error);
		return;
	}
	jw_begin(&writer, '[');
	for (size_t i = 0; i < dataset->website_count; i++)
	{
		const Website *website = &dataset->websites[i];
		bool		   configured = website->number % 2 == 0;

		if (!website->has_plugin || (only_configured && !configured))
			continue;
		if (found++ / call->sandbox->settings.list_per_page == page - 1)
			write_plugin_website(website, configured, include_plan, &writer);
	}
	jw_end(&writer, ']');
	reply_rows(call->reply, &call->sandbox->settings, &rows, found, page,
			   call->sandbox->settings.list_per_page);
}

void
get_user_account(Call *call)
{
	JsonWriter writer = reply_begin(call->reply, 200, "resolved");

	jw_begin(&writer, '{');
	jw_put_string(&writer, "user_id", call->sandbox->dataset.user_id);
	jw_put_string(&writer, "email", "owner@example.com");
	jw_put_string(&writer, "first_name", "Zoé");
	jw_put_string(&writer, "last_name", "Lefèvre");
	jw_end(&writer, '}');
	reply_end(&writer);
}
