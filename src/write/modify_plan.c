/*-------------------------------------------------------------------------
 *
 * modify_plan.c
 *		Plan INSERT, UPDATE and DELETE.
 *
 * No request is made here.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "access/table.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "optimizer/appendinfo.h"
#include "optimizer/inherit.h"
#include "optimizer/pathnode.h"
#include "parser/parsetree.h"

#include "base/extension_version.h"
#include "write/change_check.h"
#include "write/modify_plan.h"

/*----------
 * What can be written
 *----------
 */

static bool
can(const CrispChanges *changes, CmdType operation)
{
	if (changes == NULL)
		return false;
	switch (operation)
	{
		case CMD_INSERT:
			return changes->insert != NULL;
		case CMD_UPDATE:
			return changes->updates != NULL;
		case CMD_DELETE:
			return changes->remove != NULL;
		default:
			return false;
	}
}

int
crispIsForeignRelUpdatable(Relation relation)
{
	const CrispChanges *changes = option_writable(RelationGetRelid(relation));

	return (can(changes, CMD_INSERT) ? 1 << CMD_INSERT : 0) |
		   (can(changes, CMD_UPDATE) ? 1 << CMD_UPDATE : 0) |
		   (can(changes, CMD_DELETE) ? 1 << CMD_DELETE : 0);
}

/*
 * Say in a hint what a table can be used for.
 */
static char *
abilities_hint(const CrispChanges *changes)
{
	if (changes == NULL)
		return pstrdup("Crisp has no way to write it.");
	if (changes->updates == NULL)
		return psprintf("What can be done: %s.", crisp_statements(changes));
	return psprintf("What can be done: %s. Columns that UPDATE can change: %s",
					crisp_statements(changes), crisp_update_columns(changes));
}

/*
 * Refuse what the table can't be used for.  PostgreSQL would do the same later on, but not say why.
 */
void
modify_check_allowed(const CrispOptions *options, Relation relation, CmdType operation)
{
	const CrispChanges *changes = options->resource->changes;
	const char		   *name = RelationGetRelationName(relation);
	char			   *hint;

	if (can(changes, operation) && options->updatable)
		return;
	if (can(changes, operation))
		hint = psprintf("Set option updatable to true on the foreign table, or on server \"%s\". "
						"What is written goes to Crisp at once, and cannot be rolled back.",
						options->server_name);
	else
		hint = abilities_hint(changes);

	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 operation == CMD_INSERT ? errmsg("foreign table \"%s\" does not allow inserts", name)
			 : operation == CMD_UPDATE
				 ? errmsg("foreign table \"%s\" does not allow updates", name)
				 : errmsg("foreign table \"%s\" does not allow deletes", name),
			 errhint("%s", hint)));
}

void
modify_check_conflict(const CrispOptions *options, const ModifyTable *plan, Relation relation)
{
	const char *name = RelationGetRelationName(relation);

	if (plan->onConflictAction == ONCONFLICT_NONE)
		return;
	if (options->resource->changes->conflict == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("INSERT with ON CONFLICT is not supported for foreign table \"%s\"", name),
				 errdetail("Crisp takes every row as a new one.")));
	if (plan->onConflictAction == ONCONFLICT_UPDATE)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("INSERT with ON CONFLICT DO UPDATE is not supported for foreign "
							   "table \"%s\"",
							   name),
						errhint("Use ON CONFLICT DO NOTHING, and UPDATE the rows that exist.")));
}

/*
 * Say whether all requests may be made twice without harm that an UPDATE of these columns, or a
 * DELETE, may need.
 */
static bool
are_repeatable(const ChangeTable *table, CmdType operation, const List *updated)
{
	const CrispChange *change = table->changes->updates;

	if (operation == CMD_DELETE)
		return table->changes->remove->repeatable;
	for (; change->method != NULL; change++)
		if (!change->repeatable && modify_has_any(table, change, updated))
			return false;
	return true;
}

const char *
modify_why_one_by_one(const ModifyTable *plan, const ResultRelInfo *rinfo, const ChangeTable *table,
					  const List *updated)
{
	const TriggerDesc *triggers = rinfo->ri_TrigDesc;

	if (plan->returningLists != NIL)
		return "RETURNING";
	if (triggers != NULL &&
		(plan->operation == CMD_UPDATE
			 ? triggers->trig_update_before_row || triggers->trig_update_after_row
			 : triggers->trig_delete_before_row || triggers->trig_delete_after_row))
		return "row triggers";
	if (!are_repeatable(table, plan->operation, updated))
		return "changes that are sent at most once";
	return NULL;
}

bool
modify_has_any(const ChangeTable *table, const CrispChange *change, const List *updated)
{
	ListCell *lc;

	foreach(lc, updated)
	{
		const char *column = change_column_target(table, &table->columns[lfirst_int(lc) - 1]);

		if (column != NULL && crisp_change_has(change, column))
			return true;
	}
	return false;
}

/*----------
 * The identity of a row
 *----------
 */

char *
modify_key_name(Form_pg_attribute attribute)
{
	return psprintf("crisp_fdw key %d %u %d %u", attribute->attnum, attribute->atttypid,
					attribute->atttypmod, attribute->attcollation);
}

/*
 * Add the attributes that a route names to a list.
 */
