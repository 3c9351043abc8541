/*-------------------------------------------------------------------------
 *
 * read_together.h
 *		Read lists that are merged in an order at the same time, where all of their rows are wanted.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_READ_TOGETHER_H
#define CRISP_READ_TOGETHER_H

#include "nodes/execnodes.h"

/*
 * Before a scan begins a run that is certain to be asked for all rows of a list, sorted here: read
 * it together with others that the same MergeAppend is about to read in that way.  Does nothing for
 * other scans.  Raises what reading raises.
 */
extern void read_together(ForeignScanState *node);

#endif /* CRISP_READ_TOGETHER_H */
