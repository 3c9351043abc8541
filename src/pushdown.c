/*-------------------------------------------------------------------------
 *
 * pushdown.c
 *		What of a query's conditions is asked of the API.
 *
 * A condition that is pushed down is a comparison of a time column that the
 * catalog says the API can bound, with a value that is known when the scan
 * starts.  PostgreSQL checks it again on each row, so what is asked may
 * be too much, but never too little.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "catalog/pg_type.h"
#include "common/int.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "pgtime.h"
#include "utils/date.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "api.h"
#include "pushdown.h"

/* The form of a condition. */
enum ConditionField
{
	CONDITION_COLUMN,	   /* index of the column in the catalog's resource */
	CONDITION_STRATEGY,	   /* btree strategy: column OP value */
	CONDITION_COLUMN_TYPE, /* base type of the foreign table's column */
	CONDITION_VALUE_TYPE
};

/*
 * A closed interval of times, in PostgreSQL's microseconds since 2000-01-01
 * UTC.  The extremes stand for no bound, as they do for timestamptz.
 */
typedef struct TimeRange
{
	int64 lower;
	int64 upper;
} TimeRange;

/* What ISO 8601 can say with a year of four digits. */
#define ISO_MIN_MS INT64CONST(-62135596800000) /* 0001-01-01T00:00:00.000Z */
#define ISO_MAX_MS INT64CONST(253402300799999) /* 9999-12-31T23:59:59.999Z */

