/*-------------------------------------------------------------------------
 *
 * partition.c
 *		Check partitions that stand for a website each.
 *
 * PostgreSQL believes a foreign table that its rows lie within the bounds of the partition that it
 * is, and leaves out partitions by these.  Where the bounds are about the website, which is known
 * before any row is, they are held against it.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/sysattr.h"
#include "executor/executor.h"
#include "optimizer/optimizer.h"
#include "utils/partcache.h"
#include "utils/rel.h"

#include "json/json_make.h"
#include "scan/partition.h"
#include "row/row_source.h"

/*
 * Return the columns of a table that read its website, as a set of attribute numbers offset by
 * FirstLowInvalidHeapAttributeNumber; those among slot's columns get their value.
 */
static Bitmapset *
fill_website(Relation relation, const CrispOptions *options, TupleTableSlot *slot)
{
	TupleDesc	   tupdesc = RelationGetDescr(relation);
	FlattenSource *sources = palloc0(sizeof(FlattenSource) * Max(tupdesc->natts, 1));
	int			   nsources = 0;
	Bitmapset	  *columns = NULL;
	FlattenTable   table = {.name = RelationGetRelationName(relation)};

	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(tupdesc, i);
		FlattenSource	 *source = &sources[nsources];

		if (attribute->attisdropped)
			continue;
		*source = row_source_column(options, RelationGetRelid(relation), attribute);
		if (source->text == NULL)
			continue;
		columns = bms_add_member(columns, attribute->attnum - FirstLowInvalidHeapAttributeNumber);
		nsources++;
	}

	flatten_row(flatten_begin(tupdesc, &table, sources, nsources),
				json_make_object(CurrentMemoryContext, NULL, 0), NULL, slot->tts_values,
				slot->tts_isnull);
	ExecStoreVirtualTuple(slot);
	return columns;
}

void
partition_check(ForeignScanState *node, const CrispOptions *options)
{
	Relation		relation = node->ss.ss_currentRelation;
	EState		   *estate = node->ss.ps.state;
	ExprContext	   *econtext = GetPerTupleExprContext(estate);
	TupleTableSlot *saved_slot = econtext->ecxt_scantuple;
	TupleTableSlot *slot;
	Bitmapset	   *columns;
	List		   *bounds = NIL;
	ListCell	   *lc;
	bool			within;

	if (!relation->rd_rel->relispartition)
		return;
	slot = MakeSingleTupleTableSlot(RelationGetDescr(relation), &TTSOpsVirtual);
	columns = fill_website(relation, options, slot);

	/* Those of ancestors are among them; what they say of other columns shows row by row. */
	foreach(lc, RelationGetPartitionQual(relation))
	{
		Bitmapset *used = NULL;

		pull_varattnos(lfirst(lc), 1, &used);
		if (bms_is_subset(used, columns))
			bounds = lappend(bounds, lfirst(lc));
	}

	econtext->ecxt_scantuple = slot;
	within = ExecCheck(ExecPrepareCheck(bounds, estate), econtext);
	econtext->ecxt_scantuple = saved_slot;
	ExecDropSingleTupleTableSlot(slot);

	if (!within)
		ereport(
			ERROR,
			(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
			 errmsg("website of foreign table \"%s\" is not within the bounds of its partition",
					RelationGetRelationName(relation)),
			 errdetail("Its rows are those of website \"%s\".", options->website_id),
			 errhint("Set the table's option website_id to the website of the bounds, which Crisp "
					 "writes in lower case.")));
}
