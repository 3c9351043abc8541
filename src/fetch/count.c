/*-------------------------------------------------------------------------
 *
 * count.c
 *		Ask how many rows a list has, without reading it.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "api/api_answer.h"
#include "fetch/count.h"
#include "fetch/list_rows.h"
#include "json/json_path.h"
#include "request/request.h"

/*
 * Return the value at a path of the catalog; NULL when there is none.
 */
static const JsonNode *
value_at(const JsonNode *data, const char *path)
{
	return json_path_get(data, json_path_of(path));
}

/*
 * Say whether an answer tells that there are more rows than it counts.  Anything other than a plain
 * no is taken for that.
 */
static bool
is_limited(const CrispCount *count, const JsonNode *data)
{
	const JsonNode *limited = count->limited_path ? value_at(data, count->limited_path) : NULL;

	return limited != NULL &&
		   (json_node_kind(limited) != JSON_NODE_BOOLEAN || json_node_boolean(limited));
}

bool
count_read(const CrispOptions *options, const JsonNode *data, int64 *rows)
{
	const CrispCount *count = options->resource->count;
	int64			  number;

	if (!json_node_int64(value_at(data, count->path), &number) || number < 0 ||
		is_limited(count, data))
		return false;
	*rows = number;
	list_rows_note_count(options, (double) number);
	return true;
}

char *
count_target(const CrispOptions *options)
{
	return request_route_target(options, options->resource->count->route);
}

bool
count_ask(const CrispOptions *options, int64 *rows)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "crisp_fdw count",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(context);
	ApiAnswer	  answer;
	bool		  exact;

	api_finish(api_start(options, count_target(options), context), API_ANYTHING, &answer);
	exact = count_read(options, answer.data, rows);

	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(context);
	return exact;
}
