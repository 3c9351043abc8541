/*-------------------------------------------------------------------------
 *
 * details.h
 *		Fetch what the elements of a list lack, for each of them.
 *
 * Some lists are excerpts: Crisp has more of a row under a route of its own.  A scan that uses a
 * column of which only that route knows asks for it once a row, several at a time, after checking
 * the conditions that need none of it.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_DETAILS_H
#define CRISP_DETAILS_H

#include "fetch/row_reader.h"
#include "options/options.h"

/*
 * Whether the details of a row are wanted, which has come without: a row for which they aren't is
 * left out.  Called in memory of the moment.
 */
typedef bool (*DetailsFilter)(void *arg, const FetchedRow *row);

/*
 * Begin to read the rows of a list, each with its details.  The reader ends the list when it is
 * ended itself.  A row that is gone by the time its details are asked for is left out.  It lives in
 * a child of CurrentMemoryContext; options, and arg, which filter is called with, must live as
 * long.  Reading raises what the list and api_finish() raise, and 08P01 for a row without a key, or
 * an answer that isn't an object.
 */
extern RowReader *details_begin(RowReader *list, const CrispOptions *options, DetailsFilter filter,
								void *arg);

#endif /* CRISP_DETAILS_H */
