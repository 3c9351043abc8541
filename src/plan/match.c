/*-------------------------------------------------------------------------
 *
 * match.c
 *		Match a query's conditions with what the API can help to answer.
 *
 * A condition compares a column, of which the catalog says what the API can do for it, with a value
 * that is known when the scan starts.  PostgreSQL checks it again on each row, so what is asked may
 * bring too much, never too little.
 *
 * Operators are recognized by their place in a type's own btree family, not by name.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

#include "options/column_map.h"
#include "plan/column_use.h"
#include "plan/match.h"
#include "request/pushdown.h"

/* A plain column of the relation, and its own type, whatever a clause takes it for. */
typedef struct MatchedColumn
{
	const CrispColumn *column; /* NULL: it's none of the catalog's */
	Oid				   type;   /* base type; of an array, of its elements */
	int32			   typmod;
	bool			   is_array;
} MatchedColumn;

/* What the clauses of one relation are matched with. */
typedef struct MatchContext
{
	RelOptInfo		   *rel;
	Oid					relid;
	const CrispOptions *options;
} MatchContext;

/*----------
 * Types
 *----------
 */

/*
 * Say whether a time column of that type can be bounded by a value of that type: where both mean
 * the same instants whatever the session's time zone, or where PostgreSQL's comparison turns the
 * value into an instant.
 */
static bool
times_comparable(Oid column_type, Oid value_type)
{
	switch (column_type)
	{
		case TIMESTAMPTZOID:
			return value_type == TIMESTAMPTZOID || value_type == TIMESTAMPOID ||
				   value_type == DATEOID;
		case TIMESTAMPOID:
			return value_type == TIMESTAMPOID || value_type == DATEOID;
		case DATEOID:
			return value_type == DATEOID;
		case INT8OID:
			return value_type == INT8OID || value_type == INT4OID || value_type == INT2OID;
		default:
			return false;
	}
}

/*
 * Say whether values of a column are equal, as that type, just when the texts are that Crisp has:
 * its numbers, but not its texts, are written as PostgreSQL writes integers, and a website as
 * PostgreSQL writes a UUID.
 */
static bool
equal_as_text(const CrispColumn *column, Oid type)
{
	switch (type)
	{
		case TEXTOID:
		case VARCHAROID:
			return true;
		case INT2OID:
		case INT4OID:
		case INT8OID:
			return column->type == CRISP_INTEGER;
		case UUIDOID:
			return (column->flags & CRISP_WEBSITE) != 0;
		default:
			return type_is_enum(type);
	}
}

/*
 * Say whether equality under a collation means equal bytes.
 */
static bool
collation_is_exact(Oid collation)
{
	return !OidIsValid(collation) || get_collation_isdeterministic(collation);
}

/*
 * Look up the strategy of an operator in the btree family that gives a type its order, in which
 * cross-type operators are found, too; 0 when it has none.
 */
static int
btree_strategy(Oid op, Oid type)
{
	TypeCacheEntry *entry = lookup_type_cache(type, TYPECACHE_BTREE_OPFAMILY);

	return OidIsValid(entry->btree_opf) ? get_op_opfamily_strategy(op, entry->btree_opf) : 0;
}

/*----------
 * Matching
 *----------
 */

/*
 * Set the type of a column: that of its domain, with the modifier that the domain, or one below it,
 * has.
 */
static void
set_column_type(MatchedColumn *matched, const Var *var)
{
	Oid type;
	Oid element;

	matched->typmod = var->vartypmod;
	type = getBaseTypeAndTypmod(var->vartype, &matched->typmod);
	element = get_element_type(type);
	matched->is_array = OidIsValid(element);
	matched->type = matched->is_array ? getBaseTypeAndTypmod(element, &matched->typmod) : type;
}

/*
 * Find the catalog column that a node refers to as a plain column of the relation.
 */
static MatchedColumn
match_column(const MatchContext *context, Node *node)
{
	MatchedColumn matched = {NULL};
	const Var	 *var = column_use_var((Expr *) node, context->rel->relid);

	if (var == NULL)
		return matched;
	matched.column = column_map_catalog(context->options, context->relid, var->varattno);
	if (matched.column != NULL)
		set_column_type(&matched, var);
	return matched;
}

/*
 * Say whether a value is known when the scan starts, and stays what it is.  It may come from
 * another relation, whose rows a nested loop then supplies.
 */
static bool
value_is_fixed(const MatchContext *context, Node *value)
{
	Relids relids = pull_varnos(NULL, value);

	return !bms_is_member(context->rel->relid, relids) && !contain_volatile_functions(value) &&
		   !contain_subplans(value);
}

