/*-------------------------------------------------------------------------
 *
 * explain_modify.h
 *		Modifications in EXPLAIN.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_EXPLAIN_MODIFY_H
#define CRISP_EXPLAIN_MODIFY_H

#include "foreign/fdwapi.h"

/*
 * FdwRoutine callback: the requests for a row that is written, without making them, and without
 * credentials; with ANALYZE, what was spent.
 */
extern void crispExplainForeignModify(ModifyTableState *mtstate, ResultRelInfo *rinfo,
									  List *fdw_private, int subplan_index,
									  struct ExplainState *es);

#endif /* CRISP_EXPLAIN_MODIFY_H */
