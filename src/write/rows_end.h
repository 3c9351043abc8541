/*-------------------------------------------------------------------------
 *
 * rows_end.h
 *		Call back when the executor has got the last row of a node.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_ROWS_END_H
#define CRISP_ROWS_END_H

#include "nodes/execnodes.h"

typedef void (*RowsEndCallback)(void *arg);

/*
 * Have a function called when a node of a running plan has no more rows, before whoever asks it for
 * rows is told.  Not called when the plan ends before, be it by an error.  Several functions are
 * called in the order in which they came.
 *
 * To be called while the node itself isn't running.  callback may raise.
 */
extern void rows_end_call(PlanState *node, RowsEndCallback callback, void *arg);

#endif /* CRISP_ROWS_END_H */