static List *
make_condition(const MatchContext *context, const MatchedColumn *matched, ConditionOperator op,
			   Oid value_type)
{
	return list_make5_int((int) (matched->column - context->options->resource->columns), (int) op,
						  (int) matched->type, (int) value_type, matched->typmod);
}

/*
 * Say whether a column names the inbox whose list is read, and the value comes from another
 * relation.  A list of another inbox may have what the table's own list has not: it must not depend
 * on the plan which of them is read.
 */
static bool
picks_inbox(const MatchContext *context, const CrispColumn *column, Node *value)
{
	const CrispInbox *inbox = context->options->resource->inbox;

	return inbox != NULL && strcmp(inbox->path, column->path) == 0 && contain_var_clause(value) &&
		   (context->options->inbox == NULL || strcmp(context->options->inbox, inbox->all) != 0);
}

/*
 * Match "column OP value"; returns the condition, or NIL.
 */
static List *
match_comparison(const MatchContext *context, Node *left, Oid op, Oid collation, Node *right)
{
	const CrispResource *resource = context->options->resource;
	MatchedColumn		 matched = match_column(context, left);
	const CrispColumn	*column = matched.column;
	Oid					 left_type = getBaseType(exprType(left));
	Oid					 value_type = getBaseType(exprType(right));
	int					 strategy;
	Oid					 negator;

	if (column == NULL || !value_is_fixed(context, right) || picks_inbox(context, column, right))
		return NIL;

	strategy = btree_strategy(op, left_type);
	if (strategy != 0 && left_type == matched.type && pushdown_takes_range(resource, column) &&
		times_comparable(left_type, value_type))
		return make_condition(context, &matched, strategy, value_type);

	if (!collation_is_exact(collation) || !equal_as_text(column, matched.type))
		return NIL;
	if (matched.is_array)
	{
		ConditionOperator holds = op == OID_ARRAY_CONTAINS_OP ? CONDITION_CONTAINS_ALL
															  : CONDITION_OVERLAPS;

		if ((op != OID_ARRAY_CONTAINS_OP && op != OID_ARRAY_OVERLAP_OP) ||
			left_type != TEXTARRAYOID || !pushdown_takes_operator(resource, column, holds))
			return NIL;
		return make_condition(context, &matched, holds, value_type);
	}

	if (!equal_as_text(column, left_type) || !equal_as_text(column, value_type))
		return NIL;
	if (strategy == BTEqualStrategyNumber &&
		pushdown_takes_operator(resource, column, CONDITION_EQUAL))
		return make_condition(context, &matched, CONDITION_EQUAL, value_type);

	negator = strategy == 0 ? get_negator(op) : InvalidOid;
	if (OidIsValid(negator) && btree_strategy(negator, left_type) == BTEqualStrategyNumber &&
		pushdown_takes_operator(resource, column, CONDITION_NOT_EQUAL))
		return make_condition(context, &matched, CONDITION_NOT_EQUAL, value_type);
	return NIL;
}

/*
 * Match a binary operator, whichever side the column is on.
 */
static List *
match_operator(const MatchContext *context, OpExpr *op, Node **value)
{
	Node *left;
	Node *right;
	List *condition;
	Oid	  commutator;

	if (list_length(op->args) != 2)
		return NIL;
	left = linitial(op->args);
	right = lsecond(op->args);

	*value = right;
	condition = match_comparison(context, left, op->opno, op->inputcollid, right);
	if (condition != NIL)
		return condition;

	*value = left;
	commutator = get_commutator(op->opno);
	return OidIsValid(commutator)
			   ? match_comparison(context, right, commutator, op->inputcollid, left)
			   : NIL;
}

/*
 * Match "column = ANY (array)", "value = ANY (column)" and "value <> ALL (column)".
 */
static List *
match_any(const MatchContext *context, ScalarArrayOpExpr *op, Node **value)
{
	const CrispResource *resource = context->options->resource;
	Node				*left = linitial(op->args);
	Node				*right = lsecond(op->args);
	Oid					 left_type = getBaseType(exprType(left));
	Oid					 element_type = get_base_element_type(exprType(right));
	Oid					 equals = op->useOr ? op->opno : get_negator(op->opno);
	ConditionOperator	 holds = op->useOr ? CONDITION_CONTAINS : CONDITION_LACKS;
	MatchedColumn		 matched;

	if (!collation_is_exact(op->inputcollid) || !OidIsValid(element_type) || !OidIsValid(equals) ||
		btree_strategy(equals, left_type) != BTEqualStrategyNumber)
		return NIL;

	*value = right;
	matched = match_column(context, left);
	if (op->useOr && matched.column != NULL && equal_as_text(matched.column, matched.type) &&
		equal_as_text(matched.column, left_type) &&
		equal_as_text(matched.column, getBaseType(element_type)) &&
		pushdown_takes_operator(resource, matched.column, CONDITION_ANY) &&
		value_is_fixed(context, right) && !picks_inbox(context, matched.column, right))
		return make_condition(context, &matched, CONDITION_ANY, element_type);

	*value = left;
	matched = match_column(context, right);
	if (matched.column != NULL && matched.is_array && equal_as_text(matched.column, matched.type) &&
		equal_as_text(matched.column, left_type) &&
		equal_as_text(matched.column, getBaseType(element_type)) &&
		pushdown_takes_operator(resource, matched.column, holds) && value_is_fixed(context, left))
		return make_condition(context, &matched, holds, left_type);
	return NIL;
}

