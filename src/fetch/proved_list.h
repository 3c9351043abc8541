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
 * that stays is lost, but for those without the date by which it's read.  It can't where the list leaves some out: conversations without messages, or
 * what lies in inboxes, all of which Crisp may not list although it's asked to.  Makes no request.
 */
extern bool proved_list_is_possible(const CrispOptions *options);

/*
 * Read the list, in the scan mode exact, and call take() with each of its rows, which is valid
 * during that call.  Returns whether it was read to its end: a failure of Crisp's ends it, and
 * raises nothing.  *counts gets what was received.  The first time in a session, one or two
 * requests more tell whether Crisp keeps to the order; where it doesn't, nothing is read.  options
 * must hold credentials.  Raises what waiting and take() raise.
 */
extern bool proved_list_read(const CrispOptions *options,
							 void (*take)(void *arg, const JsonNode *row), void *arg,
							 ReaderCounts *counts);

#endif /* CRISP_PROVED_LIST_H */
