/*-------------------------------------------------------------------------
 *
 * request_create.c
 *		Make a request of conditions and their values.
 *
 * Conditions and their values become query parameters, or keys to look up.  A parameter is sent
 * only when it leaves out no row that the conditions want.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"

#include "request/criteria.h"
#include "request/request_create.h"
#include "request/time_range.h"
#include "http/url.h"

/* What request_create() works with. */
typedef struct RequestContext
{
	const CrispOptions *options;
	Condition		   *conditions;
	int					nconditions;
	StringInfoData		query;
	JsonWriter		   *criteria; /* what the search filter demands; NULL: nothing */
	const CrispFilter  *finds;	  /* by which a value is searched for; or NULL */
	const char		   *found;	  /* that value (UTF-8) */
	bool				newest;	  /* the scan may end before its list does, in an order */
	const char		   *search;	  /* what full-text search is asked for; or NULL */
	TimeRange			times;	  /* bounds of the column that pages follow each other by */
	ListRequest			list;	  /* the request, as long as it isn't another */
} RequestContext;

/*----------
 * Parameters
 *----------
 */

/*
 * Say whether the query has a parameter already: none is sent twice, since what the API would make
 * of that isn't known.
 */
static bool
has_param(const RequestContext *context, const char *name)
{
	const char *query = context->query.data;
	size_t		length = strlen(name);

	for (const char *at = query; (at = strstr(at, name)) != NULL; at += length)
		if ((at == query || at[-1] == '&') && at[length] == '=')
			return true;
	return false;
}

static void
begin_param(RequestContext *context, const char *name)
{
	const CrispInbox *inbox = context->options->resource->inbox;

	if (inbox != NULL && strcmp(name, inbox->param) == 0)
		context->list.inbox = NULL;
	appendStringInfo(&context->query, "%s%s=", context->query.len > 0 ? "&" : "", name);
}

/*
 * Add a parameter with a value in the database's encoding.
 */
static void
add_param(RequestContext *context, const char *name, const char *value)
{
	if (has_param(context, name))
		return;
	begin_param(context, name);
	url_append_value(&context->query, pg_server_to_any(value, (int) strlen(value), PG_UTF8));
}

/*
 * Add a parameter whose value isn't known yet.
 */
static void
add_unknown(RequestContext *context, const char *name, const Condition *condition)
{
	if (has_param(context, name))
		return;
	begin_param(context, name);
	appendStringInfo(&context->query, "{%s}", condition->value->text);
}

/*----------
 * Times
 *----------
 */

/*
 * Narrow a range by all conditions on a column whose values are known.
 */
static void
narrow_range(const RequestContext *context, const CrispColumn *column, TimeRange *range)
{
	for (int i = 0; i < context->nconditions; i++)
	{
		const Condition *condition = &context->conditions[i];

		if (condition->column == column && condition_is_time(condition) && condition->value->known)
			time_range_narrow(range, (int) condition->op, condition->column_type, condition->typmod,
							  condition->value_type, condition->value->value);
	}
}

/*
 * Set the tightest dates that the conditions allow; a parameter may serve several columns.  Returns
 * false when conditions on one column contradict each other.
 */
static bool
set_dates(RequestContext *context)
{
	const CrispResource *resource = context->options->resource;
	TimeRange			*dates = &context->list.dates;

	for (int i = 0; i < resource->ncolumns; i++)
	{
		const CrispColumn *column = &resource->columns[i];
		TimeRange		   range = TIME_RANGE_ALL;

		if (column->type != CRISP_TIME)
			continue;
		narrow_range(context, column, &range);
		if (time_range_is_empty(range))
			return false;
		if (resource->cursor != NULL && strcmp(resource->cursor->path, column->path) == 0)
			context->times = range;
		if (column->lower_param != NULL)
			dates->lower = Max(dates->lower, range.lower);
		if (column->upper_param != NULL)
			dates->upper = Min(dates->upper, range.upper);
	}
	return true;
}