/*
 * Match "column IS NULL".
 */
static List *
match_null(const MatchContext *context, const NullTest *test, Node **value)
{
	MatchedColumn matched = match_column(context, (Node *) test->arg);

	*value = (Node *) makeNullConst(TEXTOID, -1, InvalidOid);
	if (test->nulltesttype == IS_NULL && matched.column != NULL &&
		pushdown_takes_operator(context->options->resource, matched.column, CONDITION_IS_NULL))
		return make_condition(context, &matched, CONDITION_IS_NULL, TEXTOID);
	return NIL;
}

/*
 * Match "NOT column @> array", which has no operator of its own.
 */
static List *
match_not(const MatchContext *context, Node *clause, Node **value)
{
	OpExpr		 *op = (OpExpr *) clause;
	MatchedColumn matched;

	if (!IsA(clause, OpExpr) || !collation_is_exact(op->inputcollid) ||
		(op->opno != OID_ARRAY_CONTAINS_OP && op->opno != OID_ARRAY_OVERLAP_OP))
		return NIL;
	matched = match_column(context, linitial(op->args));
	*value = lsecond(op->args);
	if (matched.column == NULL || !matched.is_array ||
		getBaseType(exprType(linitial(op->args))) != TEXTARRAYOID ||
		!equal_as_text(matched.column, matched.type) ||
		!pushdown_takes_operator(context->options->resource, matched.column, CONDITION_LACKS_ONE) ||
		!value_is_fixed(context, *value))
		return NIL;
	return make_condition(context, &matched,
						  op->opno == OID_ARRAY_CONTAINS_OP ? CONDITION_LACKS_ONE
															: CONDITION_LACKS_ALL,
						  getBaseType(exprType(*value)));
}

/*
 * Match a clause; returns the condition and its value's expression, or NIL.
 */
static List *
match_clause(const MatchContext *context, Expr *clause, Node **value)
{
	if (IsA(clause, OpExpr))
		return match_operator(context, (OpExpr *) clause, value);
	if (IsA(clause, ScalarArrayOpExpr))
		return match_any(context, (ScalarArrayOpExpr *) clause, value);
	if (IsA(clause, NullTest))
		return match_null(context, (NullTest *) clause, value);
	if (is_notclause(clause))
		return match_not(context, (Node *) get_notclausearg(clause), value);
	return NIL;
}

Conditions *
match_clauses(RelOptInfo *rel, Oid relid, const CrispOptions *options, List *clauses)
{
	MatchContext context = {rel, relid, options};
	Conditions	*result = palloc0(sizeof(Conditions));
	ListCell	*lc;

	foreach(lc, clauses)
	{
		RestrictInfo *rinfo = lfirst_node(RestrictInfo, lc);
		Node		 *value;
		List		 *condition;

		/*
		 * Security barriers are no obstacle: what Crisp compares shows nothing
		 * of hidden rows to the user, and PostgreSQL keeps its own order of
		 * checks.
		 */
		condition = match_clause(&context, rinfo->clause, &value);
		if (condition == NIL)
			continue;
		result->conditions = lappend(result->conditions, condition);
		result->values = lappend(result->values, value);
		result->clauses = lappend(result->clauses, rinfo);
	}
	return result;
}

bool
match_names_parent(const CrispResource *resource, const Conditions *conditions)
{
	ListCell *lc;

	foreach(lc, conditions->conditions)
	{
		const CrispColumn *column = condition_column(resource, lfirst(lc));

		if (column == crisp_resource_argument(resource) &&
			condition_operator(lfirst(lc)) == CONDITION_EQUAL)
			return true;
	}
	return false;
}

bool
match_is_exact(const CrispResource *resource, const Conditions *conditions)
{
	ListCell *lc;

	foreach(lc, conditions->conditions)
	{
		const char *path = condition_column(resource, lfirst(lc))->path;

		for (const CrispFilter *filter = resource->filters; filter->path != NULL; filter++)
			if (strcmp(filter->path, path) == 0 &&
				(filter->test == CRISP_IS || filter->test == CRISP_IS_NOT))
				return false;
	}
	return true;
}
