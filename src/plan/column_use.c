/*-------------------------------------------------------------------------
 *
 * column_use.c
 *		Find what a query does with the columns of a relation.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/stratnum.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_type.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "optimizer/paths.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/reltrigger.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

#include "plan/column_use.h"
#include "base/compat.h"

List *
column_use_list(RelOptInfo *baserel, Oid relid, List *scan_clauses, AttrNumber sort_column)
{
	Bitmapset *used = NULL;
	List	  *columns = NIL;
	Relation   relation;

	pull_varattnos((Node *) baserel->reltarget->exprs, baserel->relid, &used);
	pull_varattnos((Node *) scan_clauses, baserel->relid, &used);

	/* The planner holds a lock on the table. */
	relation = table_open(relid, NoLock);
	for (AttrNumber attnum = 1; attnum <= RelationGetNumberOfAttributes(relation); attnum++)
	{
		if (TupleDescAttr(RelationGetDescr(relation), attnum - 1)->attisdropped)
			continue;
		if (attnum == sort_column || bms_is_member(0 - FirstLowInvalidHeapAttributeNumber, used) ||
			bms_is_member(attnum - FirstLowInvalidHeapAttributeNumber, used))
			columns = lappend_int(columns, attnum);
	}
	table_close(relation, NoLock);
	return columns;
}

/*
 * Say whether an expression has a column of a relation, or, with 0, the whole row.
 */
static bool
has_column(Node *node, Index relid, AttrNumber attnum)
{
	Bitmapset *used = NULL;

	pull_varattnos(node, relid, &used);
	return bms_is_member(attnum - FirstLowInvalidHeapAttributeNumber, used);
}

bool
column_use_names(RelOptInfo *baserel, List *scan_clauses, AttrNumber attnum)
{
	return has_column((Node *) baserel->reltarget->exprs, baserel->relid, attnum) ||
		   has_column((Node *) scan_clauses, baserel->relid, attnum);
}

/*
 * Say whether row-level triggers, or columns that PostgreSQL generates, look at rows of a table.
 */
static bool
looks_at_rows(Oid relid)
{
	Relation		   relation = table_open(relid, NoLock);
	const TupleConstr *constraints = RelationGetDescr(relation)->constr;
	const TriggerDesc *triggers = relation->trigdesc;
	bool			   looks = (constraints != NULL && constraints->has_generated_stored) ||
				 (triggers != NULL &&
				  (triggers->trig_update_before_row || triggers->trig_update_after_row));

	table_close(relation, NoLock);
	return looks;
}

bool
column_use_is_old_row(PlannerInfo *root, RelOptInfo *baserel, Oid relid, List *scan_clauses)
{
	const Query *parse = root->parse;
	ListCell	*lc;

	if (parse->commandType != CMD_UPDATE || baserel->relid != (Index) parse->resultRelation ||
		parse->returningList != NIL || parse->withCheckOptions != NIL || root->hasLateralRTEs ||
		has_column((Node *) scan_clauses, baserel->relid, InvalidAttrNumber) ||
		has_column((Node *) parse->jointree, baserel->relid, InvalidAttrNumber))
		return false;
	foreach(lc, parse->targetList)
		if (!lfirst_node(TargetEntry, lc)->resjunk &&
			has_column((Node *) lfirst_node(TargetEntry, lc)->expr, baserel->relid,
					   InvalidAttrNumber))
			return false;
	return !looks_at_rows(relid);
}

const Var *
column_use_var(const Expr *expr, Index varno)
{
	const Var *var;

	while (expr != NULL && IsA(expr, RelabelType))
		expr = ((const RelabelType *) expr)->arg;
	if (expr == NULL || !IsA(expr, Var))
		return NULL;
	var = (const Var *) expr;
	return (Index) var->varno == varno && var->varattno > 0 && var->varlevelsup == 0 ? var : NULL;
}

AttrNumber
column_use_pathkey(RelOptInfo *baserel, PathKey *pathkey)
{
	ListCell *lc;

	if (pathkey->pk_eclass->ec_has_volatile)
		return 0;
	foreach(lc, compat_eclass_members(pathkey->pk_eclass, baserel->relids))
	{
		EquivalenceMember *em = lfirst(lc);

		if (IsA(em->em_expr, Var) && bms_equal(em->em_relids, baserel->relids))
			return ((Var *) em->em_expr)->varattno;
	}
	return 0;
}

bool
column_use_is_by_time(Oid relid, AttrNumber attnum, PathKey *pathkey, bool *ascending)
{
	Oid type = getBaseType(get_atttype(relid, attnum));

	*ascending = !compat_pathkey_is_descending(pathkey);

	/* ORDER BY ... USING may name an operator that sorts by something else. */
	return pathkey->pk_opfamily == lookup_type_cache(type, TYPECACHE_BTREE_OPFAMILY)->btree_opf &&
		   (type == TIMESTAMPTZOID || type == TIMESTAMPOID || type == DATEOID || type == INT8OID);
}

List *
column_use_strict_conditions(RelOptInfo *baserel, AttrNumber attnum)
{
	List	 *result = NIL;
	ListCell *lc;

	foreach(lc, baserel->baserestrictinfo)
		if (compat_excludes_null((Node *) lfirst_node(RestrictInfo, lc)->clause, baserel->relid,
								 attnum))
			result = lappend(result, lfirst(lc));
	return result;
}

bool
column_use_excludes_null(RelOptInfo *baserel, Oid relid, AttrNumber attnum)
{
	HeapTuple tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(relid), Int16GetDatum(attnum));
	bool	  not_null;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for attribute %d of relation %u", attnum, relid);
	not_null = ((Form_pg_attribute) GETSTRUCT(tuple))->attnotnull;
	ReleaseSysCache(tuple);
	return not_null || column_use_strict_conditions(baserel, attnum) != NIL;
}
