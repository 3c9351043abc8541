/*-------------------------------------------------------------------------
 *
 * request.c
 *		Write what a scan asks the API for.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"

#include "api/server_facts.h"
#include "request/request.h"
#include "request/time_range.h"
#include "http/url.h"

/* A fact: Crisp has refused the order in which a list is read where nothing asks for another. */
#define LIST_ORDER_REFUSED "list order refused"

/*----------
 * Requests
 *----------
 */

ListRequest
request_whole_list(const CrispOptions *options)
{
	return (ListRequest){.options = options,
						 .per_page = options->per_page,
						 .dates = TIME_RANGE_ALL,
						 .query = "",
						 .inbox = options->resource->inbox ? options->inbox : NULL};
}

ChildrenRequest
request_whole_children(const CrispOptions *options)
{
	return (ChildrenRequest){
		.options = options, .query = "", .dates = TIME_RANGE_ALL, .times = TIME_RANGE_ALL};
}

ListRequest *
request_list(CrispRequest *request)
{
	if (request->kind == REQUEST_CHILDREN)
		return request->as.children.parent ? request_list(request->as.children.parent) : NULL;
	return request->kind == REQUEST_LIST ? &request->as.list : NULL;
}

static bool
texts_equal(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/*
 * Say whether two Lists of char * hold the same.
 */
static bool
lists_equal(const List *a, const List *b)
{
	ListCell *lc_a;
	ListCell *lc_b;

	if (list_length(a) != list_length(b))
		return false;
	forboth(lc_a, a, lc_b, b)
		if (strcmp(lfirst(lc_a), lfirst(lc_b)) != 0)
			return false;
	return true;
}

static bool
ranges_equal(TimeRange a, TimeRange b)
{
	return a.lower == b.lower && a.upper == b.upper;
}

static bool
list_requests_equal(const ListRequest *a, const ListRequest *b)
{
	return ranges_equal(a->dates, b->dates) && texts_equal(a->query, b->query) &&
		   texts_equal(a->inbox, b->inbox) && a->stops == b->stops &&
		   (!a->stops || a->stop_before == b->stop_before);
}

static bool
keys_requests_equal(const KeysRequest *a, const KeysRequest *b)
{
	return a->lookup == b->lookup && lists_equal(a->keys, b->keys) &&
		   texts_equal(a->inbox, b->inbox);
}

/*
 * Say whether two requests bring the same rows of a parent, of which those that are of no use are
 * left out; a list of its own keeps them all.
 */
static bool
parents_equal(const CrispRequest *a, const CrispRequest *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return request_equal(a, b) &&
		   (a->kind != REQUEST_LIST || lists_equal(a->as.list.keep, b->as.list.keep));
}

static bool
children_requests_equal(const ChildrenRequest *a, const ChildrenRequest *b)
{
	return ranges_equal(a->dates, b->dates) && ranges_equal(a->times, b->times) &&
		   texts_equal(a->query, b->query) && texts_equal(a->link, b->link) &&
		   parents_equal(a->parent, b->parent) && lists_equal(a->arguments, b->arguments) &&
		   lists_equal(a->words, b->words);
}

bool
request_equal(const CrispRequest *a, const CrispRequest *b)
{
	if (a->kind != b->kind || !texts_equal(a->search, b->search))
		return false;
	switch (a->kind)
	{
		case REQUEST_LIST:
			return list_requests_equal(&a->as.list, &b->as.list);
		case REQUEST_KEYS:
			return keys_requests_equal(&a->as.keys, &b->as.keys);
		case REQUEST_CHILDREN:
			return children_requests_equal(&a->as.children, &b->as.children);
	}
	pg_unreachable();
}

/*----------
 * Targets: path and query
 *----------
 */

/*
 * Say whether a route goes on with a placeholder of that name; if so, go behind it.
 */
static bool
skip_holder(const char **route, const char *name)
{
	size_t length = strlen(name);

	if (**route != '{' || strncmp(*route + 1, name, length) != 0 || (*route)[length + 1] != '}')
		return false;
	*route += length + 2;
	return true;
}

/*
 * Go on to what is to be read of a route: past brackets, with what stands in them where no website
 * is set.
 */
static void
skip_brackets(const char **route, const CrispOptions *options)
{
	while (**route == '[' || **route == ']')
	{
		if (**route == '[' && options->website_id == NULL)
			*route = strchr(*route, ']');
		(*route)++;
	}
}

/* What fills the placeholders of a route besides the website; those of what is NULL stay. */
typedef struct RouteValues
{
	int			page_number;
	const char *key;
	const char *argument;
	const char *word;
} RouteValues;

/*
 * Append a route, with its placeholders filled in.
 */
static void
append_route(StringInfo target, const char *route, const CrispOptions *options, RouteValues values)
{
	const CrispParent *parent = options->resource ? options->resource->parent : NULL;
	const CrispColumn *word = parent ? crisp_resource_word(options->resource) : NULL;

	for (;;)
	{
		skip_brackets(&route, options);
		if (*route == '\0')
			return;
		if (skip_holder(&route, "website_id"))
			url_append_segment(target, options->website_id);
		else if (skip_holder(&route, "page_number"))
			appendStringInfo(target, "%d", values.page_number);
		else if (values.argument != NULL && parent != NULL && skip_holder(&route, parent->path))
			url_append_segment(target, values.argument);
		else if (values.word != NULL && word != NULL && skip_holder(&route, word->path))
			url_append_segment(target, values.word);
		else if (values.key != NULL && skip_holder(&route, "key"))
			url_append_segment(target, values.key);
		else
			appendStringInfoChar(target, *route++);
	}
}

/*
 * Append query parameters, after whatever the target has already.
 */
static void
append_query(StringInfo target, const char *query)
{
	if (query[0] != '\0')
		appendStringInfo(target, "%c%s", strchr(target->data, '?') == NULL ? '?' : '&', query);
}

/*
 * Append the parameter for the inbox that the table is of.
 */
static void
append_inbox(StringInfo target, const ListRequest *request)
{
	const char	  *inbox = request->inbox;
	StringInfoData query;

	if (inbox == NULL)
		return;
	initStringInfo(&query);
	appendStringInfo(&query, "%s=", request->options->resource->inbox->param);
	url_append_value(&query, pg_server_to_any(inbox, (int) strlen(inbox), PG_UTF8));
	append_query(target, query.data);
}

/*
 * Append the parameters for a request's dates.
 */
static void
append_dates(StringInfo target, const CrispResource *resource, TimeRange dates)
{
	const CrispColumn *column = crisp_resource_dates(resource);
	StringInfoData	   query;
	char			  *bound;

	if (column == NULL)
		return;
	initStringInfo(&query);
	if ((bound = time_range_lower_iso(dates)) != NULL)
		appendStringInfo(&query, "%s=%s", column->lower_param, bound);
	if ((bound = time_range_upper_iso(dates)) != NULL)
		appendStringInfo(&query, "%s%s=%s", query.len > 0 ? "&" : "", column->upper_param, bound);
	append_query(target, query.data);
}

const CrispOrder *
request_list_order(const ListRequest *request)
{
	const CrispOrder *order = request->options->resource->list_order;

	if (request->order != NULL)
		return request->order;
	if (order == NULL || order->opposite == NULL)
		return order;
	return request->any_order ||
				   server_fact_recall(request->options, LIST_ORDER_REFUSED) == FACT_TRUE
			   ? NULL
			   : order;
}

bool
request_list_order_may_be_refused(const ListRequest *request)
{
	const CrispOrder *order = request_list_order(request);

	return order != NULL && order->opposite != NULL;
}

void
request_list_order_refused(const ListRequest *request)
{
	server_fact_remember(request->options,
						 request->order ? request->order->query : LIST_ORDER_REFUSED,
						 request->order == NULL);
}

char *
request_list_target(const ListRequest *request, int page_number)
{
	const CrispOptions	*options = request->options;
	const CrispResource *resource = options->resource;
	const CrispOrder	*order = request_list_order(request);
	StringInfoData		 target;

	initStringInfo(&target);
	append_route(&target, crisp_resource_route(resource, options->tier), options,
				 (RouteValues){.page_number = page_number});
	if (resource->per_page_param != NULL)
		append_query(&target, psprintf("%s=%d", resource->per_page_param, request->per_page));
	if (resource->include_empty_param != NULL && options->include_empty)
		append_query(&target, psprintf("%s=1", resource->include_empty_param));
	append_inbox(&target, request);
	append_dates(&target, resource, request->dates);
	append_query(&target, request->query);
	if (order != NULL)
		append_query(&target, order->query);
	return target.data;
}

char *
request_lookup_target(const KeysRequest *request, const char *key)
{
	return request_key_target(request->options, request->lookup->route, key);
}

char *
request_key_target(const CrispOptions *options, const char *route, const char *key)
{
	StringInfoData target;

	initStringInfo(&target);
	append_route(&target, route, options, (RouteValues){.key = key});
	return target.data;
}

char *
request_child_target(const ChildrenRequest *request, const char *argument, const char *word,
					 int page_number, const char *query)
{
	const CrispResource *resource = request->options->resource;
	RouteValues			 values = {.page_number = page_number, .argument = argument, .word = word};
	StringInfoData		 target;

	initStringInfo(&target);
	append_route(&target, resource->list_route, request->options, values);
	if (resource->per_page_param != NULL)
		append_query(&target,
					 psprintf("%s=%d", resource->per_page_param, request->options->per_page));
	append_dates(&target, resource, request->dates);
	append_query(&target, request->query);
	if (query != NULL)
		append_query(&target, query);
	return target.data;
}

bool
request_children_have_conditions(const ChildrenRequest *request)
{
	return request->query[0] != '\0' || !ranges_equal(request->dates, (TimeRange) TIME_RANGE_ALL);
}

char *
request_route_target(const CrispOptions *options, const char *route)
{
	return request_key_target(options, route, NULL);
}
