/*-------------------------------------------------------------------------
 *
 * crisp_fdw.c
 *		The front door: module magic, and the handler with its FdwRoutine.
 *
 * docs/architecture.md walks through the house.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "foreign/fdwapi.h"

#include "src/import.h"
#include "src/plan.h"
#include "src/scan.h"

PG_MODULE_MAGIC;

PG_FUNCTION_INFO_V1(crisp_fdw_handler);

/*
 * What PostgreSQL calls to plan and run statements on foreign tables.
 */
Datum
crisp_fdw_handler(PG_FUNCTION_ARGS)
{
	FdwRoutine *routine = makeNode(FdwRoutine);

	routine->GetForeignRelSize = crisp_get_rel_size;
	routine->GetForeignPaths = crisp_get_paths;
	routine->GetForeignPlan = crisp_get_plan;
	routine->BeginForeignScan = crisp_begin_scan;
	routine->IterateForeignScan = crisp_iterate_scan;
	routine->ReScanForeignScan = crisp_rescan;
	routine->EndForeignScan = crisp_end_scan;
	routine->ExplainForeignScan = crisp_explain_scan;
	routine->ImportForeignSchema = crisp_import_schema;

	PG_RETURN_POINTER(routine);
}
