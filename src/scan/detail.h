/*-------------------------------------------------------------------------
 *
 * detail.h
 *		What the elements of a list lack, fetched for each of them.
 *
 * Some lists are excerpts: Crisp has more of a row under a route of its own.
 * A scan that uses a column of which only that route knows asks for it once a
 * row, several at a time, after checking the conditions that need none of it.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_DETAIL_H
#define CRISP_DETAIL_H

#include "foreign/fdwapi.h"

#include "row/flatten.h"
#include "fetch/list_reader.h"

typedef struct Details Details;

/* Turns a row of the list into a tuple, in CurrentMemoryContext. */
typedef void (*DetailConvert)(ForeignScanState *node, const JsonNode *row, TupleTableSlot *slot);

/*
 * Prepare a scan's details for these columns, which flattener converts.
 * convert is for elements of the list.  keeps_rows tells that the scan may be run again, with
 * other parameters, from the rows that it has had.  Lives in the statement's memory.
 */
extern Details *details_create(ForeignScanState *node, const CrispOptions *options, List *columns,
							   Flattener *flattener, DetailConvert convert, bool keeps_rows);

/*
 * Begin with the rows of a list, which must live until details_end().  Makes no request yet.
 */
extern void details_begin(Details *details, ListReader *list);

/*
 * Tell how many rows will be asked for in any case, from now on; for no others are details
 * fetched, or conditions checked, before they are wanted.
 */
extern void details_expect(Details *details, double rows);

/*
 * Fill slot with the next row that passes the conditions which need no details;
 * returns false at the end.  A row that is gone by the time its details are asked for is left out.
 * Called in per-tuple memory; what the slot refers to lives there, or until the next call.
 * Raises what the list and api_finish() raise, and 08P01 for a row without a key, or an answer that
 * isn't an object.
 */
extern bool details_next(Details *details, TupleTableSlot *slot);

/* Let what the latest row refers to live until details_end(), although other rows follow. */
extern void details_keep_latest(Details *details);

/* As the list's functions of these names. */
extern bool		details_is_ready(Details *details);
extern bool		details_is_settled(const Details *details);
extern pgsocket details_socket(const Details *details);

/* Abort what is under way, and forget the list. */
extern void details_end(Details *details);

#endif /* CRISP_DETAIL_H */
