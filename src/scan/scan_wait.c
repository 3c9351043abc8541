/*-------------------------------------------------------------------------
 *
 * scan_wait.c
 *		Scans that an Append waits for, together with others.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "scan/scan_state.h"

/*
 * Give the scan's descriptor back.
 */
void
scan_close_descriptor(void *arg)
{
	CrispScan *scan = arg;

	if (scan->descriptor < 0)
		return;
	(void) close(scan->descriptor);
	scan->descriptor = -1;
}

bool
crisp_scan_is_ready(ForeignScanState *node)
{
	CrispScan *scan = node->fdw_state;

	if (!scan->started)
		scan_start(node);
	else
		scan_expect_rows(node);
	if (scan->at_end || scan->newest != NULL || scan->reads_whole)
		return true;
	if (scan->details != NULL)
		return details_is_ready(scan->details);
	if (scan->walk != NULL)
		return children_is_ready(scan->walk);
	return scan->lookup ? lookup_is_ready(scan->lookup) : list_reader_is_ready(scan->list);
}

bool
crisp_scan_is_pending(ForeignScanState *node)
{
	return ((CrispScan *) node->fdw_state)->pending;
}

/*
 * Whether what the pending scan waits for has come already, since another
 * scan of the same pool has let all of them go on.
 */
static bool
is_settled(const CrispScan *scan)
{
	/* A change may have made it read its rows first. */
	if (scan->at_end || scan->cut_off || (scan->rest != NULL && row_store_has_next(scan->rest)) ||
		(scan->store != NULL && row_store_has_next(scan->store)))
		return true;
	if (scan->details != NULL)
		return details_is_settled(scan->details);
	if (scan->walk != NULL)
		return children_is_settled(scan->walk);
	return scan->lookup ? lookup_is_settled(scan->lookup) : list_reader_is_settled(scan->list);
}

/*
 * The descriptor of the pool that a scan waits for.
 */
static pgsocket
own_socket(const CrispScan *scan)
{
	if (scan->walk != NULL)
		return children_socket(scan->walk);
	if (scan->details != NULL)
		return details_socket(scan->details);
	return scan->lookup ? lookup_socket(scan->lookup) : list_reader_socket(scan->list);
}

pgsocket
crisp_scan_descriptor(ForeignScanState *node)
{
	CrispScan *scan = node->fdw_state;

	/* The pool may be another one than it was. */
	scan_close_descriptor(scan);

	/* What has been received makes the pool's descriptor readable no more. */
	if (is_settled(scan))
		return PGINVALID_SOCKET;
	scan->descriptor = fcntl(own_socket(scan), F_DUPFD_CLOEXEC, 0);
	if (scan->descriptor < 0)
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_RESOURCES),
						errmsg("could not open a descriptor to wait for: %m")));
	return scan->descriptor;
}
