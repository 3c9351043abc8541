/*-------------------------------------------------------------------------
 *
 * link.c
 *		Find what a join with another table tells of the rows that are of use.
 *
 * A list of nothing but keys says nothing of what they stand for, and Crisp may know all the same
 * how to leave out some.  Where the rows that the keys stand for are joined, and have to satisfy a
 * condition, the keys of others are of no use.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "parser/parsetree.h"
#include "utils/lsyscache.h"

#include "options/column_map.h"
#include "plan/column_use.h"
#include "plan/match.h"
#include "request/request_create.h"
#include "plan/link.h"
#include "base/compat.h"

/*
 * Say whether an expression is a column of a relation, as Crisp has it, with that JSON path.
 */
static bool
is_column(Expr *expr, Index relid, Oid table, const CrispOptions *options, const char *path)
{
	const Var		  *var = column_use_var(expr, relid);
	const CrispColumn *column;
	Oid				   type;

	if (var == NULL || compat_var_is_nullable(var))
		return false;
	type = getBaseType(var->vartype);
	if (type != TEXTOID && type != VARCHAROID)
		return false;
	column = column_map_catalog(options, table, var->varattno);
	return column != NULL && strcmp(column->path, path) == 0;
}

/*
 * Say whether an equivalence class is one of equal bytes, in all rows of the query.
 */
static bool
is_exact(const EquivalenceClass *class)
{
	return !compat_eclass_below_outer_join(class) && !class->ec_has_volatile && !class->ec_broken &&
		   (!OidIsValid(class->ec_collation) || get_collation_isdeterministic(class->ec_collation));
}

/*
 * Say whether the query joins two relations by what links them.
 */
static bool
are_joined(PlannerInfo *root, RelOptInfo *rel, Oid table, const CrispOptions *options,
		   RelOptInfo *other, Oid other_table, const CrispOptions *other_options)
{
	const CrispLink *link = options->resource->link;
	ListCell		*lc;

	foreach(lc, root->eq_classes)
	{
		EquivalenceClass *class = lfirst_node(EquivalenceClass, lc);
		bool	  has_own = false;
		bool	  has_other = false;
		ListCell *lc_member;

		if (class->ec_merged != NULL || !is_exact(class))
			continue;
		foreach(lc_member, class->ec_members)
		{
			EquivalenceMember *member = lfirst_node(EquivalenceMember, lc_member);

			if (member->em_is_child)
				continue;
			has_own |= is_column(member->em_expr, rel->relid, table, options, link->path);
			has_other |= is_column(member->em_expr, other->relid, other_table, other_options,
								   link->other_path);
		}
		if (has_own && has_other)
			return true;
	}
	return false;
}

/*
 * Write what is asked of Crisp for a relation's own conditions whose values are constants; empty
 * for nothing.
 */
static const char *
constant_query(RelOptInfo *rel, Oid table, const CrispOptions *options)
{
	Conditions	   *all = match_clauses(rel, table, options, rel->baserestrictinfo);
	ConditionValue *values = palloc0(sizeof(ConditionValue) * Max(list_length(all->conditions), 1));
	List		   *conditions = NIL;
	CrispRequest   *request;
	ListCell	   *lc;
	ListCell	   *lc_value;

	forboth(lc, all->conditions, lc_value, all->values)
	{
		const CrispColumn *column = condition_column(options->resource, lfirst(lc));
		const Const		  *value = lfirst(lc_value);

		if (!IsA(value, Const) || (column->flags & CRISP_ASKED) != 0)
			continue;
		values[list_length(conditions)] = (ConditionValue){
			.known = true, .isnull = value->constisnull, .value = value->constvalue};
		conditions = lappend(conditions, lfirst(lc));
	}
	request = request_create(options, conditions, values, -1, NULL, true);
	Assert(request == NULL || request->kind == REQUEST_LIST);
	return request ? request->as.list.query : "";
}

/*
 * Append those of a link's parameters that a query has.
 */
static void
append_params(StringInfo result, const CrispLink *link, const char *query)
{
	for (const char *const *param = link->params; *param != NULL; param++)
	{
		const char *at = strstr(query, *param);
		size_t		length = strlen(*param);

		if (at != NULL && (at == query || at[-1] == '&') &&
			(at[length] == '\0' || at[length] == '&') && strstr(result->data, *param) == NULL)
			appendStringInfo(result, "%s%s", result->len > 0 ? "&" : "", *param);
	}
}

char *
link_query(PlannerInfo *root, RelOptInfo *rel, Oid relid, const CrispOptions *options)
{
	StringInfoData result;

	initStringInfo(&result);
	for (int i = 1; options->resource->link != NULL && i < root->simple_rel_array_size; i++)
	{
		RelOptInfo	  *other = root->simple_rel_array[i];
		RangeTblEntry *rte = root->simple_rte_array[i];
		CrispOptions  *other_options;

		if (other == NULL || other == rel || other->reloptkind != RELOPT_BASEREL ||
			rte->rtekind != RTE_RELATION || rte->relkind != RELKIND_FOREIGN_TABLE ||
			other->serverid != rel->serverid || other->baserestrictinfo == NIL)
			continue;
		other_options = options_of_table(rte->relid);
		if (other_options->resource != options->resource->link->resource ||
			strcmp(other_options->website_id, options->website_id) != 0 ||
			!are_joined(root, rel, relid, options, other, rte->relid, other_options))
			continue;
		append_params(&result, options->resource->link,
					  constant_query(other, rte->relid, other_options));
	}
	return result.data;
}