#define UNIX_TO_POSTGRES_MS \
	((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY * 1000)

/*----------
 * Planning
 *----------
 */

/*
 * Whether a time column of that type can be bounded by a value of that type:
 * where both mean the same instants whatever the session's time zone, or
 * where PostgreSQL's comparison turns the value into an instant.
 */
static bool
types_comparable(Oid column_type, Oid value_type)
{
	switch (column_type)
	{
		case TIMESTAMPTZOID:
			return value_type == TIMESTAMPTZOID || value_type == TIMESTAMPOID ||
				   value_type == DATEOID;
		case TIMESTAMPOID:
			return value_type == TIMESTAMPOID || value_type == DATEOID;
		case DATEOID:
			return value_type == DATEOID;
		case INT8OID:
			return value_type == INT8OID || value_type == INT4OID || value_type == INT2OID;
		default:
			return false;
	}
}

/*
 * The catalog column that a node refers to as a plain column of the relation, or NULL.
 */
static const CrispColumn *
catalog_column(Node *node, RelOptInfo *rel, Oid relid, const CrispOptions *options)
{
	Var		   *var;
	char	   *name;
	const char *path;

	while (node != NULL && IsA(node, RelabelType))
		node = (Node *) ((RelabelType *) node)->arg;
	if (node == NULL || !IsA(node, Var))
		return NULL;

	var = (Var *) node;
	if ((Index) var->varno != rel->relid || var->varattno <= 0 || var->varlevelsup != 0)
		return NULL;

	name = get_attname(relid, var->varattno, false);
	path = option_json_path(options, relid, var->varattno, name);
	return path ? crisp_column_by_path(options->resource, path) : NULL;
}

/*
 * Match "column OP value"; returns the condition, or NIL.
 */
static List *
match_comparison(RelOptInfo *rel, Oid relid, const CrispOptions *options, Node *left, Oid operator,
				 Node * right)
{
	const CrispColumn *column = catalog_column(left, rel, relid, options);
	Oid				   column_type;
	Oid				   value_type;
	int				   strategy;

	if (column == NULL || (column->lower_param == NULL && column->upper_param == NULL))
		return NIL;

	column_type = getBaseType(exprType(left));
	value_type = getBaseType(exprType(right));
	if (!types_comparable(column_type, value_type))
		return NIL;

	/* By the family that gives the column's type its order, so that cross-type operators are found, too. */
	strategy = get_op_opfamily_strategy(
		operator, lookup_type_cache(column_type, TYPECACHE_BTREE_OPFAMILY)->btree_opf);
	if (strategy == InvalidStrategy)
		return NIL;

	/* The value must be known when the scan starts, and stay what it is. */
	if (contain_var_clause(right) || contain_volatile_functions(right) || contain_subplans(right))
		return NIL;

	return list_make4_int((int) (column - options->resource->columns), strategy, (int) column_type,
						  (int) value_type);
}

/*
 * Match a clause; returns the condition and its value's expression, or NIL.
 */
static List *
match_clause(RelOptInfo *rel, Oid relid, const CrispOptions *options, Expr *clause, Node **value)
{
	OpExpr *op = (OpExpr *) clause;
	Node   *left;
	Node   *right;
	List   *condition;
	Oid		commutator;

	if (!IsA(clause, OpExpr) || list_length(op->args) != 2)
		return NIL;
	left = linitial(op->args);
	right = lsecond(op->args);

	*value = right;
	condition = match_comparison(rel, relid, options, left, op->opno, right);
	if (condition != NIL)
		return condition;

	*value = left;
	commutator = get_commutator(op->opno);
	return OidIsValid(commutator) ? match_comparison(rel, relid, options, right, commutator, left)
								  : NIL;
}

Pushdown *
pushdown_classify(RelOptInfo *rel, Oid relid, const CrispOptions *options)
{
	Pushdown *pushdown = palloc0(sizeof(Pushdown));
	ListCell *lc;

	foreach(lc, rel->baserestrictinfo)
	{
		RestrictInfo *rinfo = lfirst_node(RestrictInfo, lc);
		Node		 *value;
		List		 *condition;

		/*
		 * Security barriers are no obstacle: what Crisp compares shows nothing
		 * of hidden rows to the user, and PostgreSQL keeps its own order of
		 * checks.
		 */
		condition = match_clause(rel, relid, options, rinfo->clause, &value);
		if (condition == NIL)
			continue;
		pushdown->conditions = lappend(pushdown->conditions, condition);
		pushdown->values = lappend(pushdown->values, value);
		pushdown->clauses = lappend(pushdown->clauses, rinfo);
	}
	return pushdown;
}

/*----------
 * Execution
 *----------
 */

/*
 * Sums that stop at the extremes, which stand for no bound.
 */
static int64
saturating_add(int64 a, int64 b)
{
	int64 sum;

	if (pg_add_s64_overflow(a, b, &sum))
		return b > 0 ? PG_INT64_MAX : PG_INT64_MIN;
	return sum;
}

/*
 * Unix milliseconds as microseconds since 2000.
 */
static int64
from_unix_ms(int64 ms)
{
	int64 result;

	if (pg_sub_s64_overflow(ms, UNIX_TO_POSTGRES_MS, &result) ||
		pg_mul_s64_overflow(result, 1000, &result))
		return ms > 0 ? PG_INT64_MAX : PG_INT64_MIN;
	return result;
}

/*
 * The instants that a value stands for when it is compared with a column: all
 * of a day for a column of type date, otherwise a single one.
 */
static TimeRange
value_instants(Oid column_type, Oid value_type, Datum value)
{
	TimeRange instants;
	int		  overflow = 0;

	switch (value_type)
	{
		case INT2OID:
			instants.lower = from_unix_ms(DatumGetInt16(value));
			break;
		case INT4OID:
			instants.lower = from_unix_ms(DatumGetInt32(value));
			break;
		case INT8OID:
			instants.lower = from_unix_ms(DatumGetInt64(value));
			break;
		case TIMESTAMPTZOID:
			instants.lower = DatumGetTimestampTz(value);
			break;
		case TIMESTAMPOID:
			/* A timestamp column is in UTC, so its values are, too. */
			instants.lower = column_type == TIMESTAMPOID ? DatumGetTimestamp(value)
														 : timestamp2timestamptz_opt_overflow(
															   DatumGetTimestamp(value), &overflow);
			break;
		case DATEOID:
			instants.lower = column_type == TIMESTAMPTZOID
								 ? date2timestamptz_opt_overflow(DatumGetDateADT(value), &overflow)
								 : date2timestamp_opt_overflow(DatumGetDateADT(value), &overflow);
			break;
		default:
			elog(ERROR, "unexpected type %u of a pushed-down value", value_type);
	}

	instants.upper = instants.lower;
	if (column_type == DATEOID)
		instants.upper = saturating_add(instants.lower, USECS_PER_DAY - 1);
	return instants;
}

/*
 * Narrow a range by one condition on the column that it is for.
 */
static void
narrow(TimeRange *range, int strategy, Oid column_type, TimeRange value)
{
	/* The finest step of the column's type, between a value and the next one that differs. */
	int64 step = column_type == INT8OID ? 1000 : 1;

	switch (strategy)
	{
		case BTLessStrategyNumber:
			range->upper = Min(range->upper, saturating_add(value.lower, -step));
			break;
		case BTLessEqualStrategyNumber:
			range->upper = Min(range->upper, value.upper);
			break;
		case BTEqualStrategyNumber:
			range->lower = Max(range->lower, value.lower);
			range->upper = Min(range->upper, value.upper);
			break;
		case BTGreaterEqualStrategyNumber:
			range->lower = Max(range->lower, value.lower);
			break;
		case BTGreaterStrategyNumber:
			range->lower = Max(range->lower, saturating_add(value.upper, step));
			break;
		default:
			elog(ERROR, "unexpected strategy %d of a pushed-down condition", strategy);
	}
}

/*
 * Unix milliseconds as ISO 8601 with milliseconds, in UTC.
 */
static char *
iso_time(int64 unix_ms)
{
	int64		  ms = unix_ms % 1000;
	pg_time_t	  seconds;
	struct pg_tm *tm;

	if (ms < 0)
		ms += 1000;
	seconds = (unix_ms - ms) / 1000;
	tm = pg_gmtime(&seconds);
	return psprintf("%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm->tm_year + 1900, tm->tm_mon + 1,
					tm->tm_mday, tm->tm_hour, tm->tm_min, tm->tm_sec, (int) ms);
}

static void
add_param(List **params, const char *name, const char *value)
{
	ApiParam *param = palloc(sizeof(ApiParam));

	param->name = name;
	param->value = value;
	*params = lappend(*params, param);
}

/*
 * Add the parameters for a column's range.  Whether the API takes its bounds as inclusive isn't
 * known, so each is widened by a millisecond.
 */
static void
add_range_params(List **params, const CrispColumn *column, TimeRange range)
{
	/* Rounded towards the past and the future. */
	int64 lower_ms = range.lower / 1000 - (range.lower % 1000 < 0) + UNIX_TO_POSTGRES_MS - 1;
	int64 upper_ms = range.upper / 1000 + (range.upper % 1000 > 0) + UNIX_TO_POSTGRES_MS + 1;

	if (column->lower_param != NULL && lower_ms >= ISO_MIN_MS)
		add_param(params, column->lower_param, iso_time(Min(lower_ms, ISO_MAX_MS)));
	if (column->upper_param != NULL && upper_ms <= ISO_MAX_MS)
		add_param(params, column->upper_param, iso_time(Max(upper_ms, ISO_MIN_MS)));
}

/*
 * Say which parameters a value that isn't known yet will bound.
 */
static void
add_unknown(List **unknown, const CrispColumn *column, int strategy, const char *text)
{
	bool bounds_lower = strategy >= BTEqualStrategyNumber;
	bool bounds_upper = strategy <= BTEqualStrategyNumber;

	if (bounds_lower && column->lower_param != NULL)
		*unknown = lappend(*unknown, psprintf("%s={%s}", column->lower_param, text));
	if (bounds_upper && column->upper_param != NULL)
		*unknown = lappend(*unknown, psprintf("%s={%s}", column->upper_param, text));
}

/*
 * The range that all known conditions on one column leave.  Returns false when a value is NULL, so that
 * no row can match.
 */
static bool
column_range(List *conditions, const PushdownValue *values, int column_index, TimeRange *range)
{
	ListCell *lc;

	range->lower = PG_INT64_MIN;
	range->upper = PG_INT64_MAX;

	foreach(lc, conditions)
	{
		List				*condition = lfirst(lc);
		const PushdownValue *value = &values[foreach_current_index(lc)];
		Oid					 column_type = (Oid) list_nth_int(condition, CONDITION_COLUMN_TYPE);

		if (list_nth_int(condition, CONDITION_COLUMN) != column_index || !value->known)
			continue;
		if (value->isnull)
			return false;
		narrow(range, list_nth_int(condition, CONDITION_STRATEGY), column_type,
			   value_instants(column_type, (Oid) list_nth_int(condition, CONDITION_VALUE_TYPE),
							  value->value));
	}
	return range->lower <= range->upper;
}

bool
pushdown_params(const CrispOptions *options, List *conditions, const PushdownValue *values,
				List **params, List **unknown)
{
	ListCell *lc;

	*params = NIL;
	for (int i = 0; i < options->resource->ncolumns; i++)
	{
		const CrispColumn *column = &options->resource->columns[i];
		TimeRange		   range;

		if (column->lower_param == NULL && column->upper_param == NULL)
			continue;
		if (!column_range(conditions, values, i, &range))
			return false;
		add_range_params(params, column, range);
	}

	foreach(lc, conditions)
	{
		List				*condition = lfirst(lc);
		const PushdownValue *value = &values[foreach_current_index(lc)];

		if (!value->known)
			add_unknown(unknown,
						&options->resource->columns[list_nth_int(condition, CONDITION_COLUMN)],
						list_nth_int(condition, CONDITION_STRATEGY), value->text);
	}
	return true;
}

char *
pushdown_describe(const CrispColumn *column)
{
	if (column->lower_param == NULL || column->upper_param == NULL)
		return NULL;
	return psprintf("<, <=, =, >=, >, BETWEEN: %s, %s", column->lower_param, column->upper_param);
}
