/*-------------------------------------------------------------------------
 *
 * crisp_fdw.c
 *		Load the library: module magic, settings, and the handler with its FdwRoutine.
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

#include "api/api_call.h"
#include "scan/analyze.h"
#include "scan/async.h"
#include "scan/callbacks.h"
#include "functions/import.h"
#include "options/options.h"
#include "write/explain_modify.h"
#include "write/modify.h"
#include "write/modify_plan.h"
#include "plan/estimate_keys.h"
#include "plan/plan.h"
#include "plan/plan_aggregate.h"
#include "scan/join_prefetch.h"
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
 * Define settings, and set up shared memory and hooks, when the library is loaded.
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
	MarkGUCPrefixReserved("crisp_fdw");
	usage_shmem_init();
	join_prefetch_init();
	estimate_keys_init();
}

/*
 * Return what PostgreSQL calls to plan and run statements on foreign tables.
 */
Datum
crisp_fdw_handler(PG_FUNCTION_ARGS)
{
	FdwRoutine *routine = makeNode(FdwRoutine);

	routine->GetForeignRelSize = crispGetForeignRelSize;
	routine->GetForeignPaths = crispGetForeignPaths;
	routine->GetForeignUpperPaths = crispGetForeignUpperPaths;
	routine->GetForeignPlan = crispGetForeignPlan;
	routine->BeginForeignScan = crispBeginForeignScan;
	routine->IterateForeignScan = crispIterateForeignScan;
	routine->ReScanForeignScan = crispReScanForeignScan;
	routine->EndForeignScan = crispEndForeignScan;
	routine->ExplainForeignScan = crispExplainForeignScan;
	routine->AnalyzeForeignTable = crispAnalyzeForeignTable;

	routine->IsForeignRelUpdatable = crispIsForeignRelUpdatable;
	routine->AddForeignUpdateTargets = crispAddForeignUpdateTargets;
	routine->PlanForeignModify = crispPlanForeignModify;
	routine->BeginForeignModify = crispBeginForeignModify;
	routine->BeginForeignInsert = crispBeginForeignInsert;
	routine->ExecForeignInsert = crispExecForeignInsert;
	routine->ExecForeignUpdate = crispExecForeignUpdate;
	routine->ExecForeignDelete = crispExecForeignDelete;
	routine->EndForeignModify = crispEndForeignModify;
	routine->EndForeignInsert = crispEndForeignModify;
	routine->ExplainForeignModify = crispExplainForeignModify;
	routine->GetForeignModifyBatchSize = crispGetForeignModifyBatchSize;
	routine->ExecForeignBatchInsert = crispExecForeignBatchInsert;

	routine->ImportForeignSchema = crispImportForeignSchema;

	routine->IsForeignPathAsyncCapable = crispIsForeignPathAsyncCapable;
	routine->ForeignAsyncRequest = crispForeignAsyncRequest;
	routine->ForeignAsyncConfigureWait = crispForeignAsyncConfigureWait;
	routine->ForeignAsyncNotify = crispForeignAsyncNotify;

	PG_RETURN_POINTER(routine);
}
