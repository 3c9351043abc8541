/*-------------------------------------------------------------------------
 *
 * pushdown.c
 *		Tell what the API can do for conditions on a column.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "request/pushdown.h"

/*
 * Say whether the resource has a filter of that kind for a column.
 */
static bool
has_filter(const CrispResource *resource, const CrispColumn *column, CrispFilterTest test)
{
	for (const CrispFilter *filter = resource->filters; filter->path != NULL; filter++)
		if (filter->test == test && strcmp(filter->path, column->path) == 0)
			return true;
	return false;
}

/*
 * Say whether a column is the time by which the pages of a list follow each other.
 */
static bool
is_cursor(const CrispResource *resource, const CrispColumn *column)
{
	return resource->cursor != NULL && strcmp(resource->cursor->path, column->path) == 0;
}

/*
 * Say whether a column is a time that bounds the dates of the rows that lists lie below.
 */
static bool
bounds_parent(const CrispResource *resource, const CrispColumn *column)
{
	return resource->parent != NULL && resource->parent->bound_path != NULL &&
		   strcmp(resource->parent->bound_path, column->path) == 0;
}

bool
pushdown_takes_range(const CrispResource *resource, const CrispColumn *column)
{
	if (column->type != CRISP_TIME)
		return false;
	return column->lower_param != NULL || column->upper_param != NULL ||
		   is_cursor(resource, column) || bounds_parent(resource, column) ||
		   crisp_resource_order(resource, column->path) != NULL;
}

bool
pushdown_takes_operator(const CrispResource *resource, const CrispColumn *column,
						ConditionOperator op)
{
	bool flag = has_filter(resource, column, CRISP_IS) ||
				has_filter(resource, column, CRISP_IS_NOT);

	switch (op)
	{
		case CONDITION_EQUAL:
		case CONDITION_ANY:
			return flag || (column->flags & CRISP_WEBSITE) != 0 ||
				   has_filter(resource, column, CRISP_EQUALS) ||
				   has_filter(resource, column, CRISP_FINDS) ||
				   has_filter(resource, column, CRISP_SEARCHES) ||
				   crisp_resource_lookup(resource, column->path) != NULL ||
				   crisp_resource_finds_parent(resource, column) ||
				   column == crisp_resource_word(resource);
		case CONDITION_NOT_EQUAL:
			return has_filter(resource, column, CRISP_IS_NOT);
		case CONDITION_IS_NULL:
			return has_filter(resource, column, CRISP_IS_NULL);
		case CONDITION_CONTAINS:
		case CONDITION_CONTAINS_ALL:
		case CONDITION_OVERLAPS:
			return has_filter(resource, column, CRISP_CONTAINS);
		case CONDITION_LACKS:
		case CONDITION_LACKS_ONE:
		case CONDITION_LACKS_ALL:
			return has_filter(resource, column, CRISP_LACKS);
		default:
			return false;
	}
}

bool
pushdown_takes_equality(const CrispResource *resource, const CrispColumn *column)
{
	/* That a row has the website of its table is no way to find it. */
	return (column->flags & CRISP_WEBSITE) == 0 &&
		   (pushdown_takes_range(resource, column) ||
			pushdown_takes_operator(resource, column, CONDITION_EQUAL));
}

bool
pushdown_finds_rows(const CrispResource *resource, const List *condition)
{
	return (condition_column(resource, condition)->flags & CRISP_WEBSITE) == 0;
}

bool
pushdown_narrows_list(const CrispResource *resource, const List *condition)
{
	const CrispColumn *column = condition_column(resource, condition);
	ConditionOperator  op = condition_operator(condition);

	if (column->type == CRISP_TIME && op <= CONDITION_GREATER)
		return (column->lower_param != NULL && op >= CONDITION_EQUAL) ||
			   (column->upper_param != NULL && op <= CONDITION_EQUAL);
	for (const CrispFilter *filter = resource->filters; filter->path != NULL; filter++)
		if (strcmp(filter->path, column->path) == 0)
			return true;
	return false;
}

static void
add_ability(StringInfo text, const char *operators, const char *means)
{
	appendStringInfo(text, "%s%s: %s", text->len > 0 ? "; " : "", operators, means);
}

/*
 * Describe what a resource's filters do for a column.
 */
static void
describe_filters(StringInfo text, const CrispResource *resource, const CrispColumn *column)
{
	for (const CrispFilter *filter = resource->filters; filter->path != NULL; filter++)
	{
		if (strcmp(filter->path, column->path) != 0)
			continue;
		switch (filter->test)
		{
			case CRISP_EQUALS:
			case CRISP_FINDS:
			case CRISP_SEARCHES:
				add_ability(text, "=", filter->param);
				break;
			case CRISP_IS:
				add_ability(text, psprintf("= '%s'", filter->constant), filter->param);
				break;
			case CRISP_IS_NOT:
				add_ability(text, psprintf("<> '%s', = another", filter->constant), filter->param);
				break;
			case CRISP_IS_NULL:
				add_ability(text, "IS NULL", filter->param);
				break;
			case CRISP_CONTAINS:
				add_ability(text, "@>, = ANY", resource->search_filter->param);
				break;
			case CRISP_LACKS:
				add_ability(text, "NOT @>, <> ALL", resource->search_filter->param);
				break;
		}
	}
}

char *
pushdown_describe(const CrispResource *resource, const CrispColumn *column)
{
	const CrispOrder *order = crisp_resource_order(resource, column->path);
	StringInfoData	  text;

	initStringInfo(&text);
	if (column->lower_param != NULL && column->upper_param != NULL)
		add_ability(&text, "<, <=, =, >=, >, BETWEEN",
					psprintf("%s, %s", column->lower_param, column->upper_param));
	else if (column->lower_param != NULL)
		add_ability(&text, ">, >=, =", column->lower_param);
	if (is_cursor(resource, column))
		add_ability(&text, "<, <=, =, >=, >, BETWEEN",
					psprintf("%s, stops early", resource->cursor->before_param));
	if (bounds_parent(resource, column))
		add_ability(&text, ">, >=, =",
					psprintf("%s of %s",
							 crisp_resource_dates(resource->parent->resource)->lower_param,
							 resource->parent->resource->name));
	if (column == crisp_resource_argument(resource))
		add_ability(&text, "=, IN, = ANY, join", "only the rows of these");
	else if (column == crisp_resource_word(resource))
		add_ability(&text, "=, IN, = ANY, join", "only the lists of these");
	else if (resource->parent != NULL && crisp_resource_finds_parent(resource, column))
		add_ability(&text, "=, IN, = ANY, join",
					psprintf("one request of %s a value", resource->parent->resource->name));
	if (crisp_resource_lookup(resource, column->path) != NULL)
		add_ability(&text, "=, IN, = ANY, join", "one request a value");
	if (column->flags & CRISP_WEBSITE)
		add_ability(&text, "=, IN, = ANY", "nothing for another website");
	describe_filters(&text, resource, column);
	if (order != NULL && order->opposite != NULL && column->lower_param == NULL)
		add_ability(&text, ">, >=, =", "stops early in the order of the column");
	if (order != NULL)
		add_ability(&text, "ORDER BY ... DESC LIMIT, max()", order->query);
	return text.len > 0 ? text.data : NULL;
}