/*
 * Say which parameters a time that isn't known yet will bound.
 */
static void
add_unknown_time(RequestContext *context, const Condition *condition)
{
	const CrispColumn *column = condition->column;

	const TimeRange *dates = &context->list.dates;

	if (condition->op >= CONDITION_EQUAL && column->lower_param != NULL &&
		time_range_lower_iso(*dates) == NULL)
		add_unknown(context, column->lower_param, condition);
	if (condition->op <= CONDITION_EQUAL && column->upper_param != NULL &&
		time_range_upper_iso(*dates) == NULL)
		add_unknown(context, column->upper_param, condition);
}

/*----------
 * Filters
 *----------
 */

/*
 * Add criteria of the search filter: the column holds what the condition says, or lacks it.  Of a
 * value that a row holds several criteria say more than what it lacks, which PostgreSQL sees.
 */
static void
add_criteria(RequestContext *context, const CrispFilter *filter, const Condition *condition)
{
	QueryProof				*proof = &context->list.proof;
	const CrispSearchFilter *search = context->options->resource->search_filter;
	bool					 holds = filter->test == CRISP_CONTAINS;
	ConditionOperator		 any = holds ? CONDITION_OVERLAPS : CONDITION_LACKS_ONE;
	ListCell				*lc;

	if ((condition->op < CONDITION_LACKS) != holds || (!holds && proof->value != NULL) ||
		!criteria_can_be_asked(context->options, holds, !holds && context->newest))
		return;
	foreach(lc, condition->texts)
	{
		const char *value = lfirst(lc);

		/* Several values of which any will do make no criterion. */
		if (condition->op == any && strcmp(value, linitial(condition->texts)) != 0)
			return;
	}
	foreach(lc, condition->texts)
	{
		const char *value = lfirst(lc);

		if (!condition_can_send(condition, value))
			continue;
		if (context->criteria == NULL)
			context->criteria = json_writer_array();
		if (!criteria_add(context->criteria, search, filter->param, holds, value))
			continue;
		proof->criteria = search;
		proof->path = filter->path;
		proof->field = filter->param;
		if (holds && proof->value == NULL)
			proof->value = pg_server_to_any(value, (int) strlen(value), PG_UTF8);
		if (condition->op == any)
			break;
	}
}

/*
 * Raise an error unless Crisp can be asked for a value of the column that reads what was asked for:
 * it may know certain ones only.
 */
static void
check_search_value(const CrispResource *resource, const CrispColumn *column, const char *value)
{
	StringInfoData valid;

	initStringInfo(&valid);
	for (const CrispFilter *filter = resource->filters; filter->path != NULL; filter++)
	{
		if (strcmp(filter->path, column->path) != 0)
			continue;
		if (filter->test != CRISP_IS || strcmp(filter->constant, value) == 0)
			return;
		appendStringInfo(&valid, "%s%s", valid.len > 0 ? ", " : "", filter->constant);
	}
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("Crisp cannot be asked for \"%s\" = \"%s\"", column->path, value),
					errhint("Valid values are: %s", valid.data)));
}

/*
 * Set what Crisp is asked for by conditions on the column that reads it.
 */
static void
set_search(RequestContext *context)
{
	for (int i = 0; i < context->nconditions && context->search == NULL; i++)
	{
		const Condition *condition = &context->conditions[i];
		const char		*value;

		if ((condition->column->flags & CRISP_ASKED) == 0 || !condition->value->known)
			continue;
		value = condition_only_value(condition);
		if (value == NULL)
			ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
							errmsg("Crisp cannot be asked for several texts at once"),
							errhint("Use UNION of queries that search for one text each.")));
		if (strlen(value) > MAX_VALUE_BYTES)
			ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
							errmsg("text to search Crisp for is too long"),
							errdetail("It has %zu bytes, %d is the limit.", strlen(value),
									  MAX_VALUE_BYTES)));
		check_search_value(context->options->resource, condition->column, value);
		context->search = value;
	}
}

