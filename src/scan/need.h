/*-------------------------------------------------------------------------
 *
 * need.h
 *		Find how many rows of a node are certain to be asked for.
 *
 * Whatever is done ahead of need must change nothing but time: not whether a statement fails, by an
 * error in a row that nobody wanted, nor what it costs.  So it's done for rows that will be asked
 * for in any case.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_NEED_H
#define CRISP_NEED_H

#include "nodes/execnodes.h"
#include "nodes/extensible.h"

/*
 * Get to know how many rows are asked for of each statement, from now on.  Custom nodes with these
 * methods pass on the rows of their only child, one for each.
 */
extern void need_init(const CustomExecMethods *passing_methods);

/*
 * Return at least how many rows a node that is being asked for a row will be asked for, this one
 * included, in this run of the statement, unless it fails or ends before: infinity for all; 1 where
 * nothing is known.
 */
extern double need_rows(const PlanState *node);

/*
 * Say whether a LIMIT may end a node, that is being asked for a row, before it has given all of its
 * rows.
 */
extern bool need_is_limited(const PlanState *node);

/* Return the root of the plan that a node is run in, without subplans; NULL where none is known. */
extern const PlanState *need_root(const PlanState *node);

/* Return the only child of a node that passes on its rows (need_init()); NULL for other nodes. */
extern PlanState *need_passed_child(const PlanState *node);

/* Tell runs of statements apart: a cursor is run whenever rows are fetched. */
extern uint64 need_run(const PlanState *node);

#endif /* CRISP_NEED_H */
