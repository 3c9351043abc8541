/*-------------------------------------------------------------------------
 *
 * crisp_fdw.c
 *		The front door: module magic, settings, and the handler with its
 *		FdwRoutine.
 *
 * docs/architecture.md walks through the house.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>

#include "fmgr.h"
#include "foreign/fdwapi.h"
#include "utils/guc.h"

#include "scan/aggregate.h"
#include "api/api_answer.h"
#include "scan/analyze.h"
#include "scan/async.h"
#include "scan/explain.h"
#include "functions/import.h"
#include "scan/need.h"
#include "options/options.h"
#include "write/modify.h"
#include "write/modify_plan.h"
#include "plan/plan.h"
#include "scan/join_prefetch.h"
#include "scan/scan.h"
#include "api/usage_shmem.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(crisp_fdw_handler);

extern void _PG_init(void);

/* Values of crisp_fdw.scan_mode. */
static const struct config_enum_entry scan_modes[] = {{"default", SCAN_MODE_DEFAULT, false},
													  {"fast", SCAN_MODE_FAST, false},
													  {"exact", SCAN_MODE_EXACT, false},
													  {NULL, 0, false}};

/*
 * Called when the library is loaded.
 */
void
_PG_init(void)
{
	DefineCustomIntVariable(
		"crisp_fdw.max_requests", "Sets the maximum number of requests to Crisp by a statement.",
		"A statement that needs more fails before it makes them. 0 means no limit.",
		&api_max_requests, 0, 0, INT_MAX, PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomEnumVariable(
		"crisp_fdw.scan_mode", "Sets how lists are read, whatever the option scan_mode says.",
		"\"default\" leaves it to the option of the foreign table or its server.",
		&option_scan_mode, SCAN_MODE_DEFAULT, scan_modes, PGC_USERSET, 0, NULL, NULL, NULL);
#if PG_VERSION_NUM >= 150000
	MarkGUCPrefixReserved("crisp_fdw");
#else
	EmitWarningsOnPlaceholders("crisp_fdw");
#endif
	usage_shmem_init();
	read_ahead_init();
	need_init();
}

/*
 * PostgreSQL has one set of callbacks for all that a ForeignScan does.  Those
 * that scan a table are planned and run apart from those that count its rows.
 */
static ForeignScan *
get_plan(PlannerInfo *root, RelOptInfo *rel, Oid foreigntableid, ForeignPath *best_path,
		 List *tlist, List *scan_clauses, Plan *outer_plan)
{
	if (IS_UPPER_REL(rel))
		return crisp_get_aggregate_plan(tlist, outer_plan);
	return crisp_get_plan(root, rel, foreigntableid, best_path, tlist, scan_clauses, outer_plan);
}

static void
begin_scan(ForeignScanState *node, int eflags)
{
	if (crisp_is_aggregate(node))
		crisp_begin_aggregate(node, eflags);
	else
		crisp_begin_scan(node, eflags);
}

static TupleTableSlot *
iterate_scan(ForeignScanState *node)
{
	if (crisp_is_aggregate(node))
		return crisp_iterate_aggregate(node);
	return crisp_iterate_scan(node);
}

static void
rescan(ForeignScanState *node)
{
	if (crisp_is_aggregate(node))
		crisp_rescan_aggregate(node);
	else
		crisp_rescan(node);
}

static void
end_scan(ForeignScanState *node)
{
	/* A count holds nothing that outlives the call which asked for it. */
	if (!crisp_is_aggregate(node))
		crisp_end_scan(node);
}

static void
explain_scan(ForeignScanState *node, struct ExplainState *es)
{
	if (crisp_is_aggregate(node))
		crisp_explain_aggregate(node, es);
	else
		crisp_explain_scan(node, es);
}

/*
 * What PostgreSQL calls to plan and run statements on foreign tables.
 */
Datum
crisp_fdw_handler(PG_FUNCTION_ARGS)
{
	FdwRoutine *routine = makeNode(FdwRoutine);

	routine->GetForeignRelSize = crisp_get_rel_size;
	routine->GetForeignPaths = crisp_get_paths;
	routine->GetForeignUpperPaths = crisp_get_upper_paths;
	routine->GetForeignPlan = get_plan;
	routine->BeginForeignScan = begin_scan;
	routine->IterateForeignScan = iterate_scan;
	routine->ReScanForeignScan = rescan;
	routine->EndForeignScan = end_scan;
	routine->ExplainForeignScan = explain_scan;
	routine->AnalyzeForeignTable = crisp_analyze_table;

	routine->IsForeignRelUpdatable = crisp_is_updatable;
	routine->AddForeignUpdateTargets = crisp_add_update_targets;
	routine->PlanForeignModify = crisp_plan_modify;
	routine->BeginForeignModify = crisp_begin_modify;
	routine->BeginForeignInsert = crisp_begin_insert;
	routine->ExecForeignInsert = crisp_insert;
	routine->ExecForeignUpdate = crisp_update;
	routine->ExecForeignDelete = crisp_delete;
	routine->EndForeignModify = crisp_end_modify;
	routine->EndForeignInsert = crisp_end_modify;
	routine->ExplainForeignModify = crisp_explain_modify;
#if PG_VERSION_NUM >= 140000
	routine->GetForeignModifyBatchSize = crisp_batch_size;
	routine->ExecForeignBatchInsert = crisp_batch_insert;
#endif

	routine->ImportForeignSchema = crisp_import_schema;

#if PG_VERSION_NUM >= 140000
	routine->IsForeignPathAsyncCapable = crisp_is_path_async_capable;
	routine->ForeignAsyncRequest = crisp_async_request;
	routine->ForeignAsyncConfigureWait = crisp_async_configure_wait;
	routine->ForeignAsyncNotify = crisp_async_notify;
#endif

	PG_RETURN_POINTER(routine);
}
