/*-------------------------------------------------------------------------
 *
 * empty_join.c
 *		Find out that no row of a node is of any use, since a join has nothing to join it with.
 *
 * A hash join whose inner side is empty doesn't go on with the outer one.  A nested loop does, row
 * by row, and where these rows are a list of Crisp's, page by page.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "executor/executor.h"
#include "utils/tuplestore.h"

#include "scan/empty_join.h"
#include "scan/need.h"

/*
 * Say whether a node has read all that is below it, and has kept no row, for this pass.
 */
static bool
has_kept_nothing(const PlanState *node)
{
	const MaterialState *material = (const MaterialState *) node;

	return IsA(node, MaterialState) && node->chgParam == NULL && material->eof_underlying &&
		   material->tuplestorestate != NULL &&
		   tuplestore_tuple_count(material->tuplestorestate) == 0;
}

/*
 * Say whether a node is a join that gives no row, whatever its outer side does.
 */
static bool
gives_nothing(const PlanState *node)
{
	JoinType type;

	if (!IsA(node, NestLoopState))
		return false;
	type = ((const JoinState *) node)->jointype;
	return (type == JOIN_INNER || type == JOIN_SEMI) && has_kept_nothing(innerPlanState(node));
}

/*
 * Go down a tree to a node.  Returns whether it's there, below the outer side of such a join or of
 * one above the tree.  What is below anything but joins, and nodes that pass on rows, isn't looked
 * at: others may read it.
 */
static bool
is_below(const PlanState *tree, const PlanState *node, bool below)
{
	if (tree == NULL)
		return false;
	if (tree == node)
		return below;
	return is_below(outerPlanState(tree), node, below || gives_nothing(tree)) ||
		   is_below(innerPlanState(tree), node, below) ||
		   (need_passed_child(tree) != NULL && is_below(need_passed_child(tree), node, below));
}

bool
empty_join_is_above(const PlanState *node)
{
	return is_below(need_root(node), node, false);
}
