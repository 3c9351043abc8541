/*-------------------------------------------------------------------------
 *
 * flights.h
 *		Keep changes of several rows under way together.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_FLIGHTS_H
#define CRISP_FLIGHTS_H

#include "nodes/pg_list.h"

#include "write/deliver.h"

/*
 * Rows whose changes are under way, up to the option prefetch.  Of each row, one request follows
 * the other; the rows' requests have no order among them, so the rows must differ, and their
 * requests be repeatable.
 *
 * Memory: what is under way, and its answers.  An error, or the reset of the parent, aborts what is
 * under way.  Errors that are raised between deliverer_enter() and deliverer_leave() say what that
 * is, and that it may or may not have been carried out, be they raised here or by others.
 */
typedef struct Flights Flights;

/* What became of a row. */
typedef enum FlightOutcome
{
	FLIGHT_DONE,  /* all its requests were carried out */
	FLIGHT_GONE,  /* Crisp doesn't have it (404) */
	FLIGHT_FAILED /* a request has failed, for all that was tried */
} FlightOutcome;

typedef struct FlightResult
{
	FlightOutcome		 outcome;
	void				*row;	  /* as it was given */
	const ChangeRequest *request; /* the last of the row that was sent */
	const ChangeRequest *before;  /* the one before that, which was carried out; or NULL */
	ApiFailure			 failure; /* unless all was done; palloc'd in CurrentMemoryContext */
} FlightResult;

/*
 * Make an empty set, in a child of parent, which may live longer than a transaction.  The deliverer
 * and its table must live as long.
 */
extern Flights *flights_create(Deliverer *deliverer, MemoryContext parent);

/* Return how many rows are under way. */
extern int flights_count(const Flights *flights);

/* Say whether another row may be started. */
extern bool flights_have_room(const Flights *flights);

/*
 * Start the requests (ChangeRequest, at least one) of a row; returns at once.  They belong to the
 * caller, and must live until the row has a result.  row is whatever tells it from others; nrows is
 * how many rows count as written to Crisp, should the transaction be rolled back, once the first
 * request was carried out: one, as a rule.  Raises what api_start_change() raises.
 */
extern void flights_start(Flights *flights, List *requests, void *row, int nrows);

/*
 * Wait for the first row, of at least one that is under way, that has a result: in the order in
 * which they come.  Raises no error for one that has failed; deliverer_raise() does.  Does not call
 * deliverer_done(), either.  Raises what CHECK_FOR_INTERRUPTS() does, and for lack of memory.
 */
extern FlightResult flights_next(Flights *flights);

/*
 * Give up, without waiting, the rows for which Crisp can't have done anything so far, as those that
 * wait for another attempt after it has asked for patience.  Return how many there were.
 */
extern int flights_give_up(Flights *flights);

#endif /* CRISP_FLIGHTS_H */
