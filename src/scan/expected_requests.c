/*-------------------------------------------------------------------------
 *
 * expected_requests.c
 *		Reckon how many requests a scan makes in a statement.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "plan/plan.h"
#include "plan/scan_method.h"
#include "scan/expected_requests.h"
#include "scan/rescan.h"

/*
 * Say whether it's expected that no more than some rows are asked for, of a list whose requests are
 * those for all of it.
 */
static bool
may_stop_early(const List *method)
{
	int kind = list_nth_int(method, METHOD_KIND);

	return kind == SCAN_STREAM ||
		   (kind == SCAN_LIST && list_nth_int(method, METHOD_ROWS_WANTED) > 0);
}

ExpectedRequests
expected_requests(const PlannedStmt *statement, const ForeignScan *scan)
{
	ExpectedRequests result = {.runs = 1, .run = 1, .all = 1, .likely = 1};
	const List		*method;
	int				 most;

	/* A node that counts rows asks once. */
	if (scan->scan.scanrelid == 0)
		return result;
	method = list_nth(scan->fdw_private, SCAN_PRIVATE_METHOD);
	most = list_nth_int(method, METHOD_MOST_REQUESTS);
	result.may_stop = may_stop_early(method);
	result.runs = rescan_expected(statement, (const Plan *) scan);
	result.run = result.likely = list_nth_int(method, METHOD_REQUESTS);
	result.all = result.run * result.runs;
	if (result.may_stop)
		result.likely = Max(ceil(result.run * rescan_share(statement, (const Plan *) scan)), 1);
	result.likely *= result.runs;

	/* See whole_list.c, and wider_list.c: one run more may read the list itself. */
	if (most > 0)
	{
		result.all = Max(Min(result.all, most), result.run);
		result.likely = Min(result.likely, result.all);
	}
	return result;
}
