/*-------------------------------------------------------------------------
 *
 * together.c
 *		Send rows together: those that change alike by one request, others at the same time.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/memutils.h"

#include "write/batch.h"
#include "write/flights.h"
#include "write/rollback_warning.h"
#include "write/together.h"

/* The request is larger than the server takes. */
#define STATUS_TOO_LARGE 413

/* A request for several rows that was refused, and made again for either half of them. */
typedef struct Split
{
	int nrows;	/* that are too many, if both halves pass; 0: then the route can't be used */
	int passed; /* halves of which each has passed as a whole */
} Split;

/* Rows that are sent by one request; all of it is in its own context. */
typedef struct Unit
{
	slist_node	  node; /* in Sender.again */
	MemoryContext context;
	PendingGroup *group;
	int			  nrows;
	int			 *rows;			  /* places in Pending.rows */
	bool		  one_by_one;	  /* each is to have a request, although there's a batch route */
	bool		  is_trial;		  /* of a single row, since its batch route doesn't work */
	bool		  may_have_acted; /* so may an earlier request have for these rows */
	Split		 *split;		  /* of which it's a half; or NULL */
	List		 *requests;		  /* one; NIL before it's made */
} Unit;

typedef struct Sender
{
	Deliverer			*deliverer;
	Pending				*pending;
	TogetherCounts		*counts;
	Flights				*flights;
	MemoryContext		 context; /* of all this */
	MemoryContext		 scratch; /* reset after each result */
	ErrorContextCallback callback;

	int			 part;	 /* the requests that are sent now */
	int			 ngroup; /* the group whose rows are next, and which of them */
	int			 nrow;
	slist_head	 again;	  /* units that go before those */
	bool		 alone;	  /* what is under way, nothing else goes along with */
	FlightResult failure; /* the first; or without request */
	StringInfo	 failed;  /* other requests that have failed, too; or NULL */
} Sender;

/*----------
 * Errors
 *----------
 */

/*
 * Say whether a group has a row, by its place.
 */
static bool
group_has(const PendingGroup *group, int row)
{
	for (int i = 0; i < group->nrows; i++)
		if (group->rows[i] == row)
			return true;
	return false;
}

/*
 * Tell which requests of a row were carried out; to be called in an error context callback.
 */
static void
add_parts(const Pending *pending, int row)
{
	const PendingRow *one = &pending->rows[row];
	StringInfoData	  text;

	initStringInfo(&text);
	for (int part = 0; part < one->parts_done; part++)
		for (int i = 0; i < list_length(pending->groups); i++)
		{
			PendingGroup  *group = list_nth(pending->groups, i);
			ChangeRequest *request;

			if (group->part != part || !group_has(group, row))
				continue;
			request = change_for_row(pending->table, group->model, &one->keys);
			appendStringInfo(&text, "%s%s %s", text.len > 0 ? ", " : "", request->api.method,
							 request->api.target);
		}
	errcontext("of the same row, %s %s carried out before", text.data,
			   one->parts_done > 1 ? "were" : "was");
}

/*
 * Tell which rows were done in part (an error context callback).
 */
static void
add_context(void *arg)
{
	const Sender	  *sender = arg;
	const Pending	  *pending = sender->pending;
	const ChangeKeys **rows = palloc(sizeof(ChangeKeys *) * Max(pending->nrows, 1));
	int				   count = 0;
	int				   last = 0;

	if (sender->failed != NULL)
		errcontext("these requests have failed, too: %s", sender->failed->data);
	for (int i = 0; i < pending->nrows; i++)
		if (pending->rows[i].parts_done > 0 &&
			pending->rows[i].parts_done < pending->rows[i].nparts && !pending->rows[i].gone)
			rows[count++] = &pending->rows[last = i].keys;
	if (count == 1)
		add_parts(pending, last);
	else if (count > 1)
		errcontext("of each of %d %ss, some columns were changed, and others not: %s", count,
				   pending->table->changes->noun, change_names_text(rows, count));
}