/*
 * Apply one of the resource's filters to one condition on its column, whose value is known.
 */
static void
apply_filter(RequestContext *context, const CrispFilter *filter, const Condition *condition)
{
	const char *value;

	if (condition_may_be_replaced(context->options, condition))
		return;
	switch (filter->test)
	{
		case CRISP_IS:
		case CRISP_IS_NOT:
			if (condition_implies(condition, filter->constant, filter->test == CRISP_IS))
				add_param(context, filter->param, "1");
			break;
		case CRISP_EQUALS:
			value = condition_only_value(condition);
			if (value != NULL && condition_can_send(condition, value))
				add_param(context, filter->param, value);
			break;
		case CRISP_FINDS:
			value = condition_only_value(condition);
			if (value != NULL && condition_can_send(condition, value) && context->finds == NULL)
			{
				context->finds = filter;
				context->found = pg_server_to_any(value, (int) strlen(value), PG_UTF8);
			}
			break;
		case CRISP_SEARCHES:
			if (value_fits_url(context->search))
				add_param(context, filter->param, context->search);
			break;
		case CRISP_CONTAINS:
		case CRISP_LACKS:
			add_criteria(context, filter, condition);
			break;
		case CRISP_IS_NULL:
			break;
	}
}

/*
 * Add the search for a value that rows have, and keep the query without it.  A query has one part
 * to prove at most.
 */
static void
add_find(RequestContext *context)
{
	QueryProof *proof = &context->list.proof;

	if (context->finds == NULL || proof->query_without != NULL)
		return;
	proof->query_without = pstrdup(context->query.data);
	proof->path = context->finds->path;
	proof->value = context->found;
	begin_param(context, context->finds->param);
	url_append_value(&context->query, context->found);
}

/*
 * Say what a filter will get whose value isn't known yet.
 */
static void
apply_unknown_filter(RequestContext *context, const CrispFilter *filter, const Condition *condition)
{
	if (filter->test == CRISP_EQUALS || filter->test == CRISP_FINDS ||
		filter->test == CRISP_SEARCHES)
	{
		if (condition->op == CONDITION_EQUAL)
			add_unknown(context, filter->param, condition);
	}
	else if ((filter->test == CRISP_CONTAINS && condition->op < CONDITION_LACKS) ||
			 (filter->test == CRISP_LACKS && condition->op >= CONDITION_LACKS))
		add_unknown(context, context->options->resource->search_filter->param, condition);
}

/*
 * Add the parameters of the resource's filters that the conditions allow.
 */
static void
add_filters(RequestContext *context)
{
	for (const CrispFilter *filter = context->options->resource->filters; filter->path != NULL;
		 filter++)
	{
		for (int i = 0; i < context->nconditions; i++)
		{
			const Condition *condition = &context->conditions[i];

			if (strcmp(filter->path, condition->column->path) != 0)
				continue;
			if (condition->op == CONDITION_IS_NULL || filter->test == CRISP_IS_NULL)
			{
				if (condition->op == CONDITION_IS_NULL && filter->test == CRISP_IS_NULL)
					add_param(context, filter->param, "1");
			}
			else if (condition->value->known)
				apply_filter(context, filter, condition);
			else
				apply_unknown_filter(context, filter, condition);
		}
	}
}

/*
 * Add the search filter, if the conditions demand anything of it, and its parameter isn't in use.
 */
static void
add_search_filter(RequestContext *context)
{
	QueryProof *proof = &context->list.proof;

	if (proof->criteria == NULL)
		return;
	if (has_param(context, proof->criteria->param))
	{
		*proof = (QueryProof){0};
		return;
	}
	proof->query_without = pstrdup(context->query.data);
	appendStringInfo(&context->query, "%s%s", context->query.len > 0 ? "&" : "",
					 criteria_query(proof->criteria, context->criteria));
}

/*----------
 * Keys
 *----------
 */

/*
 * Say whether a lookup's route understands a key; if not, *absent tells whether no row has it.
 */
