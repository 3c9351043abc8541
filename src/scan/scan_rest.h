/*-------------------------------------------------------------------------
 *
 * scan_rest.h
 *		Read rows of a scan before they are given, as a change is about to be made.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_SCAN_REST_H
#define CRISP_SCAN_REST_H

#include "nodes/execnodes.h"

#include "base/compat.h"

/* Fetch the rows that are still to come, for an OpenScan.  Raises what requests raise. */
extern void scan_read_rest(ForeignScanState *node);

/*
 * Call look(arg, slot) for each row that is kept and will be given, so far as it satisfies the
 * scan's conditions, which must not be volatile: for who is about to change what the scan has
 * found.  The slot is look's for the call.
 */
extern void scan_look_ahead(ForeignScanState *node, void (*look)(void *arg, TupleTableSlot *slot),
							void			 *arg);

/*
 * Raise 55000 (OBJECT_NOT_IN_PREREQUISITE_STATE): scan_read_rest() has failed, so there is no going
 * on.
 */
pg_noreturn extern void scan_raise_cut_off(const ForeignScanState *node);

#endif /* CRISP_SCAN_REST_H */