/*
 * Keep the first failure, and what to say of others.  Nothing that Crisp can't have acted on yet is
 * tried any more.  Return whether its unit is no longer needed.
 */
static bool
take_failure(Sender *sender, const FlightResult *result)
{
	const ApiChange *api = &result->request->api;
	MemoryContext	 old_context = MemoryContextSwitchTo(sender->context);

	if (sender->failure.request == NULL)
	{
		/* Its texts are in scratch memory, which isn't reset from now on. */
		sender->failure = *result;
		(void) flights_give_up(sender->flights);
		MemoryContextSwitchTo(old_context);
		return false;
	}
	if (sender->failed == NULL)
		sender->failed = makeStringInfo();
	appendStringInfo(sender->failed, "%s%s %s (%s)", sender->failed->len > 0 ? ", " : "",
					 api->method, api->target,
					 result->failure.may_have_acted ? "may have been carried out"
													: "was not carried out");
	MemoryContextSwitchTo(old_context);
	return true;
}

/*----------
 * Units
 *----------
 */

/*
 * Make a unit for up to so many rows of a group.  The caller fills in which they are.
 */
static Unit *
make_unit(const Sender *sender, PendingGroup *group, int room)
{
	MemoryContext context = AllocSetContextCreate(sender->context, "crisp_fdw unit",
												  ALLOCSET_SMALL_SIZES);
	Unit		 *unit = MemoryContextAllocZero(context, sizeof(Unit));

	unit->context = context;
	unit->group = group;
	unit->rows = MemoryContextAlloc(context, sizeof(int) * room);
	return unit;
}

/*
 * Make a unit of some of a unit's rows, to be sent before others.
 */
static Unit *
make_part(Sender *sender, const Unit *whole, int first, int nrows)
{
	Unit *unit = make_unit(sender, whole->group, nrows);

	memcpy(unit->rows, whole->rows + first, sizeof(int) * nrows);
	unit->nrows = nrows;
	unit->may_have_acted = whole->may_have_acted;
	unit->one_by_one = whole->one_by_one;
	slist_push_head(&sender->again, &unit->node);
	return unit;
}

/*
 * Return how many rows of a group a request may be for, as far as is known.
 */
static int
rows_at_once(const Sender *sender, const PendingGroup *group)
{
	const ChangeRequest *model = group->model;

	if (model->batch == NULL)
		return 1;
	return Max(batch_size(sender->pending->table, model->batch, model->doubtful != NULL), 1);
}

/*
 * Make a unit of the next rows of the groups; NULL when there are no more.
 */
static Unit *
next_rows(Sender *sender)
{
	const Pending *pending = sender->pending;

	for (; sender->ngroup < list_length(pending->groups); sender->ngroup++, sender->nrow = 0)
	{
		PendingGroup *group = list_nth(pending->groups, sender->ngroup);
		Unit		 *unit;
		int			  room;

		if (group->part != sender->part)
			continue;
		room = rows_at_once(sender, group);
		unit = make_unit(sender, group, room);
		for (; sender->nrow < group->nrows && unit->nrows < room; sender->nrow++)
			if (!pending->rows[group->rows[sender->nrow]].gone)
				unit->rows[unit->nrows++] = group->rows[sender->nrow];
		if (unit->nrows > 0)
			return unit;
		MemoryContextDelete(unit->context);
	}
	return NULL;
}

/*
 * Return what is to be sent next; NULL when there is no more.  Since a unit was made, the session
 * may have learnt that its rows are too many.
 */
static Unit *
next_unit(Sender *sender)
{
	Unit *unit;
	int	  room;

	if (slist_is_empty(&sender->again))
		return next_rows(sender);
	unit = slist_container(Unit, node, slist_pop_head_node(&sender->again));
	room = unit->one_by_one ? 1 : rows_at_once(sender, unit->group);
	if (unit->nrows > room)
	{
		(void) make_part(sender, unit, room, unit->nrows - room);
		unit->nrows = room;
		unit->split = NULL;
	}
	return unit;
}

