/*-------------------------------------------------------------------------
 *
 * returning.c
 *		Give a statement what it wants to know of the rows that it inserts.
 *
 * A row reads as a scan would read it: what was sent is flattened in the same way.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "commands/trigger.h"
#include "nodes/nodeFuncs.h"
#include "utils/rel.h"
#include "utils/reltrigger.h"

#include "json/json_make.h"
#include "options/column_map.h"
#include "row/row_source.h"
#include "write/returning.h"

struct Returning
{
	const char	*table_name;
	Bitmapset	*wanted;	/* attribute numbers looked at once a row was sent; 0 is all */
	List		*columns;	/* attribute numbers that are filled, in their order */
	const char **paths;		/* of these, in the row; NULL for one that the catalog doesn't have */
	Flattener	*flattener; /* of these */
};

/*
 * Collect the attribute numbers of all Vars in a Bitmapset *: RETURNING can only have those of the
 * relation itself.
 */
static bool
collect_attributes(Node *node, void *context)
{
	Bitmapset **attributes = context;

	if (node == NULL)
		return false;
	if (IsA(node, Var))
	{
		int attnum = ((Var *) node)->varattno;

		/* System columns need nothing of Crisp. */
		if (attnum >= 0)
			*attributes = bms_add_member(*attributes, attnum);
		return false;
	}
	return expression_tree_walker(node, collect_attributes, context);
}

Returning *
returning_create(const CrispOptions *options, const ResultRelInfo *rinfo)
{
	Relation   relation = rinfo->ri_RelationDesc;
	TupleDesc  tupdesc = RelationGetDescr(relation);
	Returning *returned = palloc0(sizeof(Returning));
	Bitmapset *attributes = NULL;
	bool	   all;

	returned->table_name = pstrdup(RelationGetRelationName(relation));
	(void) collect_attributes((Node *) rinfo->ri_returningList, &attributes);
	if (rinfo->ri_TrigDesc != NULL && rinfo->ri_TrigDesc->trig_insert_after_row)
		attributes = bms_add_member(attributes, 0);
	returned->wanted = attributes;

	/* 0 is the whole row; check options may look at any column. */
	all = bms_is_member(0, attributes) || rinfo->ri_WithCheckOptions != NIL;
	returned->paths = palloc0(sizeof(char *) * Max(tupdesc->natts, 1));
	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(tupdesc, i);

		if (attribute->attisdropped || attribute->attgenerated != '\0' ||
			!(all || bms_is_member(i + 1, attributes)))
			continue;
		returned->paths[list_length(returned->columns)] =
			column_map(options, RelationGetRelid(relation), attribute->attnum).path;
		returned->columns = lappend_int(returned->columns, attribute->attnum);
	}
	returned->flattener = row_source_begin(options, relation, returned->columns, NULL);
	return returned;
}

bool
returning_wants_any(const Returning *returned)
{
	return !bms_is_empty(returned->wanted);
}

bool
returning_wants_more(const Returning *returned, const BodyMember *known, int nknown)
{
	for (int i = 0; i < list_length(returned->columns); i++)
	{
		const char *path = returned->paths[i];
		bool		found = !bms_is_member(0, returned->wanted) &&
					 !bms_is_member(list_nth_int(returned->columns, i), returned->wanted);

		for (int j = 0; j < nknown && path != NULL && !found; j++)
			found = strcmp(known[j].path, path) == 0;
		if (!found)
			return true;
	}
	return false;
}

/*
 * Make an object of what is known of a row.
 */
static const JsonNode *
sent_row(const Returning *returned, const BodyMember *known, int nknown)
{
	JsonMember *members = palloc(sizeof(JsonMember) * Max(nknown, 1));

	for (int i = 0; i < nknown; i++)
	{
		char *problem;

		members[i].path = known[i].path;
		members[i].value = encoded_node(&known[i].value, &problem);
		if (problem != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
					 errmsg("row of foreign table \"%s\" cannot be returned", returned->table_name),
					 errdetail("Its JSON cannot be read: %s.", problem)));
	}
	return json_make_object(CurrentMemoryContext, members, nknown);
}

void
returning_store(const Returning *returned, TupleTableSlot *slot, const BodyMember *known,
				int nknown, const JsonNode *row)
{
	TupleDesc		tupdesc = slot->tts_tupleDescriptor;
	Datum		   *values = palloc(sizeof(Datum) * tupdesc->natts);
	bool		   *nulls = palloc(sizeof(bool) * tupdesc->natts);
	const JsonNode *sent = sent_row(returned, known, nknown);

	flatten_row(returned->flattener, row ? row : sent, row ? sent : NULL, values, nulls);

	slot_getallattrs(slot);
	for (int i = 0; i < tupdesc->natts; i++)
		if (!list_member_int(returned->columns, i + 1))
		{
			values[i] = slot->tts_values[i];
			nulls[i] = slot->tts_isnull[i];
		}

	/* The tuple is copied into the slot's own memory. */
	ExecForceStoreHeapTuple(heap_form_tuple(tupdesc, values, nulls), slot, false);
	ExecMaterializeSlot(slot);
}
