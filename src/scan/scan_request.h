/*-------------------------------------------------------------------------
 *
 * scan_request.h
 *		Make the request of a scan, with the values that are known now.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_SCAN_REQUEST_H
#define CRISP_SCAN_REQUEST_H

#include "nodes/execnodes.h"

#include "request/request.h"

/*
 * Make the request of a scan, given the ExprStates of its conditions' values; NULL when no row can
 * match.  streams tells whether a SCAN_STREAM gives its rows in the list's order, and isn't one
 * that reads all of the list.  With a deparse context, for EXPLAIN, values that only a running plan
 * knows are left as text.  Palloc'd in CurrentMemoryContext.  Raises what evaluating the values and
 * request_create() raise.
 */
extern CrispRequest *scan_request_create(ForeignScanState *node, const CrispOptions *options,
										 const List *value_states, List *deparse_context,
										 bool streams);

/*
 * Make the request for a list that has the rows of the scan whatever the executor's parameters of
 * the set are: by the conditions on whose values these have no say, and those that no list can do
 * without, with their values of now.  Where there are such, *is_apart is set, and the list is one
 * of several.  NULL when no row can match.  Palloc'd in CurrentMemoryContext.  Raises what
 * scan_request_create() raises.
 */
extern CrispRequest *scan_request_create_wider(ForeignScanState *node, const CrispOptions *options,
											   const List *value_states, const Bitmapset *changing,
											   bool *is_apart);

/*
 * Return the role whose user mapping counts for a scan of the relation with that range table index:
 * the one that the executor checks permissions as, which for a view is its owner.
 */
extern Oid crisp_mapping_user(ForeignScanState *node, Index rti);

#endif /* CRISP_SCAN_REQUEST_H */
