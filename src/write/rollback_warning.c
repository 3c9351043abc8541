/*-------------------------------------------------------------------------
 *
 * rollback_warning.c
 *		Warn of what Crisp keeps of transactions that are rolled back.
 *
 * An error names what was done before it, if it's an error of the statement's own row.  Here is the
 * last resort: whatever it is that ends a transaction, it doesn't end in silence.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/memutils.h"

#include "write/rollback_warning.h"

/* The rows written at one level of subtransactions. */
typedef struct Level
{
	int			  depth; /* as GetCurrentTransactionNestLevel() has it */
	int64		  rows;
	struct Level *outer;
} Level;

/* Of the current transaction, in its memory, the innermost first. */
static Level *levels = NULL;

static void
warn(int64 rows)
{
	if (rows > 0)
		ereport(WARNING,
				(errmsg_plural("what was written to Crisp cannot be rolled back: %lld row",
							   "what was written to Crisp cannot be rolled back: %lld rows",
							   (unsigned long) rows, (long long) rows)));
}

static void
end_transaction(XactEvent event, void *arg)
{
	Level *ended = levels;
	int64  rows = 0;

	if (event == XACT_EVENT_PRE_PREPARE && levels != NULL)
		ereport(
			ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("cannot PREPARE a transaction that has written to crisp_fdw foreign tables"),
			 errdetail("Crisp has made the changes, and a later ROLLBACK PREPARED could not "
					   "tell that it keeps them.")));
	if (event == XACT_EVENT_PRE_COMMIT || event == XACT_EVENT_PRE_PREPARE ||
		event == XACT_EVENT_PARALLEL_PRE_COMMIT)
		return;
	levels = NULL;
	for (; ended != NULL; ended = ended->outer)
		rows += ended->rows;
	if (event == XACT_EVENT_ABORT)
		warn(rows);
}

static void
end_subtransaction(SubXactEvent event, SubTransactionId id, SubTransactionId parent_id, void *arg)
{
	int	   depth = GetCurrentTransactionNestLevel();
	Level *ended = levels;

	if (ended == NULL || ended->depth < depth)
		return;
	if (event == SUBXACT_EVENT_ABORT_SUB)
	{
		levels = ended->outer;
		warn(ended->rows);
	}
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
	{
		ended->depth--;
		if (ended->outer != NULL && ended->outer->depth == ended->depth)
		{
			ended->outer->rows += ended->rows;
			levels = ended->outer;
		}
	}
}

void
rollback_warning_prepare(void)
{
	static bool knows_transactions = false;
	static bool knows_subtransactions = false;
	int			depth = GetCurrentTransactionNestLevel();

	if (!knows_transactions)
		RegisterXactCallback(end_transaction, NULL);
	knows_transactions = true;
	if (!knows_subtransactions)
		RegisterSubXactCallback(end_subtransaction, NULL);
	knows_subtransactions = true;

	if (levels == NULL || levels->depth < depth)
	{
		Level *level = MemoryContextAllocZero(TopTransactionContext, sizeof(Level));

		level->depth = depth;
		level->outer = levels;
		levels = level;
	}
}

void
rollback_warning_count(int64 rows)
{
	Assert(levels != NULL && levels->depth == GetCurrentTransactionNestLevel());
	levels->rows += rows;
}
