/*-------------------------------------------------------------------------
 *
 * explain_statement.c
 *		Show in EXPLAIN what all scans of a statement come to.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/explain.h"
#include "foreign/fdwapi.h"
#include "miscadmin.h"
#include "nodes/plannodes.h"

#include "api/api_call.h"
#include "plan/plan.h"
#include "scan/expected_requests.h"
#include "scan/explain_statement.h"
#include "scan/plan_tree.h"
#include "base/compat.h"

/* What was found in a plan. */
typedef struct StatementScans
{
	const PlannedStmt *statement;
	Bitmapset		  *seen;	 /* subplans, by their number from 1 */
	const Plan		  *first;	 /* of our scans, as EXPLAIN shows them; NULL for none */
	int				   count;	 /* of these */
	double			   requests; /* that they are expected to make */
} StatementScans;

static bool
is_ours(const Plan *plan)
{
	return IsA(plan, ForeignScan) && OidIsValid(((const ForeignScan *) plan)->fs_server) &&
		   GetFdwRoutineByServerId(((const ForeignScan *) plan)->fs_server)->GetForeignRelSize ==
			   crispGetForeignRelSize;
}

static void find_scans(const Plan *plan, StatementScans *scans);

/*
 * Look into the subplan of a number, unless that was done.
 */
static void
find_in_subplan(int plan_id, StatementScans *scans)
{
	if (bms_is_member(plan_id, scans->seen))
		return;
	scans->seen = bms_add_member(scans->seen, plan_id);
	find_scans(list_nth(scans->statement->subplans, plan_id - 1), scans);
}

/*
 * Find our scans in a plan tree, in the order in which EXPLAIN shows them.
 */
static void
find_scans(const Plan *plan, StatementScans *scans)
{
	List	 *children;
	ListCell *lc;

	check_stack_depth();
	if (plan == NULL)
		return;
	if (is_ours(plan))
	{
		if (scans->first == NULL)
			scans->first = plan;
		scans->count++;
		scans->requests += expected_requests(scans->statement, (const ForeignScan *) plan).likely;
	}
	foreach(lc, plan->initPlan)
		find_in_subplan(((const SubPlan *) lfirst(lc))->plan_id, scans);
	children = plan_tree_children(plan);
	foreach(lc, children)
		find_scans(lfirst(lc), scans);
	list_free(children);
}

void
explain_statement(const ForeignScanState *node, ExplainState *es)
{
	StatementScans scans = {.statement = es->pstmt};

	if (!es->costs && !es->analyze)
		return;
	find_scans(es->pstmt->planTree, &scans);
	for (int i = 1; i <= list_length(es->pstmt->subplans); i++)
		find_in_subplan(i, &scans);
	if (scans.count < 2 || scans.first != node->ss.ps.plan)
		return;
	if (es->costs && es->format == EXPLAIN_FORMAT_TEXT)
		ExplainPropertyText("Expected Requests Of The Statement",
							psprintf("%.0f in all", scans.requests), es);
	else if (es->costs)
		ExplainPropertyFloat("Expected Requests Of The Statement", NULL, scans.requests, 0, es);
	if (es->analyze)
		ExplainPropertyInteger("Requests Of The Statement", NULL, api_statement_requests(), es);
}
