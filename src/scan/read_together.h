/*-------------------------------------------------------------------------
 *
 * read_together.h
 *		Read lists that are merged in an order at the same time.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_READ_TOGETHER_H
#define CRISP_READ_TOGETHER_H

#include "nodes/execnodes.h"

/*
 * Before a scan begins a run for a list in an order: begin it together with others that the same
 * MergeAppend is about to begin.  Lists that are to be sorted here are read; of those that are
 * streamed, the first pages are asked for.  Does nothing for other scans.  Raises what reading
 * raises.
 */
extern void read_together(ForeignScanState *node);

#endif /* CRISP_READ_TOGETHER_H */
