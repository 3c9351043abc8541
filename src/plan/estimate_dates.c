/*-------------------------------------------------------------------------
 *
 * estimate_dates.c
 *		Estimate how many rows of a list have a date of the latest days.
 *
 * What is new since yesterday lies beyond every histogram, and PostgreSQL takes it for nothing: it
 * would look for the largest value in an index.  Here, the list is taken to go on as fast as its
 * newest rows came.  The same rate counts for bounds among these, since a sample has few pages, and
 * nothing of what lies between two of them.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_statistic.h"
#include "catalog/pg_type.h"
#include "optimizer/optimizer.h"
#include "utils/date.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/selfuncs.h"
#include "utils/timestamp.h"

#include "base/compat.h"
#include "plan/column_use.h"
#include "plan/estimate_dates.h"
#include "request/time_range.h"

/*
 * The share of rows that the rate of the newest is taken of, and of those between older moments;
 * where the sample has them all, that of the newest.
 */
#define RECENT_SHARE 0.2
#define OLDER_SHARE 0.1
#define RECENT_SHARE_OF_ALL 0.05
#define MAX_MOMENTS 12

/* How old rows are on average, where nothing is known: a year. */
#define TYPICAL_AGE (365.0 * USECS_PER_DAY)

/* A moment, and a share of rows. */
typedef struct Moment
{
	double time;
	double share;
} Moment;

/* How the dates in a column lie. */
typedef struct Dates
{
	double now;

	/*
	 * By statistics: moments, the latest first, and the share of rows that are not older; at least
	 * two, unless nothing is known.
	 */
	Moment moments[MAX_MOMENTS];
	int	   count;
	double analyzed; /* when that was so */

	/* Without: */
	double age; /* on average */
} Dates;

/*
 * Convert a date as a column of that type has it to microseconds since 2000.
 */
static double
date_of_column(Oid type, Datum value)
{
	switch (type)
	{
		case INT8OID:
			return (double) time_from_unix_ms(DatumGetInt64(value));
		case DATEOID:
			return (double) compat_date_to_timestamp(DatumGetDateADT(value));
		default:
			return (double) DatumGetTimestamp(value);
	}
}

/*
 * Return when a table was analyzed last; 0 where that isn't known.
 */
static double
analyzed_at(Oid relid)
{
	LOCAL_FCINFO(call, 1);
	Datum result;

	InitFunctionCallInfoData(*call, NULL, 1, InvalidOid, NULL, NULL);
	call->args[0].value = ObjectIdGetDatum(relid);
	call->args[0].isnull = false;
	result = pg_stat_get_last_analyze_time(call);
	return call->isnull ? 0 : (double) DatumGetTimestampTz(result);
}

static int
compare_moments(const void *a, const void *b)
{
	double left = ((const Moment *) a)->time;
	double right = ((const Moment *) b)->time;

	return left < right ? 1 : left > right ? -1 : 0;
}

/*
 * Read the statistics of a column as moments, the latest first, each with the share of rows from
 * there up to the one before; *newest gets the end of the latest.  Returns how many that are.
 */
static int
read_moments(HeapTuple statistics, Oid type, Moment **moments, double *newest)
{
	AttStatsSlot common = {0};
	AttStatsSlot bounds = {0};
	double		 rest = 1 - ((Form_pg_statistic) GETSTRUCT(statistics))->stanullfrac;
	int			 count = 0;

	(void) get_attstatsslot(&common, statistics, STATISTIC_KIND_MCV, InvalidOid,
							ATTSTATSSLOT_VALUES | ATTSTATSSLOT_NUMBERS);
	(void) get_attstatsslot(&bounds, statistics, STATISTIC_KIND_HISTOGRAM, InvalidOid,
							ATTSTATSSLOT_VALUES);
	*moments = palloc(sizeof(Moment) * (size_t) Max(common.nvalues + bounds.nvalues, 1));
	for (int i = 0; i < common.nvalues && i < common.nnumbers; i++)
	{
		(*moments)[count++] = (Moment){date_of_column(type, common.values[i]), common.numbers[i]};
		rest -= common.numbers[i];
	}
	for (int i = 0; i < bounds.nvalues - 1; i++)
		(*moments)[count++] = (Moment){date_of_column(type, bounds.values[i]),
									   Max(rest, 0) / (bounds.nvalues - 1)};
	qsort(*moments, (size_t) count, sizeof(Moment), compare_moments);
	*newest = count > 0 ? (*moments)[0].time : 0;
	if (bounds.nvalues > 1)
		*newest = Max(*newest, date_of_column(type, bounds.values[bounds.nvalues - 1]));
	if (type == DATEOID)
		*newest += USECS_PER_DAY;
	free_attstatsslot(&common);
	free_attstatsslot(&bounds);
	return count;
}

