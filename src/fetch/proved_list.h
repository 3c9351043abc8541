/*-------------------------------------------------------------------------
 *
 * proved_list.h
 *		Read a list of which it's sure that what it lacks isn't there.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_PROVED_LIST_H
#define CRISP_PROVED_LIST_H

#include "fetch/row_reader.h"
#include "options/options.h"

/*
 * Say whether a table's list has every row that a lookup can bring, and can be read so that none
 * that stays is lost, but for those without the date by which it's read.  It can't where the list
 * leaves some out: conversations without messages, or what lies in inboxes, all of which Crisp may
 * not list although it's asked to.  Makes no request.
 */
extern bool proved_list_is_possible(const CrispOptions *options);

/* What has become of reading it. */
typedef enum ProvedListEnd
{
	PROVED_LIST_FAILED, /* it wasn't read to its end */
	PROVED_LIST_READ,	/* it was, and may lack rows */
	PROVED_LIST_PROVED	/* it has every row that there is */
} ProvedListEnd;

/*
 * Read the list, in the scan mode exact, and call take() with each of its rows, which is valid
 * during that call.  A failure of Crisp's ends it, and raises nothing.  A row without a date shows
 * that there may be others which no request by date brings: then no more than so many pages are
 * read.  *counts gets what was received.  The first time in a session, one or two requests more
 * tell whether Crisp keeps to the order; where it doesn't, nothing is read, unless in_any_order:
 * that takes two to four times as many requests as the list has pages.  options must hold
 * credentials.  Raises what waiting and take() raise.
 */
extern ProvedListEnd proved_list_read(const CrispOptions *options, bool in_any_order, int64 pages,
									  void (*take)(void *arg, const JsonNode *row), void *arg,
									  ReaderCounts *counts);

#endif /* CRISP_PROVED_LIST_H */
