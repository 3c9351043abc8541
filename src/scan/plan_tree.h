/*-------------------------------------------------------------------------
 *
 * plan_tree.h
 *		Look at the nodes below a node of a plan.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_PLAN_TREE_H
#define CRISP_PLAN_TREE_H

#include "nodes/plannodes.h"

/*
 * Return the plans that a node gets its rows from, those of initplans and subplans not among them:
 * a list that is palloc'd.  What a custom scan has of others is among them; what other nodes hide
 * isn't.
 */
extern List *plan_tree_children(const Plan *plan);

/*
 * Return the nodes on the way from one below a plan's root, or that itself, up to the root, both
 * among them: a list that is palloc'd; NIL where the node isn't there.
 */
extern List *plan_tree_way(const Plan *tree, const Plan *plan);

/* Say whether a node is a plan's root, or below it. */
extern bool plan_tree_has(const Plan *tree, const Plan *plan);

/*
 * Say whether a plan computes anything of which it matters when, and how often: volatile functions,
 * or subplans, which may hold some.
 */
extern bool plan_tree_has_effects(const Plan *plan);

#endif /* CRISP_PLAN_TREE_H */