/*
 * Say whether ANALYZE reads but some pages of a list that has so many rows.
 */
static bool
is_sampled(const CrispOptions *options, double tuples)
{
	int pages = options->analyze_pages == CRISP_ANALYZE_PAGES_UNSET ? CRISP_DEFAULT_ANALYZE_PAGES
																	: options->analyze_pages;

	return tuples > (double) pages * options->per_page;
}

/*
 * Find how the dates in a column lie, by statistics.  Returns false where these don't tell.
 */
static bool
read_statistics(PlannerInfo *root, RelOptInfo *rel, const CrispOptions *options, const Var *var,
				Oid type, Dates *dates)
{
	bool			 sampled = is_sampled(options, rel->tuples);
	double			 step = sampled ? RECENT_SHARE : RECENT_SHARE_OF_ALL;
	double			 share = 0;
	Moment			*last = dates->moments;
	VariableStatData data;
	Moment			*moments;
	int				 count = 0;

	examine_variable(root, (Node *) var, 0, &data);
	if (HeapTupleIsValid(data.statsTuple))
		count = read_moments(data.statsTuple, type, &moments, &last->time);
	for (int i = 0; i < count && last < &dates->moments[sampled ? MAX_MOMENTS - 1 : 1]; i++)
	{
		share += moments[i].share;
		if ((share < last->share + step && i < count - 1) || moments[i].time >= last->time)
			continue;
		*++last = (Moment){moments[i].time, share};
		step = OLDER_SHARE;
	}
	ReleaseVariableStats(data);
	dates->count = (int) (last - dates->moments) + 1;
	dates->analyzed = Max(analyzed_at(root->simple_rte_array[rel->relid]->relid),
						  dates->moments[0].time);
	return dates->count > 1;
}

/*
 * Reckon how old rows are on average, where there are no statistics: as many are younger as the
 * session has seen, if it has.
 */
static double
average_age(const RelOptInfo *rel, const ListRows *seen)
{
	double age = (double) seen->at - (double) seen->lower;
	double share = seen->since > 0 ? Min(seen->since / Max(rel->tuples, 1), 0.95) : 0;

	if (seen->at == 0 || age <= 0)
		return TYPICAL_AGE;
	return -age / log(1 - Max(share, 0.5 / Max(rel->tuples, 1)));
}

/*
 * Estimate the share of rows that had a date from a bound on when the table was analyzed.
 */
static double
share_then(const Dates *dates, double bound, double by_statistics)
{
	const Moment *moments = dates->moments;

	if (bound >= moments[0].time)
		return 0;
	for (int i = 1; i < dates->count; i++)
		if (bound >= moments[i].time)
			return moments[i].share - (moments[i].share - moments[i - 1].share) *
										  (bound - moments[i].time) /
										  (moments[i - 1].time - moments[i].time);
	return by_statistics;
}

/*
 * Estimate the share of rows with a date from a bound on; by_statistics is what PostgreSQL makes of
 * it.
 */
static double
share_since(const Dates *dates, double bound, double by_statistics)
{
	double gone = dates->now - Max(bound, dates->analyzed);
	double share;

	if (dates->count == 0)
		return bound < dates->now ? 1 - exp((bound - dates->now) / dates->age) : 0;
	share = share_then(dates, bound, by_statistics);
	if (gone > 0)
		share += dates->moments[1].share * gone / (dates->analyzed - dates->moments[1].time);
	return Min(share, 1);
}

/*
 * Return the column of the relation that a condition is on, of those that compare.
 */
