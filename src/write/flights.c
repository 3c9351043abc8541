/*-------------------------------------------------------------------------
 *
 * flights.c
 *		Keep changes of several rows under way together.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "write/flights.h"
#include "write/rollback_warning.h"

/* A row under way; all of it but its requests is in its own context. */
typedef struct Flight
{
	MemoryContext context;
	Sending		  sending;
	List		 *requests;
	int			  at; /* which of them is under way */
	void		 *row;
	int			  nrows;
} Flight;

struct Flights
{
	Deliverer	 *deliverer;
	MemoryContext context; /* parent of all flights */
	int			  limit;
	int			  count;
	Flight		 *flights[CRISP_MAX_PREFETCH]; /* the oldest first */
};

Flights *
flights_create(Deliverer *deliverer, MemoryContext parent)
{
	MemoryContext context = AllocSetContextCreate(parent, "crisp_fdw flights",
												  ALLOCSET_SMALL_SIZES);
	Flights		 *flights = MemoryContextAllocZero(context, sizeof(Flights));

	flights->deliverer = deliverer;
	flights->context = context;
	flights->limit = Min(deliverer_table(deliverer)->options->prefetch, CRISP_MAX_PREFETCH);
	return flights;
}

int
flights_count(const Flights *flights)
{
	return flights->count;
}

bool
flights_have_room(const Flights *flights)
{
	return flights->count < flights->limit;
}

/*
 * Start the request that a flight is at.
 */
static void
start_request(Flights *flights, Flight *flight)
{
	flight->sending.before = flight->at > 0 ? list_nth(flight->requests, flight->at - 1) : NULL;
	deliverer_start(flights->deliverer, &flight->sending, list_nth(flight->requests, flight->at),
					flight->context);
}

void
flights_start(Flights *flights, List *requests, void *row, int nrows)
{
	MemoryContext context = AllocSetContextCreate(flights->context, "crisp_fdw flight",
												  ALLOCSET_SMALL_SIZES);
	Flight		 *flight = MemoryContextAllocZero(context, sizeof(Flight));

	Assert(flights_have_room(flights) && requests != NIL);
	flight->context = context;
	flight->requests = requests;
	flight->row = row;
	flight->nrows = nrows;
	flights->flights[flights->count++] = flight;
	start_request(flights, flight);
}

/*
 * Take a flight out, and let go of all it has.
 */
static void
remove_flight(Flights *flights, int n)
{
	Flight *flight = flights->flights[n];

	flights->count--;
	memmove(&flights->flights[n], &flights->flights[n + 1],
			sizeof(Flight *) * (flights->count - n));
	MemoryContextDelete(flight->context);
}

/*
 * Wait until a flight's request is settled.  Return the flight's place.
 */
static int
wait_for_one(const Flights *flights)
{
	ApiCall *calls[CRISP_MAX_PREFETCH];

	for (int i = 0; i < flights->count; i++)
		calls[i] = flights->flights[i]->sending.call;
	return api_wait_settled(calls, flights->count);
}

FlightResult
flights_next(Flights *flights)
{
	Assert(flights->count > 0);
	for (;;)
	{
		int			 n = wait_for_one(flights);
		Flight		*flight = flights->flights[n];
		FlightResult result = {.row = flight->row};
		ApiAnswer	 answer;
		bool		 done;

		if (!deliverer_take(flights->deliverer, &flight->sending, &done, &answer, &result.failure))
			continue;
		if (done && flight->at == 0)
			rollback_warning_count(flight->nrows);
		if (done && ++flight->at < list_length(flight->requests))
		{
			start_request(flights, flight);
			continue;
		}
		result.outcome = done ? FLIGHT_DONE : result.failure.absent ? FLIGHT_GONE : FLIGHT_FAILED;
		result.request = flight->sending.request;
		result.before = flight->sending.before;
		remove_flight(flights, n);
		return result;
	}
}

int
flights_give_up(Flights *flights)
{
	int before = flights->count;

	for (int i = flights->count - 1; i >= 0; i--)
	{
		Sending *sending = &flights->flights[i]->sending;

		if (sending_may_have_acted(sending))
			continue;
		deliverer_abandon(flights->deliverer, sending);
		remove_flight(flights, i);
	}
	return before - flights->count;
}
