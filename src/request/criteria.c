/*-------------------------------------------------------------------------
 *
 * criteria.c
 *		Write the search filter, and find out whether Crisp keeps to its criteria.
 *
 * A row proves that a field can be asked for a value by holding it, and that it can be asked to
 * lack one by having an empty array: what else the words may mean (some element differs) is wrong
 * for an empty array alone.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/memutils.h"

#include "api/api_answer.h"
#include "request/criteria.h"
#include "api/server_facts.h"
#include "json/json_make.h"
#include "json/json_path.h"
#include "http/url.h"

/* A URL has no room for more, bytes before they are escaped. */
#define MAX_CRITERIA_BYTES 2000

/* What no row holds, so that all rows lack it. */
#define HELD_BY_NONE "crisp_fdw 7c1b3c52-5d0e-4a86-9d3a-6b5a4f0e9d11"

/*
 * Make a criterion: the field of that name compares by an operator of Crisp's with values.
 */
static JsonWriter *
make_criterion(const CrispSearchFilter *filter, const char *field, const char *operator,
			   const JsonNode * const * values, int nvalues)
{
	JsonWriter *criterion = json_writer_object();

	json_writer_set(criterion, "model", json_make_string(CurrentMemoryContext, filter->model));
	json_writer_set(criterion, "criterion", json_make_string(CurrentMemoryContext, field));
	json_writer_set(criterion, "operator", json_make_string(CurrentMemoryContext, operator));
	json_writer_set(criterion, "query", json_make_array(CurrentMemoryContext, values, nvalues));
	return criterion;
}

bool
criteria_add(JsonWriter *criteria, const CrispSearchFilter *filter, const char *field, bool holds,
			 const char *value)
{
	const JsonNode *held = json_make_string(CurrentMemoryContext,
											pg_server_to_any(value, (int) strlen(value), PG_UTF8));
	JsonWriter	   *criterion = make_criterion(filter, field, holds ? "eq" : "neq", &held, 1);

	if (json_writer_length(criteria) + json_writer_length(criterion) >=
		MAX_CRITERIA_BYTES + strlen("[]"))
		return false;
	json_writer_append(criteria, criterion);
	return true;
}

char *
criteria_query(const CrispSearchFilter *filter, JsonWriter *criteria)
{
	StringInfoData query;
	size_t		   length;

	initStringInfo(&query);
	if (filter->before != NULL)
		appendStringInfo(&query, "%s&", filter->before);
	appendStringInfo(&query, "%s=", filter->param);
	url_append_value(&query, json_writer_finish(criteria, &length));
	if (filter->after != NULL)
		appendStringInfo(&query, "&%s", filter->after);
	return query.data;
}

char *
criteria_query_any(const CrispSearchFilter *filter, const char *field, const char *const *values,
				   int nvalues)
{
	const JsonNode **nodes = palloc(sizeof(JsonNode *) * (size_t) Max(nvalues, 1));
	JsonWriter		*criteria = json_writer_array();

	for (int i = 0; i < nvalues; i++)
		nodes[i] = json_make_string(CurrentMemoryContext, values[i]);
	json_writer_append(criteria, make_criterion(filter, field, "eq", nodes, nvalues));
	return criteria_query(filter, criteria);
}

/*
 * Name the fact that criteria are understood.
 */
static const char *
fact_name(bool holds)
{
	return holds ? "criteria" : "criteria that something is lacking";
}

bool
criteria_can_be_asked(const CrispOptions *options, bool holds, bool proved)
{
	FactState state = server_fact_recall(options, fact_name(holds));

	return proved ? state == FACT_TRUE : state != FACT_FALSE;
}

/*
 * Say whether an array holds a text (UTF-8).
 */
static bool
array_holds(const JsonNode *array, const char *text)
{
	for (size_t i = 0; i < json_node_length(array); i++)
	{
		const JsonNode *element = json_node_element(array, i);

		if (json_node_kind(element) == JSON_NODE_STRING &&
			strcmp(json_node_string(element, NULL), text) == 0)
			return true;
	}
	return false;
}

bool
criteria_are_proved_by(const ListRequest *request, const JsonNode *row)
{
	JsonPath	   *path = json_path_of(request->proof.path);
	const JsonNode *value = json_path_get(row, path);

	if (json_node_kind(value) != JSON_NODE_ARRAY)
		return false;
	return request->proof.value != NULL ? array_holds(value, request->proof.value)
										: json_node_length(value) == 0;
}

static void
remember(const ListRequest *request, bool understood)
{
	server_fact_remember(request->options, fact_name(request->proof.value != NULL), understood);
}

void
criteria_refused(const ListRequest *request)
{
	remember(request, false);
}

/*
 * Say whether Crisp finds rows that lack what none has, which is all of them.
 */
static bool
all_are_found(const ListRequest *request)
{
	const CrispSearchFilter *filter = request->proof.criteria;
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "crisp_fdw criteria",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(context);
	ListRequest	  probe = request_whole_list(request->options);
	JsonWriter	 *criteria = json_writer_array();
	ApiAnswer	  answer = {0};
	bool		  found;

	probe.per_page = CRISP_MIN_PER_PAGE;
	(void) criteria_add(criteria, filter, request->proof.field, false, HELD_BY_NONE);
	probe.query = criteria_query(filter, criteria);
	found = api_finish_lookup(api_start(request->options, request_list_target(&probe, 1), context),
							  API_LIST, API_KEY_GIVEN, &answer) &&
			json_node_length(answer.data) > 0;
	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(context);
	return found;
}

bool
criteria_were_kept(const ListRequest *request, bool proved)
{
	bool	  holds = request->proof.value != NULL;
	FactState state = server_fact_recall(request->options, fact_name(holds));

	/* It may have been refused on the way. */
	if (state == FACT_FALSE || !request->proof.criteria->is_shared)
		return state != FACT_FALSE;
	if (!proved && state == FACT_UNKNOWN)
		proved = holds && all_are_found(request);
	else
		proved = proved || state == FACT_TRUE;
	remember(request, proved);
	return proved;
}
