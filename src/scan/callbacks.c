/*-------------------------------------------------------------------------
 *
 * callbacks.c
 *		Hand the executor's callbacks to what runs the node.
 *
 * PostgreSQL has one set of callbacks for all that a ForeignScan does.  Nodes that scan a table are
 * run apart from those that count its rows.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "base/extension_version.h"
#include "plan/plan_aggregate.h"
#include "scan/aggregate.h"
#include "scan/callbacks.h"
#include "scan/explain.h"
#include "scan/scan.h"

static bool
is_aggregate(const ForeignScanState *node)
{
	return plan_is_aggregate((const ForeignScan *) node->ss.ps.plan);
}

void
crispBeginForeignScan(ForeignScanState *node, int eflags)
{
	extension_version_check();
	if (is_aggregate(node))
		aggregate_begin(node, eflags);
	else
		scan_begin(node, eflags);
}

TupleTableSlot *
crispIterateForeignScan(ForeignScanState *node)
{
	if (is_aggregate(node))
		return aggregate_iterate(node);
	return scan_iterate(node);
}

void
crispReScanForeignScan(ForeignScanState *node)
{
	if (is_aggregate(node))
		aggregate_rescan(node);
	else
		scan_rescan(node);
}

void
crispEndForeignScan(ForeignScanState *node)
{
	/* A count holds nothing that outlives the call which asked for it. */
	if (!is_aggregate(node))
		scan_end(node);
}

void
crispExplainForeignScan(ForeignScanState *node, struct ExplainState *es)
{
	if (is_aggregate(node))
		explain_aggregate(node, es);
	else
		explain_scan(node, es);
}