static const Var *
compared_column(const RelOptInfo *rel, const RestrictInfo *clause)
{
	const OpExpr *op = (const OpExpr *) clause->clause;
	const Var	 *var;

	if (!IsA(op, OpExpr) || list_length(op->args) != 2)
		return NULL;
	var = column_use_var(linitial(op->args), rel->relid);
	return var ? var : column_use_var(lsecond(op->args), rel->relid);
}

/*
 * Find the bound that a condition sets to a time, as far as it's known.
 */
static bool
find_bound(PlannerInfo *root, const List *condition, Node *value, double *bound)
{
	TimeRange	 range = TIME_RANGE_ALL;
	const Const *known = (const Const *) estimate_expression_value(root, value);

	if (!IsA(known, Const) || known->constisnull)
		return false;
	time_range_narrow(&range, condition_operator(condition),
					  (Oid) list_nth_int(condition, CONDITION_COLUMN_TYPE),
					  list_nth_int(condition, CONDITION_TYPMOD),
					  (Oid) list_nth_int(condition, CONDITION_VALUE_TYPE), known->constvalue);
	*bound = (double) (condition_operator(condition) < CONDITION_EQUAL ? range.upper : range.lower);
	return true;
}

/*
 * Set the selectivity of a condition that bounds a time, if it's known.
 */
static void
estimate_bound(PlannerInfo *root, RelOptInfo *rel, const CrispOptions *options, List *condition,
			   Node *value, RestrictInfo *clause, bool has_statistics, const ListRows *seen)
{
	const CrispResource *resource = options->resource;
	const CrispColumn	*column = condition_column(resource, condition);
	Oid					 type = (Oid) list_nth_int(condition, CONDITION_COLUMN_TYPE);
	bool				 is_upper = condition_operator(condition) < CONDITION_EQUAL;
	Dates				 dates = {.now = (double) GetCurrentStatementStartTimestamp()};
	const Var			*var = compared_column(rel, clause);
	ListRows			 unseen = {0};
	double				 by_statistics = 0;
	double				 nulls;
	double				 bound;

	if (var == NULL || !find_bound(root, condition, value, &bound))
		return;
	nulls = nulltestsel(root, IS_NULL, (Node *) var, 0, JOIN_INNER, NULL);
	if (has_statistics)
	{
		if (!read_statistics(root, rel, options, var, type, &dates))
			return;
		by_statistics = clause_selectivity(root, (Node *) clause, 0, JOIN_INNER, NULL);
		if (is_upper)
			by_statistics = 1 - nulls - by_statistics;
	}
	else
		dates.age = average_age(rel, resource->dates_path != NULL &&
											 strcmp(column->path, resource->dates_path) == 0
										 ? seen
										 : &unseen);
	bound = Min(share_since(&dates, bound, by_statistics), 1 - nulls);
	clause->norm_selec = is_upper ? 1 - nulls - bound : bound;
}

/*
 * Say whether conditions bound a column from below.
 */
static bool
have_lower_bound(const Conditions *conditions, const List *other)
{
	ListCell *lc;

	foreach(lc, conditions->conditions)
		if (list_nth_int(lfirst(lc), CONDITION_COLUMN) == list_nth_int(other, CONDITION_COLUMN) &&
			(condition_operator(lfirst(lc)) == CONDITION_GREATER ||
			 condition_operator(lfirst(lc)) == CONDITION_GREATER_EQUAL))
			return true;
	return false;
}

void
estimate_dates(PlannerInfo *root, RelOptInfo *rel, const CrispOptions *options,
			   const Conditions *conditions, bool has_statistics, ListRows seen)
{
	ListCell *lc;
	ListCell *lc_value;
	ListCell *lc_clause;

	forthree(lc, conditions->conditions, lc_value, conditions->values, lc_clause,
			 conditions->clauses)
	{
		int op = condition_operator(lfirst(lc));

		/* How many rows there were before a date, statistics tell. */
		if (condition_column(options->resource, lfirst(lc))->type != CRISP_TIME ||
			op > CONDITION_GREATER || op == CONDITION_EQUAL ||
			(op < CONDITION_EQUAL && has_statistics && !have_lower_bound(conditions, lfirst(lc))))
			continue;
		estimate_bound(root, rel, options, lfirst(lc), lfirst(lc_value),
					   lfirst_node(RestrictInfo, lc_clause), has_statistics, &seen);
	}
}
