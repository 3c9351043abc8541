/*-------------------------------------------------------------------------
 *
 * window.c
 *		Requests that are under way together.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "window.h"

/* A request that is under way; everything of it is in its own context. */
typedef struct Flight
{
	MemoryContext context;
	ApiCall		 *call;
} Flight;

struct Window
{
	const CrispOptions *options;
	MemoryContext		context; /* parent of all flights */
	int					room;	 /* requests that may be under way now */
	int					count;
	int					oldest; /* index in flights, a ring */
	Flight				flights[CRISP_MAX_PREFETCH];
};

Window *
window_create(const CrispOptions *options)
{
	Window *window = palloc0(sizeof(Window));

	window->options = options;
	window->context = AllocSetContextCreate(CurrentMemoryContext, "crisp_fdw window",
											ALLOCSET_SMALL_SIZES);
	window->room = 1;
	return window;
}

int
window_count(const Window *window)
{
	return window->count;
}

bool
window_has_room(const Window *window)
{
	return window->count < window->room;
}

void
window_open_wider(Window *window)
{
	window->room = Min(window->room + 1, window->options->prefetch);
}

void
window_start(Window *window, const char *target)
{
	Flight *flight = &window->flights[(window->oldest + window->count) % CRISP_MAX_PREFETCH];

	Assert(window->count < CRISP_MAX_PREFETCH);
	flight->context = AllocSetContextCreate(window->context, "crisp_fdw page",
											ALLOCSET_DEFAULT_SIZES);
	flight->call = api_start(window->options, MemoryContextStrdup(flight->context, target),
							 flight->context);
	window->count++;
}

bool
window_is_ready(const Window *window)
{
	return api_is_ready(window->flights[window->oldest].call);
}

bool
window_is_settled(const Window *window)
{
	return api_is_settled(window->flights[window->oldest].call);
}

pgsocket
window_socket(const Window *window)
{
	return api_socket(window->flights[window->oldest].call);
}

MemoryContext
window_take(Window *window, ApiAnswer *answer, bool *found)
{
	Flight		  flight = window->flights[window->oldest];
	MemoryContext old_context = MemoryContextSwitchTo(flight.context);

	Assert(window->count > 0);
	window->oldest = (window->oldest + 1) % CRISP_MAX_PREFETCH;
	window->count--;
	if (found != NULL)
		*found = api_finish_lookup(flight.call, answer);
	else
		api_finish(flight.call, answer);
	MemoryContextSwitchTo(old_context);
	MemoryContextSetParent(flight.context, CurrentMemoryContext);
	return flight.context;
}

int
window_drop(Window *window)
{
	int dropped = window->count;

	MemoryContextDeleteChildren(window->context);
	window->count = 0;
	return dropped;
}