static bool
is_lookup_key(const CrispLookup *lookup, const char *key, bool *absent)
{
	*absent = false;
	if (lookup->key_holds != NULL)
		return strstr(key, lookup->key_holds) != NULL && strlen(key) <= MAX_VALUE_BYTES;

	/* Others identify nothing. */
	*absent = !url_can_be_segment(key) || strlen(key) > MAX_VALUE_BYTES;
	return !*absent;
}

static int
compare_keys(const ListCell *a, const ListCell *b)
{
	return strcmp(lfirst(a), lfirst(b));
}

/*
 * Say whether a member of a sorted List of char * is the same as the one before it.
 */
static bool
is_repeated(const List *texts, const ListCell *lc)
{
	int index = list_cell_number(texts, lc);

	return index > 0 && strcmp(lfirst(lc), list_nth(texts, index - 1)) == 0;
}

/*
 * Make the request one for single rows.
 */
static void
look_up(const RequestContext *context, CrispRequest *request, const CrispLookup *lookup, List *keys)
{
	request->kind = REQUEST_KEYS;
	request->as.keys = (KeysRequest){
		.options = context->options, .lookup = lookup, .keys = keys, .inbox = context->list.inbox};
}

/*
 * Make the request, of a list so far, one for single rows, if all of the condition's values can be
 * looked up.  Returns false when no row has any of them.
 */
static bool
set_keys(const RequestContext *context, const Condition *condition, CrispRequest *request)
{
	const CrispLookup *lookup = crisp_resource_lookup(context->options->resource,
													  condition->column->path);
	List			  *keys = NIL;
	bool			   all = true;
	ListCell		  *lc;

	if (!condition->value->known)
	{
		look_up(context, request, lookup, NIL);
		return true;
	}
	if (condition_may_be_replaced(context->options, condition) || condition_may_differ(condition))
		return true;

	list_sort(condition->texts, compare_keys);
	foreach(lc, condition->texts)
	{
		const char *key = lfirst(lc);
		bool		absent;

		if (is_repeated(condition->texts, lc))
			continue;
		if (!is_lookup_key(lookup, key, &absent))
		{
			if (absent)
				continue;
			all = false;
		}
		keys = lappend(keys, pg_server_to_any(key, (int) strlen(key), PG_UTF8));
	}
	if (all)
		look_up(context, request, lookup, keys);
	else
	{
		request->as.list.keep_path = condition->column->path;
		request->as.list.keep = keys;
	}
	return keys != NIL;
}

/*----------
 * Words
 *----------
 */

/*
 * Say whether a word is among those of the catalog.
 */
static bool
is_known_word(const CrispWords *words, const char *word)
{
	for (const char *const *known = words->words; *known != NULL; known++)
		if (strcmp(*known, word) == 0)
			return true;
	return false;
}

/*
 * Return the words that a condition names, without those by which there is no list.
 */
static List *
named_words(const CrispWords *words, const Condition *condition)
{
	List	 *result = NIL;
	ListCell *lc;

	list_sort(condition->texts, compare_keys);
	foreach(lc, condition->texts)
	{
		const char *word = lfirst(lc);

		if (is_repeated(condition->texts, lc) || !url_can_be_segment(word) ||
			strlen(word) > MAX_VALUE_BYTES || (!words->open && !is_known_word(words, word)))
			continue;
		result = lappend(result, pg_server_to_any(word, (int) strlen(word), PG_UTF8));
	}
	return result;
}

/*
 * Set which of the lists below the rows of the parent are asked for.  Returns false when no list
 * can have rows that the conditions want.
 */
