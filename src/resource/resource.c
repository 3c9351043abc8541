/*-------------------------------------------------------------------------
 *
 * resource.c
 *		List all resources of the catalog, and find things in them.
 *
 * The entries are in files of their own, by subject.  A new resource is one entry
 * there, and one line here.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "resource/campaign_lists.h"
#include "resource/availability.h"
#include "resource/campaigns.h"
#include "resource/conversation_lists.h"
#include "resource/conversations.h"
#include "resource/helpdesk.h"
#include "resource/messages.h"
#include "resource/people.h"
#include "resource/people_lists.h"
#include "resource/plugins.h"
#include "resource/resource.h"
#include "resource/segments.h"
#include "resource/spams.h"
#include "resource/websites.h"

const CrispResource *const crisp_resources[] = {
	&crisp_conversations,
	&crisp_messages,
	&crisp_conversation_events,
	&crisp_conversation_pages,
	&crisp_conversation_files,
	&crisp_people_profiles,
	&crisp_people_data,
	&crisp_people_events,
	&crisp_people_conversations,
	&crisp_people_campaigns,
	&crisp_people_subscriptions,
	&crisp_visitors,
	&crisp_operators,
	&crisp_visitors_count,
	&crisp_campaigns,
	&crisp_campaign_recipients,
	&crisp_campaign_statistics,
	&crisp_inboxes,
	&crisp_conversation_segments,
	&crisp_people_segments,
	&crisp_websites,
	&crisp_helpdesk_locales,
	&crisp_helpdesk_pages,
	&crisp_helpdesk_feedback,
	&crisp_helpdesk_redirections,
	&crisp_conversation_spams,
	&crisp_operators_active,
	&crisp_operators_availability,
	&crisp_website_availability,
	&crisp_teams,
	&crisp_campaign_templates,
	&crisp_people_event_names,
	&crisp_visitors_blocked,
	&crisp_plugin_subscriptions,
};

const int crisp_nresources = lengthof(crisp_resources);

const CrispResource *
crisp_resource_find(const char *name)
{
	for (int i = 0; i < crisp_nresources; i++)
		if (strcmp(crisp_resources[i]->name, name) == 0)
			return crisp_resources[i];
	return NULL;
}

char *
crisp_resource_names(void)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < crisp_nresources; i++)
		appendStringInfo(&names, "%s%s", i > 0 ? ", " : "", crisp_resources[i]->name);
	return names.data;
}

char *
crisp_column_name(const CrispResource *resource, const CrispColumn *column)
{
	const char *path = column->path;
	size_t		envelope = resource->envelope ? strlen(resource->envelope) : 0;
	char	   *name;

	if (column->name != NULL)
		return pstrdup(column->name);
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

const CrispColumn *
crisp_resource_name(const CrispResource *resource)
{
	for (int i = 0; i < resource->ncolumns; i++)
		if (resource->columns[i].flags & CRISP_NAME)
			return &resource->columns[i];
	return NULL;
}

/*
 * Say whether tokens of a tier have a list of their own.
 */
static bool
has_own_list(const CrispResource *resource, const char *tier)
{
	return resource->plugin_route != NULL && tier != NULL && strcmp(tier, "plugin") == 0;
}

const char *
crisp_resource_route(const CrispResource *resource, const char *tier)
{
	return has_own_list(resource, tier) ? resource->plugin_route : resource->list_route;
}

bool
crisp_resource_is_one_row(const CrispResource *resource, const char *tier)
{
	return resource->one_row && !has_own_list(resource, tier);
}

bool
crisp_resource_needs_website(const CrispResource *resource, const char *tier)
{
	const char *route = crisp_resource_route(resource, tier);
	const char *holder = strstr(route, "{website_id}");
	const char *bracket = strchr(route, '[');

	return holder != NULL && (bracket == NULL || bracket > holder);
}

bool
crisp_resource_is_paged(const CrispResource *resource, const char *tier)
{
	return strstr(crisp_resource_route(resource, tier), "{page_number}") != NULL;
}

const char *
crisp_resource_detail_route(const CrispResource *resource, const char *tier)
{
	if (resource->plugin_route != NULL && !has_own_list(resource, tier))
		return NULL;
	return resource->detail_route;
}

bool
crisp_resource_list_has(const CrispResource *resource, const char *path)
{
	for (int i = 0; i < resource->ncolumns; i++)
	{
		const CrispColumn *column = &resource->columns[i];
		size_t			   length = strlen(column->path);

		/* What is below a field comes with it. */
		if ((column->flags & CRISP_DETAIL) == 0 && strncmp(column->path, path, length) == 0 &&
			(path[length] == '\0' || path[length] == '.'))
			return true;
	}
	return false;
}

bool
crisp_resource_knows(const CrispResource *resource, const char *path)
{
	for (int i = 0; i < resource->ncolumns; i++)
	{
		const char *column = resource->columns[i].path;
		size_t		length = strlen(column);

		if (strncmp(column, path, length) == 0 && strchr(".[", path[length]) != NULL)
			return true;
	}
	return crisp_resource_list_has(resource, path);
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
	for (int i = 0; i < resource->ncolumns; i++)
		if (resource->columns[i].flags & CRISP_ASKED)
			return &resource->columns[i];
	return NULL;
}

const CrispColumn *
crisp_resource_dates(const CrispResource *resource)
{
	return resource->dates_path ? crisp_column_by_path(resource, resource->dates_path) : NULL;
}

const CrispColumn *
crisp_resource_changed(const CrispResource *resource)
{
	return resource->dates_follow_changes ? crisp_resource_dates(resource)
										  : crisp_column_by_path(resource, "updated_at");
}

const CrispColumn *
crisp_resource_argument(const CrispResource *resource)
{
	return resource->parent ? crisp_column_by_path(resource, resource->parent->path) : NULL;
}

const CrispColumn *
crisp_resource_word(const CrispResource *resource)
{
	for (int i = 0; i < resource->ncolumns; i++)
		if (resource->columns[i].flags & CRISP_WORD)
			return &resource->columns[i];
	return NULL;
}

int
crisp_resource_lists_below(const CrispResource *resource)
{
	const CrispWords *words = resource->parent ? resource->parent->words : NULL;
	int				  count = 0;

	if (words == NULL)
		return 1;
	while (words->words[count] != NULL)
		count++;
	return count;
}

const char *
crisp_column_parent_path(const CrispColumn *column)
{
	return column->parent_path ? column->parent_path : column->path;
}

bool
crisp_resource_finds_parent(const CrispResource *resource, const CrispColumn *column)
{
	if (resource->parent == NULL)
		return false;
	if (column == crisp_resource_argument(resource))
		return true;
	return (column->flags & CRISP_INHERITED) != 0 &&
		   crisp_resource_lookup(resource->parent->resource, crisp_column_parent_path(column)) !=
			   NULL;
}
