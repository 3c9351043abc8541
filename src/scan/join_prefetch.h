/*-------------------------------------------------------------------------
 *
 * join_prefetch.h
 *		Joins that look up several keys at a time.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_JOIN_PREFETCH_H
#define CRISP_JOIN_PREFETCH_H

#include "nodes/execnodes.h"

/* Set the hook through which joins are planned; to be called once, when the library is loaded. */
extern void join_prefetch_init(void);

/*
 * Whether a running node is one that reads ahead: the join above it has a row at most for each row
 * of it.
 */
extern bool join_prefetch_is_node(const PlanState *node);

#endif /* CRISP_JOIN_PREFETCH_H */
