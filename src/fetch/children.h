/*-------------------------------------------------------------------------
 *
 * children.h
 *		The lists below many rows of another resource.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_CHILDREN_H
#define CRISP_CHILDREN_H

#include "api/answer_cache.h"
#include "fetch/names.h"
#include "fetch/pager.h"
#include "request/request.h"

typedef struct ChildrenReader ChildrenReader;

/*
 * Begin to read what a request of request_create_child() asks for: the lists below the rows that
 * its arguments name, or its parent brings.  cache keeps answers for another walk, names get to
 * know those of the rows; both may be NULL.  The walk lives in a child of CurrentMemoryContext;
 * request, cache and names must live as long.  Makes no request yet.
 */
extern ChildrenReader *children_begin(const ChildrenRequest *request, AnswerCache *cache,
									  Names *names);

/*
 * The next row: an object that stays valid until the next call, or NULL at the
 * end.  Rows of one list come in the list's order, those of several lists as they arrive.
 * Raises what list_reader_next(), lookup_next() and child_take() raise.
 */
extern const JsonNode *children_next(ChildrenReader *walk);

/* What that row inherits: an object that stays valid as long. */
extern const JsonNode *children_base(const ChildrenReader *walk);

/* As the pager's functions of these names. */
extern bool children_at_hand(
	const ChildrenReader *walk); /* whether children_next() needs no request */
extern bool		   children_is_ready(ChildrenReader *walk);
extern bool		   children_is_settled(const ChildrenReader *walk);
extern pgsocket	   children_socket(const ChildrenReader *walk);
extern PagerCounts children_counts(const ChildrenReader *walk);

/* Release everything; aborts what is under way. */
extern void children_end(ChildrenReader *walk);

#endif /* CRISP_CHILDREN_H */
