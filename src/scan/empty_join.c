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

static bool is_below(const PlanState *tree, const PlanState *node, bool below);

/*
 * Do what is_below() does for several trees.
 */
static bool
is_below_one(PlanState *const *trees, int ntrees, const PlanState *node, bool below)
{
	for (int i = 0; i < ntrees; i++)
		if (is_below(trees[i], node, below))
			return true;
	return false;
}

/*
 * Go down a tree to a node.  Returns whether it's there, below the outer side of such a join or of
 * one above the tree.  Between the two there is no node that may give its rows again, in another
 * pass: it would take what has come for all that there is.  What others may read, too, isn't looked
 * at.
 */
static bool
is_below(const PlanState *tree, const PlanState *node, bool below)
{
	const PlanState *passed = tree ? need_passed_child(tree) : NULL;

	if (tree == NULL || tree == node)
		return tree != NULL && below;
	switch (nodeTag(tree))
	{
		case T_NestLoopState:
			return is_below(outerPlanState(tree), node, below || gives_nothing(tree)) ||
				   is_below(innerPlanState(tree), node, below);
		case T_HashJoinState:
		case T_MergeJoinState:
		case T_LimitState:
		case T_ResultState:
			return is_below(outerPlanState(tree), node, below) ||
				   (!below && is_below(innerPlanState(tree), node, false));
		case T_SubqueryScanState:
			return is_below(((const SubqueryScanState *) tree)->subplan, node, below);
		case T_AppendState:
			return is_below_one(((const AppendState *) tree)->appendplans,
								((const AppendState *) tree)->as_nplans, node, below);
		case T_MergeAppendState:
			return is_below_one(((const MergeAppendState *) tree)->mergeplans,
								((const MergeAppendState *) tree)->ms_nplans, node, below);
		default:
			if (!below && (is_below(outerPlanState(tree), node, false) ||
						   is_below(innerPlanState(tree), node, false)))
				return true;
			return passed != NULL && is_below(passed, node, below);
	}
}

bool
empty_join_is_above(const PlanState *node)
{
	return is_below(need_root(node), node, false);
}
