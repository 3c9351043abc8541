/*-------------------------------------------------------------------------
 *
 * row_sender.c
 *		Send changes of rows: each when it is reached, or together.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "scan/open_scans.h"
#include "write/row_sender.h"
#include "write/rows_end.h"
#include "write/send_completed.h"
#include "write/together.h"

struct RowSender
{
	Deliverer		 *deliverer;
	ModifyTableState *state;
	Pending			 *pending; /* NULL where each row is sent when it's reached */
	bool			  watches; /* has asked to be told when the plan has no more rows */
	TogetherCounts	  counts;
};

RowSender *
row_sender_create(Deliverer *deliverer, ModifyTableState *state, bool together)
{
	RowSender *sender = palloc0(sizeof(RowSender));

	sender->deliverer = deliverer;
	sender->state = state;
	if (together)
		sender->pending = pending_create(deliverer_table(deliverer));
	return sender;
}

bool
row_sender_keeps(const RowSender *sender)
{
	return sender->pending != NULL;
}

/*
 * Send the rows that are kept, after what open scans have left was read.  Rows that turn out to be
 * gone don't count for the statement.
 */
static void
send_pending(RowSender *sender)
{
	int64 gone = sender->counts.gone;

	if (sender->pending->nrows == 0)
		return;
	open_scans_read(deliverer_table(sender->deliverer)->options);
	together_send(sender->deliverer, sender->pending, &sender->counts);
	if (sender->state->canSetTag)
		sender->state->ps.state->es_processed -= sender->counts.gone - gone;
}

/*
 * Send the rows that are left when the plan has no more (a RowsEndCallback).
 */
static void
send_rest(void *arg)
{
	RowSender *sender = arg;

	deliverer_enter(sender->deliverer);
	send_pending(sender);
	deliverer_leave(sender->deliverer);
}

/*
 * Keep a row.
 */
static void
keep(RowSender *sender, List *requests, const ChangeKeys *keys, MemoryContext *context)
{
	if (!sender->watches)
		rows_end_call(outerPlanState(sender->state), send_rest, sender);
	sender->watches = true;
	if (pending_add(sender->pending, requests, keys, *context))
		*context = AllocSetContextCreate(sender->state->ps.state->es_query_cxt, "crisp_fdw row",
										 ALLOCSET_SMALL_SIZES);
}

/*
 * Say whether a row goes by itself: Crisp has to be asked for something before or after one of
 * these requests, or may get it once only.
 */
static bool
goes_alone(List *requests)
{
	ListCell *lc;

	foreach(lc, requests)
	{
		const ChangeRequest *request = lfirst(lc);

		if (request->asks || !request->api.repeatable)
			return true;
	}
	return false;
}

bool
row_sender_send(RowSender *sender, List *requests, const ChangeKeys *keys, MemoryContext *context)
{
	ListCell *lc;

	if (requests == NIL)
		return true;
	if (sender->pending != NULL && !goes_alone(requests))
	{
		keep(sender, requests, keys, context);
		return true;
	}
	if (sender->pending != NULL)
		open_scans_read(deliverer_table(sender->deliverer)->options);
	foreach(lc, requests)
	{
		ApiAnswer answer;

		if (!send_completed(sender->deliverer, lfirst(lc), &answer))
			return false;
	}
	deliverer_done(sender->deliverer, keys);
	return true;
}

void
row_sender_relieve(RowSender *sender)
{
	if (sender->pending != NULL && pending_is_full(sender->pending))
		send_pending(sender);
}

int
row_sender_kept(const RowSender *sender)
{
	return sender->pending != NULL ? sender->pending->nrows : 0;
}

int64
row_sender_batches(const RowSender *sender)
{
	return sender->counts.batches;
}
