/*-------------------------------------------------------------------------
 *
 * children.h
 *		Read the lists below many rows of another resource.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_CHILDREN_H
#define CRISP_CHILDREN_H

#include "api/answer_cache.h"
#include "fetch/names.h"
#include "fetch/row_reader.h"
#include "request/request.h"

/*
 * Begin to read what a request of request_create_child() asks for: the lists below the rows that
 * its arguments name, or its parent brings.  Rows of one list come in the list's order, those of
 * several lists as they arrive.  cache keeps answers for another reader, names get to know those of
 * the rows; both may be NULL.  The reader lives in a child of CurrentMemoryContext; request, cache
 * and names must live as long.  Reading raises what list_reader_begin(), lookup_begin() and
 * child_take() say.
 */
extern RowReader *children_begin(const ChildrenRequest *request, AnswerCache *cache, Names *names);

#endif /* CRISP_CHILDREN_H */
