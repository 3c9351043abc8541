/*-------------------------------------------------------------------------
 *
 * returned.c
 *		What a statement wants to know of the rows that it inserts.
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

#include "flatten.h"
#include "returned.h"
#include "rowsource.h"

struct Returned
{
	Bitmapset	  *wanted; /* attribute numbers looked at once a row was sent; 0 is all */
	int			   nsources;
	FlattenSource *sources;
	Flattener	  *flattener;
};

/*
 * Collect the attribute numbers of all Vars: RETURNING can only have those of the
 * relation itself.
 */
static bool
collect_attributes(Node *node, Bitmapset **attributes)
{
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
	return expression_tree_walker(node, collect_attributes, attributes);
}

Returned *
returned_create(const CrispOptions *options, const ResultRelInfo *rinfo)
{
	Relation   relation = rinfo->ri_RelationDesc;
	TupleDesc  tupdesc = RelationGetDescr(relation);
	Returned  *returned = palloc0(sizeof(Returned));
	Bitmapset *attributes = NULL;
	bool	   all;

	(void) collect_attributes((Node *) rinfo->ri_returningList, &attributes);
	if (rinfo->ri_TrigDesc != NULL && rinfo->ri_TrigDesc->trig_insert_after_row)
		attributes = bms_add_member(attributes, 0);
	returned->wanted = attributes;

	/* 0 is the whole row; check options may look at any column. */
	all = bms_is_member(0, attributes) || rinfo->ri_WithCheckOptions != NIL;
	returned->sources = palloc0(sizeof(FlattenSource) * Max(tupdesc->natts, 1));
	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(tupdesc, i);
		FlattenSource	 *source = &returned->sources[returned->nsources];

		if (attribute->attisdropped || attribute->attgenerated != '\0' ||
			!(all || bms_is_member(i + 1, attributes)))
			continue;
		*source = row_source_column(options, RelationGetRelid(relation), attribute);
		returned->nsources++;
	}
	returned->flattener = flatten_begin(tupdesc, RelationGetRelationName(relation),
										options->resource->envelope, returned->sources,
										returned->nsources);
	return returned;
}

bool
returned_wants_any(const Returned *returned)
{
	return !bms_is_empty(returned->wanted);
}

bool
returned_wants_more(const Returned *returned, const BodyMember *known, int nknown)
{
	for (int i = 0; i < returned->nsources; i++)
	{
		const char *path = returned->sources[i].path;
		bool		found = !bms_is_member(0, returned->wanted) &&
					 !bms_is_member(returned->sources[i].attnum, returned->wanted);

		for (int j = 0; j < nknown && path != NULL && !found; j++)
			found = strcmp(known[j].path, path) == 0;
		if (!found)
			return true;
	}
	return false;
}

void
returned_store(const Returned *returned, TupleTableSlot *slot, const BodyMember *known, int nknown,
			   const JsonNode *row)
{
	TupleDesc		tupdesc = slot->tts_tupleDescriptor;
	Datum		   *values = palloc(sizeof(Datum) * tupdesc->natts);
	bool		   *nulls = palloc(sizeof(bool) * tupdesc->natts);
	Datum		   *row_values = palloc0(sizeof(Datum) * tupdesc->natts);
	bool		   *row_nulls = palloc(sizeof(bool) * tupdesc->natts);
	const JsonNode *sent;
	size_t			length;
	char		   *text = body_create(known, nknown, &length);
	char		   *error;

	if (!json_parse(CurrentMemoryContext, text, length, &sent, &error))
		elog(ERROR, "crisp_fdw: what was sent is not JSON: %s", error);
	flatten_row(returned->flattener, sent, NULL, values, nulls);
	memset(row_nulls, true, sizeof(bool) * tupdesc->natts);
	if (row != NULL)
		flatten_row(returned->flattener, row, NULL, row_values, row_nulls);

	slot_getallattrs(slot);
	for (int i = 0, source = 0; i < tupdesc->natts; i++)
	{
		bool wanted = source < returned->nsources && returned->sources[source].attnum == i + 1;

		if (wanted)
			source++;
		if (!wanted)
		{
			values[i] = slot->tts_values[i];
			nulls[i] = slot->tts_isnull[i];
		}
		else if (!row_nulls[i])
		{
			values[i] = row_values[i];
			nulls[i] = false;
		}
	}
	/* The tuple is copied into the slot's own memory. */
	ExecForceStoreHeapTuple(heap_form_tuple(tupdesc, values, nulls), slot, false);
	ExecMaterializeSlot(slot);
}