/*
 * Make a unit's request.
 */
static void
make_request(const Sender *sender, Unit *unit)
{
	const Pending	  *pending = sender->pending;
	MemoryContext	   old_context = MemoryContextSwitchTo(unit->context);
	const ChangeKeys **rows = palloc(sizeof(ChangeKeys *) * unit->nrows);

	for (int i = 0; i < unit->nrows; i++)
		rows[i] = &pending->rows[unit->rows[i]].keys;
	unit->requests = list_make1(
		unit->nrows > 1 ? batch_create(pending->table, unit->group->model, rows, unit->nrows)
						: change_for_row(pending->table, unit->group->model, rows[0]));
	MemoryContextSwitchTo(old_context);
}

/*
 * Say whether nothing is likely to be learnt of a unit that others had better know: how many rows
 * Crisp takes, where it takes a null.
 */
static bool
is_sure(const Sender *sender, const Unit *unit)
{
	const ChangeRequest *model = unit->group->model;

	if (unit->is_trial ||
		(unit->nrows > 1 && !batch_is_proven(sender->pending->table, model->batch,
											 model->doubtful != NULL, unit->nrows)))
		return false;
	return sending_is_sure(sender->pending->table, linitial(unit->requests));
}

/*
 * Start a unit, if it may be under way together with those that are.  Return whether it was.
 */
static bool
start_unit(Sender *sender, Unit *unit)
{
	bool alone;

	if (unit->requests == NIL)
		make_request(sender, unit);
	alone = !is_sure(sender, unit);
	if (alone && flights_count(sender->flights) > 0)
		return false;
	sender->alone = alone;
	if (unit->nrows > 1)
		sender->counts->batches++;
	flights_start(sender->flights, unit->requests, unit, sender->part == 0 ? unit->nrows : 0);
	return true;
}

/*----------
 * Results
 *----------
 */

/*
 * Take note that the rows of a unit have been changed.
 */
static void
take_done(Sender *sender, const Unit *unit)
{
	const ChangeTable *table = sender->pending->table;
	const CrispBatch  *batch = unit->group->model->batch;
	bool			   null = unit->group->model->doubtful != NULL;

	for (int i = 0; i < unit->nrows; i++)
	{
		PendingRow *row = &sender->pending->rows[unit->rows[i]];

		if (++row->parts_done == row->nparts)
			deliverer_done(sender->deliverer, &row->keys);
	}
	if (unit->nrows > 1)
		batch_passed(table, batch, null, unit->nrows);
	if (unit->is_trial)
		batch_refused(table, batch, null, 0);
	if (unit->split != NULL && ++unit->split->passed == 2)
		batch_refused(table, batch, null, unit->split->nrows);
}

/*
 * Send the rows of a request that was refused once more, each half by itself.  That both halves
 * pass then says that the rows were too many; it may as well be one of them that is refused.  Where
 * it was said that they aren't there, and two of them turn out to be, that wasn't about rows.
 */
static void
halve(Sender *sender, const Unit *unit, bool by_size)
{
	int	   half = unit->nrows / 2;
	Unit  *second = make_part(sender, unit, half, unit->nrows - half);
	Unit  *first = make_part(sender, unit, 0, half);
	Split *split;

	if (!by_size && unit->nrows > 2)
		return;
	split = MemoryContextAllocZero(sender->context, sizeof(Split));
	split->nrows = by_size ? unit->nrows : 0;
	first->split = second->split = split;
}

/*
 * Send the rows of a request that was refused for another reason one by one.  If the first passes,
 * the token may not use the batch route, say, and it's not used any more.
 */
static void
send_one_by_one(Sender *sender, const Unit *unit)
{
	make_part(sender, unit, 1, unit->nrows - 1)->one_by_one = true;
	make_part(sender, unit, 0, 1)->is_trial = true;
}

