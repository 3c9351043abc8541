/*-------------------------------------------------------------------------
 *
 * pipeline.c
 *		Requests that are under way together.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "api/pipeline.h"

/* A request that is under way; everything of it is in its own context. */
typedef struct Flight
{
	MemoryContext context;
	ApiCall		 *call;
} Flight;

struct Window
{
	const CrispOptions *options;
	MemoryContext		context;  /* parent of all flights */
	int					asked;	  /* requests since it began to open */
	int					round;	  /* size of the round that is under way; 0 before the first */
	int					left;	  /* requests that it still has room for */
	bool				open;	  /* there are no rounds any more */
	Flight				received; /* taken out of the queue; no context when there is none */
	int					count;
	int					oldest; /* index in flights, a ring */
	Flight				flights[CRISP_MAX_PREFETCH];
};

Window *
window_create(MemoryContext parent, const CrispOptions *options)
{
	MemoryContext context = AllocSetContextCreate(parent, "crisp_fdw window", ALLOCSET_SMALL_SIZES);
	Window		 *window = MemoryContextAllocZero(context, sizeof(Window));

	window->options = options;
	window->context = context;
	return window;
}

static const Flight *
nth_flight(const Window *window, int n)
{
	return &window->flights[(window->oldest + n) % CRISP_MAX_PREFETCH];
}

int
window_count(const Window *window)
{
	return window->count;
}

bool
window_has_come(const Window *window)
{
	for (int i = 0; i < window->count; i++)
		if (!api_is_settled(nth_flight(window, i)->call))
			return false;
	return true;
}

/*
 * Whether the status of any answer in the queue says that.
 */
static bool
any_says(const Window *window, ApiPeek said)
{
	for (int i = 0; i < window->count; i++)
		if (api_peek(nth_flight(window, i)->call) == said)
			return true;
	return false;
}

bool
window_says_end(const Window *window)
{
	return any_says(window, API_SAYS_END);
}

bool
window_is_past_end(const Window *window)
{
	return any_says(window, API_SAYS_PAST_END);
}

void
window_open(Window *window)
{
	int prefetch = window->options->prefetch;

	if (window->open || window->left > 0 || !window_has_come(window))
		return;
	window->open = window->round == prefetch;
	window->round = Min(Max(window->asked * 2, 1), prefetch);
	window->left = window->round;
}

bool
window_has_room(const Window *window)
{
	return window->count < window->options->prefetch && (window->open || window->left > 0);
}

void
window_take_place(Window *window)
{
	if (window->left > 0)
	{
		window->left--;
		window->asked++;
	}
}

void
window_narrow(Window *window)
{
	window->asked = 0;
	window->round = 0;
	window->left = 0;
	window->open = false;
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
	window_take_place(window);
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

bool
window_has_answer(const Window *window)
{
	return window->count > 0 && api_peek(window->flights[window->oldest].call) != API_SAYS_NOTHING;
}

ApiCall *
window_oldest(const Window *window)
{
	Assert(window->count > 0);
	return window->flights[window->oldest].call;
}

pgsocket
window_socket(const Window *window)
{
	return api_socket(window->flights[window->oldest].call);
}

bool
window_receive(Window *window)
{
	Assert(window->count > 0 && window->received.context == NULL);
	api_wait(window->flights[window->oldest].call);
	window->received = window->flights[window->oldest];
	window->oldest = (window->oldest + 1) % CRISP_MAX_PREFETCH;
	window->count--;
	return api_peek(window->received.call) == API_SAYS_MORE;
}

MemoryContext
window_answer(Window *window, ApiData wanted, ApiKey key, ApiAnswer *answer, bool *found)
{
	Flight		  flight = window->received;
	MemoryContext old_context = MemoryContextSwitchTo(flight.context);

	window->received.context = NULL;
	*answer = (ApiAnswer){0};
	if (found != NULL)
		*found = api_finish_lookup(flight.call, wanted, key, answer);
	else
		api_finish(flight.call, wanted, answer);
	MemoryContextSwitchTo(old_context);
	MemoryContextSetParent(flight.context, CurrentMemoryContext);
	return flight.context;
}

bool
window_try_answer(Window *window, ApiData wanted, MemoryContext *context, ApiAnswer *answer,
				  bool *found)
{
	Flight		  flight = window->flights[window->oldest];
	MemoryContext old_context;
	ApiFailure	  failure;
	bool		  is_known = false;

	Assert(window->count > 0);
	*answer = (ApiAnswer){0};
	*found = false;
	*context = NULL;
	window->oldest = (window->oldest + 1) % CRISP_MAX_PREFETCH;
	window->count--;
	if (api_is_settled(flight.call))
	{
		old_context = MemoryContextSwitchTo(flight.context);
		*found = api_try_finish(flight.call, wanted, answer, &failure);
		MemoryContextSwitchTo(old_context);
		is_known = *found || failure.absent;
	}
	if (!is_known)
	{
		MemoryContextDelete(flight.context);
		return false;
	}
	MemoryContextSetParent(flight.context, CurrentMemoryContext);
	*context = flight.context;
	return true;
}

bool
window_wait_answer(Window *window, ApiData wanted, MemoryContext *context, ApiAnswer *answer,
				   bool *found)
{
	Assert(window->count > 0);
	api_wait(window->flights[window->oldest].call);
	return window_try_answer(window, wanted, context, answer, found);
}

int
window_drop(Window *window)
{
	int dropped = window->count;

	MemoryContextDeleteChildren(window->context);
	window->received.context = NULL;
	window->count = 0;
	return dropped;
}
