/*-------------------------------------------------------------------------
 *
 * empty_join.h
 *		Find out that no row of a node is of any use, since a join has nothing to join it with.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_EMPTY_JOIN_H
#define CRISP_EMPTY_JOIN_H

#include "nodes/execnodes.h"

/*
 * Say whether a node that is being asked for a row is below the outer side of a nested loop that
 * has materialized its inner side, and has found no row there: whatever the node gives, the loop
 * gives none.  That may change with a rescan.
 */
extern bool empty_join_is_above(const PlanState *node);

#endif /* CRISP_EMPTY_JOIN_H */
