/*-------------------------------------------------------------------------
 *
 * rescan.h
 *		Whether a scan may be run more than once.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_RESCAN_H
#define CRISP_RESCAN_H

#include "nodes/execnodes.h"

/*
 * Whether a scan that begins with these flags of the executor may be run more
 * than once.  The flags tell of some cases only.  What isn't found in the main
 * plan belongs to a subplan, or to a node that this doesn't know: then it may.
 */
extern bool rescan_is_possible(const ForeignScanState *node, int eflags);

#endif /* CRISP_RESCAN_H */
