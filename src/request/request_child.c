/*-------------------------------------------------------------------------
 *
 * request_child.c
 *		Make requests for a resource whose lists lie below rows of another.
 *
 * Conditions on the child tell something of the parent's rows, too: which they are, or how new at
 * least.  They become conditions on the parent, and these a request for it.  Where they name the
 * rows, the parent need not be asked.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "request/inbox.h"
#include "request/request_child.h"
#include "request/request_create.h"

/* Conditions on the parent in the making. */
typedef struct ParentConditions
{
	List		   *conditions;
	ConditionValue *values;
	int				lookup; /* index of the one that names the rows best; -1 for none */
	int				rank;	/* how well that does */
} ParentConditions;

/*
 * Make the options for reading the parent.  Its pages need not be fetched ahead, since each leads
 * to many lists, which are.
 */
static CrispOptions *
parent_options(const CrispOptions *options)
{
	CrispOptions *result = palloc(sizeof(CrispOptions));

	*result = *options;
	result->resource = options->resource->parent->resource;
	result->include_empty = options->include_empty && !options->resource->parent->none_in_empty;
	result->prefetch = 1;
	return result;
}

/*
 * Find the column of the parent's of which a condition on a column of the child says something, and
 * which *op then compares with the same value; NULL for nothing.
 */
static const CrispColumn *
parent_column(const CrispResource *resource, const CrispColumn *column, ConditionOperator *op)
{
	const CrispParent *parent = resource->parent;

	if (parent->bound_path != NULL && strcmp(parent->bound_path, column->path) == 0)
	{
		if (*op < CONDITION_EQUAL || *op > CONDITION_GREATER)
			return NULL;
		if (*op == CONDITION_EQUAL)
			*op = CONDITION_GREATER_EQUAL;
		return crisp_resource_dates(parent->resource);
	}
	if (crisp_resource_finds_parent(resource, column) &&
		(*op == CONDITION_EQUAL || *op == CONDITION_ANY))
		return crisp_column_by_path(parent->resource, crisp_column_parent_path(column));
	return NULL;
}

/*
 * Rank how well a condition names the rows of the parent: 0 for not at all.
 */
static int
naming_rank(const CrispResource *resource, const CrispColumn *column, ConditionOperator op)
{
	if (!crisp_resource_finds_parent(resource, column))
		return 0;
	return (column == crisp_resource_argument(resource) ? 3 : 1) + (op == CONDITION_EQUAL ? 1 : 0);
}

/*
 * Turn conditions on the child into conditions on the parent.
 */
static ParentConditions
parent_conditions(const CrispResource *resource, List *conditions, const ConditionValue *values)
{
	ParentConditions result = {.lookup = -1};
	ListCell		*lc;

	result.values = palloc(sizeof(ConditionValue) * Max(list_length(conditions), 1));
	foreach(lc, conditions)
	{
		List			  *fields = lfirst(lc);
		const CrispColumn *column = condition_column(resource, fields);
		ConditionOperator  op = condition_operator(fields);
		int				   rank = naming_rank(resource, column, op);
		const CrispColumn *parent = parent_column(resource, column, &op);
		int				   count = list_length(result.conditions);

		if (parent == NULL)
			continue;
		if (rank > result.rank)
		{
			result.rank = rank;
			result.lookup = count;
		}
		result.values[count] = values[foreach_current_index(lc)];
		result.conditions = lappend(
			result.conditions, list_make5_int((int) (parent - resource->parent->resource->columns),
											  (int) op, list_nth_int(fields, CONDITION_COLUMN_TYPE),
											  list_nth_int(fields, CONDITION_VALUE_TYPE),
											  list_nth_int(fields, CONDITION_TYPMOD)));
	}
	return result;
}

/*
 * Say whether the routes can't know any of the arguments by another spelling than the one that the
 * parent's row has.
 */
static bool
arguments_are_sure(const CrispParent *parent, List *arguments)
{
	ListCell *lc;

	if (parent->sure == NULL)
		return true;
	foreach(lc, arguments)
	{
		const char *argument = lfirst(lc);

		if (argument[strspn(argument, parent->sure)] != '\0')
			return false;
	}
	return true;
}

CrispRequest *
request_create_child(const CrispOptions *options, List *conditions, const ConditionValue *values,
					 bool inherits)
{
	const CrispParent *parent = options->resource->parent;
	ParentConditions   wanted = parent_conditions(options->resource, conditions, values);
	CrispRequest	  *request = request_create(options, conditions, values, -1, NULL, false);
	CrispRequest	  *parent_request = request_create(parent_options(options), wanted.conditions,
													   wanted.values, wanted.lookup, NULL, false);
	const KeysRequest *keys;

	if (request == NULL || parent_request == NULL)
		return NULL;
	keys = parent_request->kind == REQUEST_KEYS ? &parent_request->as.keys : NULL;
	if (keys != NULL && strcmp(keys->lookup->path, parent->path) == 0 && !inherits &&
		!inbox_is_single(options, parent->resource) && arguments_are_sure(parent, keys->keys))
		request->as.children.arguments = keys->keys;
	else
		request->as.children.parent = parent_request;
	return request;
}