static bool
set_words(const RequestContext *context, ChildrenRequest *request)
{
	const CrispWords  *words = context->options->resource->parent->words;
	const CrispColumn *column = crisp_resource_word(context->options->resource);

	if (words == NULL)
		return true;
	for (int i = 0; i < context->nconditions; i++)
	{
		const Condition *condition = &context->conditions[i];

		if (condition->column != column)
			continue;
		if (!condition->value->known)
			return true;
		if (condition_may_be_replaced(context->options, condition) ||
			condition_may_differ(condition))
			continue;
		request->words = named_words(words, condition);
		request->words_named = true;
		return request->words != NIL;
	}
	for (const char *const *word = words->words; *word != NULL; word++)
		request->words = lappend(request->words, pstrdup(*word));
	return true;
}

/*----------
 * The whole
 *----------
 */

/*
 * Say whether a condition on the website leaves the one that is asked, where there is one.
 */
static bool
allows_website(const Condition *condition, const char *website_id)
{
	ListCell *lc;

	if (website_id == NULL)
		return true;
	foreach(lc, condition->texts)
		if (strcmp(lfirst(lc), website_id) == 0)
			return true;
	return false;
}

/*
 * Read the conditions.  Returns false when no row can satisfy one of them.
 */
static bool
read_conditions(RequestContext *context, List *conditions, const ConditionValue *values)
{
	ListCell *lc;

	context->conditions = palloc0(sizeof(Condition) * Max(list_length(conditions), 1));
	foreach(lc, conditions)
	{
		List	  *fields = lfirst(lc);
		Condition *condition = &context->conditions[context->nconditions];

		condition->column = condition_column(context->options->resource, fields);
		condition->op = condition_operator(fields);
		condition->column_type = (Oid) list_nth_int(fields, CONDITION_COLUMN_TYPE);
		condition->value_type = (Oid) list_nth_int(fields, CONDITION_VALUE_TYPE);
		condition->typmod = list_nth_int(fields, CONDITION_TYPMOD);
		condition->value = &values[context->nconditions++];
		if (!condition->value->known)
			continue;
		if (!condition_read_texts(condition))
			return false;
		if ((condition->column->flags & CRISP_WEBSITE) &&
			!allows_website(condition, context->options->website_id))
			return false;
	}
	return true;
}

/*
 * Set where the list ends for the conditions on its order's column.
 */
static void
set_stop(RequestContext *context, const CrispOrder *order)
{
	ListRequest *request = &context->list;
	TimeRange	 range = TIME_RANGE_ALL;

	request->stop_column = crisp_column_by_path(context->options->resource, order->path);
	narrow_range(context, request->stop_column, &range);
	request->stops = time_range_lower(range, &request->stop_before);
}

CrispRequest *
request_create(const CrispOptions *options, List *conditions, const ConditionValue *values,
			   int lookup_condition, const CrispOrder *order, bool early_stop)
{
	RequestContext context = {.options = options,
							  .newest = order != NULL && !early_stop,
							  .times = TIME_RANGE_ALL,
							  .list = request_whole_list(options)};
	CrispRequest  *request = palloc0(sizeof(CrispRequest));

	initStringInfo(&context.query);
	if (!read_conditions(&context, conditions, values) || !set_dates(&context))
		return NULL;
	for (int i = 0; i < context.nconditions; i++)
		if (condition_is_time(&context.conditions[i]) && !context.conditions[i].value->known)
			add_unknown_time(&context, &context.conditions[i]);
	set_search(&context);
	add_filters(&context);
	add_search_filter(&context);
	add_find(&context);
	request->search = context.search;

	if (options->resource->parent != NULL)
	{
		request->kind = REQUEST_CHILDREN;
		request->as.children = request_whole_children(options);
		request->as.children.query = context.query.data;
		request->as.children.dates = context.list.dates;
		request->as.children.times = context.times;
		return set_words(&context, &request->as.children) ? request : NULL;
	}
	context.list.query = context.query.data;
	context.list.order = order;
	if (order != NULL && early_stop)
		set_stop(&context, order);
	request->kind = REQUEST_LIST;
	request->as.list = context.list;
	if (lookup_condition >= 0 &&
		!set_keys(&context, &context.conditions[lookup_condition], request))
		return NULL;
	return request;
}
