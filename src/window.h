/*-------------------------------------------------------------------------
 *
 * window.h
 *		Requests that are under way together.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_WINDOW_H
#define CRISP_WINDOW_H

#include "api.h"

/*
 * A queue of requests, whose answers are taken in the order in which the requests were
 * started.  It opens step by step: room for one, and for one more after each call of
 * window_open_wider(), up to the option prefetch.  Called for each answer, that doubles the
 * room with each round of answers: 1, 2, 4, ...
 */
typedef struct Window Window;

/*
 * An empty window, in a child of CurrentMemoryContext.  options must hold
 * credentials and live as long.
 */
extern Window *window_create(const CrispOptions *options);

/* How many requests are under way, and whether there is room for one more. */
extern int	window_count(const Window *window);
extern bool window_has_room(const Window *window);

/* Let more requests be under way together. */
extern void window_open_wider(Window *window);

/* Start a GET of target, which is copied; returns at once.  Raises what api_start() raises. */
extern void window_start(Window *window, const char *target);

/* Whether the oldest request's answer can be taken without waiting for it. */
extern bool window_is_ready(const Window *window);

/* The same without doing anything for its answer to come. */
extern bool window_is_settled(const Window *window);

/* A descriptor to wait for, as api_socket(), of the oldest request. */
extern pgsocket window_socket(const Window *window);

/*
 * Wait for the oldest request, and take its answer.  Returns the memory
 * context that holds it, a child of CurrentMemoryContext, which the caller
 * deletes.  With found not NULL, the request is a lookup: *found tells
 * whether it found anything.
 * Raises what api_finish() raises.
 */
extern MemoryContext window_take(Window *window, ApiAnswer *answer, bool *found);

/* Abort all requests that are under way; returns how many there were. */
extern int window_drop(Window *window);

#endif /* CRISP_WINDOW_H */
