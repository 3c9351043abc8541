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

#include "scan/given_rows.h"
#include "scan/scan_state.h"

/*
 * Put all rows of the list that a request is for into a store without rows, and note the places of
 * those that the scan's run has given (given may be NULL).  The scan must have no reader, and has
 * none then.  Returns false where Crisp doesn't give the list.  Raises what waiting and keeping
 * rows raise.
 */
extern bool stored_list_read(ForeignScanState *node, CrispRequest *request, RowStore *rows,
							 GivenRows *given);

#endif /* CRISP_STORED_LIST_H */
