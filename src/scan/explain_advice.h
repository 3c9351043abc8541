/*-------------------------------------------------------------------------
 *
 * explain_advice.h
 *		Say in EXPLAIN what to write instead of a condition that Crisp can't be asked.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_EXPLAIN_ADVICE_H
#define CRISP_EXPLAIN_ADVICE_H

#include "nodes/execnodes.h"

#include "resource/resource.h"

struct ExplainState;

/*
 * Show advice for a scan of a list, if a condition wants a column to be equal to something, and the
 * API has another way to such rows; or if it wants that of a function of a column that could be
 * looked up.
 */
extern void explain_advice(const ForeignScanState *node, struct ExplainState *es);

#endif /* CRISP_EXPLAIN_ADVICE_H */
