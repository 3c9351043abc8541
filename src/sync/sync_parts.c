/*-------------------------------------------------------------------------
 *
 * sync_parts.c
 *		Read several ranges of dates by one statement of a sync at a time.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "nodes/nodeFuncs.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "plan/plan_aggregate.h"
#include "plan/plan.h"
#include "scan/scan.h"
#include "sync/sync_parts.h"
#include "request/time_range.h"

struct SyncParts
{
	Span	   *ranges;
	int			nranges;
	int64		pages;
	int64		pages_before;
	ExactErrand errand; /* what the scan has told, when it has */
	ExactErrand
		*given; /* the scan's own; NULL before the statement begins, and where it has none */
};

pg_noreturn static void
raise_no_ranges(void)
{
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("parts of a list must be lower and upper ends, and pages at least 1")));
}

SyncParts *
sync_parts_create(Datum ends, int64 pages, int64 pages_before)
{
	SyncParts *parts = palloc0(sizeof(SyncParts));
	Datum	  *values;
	bool	  *nulls;
	int		   count;

	deconstruct_array(DatumGetArrayTypeP(ends), TIMESTAMPTZOID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE,
					  &values, &nulls, &count);
	if (count == 0 || count % 2 != 0 || pages < 1)
		raise_no_ranges();
	parts->ranges = palloc(sizeof(Span) * (count / 2));
	parts->nranges = count / 2;
	parts->pages = pages;
	parts->pages_before = Max(pages_before, 0);
	for (int i = 0; i < parts->nranges; i++)
	{
		Size	  at = (Size) i * 2;
		TimeRange range = {DatumGetTimestampTz(values[at]), DatumGetTimestampTz(values[at + 1])};
		Span	 *span = &parts->ranges[i];

		if (nulls[at] || nulls[at + 1] || time_range_is_empty(range))
			raise_no_ranges();
		if (!time_range_lower(range, &span->lower))
			span->lower = PG_INT64_MIN;
		if (!time_range_upper(range, &span->upper))
			span->upper = PG_INT64_MAX;
	}
	return parts;
}

/* The scans of Crisp's in a statement. */
typedef struct ScanSearch
{
	ForeignScanState *node;
	int				  count;
} ScanSearch;

static bool
find_scans(PlanState *tree, void *context)
{
	ScanSearch *search = context;

	if (IsA(tree, ForeignScanState) &&
		castNode(ForeignScanState, tree)->fdwroutine->GetForeignRelSize == crispGetForeignRelSize &&
		!plan_is_aggregate((const ForeignScan *) tree->plan))
	{
		search->node = castNode(ForeignScanState, tree);
		search->count++;
	}
	return planstate_tree_walker(tree, find_scans, context);
}

void
sync_parts_begin(SyncParts *parts, QueryDesc *query)
{
	ScanSearch search = {NULL, 0};

	(void) find_scans(query->planstate, &search);
	if (search.count != 1)
		return;
	parts->given = MemoryContextAllocZero(query->estate->es_query_cxt, sizeof(ExactErrand));
	parts->given->ranges = parts->ranges;
	parts->given->nranges = parts->nranges;
	parts->given->pages = parts->pages;
	parts->given->pages_before = parts->pages_before;
	scan_set_errand(search.node, parts->given);
}

void
sync_parts_end(SyncParts *parts)
{
	Span *covered;

	if (parts->given == NULL)
		return;
	parts->errand = *parts->given;
	parts->given = NULL;
	covered = palloc(sizeof(Span) * Max(parts->errand.ncovered, 1));
	if (parts->errand.ncovered > 0)
		memcpy(covered, parts->errand.covered, sizeof(Span) * parts->errand.ncovered);
	parts->errand.covered = covered;
}

/*
 * Append an end of a range, as the input of timestamptz takes it.
 */
static void
append_end(StringInfo text, int64 unix_ms)
{
	TimestampTz time = time_from_unix_ms(unix_ms);
	char	   *value;

	if (unix_ms == PG_INT64_MIN || unix_ms == PG_INT64_MAX || TIMESTAMP_NOT_FINITE(time))
		return;
	value = OidOutputFunctionCall(F_TIMESTAMPTZ_OUT, TimestampTzGetDatum(time));
	appendStringInfo(text, "\"%s\"", value);
}

bool
sync_parts_covered(const SyncParts *parts, Datum *covered)
{
	StringInfoData text;
	Oid			   input;
	Oid			   parameter;

	*covered = (Datum) 0;
	if (!parts->errand.is_done)
		return false;
	initStringInfo(&text);
	appendStringInfoChar(&text, '{');
	for (int i = 0; i < parts->errand.ncovered; i++)
	{
		Span span = parts->errand.covered[i];

		/*
		 * Between milliseconds, nothing is left out of two ranges of which one ends where the other
		 * begins.
		 */
		appendStringInfoString(&text, i == 0 ? "(" : ",(");
		append_end(&text, span.lower == PG_INT64_MIN ? span.lower : time_shift(span.lower, -1));
		appendStringInfoChar(&text, ',');
		append_end(&text, span.upper);
		appendStringInfoChar(&text, ']');
	}
	appendStringInfoChar(&text, '}');
	getTypeInputInfo(TSTZMULTIRANGEOID, &input, &parameter);
	*covered = OidInputFunctionCall(input, text.data, parameter, -1);
	return true;
}
