/*-------------------------------------------------------------------------
 *
 * explain_modify.h
 *		Show modifications in EXPLAIN.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_EXPLAIN_MODIFY_H
#define CRISP_EXPLAIN_MODIFY_H

#include "foreign/fdwapi.h"

/*
 * Show the requests for a row that is written, without making them, and without credentials; with
 * ANALYZE, also what was spent (FdwRoutine callback).
 */
extern void crispExplainForeignModify(ModifyTableState *mtstate, ResultRelInfo *rinfo,
									  List *fdw_private, int subplan_index,
									  struct ExplainState *es);

#endif /* CRISP_EXPLAIN_MODIFY_H */
