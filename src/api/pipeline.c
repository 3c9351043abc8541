/*-------------------------------------------------------------------------
 *
 * pipeline.c
 *		Keep several requests under way together.
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

struct Pipeline
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

Pipeline *
pipeline_create(MemoryContext parent, const CrispOptions *options)
{
	MemoryContext context = AllocSetContextCreate(parent, "crisp_fdw pipeline",
												  ALLOCSET_SMALL_SIZES);
	Pipeline	 *pipeline = MemoryContextAllocZero(context, sizeof(Pipeline));

	pipeline->options = options;
	pipeline->context = context;
	return pipeline;
}

static const Flight *
nth_flight(const Pipeline *pipeline, int n)
{
	return &pipeline->flights[(pipeline->oldest + n) % CRISP_MAX_PREFETCH];
}

int
pipeline_count(const Pipeline *pipeline)
{
	return pipeline->count;
}

bool
pipeline_has_come(const Pipeline *pipeline)
{
	for (int i = 0; i < pipeline->count; i++)
		if (!api_is_ready(nth_flight(pipeline, i)->call))
			return false;
	return true;
}

/*
 * Say whether the status of any answer in the queue says that.
 */
static bool
any_says(const Pipeline *pipeline, ApiPeek said)
{
	for (int i = 0; i < pipeline->count; i++)
		if (api_peek(nth_flight(pipeline, i)->call) == said)
			return true;
	return false;
}

bool
pipeline_says_end(const Pipeline *pipeline)
{
	return any_says(pipeline, API_SAYS_END);
}

bool
pipeline_is_past_end(const Pipeline *pipeline)
{
	return any_says(pipeline, API_SAYS_PAST_END);
}

void
pipeline_open(Pipeline *pipeline)
{
	int prefetch = pipeline->options->prefetch;

	if (pipeline->open || pipeline->left > 0 || !pipeline_has_come(pipeline))
		return;
	pipeline->open = pipeline->round == prefetch;
	pipeline->round = Min(Max(pipeline->asked * 2, 1), prefetch);
	pipeline->left = pipeline->round;
}

bool
pipeline_has_room(const Pipeline *pipeline)
{
	return pipeline->count < pipeline->options->prefetch && (pipeline->open || pipeline->left > 0);
}

void
pipeline_take_place(Pipeline *pipeline)
{
	if (pipeline->left > 0)
	{
		pipeline->left--;
		pipeline->asked++;
	}
}

void
pipeline_narrow(Pipeline *pipeline)
{
	pipeline->asked = 0;
	pipeline->round = 0;
	pipeline->left = 0;
	pipeline->open = false;
}

void
pipeline_start(Pipeline *pipeline, const char *target)
{
	Flight *flight = &pipeline->flights[(pipeline->oldest + pipeline->count) % CRISP_MAX_PREFETCH];

	Assert(pipeline->count < CRISP_MAX_PREFETCH);
	flight->context = AllocSetContextCreate(pipeline->context, "crisp_fdw page",
											ALLOCSET_DEFAULT_SIZES);
	flight->call = api_start(pipeline->options, MemoryContextStrdup(flight->context, target),
							 flight->context);
	pipeline->count++;
	pipeline_take_place(pipeline);
}

bool
pipeline_get_ready(const Pipeline *pipeline)
{
	return api_get_ready(pipeline->flights[pipeline->oldest].call);
}

bool
pipeline_is_ready(const Pipeline *pipeline)
{
	return pipeline->count == 0 || api_is_ready(pipeline->flights[pipeline->oldest].call);
}

bool
pipeline_has_answer(const Pipeline *pipeline)
{
	return pipeline->count > 0 &&
		   api_peek(pipeline->flights[pipeline->oldest].call) != API_SAYS_NOTHING;
}

ApiCall *
pipeline_oldest(const Pipeline *pipeline)
{
	Assert(pipeline->count > 0);
	return pipeline->flights[pipeline->oldest].call;
}

pgsocket
pipeline_socket(const Pipeline *pipeline)
{
	return api_socket(pipeline->flights[pipeline->oldest].call);
}

bool
pipeline_receive(Pipeline *pipeline)
{
	Assert(pipeline->count > 0 && pipeline->received.context == NULL);
	api_wait(pipeline->flights[pipeline->oldest].call);
	pipeline->received = pipeline->flights[pipeline->oldest];
	pipeline->oldest = (pipeline->oldest + 1) % CRISP_MAX_PREFETCH;
	pipeline->count--;
	return api_peek(pipeline->received.call) == API_SAYS_MORE;
}

MemoryContext
pipeline_answer(Pipeline *pipeline, ApiData wanted, ApiKey key, ApiAnswer *answer, bool *found)
{
	Flight		  flight = pipeline->received;
	MemoryContext old_context = MemoryContextSwitchTo(flight.context);

	pipeline->received.context = NULL;
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
pipeline_try_answer(Pipeline *pipeline, ApiData wanted, MemoryContext *context, ApiAnswer *answer,
					bool *found)
{
	Flight		  flight = pipeline->flights[pipeline->oldest];
	MemoryContext old_context;
	ApiFailure	  failure;
	bool		  is_known = false;

	Assert(pipeline->count > 0);
	*answer = (ApiAnswer){0};
	*found = false;
	*context = NULL;
	pipeline->oldest = (pipeline->oldest + 1) % CRISP_MAX_PREFETCH;
	pipeline->count--;
	if (api_is_ready(flight.call))
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
pipeline_wait_answer(Pipeline *pipeline, ApiData wanted, MemoryContext *context, ApiAnswer *answer,
					 bool *found)
{
	Assert(pipeline->count > 0);
	api_wait(pipeline->flights[pipeline->oldest].call);
	return pipeline_try_answer(pipeline, wanted, context, answer, found);
}

int
pipeline_drop(Pipeline *pipeline)
{
	int dropped = pipeline->count;

	MemoryContextDeleteChildren(pipeline->context);
	pipeline->received.context = NULL;
	pipeline->count = 0;
	return dropped;
}