/*
 * Say whether Crisp may have refused a request for the number of its rows.
 */
static bool
may_be_size(const ApiFailure *failure)
{
	return failure->unfit || failure->status == STATUS_TOO_LARGE;
}

/*
 * Take what has come of a unit.  Return whether it's no longer needed.
 */
static bool
take_result(Sender *sender, Unit *unit, FlightResult *result)
{
	bool has_failed = sender->failure.request != NULL;

	result->failure.may_have_acted |= unit->may_have_acted;
	unit->may_have_acted = result->failure.may_have_acted;
	if (result->outcome == FLIGHT_DONE)
		take_done(sender, unit);
	else if (unit->nrows > 1 && !has_failed &&
			 (result->outcome == FLIGHT_GONE || may_be_size(&result->failure)) &&
			 result->failure.error.outcome == USAGE_REFUSED)
		halve(sender, unit, result->outcome != FLIGHT_GONE);
	else if (unit->nrows > 1 && !has_failed && result->failure.error.outcome == USAGE_REFUSED)
		send_one_by_one(sender, unit);
	else if (unit->nrows == 1 && result->outcome == FLIGHT_GONE)
	{
		/* What an earlier request may have removed is gone by that. */
		if (unit->may_have_acted && deliverer_removes(sender->deliverer))
		{
			rollback_warning_count(1);
			unit->split = NULL;
			take_done(sender, unit);
		}
		else
			sender->pending->rows[unit->rows[0]].gone = true;
	}
	else
		return take_failure(sender, result);
	return true;
}

/*----------
 * Sending
 *----------
 */

/*
 * Wait for the next result, and take it.
 */
static void
wait_for_result(Sender *sender)
{
	MemoryContext old_context = MemoryContextSwitchTo(sender->scratch);
	FlightResult  result;
	Unit		 *unit;

	/* The texts of the first failure are there. */
	if (sender->failure.request == NULL)
		MemoryContextReset(sender->scratch);
	result = flights_next(sender->flights);
	unit = result.row;
	if (take_result(sender, unit, &result))
		MemoryContextDelete(unit->context);
	MemoryContextSwitchTo(old_context);
}

/*
 * Send the requests of all rows that are the rows' first, second, ...
 */
static void
send_part(Sender *sender)
{
	Unit *next = NULL;

	sender->ngroup = sender->nrow = 0;
	for (;;)
	{
		while (sender->failure.request == NULL && flights_have_room(sender->flights) &&
			   !(sender->alone && flights_count(sender->flights) > 0))
		{
			if (next == NULL)
				next = next_unit(sender);
			if (next == NULL || !start_unit(sender, next))
				break;
			next = NULL;
		}
		if (flights_count(sender->flights) == 0)
			return;
		wait_for_result(sender);
	}
}

void
together_send(Deliverer *deliverer, Pending *pending, TogetherCounts *counts)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "crisp_fdw sender",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(context);
	Sender		  sender = {.deliverer = deliverer, .pending = pending, .counts = counts};

	sender.context = context;
	sender.scratch = AllocSetContextCreate(context, "crisp_fdw result", ALLOCSET_SMALL_SIZES);
	sender.flights = flights_create(deliverer, context);
	slist_init(&sender.again);
	sender.callback.callback = add_context;
	sender.callback.arg = &sender;
	sender.callback.previous = error_context_stack;
	error_context_stack = &sender.callback;

	for (; sender.part < pending->nparts; sender.part++)
	{
		send_part(&sender);
		if (sender.failure.request != NULL)
			deliverer_raise(deliverer, sender.failure.request, NULL, &sender.failure.failure);
	}
	for (int i = 0; i < pending->nrows; i++)
		counts->gone += pending->rows[i].gone;

	error_context_stack = sender.callback.previous;
	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(context);
	pending_clear(pending);
}
