/*-------------------------------------------------------------------------
 *
 * stored_list.h
 *		Read all rows of a list into a store, in place of what a scan is reading.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_STORED_LIST_H
#define CRISP_STORED_LIST_H

#include "utils/resowner.h"

#include "fetch/list_cost.h"
#include "scan/given_rows.h"
#include "scan/scan_state.h"

/*
 * Create a store for rows of a scan, in a child of parent, whose temporary file will belong to
 * owner.
 */
extern RowStore *stored_list_create(const ForeignScanState *node, MemoryContext parent,
									ResourceOwner owner);

/*
 * Put all rows of the list that a request is for, and that costs so much, into a store without
 * rows, and note the places of those that the scan's run has given (given may be NULL).  The scan
 * must have no reader, and has none then.  Returns false where Crisp doesn't give the list, or says
 * that it has no row, twice, although rows of it are known; and where it's far longer than its cost
 * says, of which its length is unknown then.  Raises what waiting and keeping rows raise.
 */
extern bool stored_list_read(ForeignScanState *node, CrispRequest *request, RowStore *rows,
							 GivenRows *given, ListCost *cost);

#endif /* CRISP_STORED_LIST_H */
