/*-------------------------------------------------------------------------
 *
 * explain_modify.c
 *		Show modifications in EXPLAIN.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/explain.h"
#include "utils/rel.h"

#include "write/explain_modify.h"
#include "write/modify.h"
#include "write/modify_plan.h"
#include "request/request.h"
#include "base/compat.h"

/*
 * Describe the requests for a row that is written, with columns of it left in braces.
 */
static char *
change_text(const CrispOptions *options, Relation relation, CmdType operation, List *updated)
{
	const CrispChanges *changes = options->resource->changes;
	const ChangeTable  *table = change_table_create(options, relation);
	const CrispChange  *change = changes->updates;
	StringInfoData		text;

	if (operation != CMD_UPDATE)
	{
		change = operation == CMD_INSERT ? changes->insert : changes->remove;
		return psprintf("%s %s", change->method, request_route_target(options, change->route));
	}

	initStringInfo(&text);
	for (; change->method != NULL; change++)
	{
		bool	  sent = false;
		ListCell *lc;

		foreach(lc, updated)
		{
			const char *column = change_column_target(table, &table->columns[lfirst_int(lc) - 1]);

			sent |= column != NULL && crisp_change_has(change, column);
		}
		if (sent)
			appendStringInfo(&text, "%s%s %s", text.len > 0 ? ", " : "", change->method,
							 request_route_target(options, change->route));
	}
	return text.data;
}

void
crispExplainForeignModify(ModifyTableState *mtstate, ResultRelInfo *rinfo, List *fdw_private,
						  int subplan_index, struct ExplainState *es)
{
	Relation		 relation = rinfo->ri_RelationDesc;
	CrispOptions	*options = options_of_table(RelationGetRelid(relation));
	const ApiCounts *counts = crisp_modify_counts(rinfo);

	ExplainPropertyText("Crisp Request",
						change_text(options, relation, mtstate->operation,
									list_nth(fdw_private, MODIFY_PRIVATE_UPDATED)),
						es);
	if (es->analyze && counts != NULL)
	{
		ExplainPropertyInteger("Requests", NULL, counts->requests, es);
		if (counts->retries > 0 || es->format != EXPLAIN_FORMAT_TEXT)
			ExplainPropertyInteger("Retries", NULL, counts->retries, es);
		if (es->timing)
			ExplainPropertyFloat("Waiting Time", "ms", counts->wait_ms, 3, es);
	}
}