static List *
add_route_attributes(List *attributes, const ChangeTable *table, const char *route)
{
	char *name;

	while ((name = crisp_route_column(&route)) != NULL)
	{
		AttrNumber attnum = change_key_attribute(table, name);

		if (attnum != InvalidAttrNumber)
			attributes = list_append_unique_int(attributes, attnum);
	}
	return attributes;
}

List *
modify_key_attributes(const CrispChanges *changes, const ChangeTable *table)
{
	List *attributes = NIL;

	for (const CrispChange *change = changes->updates; change && change->method != NULL; change++)
		attributes = add_route_attributes(attributes, table, change->route);
	if (changes->remove != NULL)
		attributes = add_route_attributes(attributes, table, changes->remove->route);
	return attributes;
}

AttrNumber
modify_data_attribute(const ChangeTable *table)
{
	const char *name = table->data_column;

	if (name == NULL || !crisp_update_takes(table->changes, name))
		return InvalidAttrNumber;
	return change_attribute(table, name);
}

/*
 * List the attributes that name a row of a relation.  Its resource may be one that can't be
 * written: that will be refused later on.
 */
static List *
key_attributes(Relation relation)
{
	const CrispOptions *options = options_of_table(RelationGetRelid(relation));

	if (options->resource->changes == NULL)
		return NIL;
	return modify_key_attributes(options->resource->changes,
								 change_table_create(options, relation));
}

/*
 * A DELETE with RETURNING needs the row that was there: PostgreSQL itself asks for it under this
 * name where it needs it.
 */
#define WHOLE_ROW "wholerow"

void
crispAddForeignUpdateTargets(PlannerInfo *root, Index rtindex, RangeTblEntry *target_rte,
							 Relation target_relation)
{
	TupleDesc tupdesc = RelationGetDescr(target_relation);
	ListCell *lc;

	foreach(lc, key_attributes(target_relation))
	{
		Form_pg_attribute attribute = TupleDescAttr(tupdesc, lfirst_int(lc) - 1);
		Var *var = makeVar(rtindex, attribute->attnum, attribute->atttypid, attribute->atttypmod,
						   attribute->attcollation, 0);

		add_row_identity_var(root, var, rtindex, modify_key_name(attribute));
	}
	if (root->parse->commandType == CMD_DELETE && root->parse->returningList != NIL)
		add_row_identity_var(root,
							 makeVar(rtindex, InvalidAttrNumber, RECORDOID, -1, InvalidOid, 0),
							 rtindex, WHOLE_ROW);

	/*
	 * Where constraints rule out all partitions, PostgreSQL executes the statement on the
	 * partitioned table; until its minor versions of February 2026 it insisted on a ctid for
	 * that, which tables of postgres_fdw bring along.
	 */
	if (rtindex != (Index) root->parse->resultRelation)
		add_row_identity_var(
			root, makeVar(rtindex, SelfItemPointerAttributeNumber, TIDOID, -1, InvalidOid, 0),
			rtindex, "ctid");
}

/*----------
 * The plan
 *----------
 */

/*
 * Return the attribute numbers that an UPDATE sets, those of generated columns among them.
 */
static Bitmapset *
updated_columns(PlannerInfo *root, Index result_relation)
{
	Bitmapset *columns = NULL;
	Bitmapset *all = get_rel_all_updated_cols(root, find_base_rel(root, result_relation));
	int		   member = -1;

	while ((member = bms_next_member(all, member)) >= 0)
	{
		int attnum = member + FirstLowInvalidHeapAttributeNumber;

		if (attnum <= InvalidAttrNumber)
			elog(ERROR, "crisp_fdw: system-column update is not supported");
		columns = bms_add_member(columns, attnum);
	}
	return columns;
}

/*
 * Return a set as a list of integers.
 */
static List *
integer_list(const Bitmapset *set)
{
	List *list = NIL;
	int	  member = -1;

	while ((member = bms_next_member(set, member)) >= 0)
		list = lappend_int(list, member);
	return list;
}

/*
 * Raise an error unless the table has the columns that name a row to Crisp.
 */
static void
check_keys(const ChangeTable *table, const char *route)
{
	char *name;

	while ((name = crisp_route_column(&route)) != NULL)
		if (change_key_attribute(table, name) == InvalidAttrNumber)
			ereport(ERROR,
					(errcode(ERRCODE_FDW_COLUMN_NAME_NOT_FOUND),
					 errmsg("foreign table \"%s\" has no column \"%s\"", table->name, name),
					 errdetail("Crisp needs it to know which %s is meant.", table->changes->noun)));
}

List *
crispPlanForeignModify(PlannerInfo *root, ModifyTable *plan, Index result_relation,
					   int subplan_index)
{
	RangeTblEntry *rte = planner_rt_fetch(result_relation, root);
	Relation	   relation = table_open(rte->relid, NoLock);
	CrispOptions  *options = options_of_table(rte->relid);
	Bitmapset	  *updated = NULL;
	ChangeTable	  *table;

	extension_version_check();
	modify_check_allowed(options, relation, plan->operation);
	modify_check_conflict(options, plan, relation);

	table = change_table_create(options, relation);
	if (plan->operation == CMD_INSERT)
		check_keys(table, table->changes->insert->route);
	else if (plan->operation == CMD_DELETE)
		check_keys(table, table->changes->remove->route);
	else
	{
		updated = updated_columns(root, result_relation);
		change_check_updated(table, updated);
		check_keys(table, table->changes->updates->route);
	}
	table_close(relation, NoLock);
	return list_make1(integer_list(updated));
}
