/*-------------------------------------------------------------------------
 *
 * pipeline.h
 *		Keep several requests under way together.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_PIPELINE_H
#define CRISP_PIPELINE_H

#include "api/api_answer.h"

/*
 * A queue of requests, whose answers are taken in the order in which the requests were started.
 * It opens in rounds: room for one, then for twice as many as have been answered so far (2, 6,
 * 18), but for no more than the option prefetch; a round may begin when all of the one before
 * have come. After a round of prefetch, there is room for one more whenever an answer is
 * received.
 */
typedef struct Pipeline Pipeline;

/* Make an empty pipeline, in a child of parent.  options must hold credentials and live as long. */
extern Pipeline *pipeline_create(MemoryContext parent, const CrispOptions *options);

/* Return how many requests are in the queue. */
extern int pipeline_count(const Pipeline *pipeline);

/* Say whether all requests in the queue have been answered. */
extern bool pipeline_has_come(const Pipeline *pipeline);

/* Begin the next round if it's time to; to be called whenever there is something to ask for. */
extern void pipeline_open(Pipeline *pipeline);

/* Say whether there is room for one more request. */
extern bool pipeline_has_room(const Pipeline *pipeline);

/* Give a place of this round to a request of the caller's own, which is not in the queue. */
extern void pipeline_take_place(Pipeline *pipeline);

/* Open anew, beginning with room for one. */
extern void pipeline_narrow(Pipeline *pipeline);

/*
 * Say whether any answer in the queue says that no page follows, or that there is none of that
 * number; see api_peek().
 */
extern bool pipeline_says_end(const Pipeline *pipeline);
extern bool pipeline_is_past_end(const Pipeline *pipeline);

/* Say whether the oldest request has an answer that is no failure.  Do nothing for it to come. */
extern bool pipeline_has_answer(const Pipeline *pipeline);

/* Return the oldest request, of at least one. */
extern ApiCall *pipeline_oldest(const Pipeline *pipeline);

/* Start a GET of target, which is copied; returns at once.  Raises what api_start() raises. */
extern void pipeline_start(Pipeline *pipeline, const char *target);

/* Say whether the oldest request's answer can be taken without waiting for it. */
extern bool pipeline_get_ready(const Pipeline *pipeline);

/* Say the same without doing anything for its answer to come; true where there is no request. */
extern bool pipeline_is_ready(const Pipeline *pipeline);

/* Return a descriptor to wait for, as api_socket(), of the oldest request. */
extern pgsocket pipeline_socket(const Pipeline *pipeline);

/*
 * Wait for the oldest request, and take it out of the queue.  Return whether its answer says that
 * more pages follow.  pipeline_answer() comes next, or after more requests were started.  Raises
 * what api_wait() raises.
 */
extern bool pipeline_receive(Pipeline *pipeline);

/*
 * Take the answer that pipeline_receive() has waited for.  Return the memory context that holds it,
 * a child of CurrentMemoryContext, which the caller deletes.  With found not NULL, *found tells
 * whether there is what key says that there may not be; if not, *answer is all zeros.  Raises what
 * api_finish() raises.
 */
extern MemoryContext pipeline_answer(Pipeline *pipeline, ApiData wanted, ApiKey key,
									 ApiAnswer *answer, bool *found);

/*
 * Take the oldest request out of the queue without waiting for it, and without raising anything: if
 * its answer hasn't come, or is a failure, it's as if it had never been asked for.  Return whether
 * there is an answer, otherwise as pipeline_answer() for a lookup by a key; *context is NULL when
 * there isn't.
 */
extern bool pipeline_try_answer(Pipeline *pipeline, ApiData wanted, MemoryContext *context,
								ApiAnswer *answer, bool *found);

/*
 * Take the oldest request's answer in the same way after waiting for it.  Raises what api_wait()
 * raises.
 */
extern bool pipeline_wait_answer(Pipeline *pipeline, ApiData wanted, MemoryContext *context,
								 ApiAnswer *answer, bool *found);

/* Abort all requests that are under way; returns how many there were. */
extern int pipeline_drop(Pipeline *pipeline);

#endif /* CRISP_PIPELINE_H */
