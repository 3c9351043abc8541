/*-------------------------------------------------------------------------
 *
 * open_scans.h
 *		Read scans that are running to their ends before the session changes what they read.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_OPEN_SCANS_H
#define CRISP_OPEN_SCANS_H

#include "lib/ilist.h"
#include "nodes/execnodes.h"
#include "utils/resowner.h"

#include "options/options.h"

/*
 * A running scan.  Whoever runs it embeds one, and fills in the first members.
 */
typedef struct OpenScan
{
	ForeignScanState   *node;
	const CrispOptions *options;

	/* Fetches the rows that are still to come and keeps them; called in memory of the moment. */
	void (*read_rest)(ForeignScanState *node);

	/* Of open_scans.c. */
	dlist_node			  list_node;
	ResourceOwner		  owner; /* NULL when the scan is over */
	MemoryContextCallback callback;
} OpenScan;

/* Enter a scan, until its statement's memory goes.  To be called when it begins. */
extern void open_scans_add(OpenScan *scan);

/*
 * Have all open scans of a server's website read their rows, be they in this statement, in one that
 * has called a function, or in a cursor.  To be called before the session changes anything through
 * a server: a row that changes moves to the front of its list, or out of it, and rows behind it
 * would be passed over.  Raises what reading them raises.
 */
extern void open_scans_read(const CrispOptions *options);

#endif /* CRISP_OPEN_SCANS_H */
