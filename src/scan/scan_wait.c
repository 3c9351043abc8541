/*-------------------------------------------------------------------------
 *
 * scan_wait.c
 *		Let an Append wait for scans, together with others.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "scan/scan_fetch.h"
#include "scan/scan_wait.h"

bool
scan_get_ready(ForeignScanState *node)
{
	CrispScan *scan = node->fdw_state;

	if (!scan->started)
		scan_start(node);
	else
		scan_expect_rows(node);
	return scan->at_end || scan->top_n != NULL || scan->reads_kept_list || scan->reads_wider ||
		   scan->reads_past || row_reader_get_ready(scan->reader);
}

bool
scan_is_pending(const ForeignScanState *node)
{
	return ((const CrispScan *) node->fdw_state)->pending;
}

/*
 * Say whether what the pending scan waits for has come already, since another scan of the same pool
 * has let all of them go on, or a change has made it read its rows first.
 */
static bool
is_ready(const CrispScan *scan)
{
	return scan->at_end || scan->cut_off || kept_rows_has_next(scan->kept) ||
		   row_reader_is_ready(scan->reader);
}

pgsocket
scan_wait_descriptor(ForeignScanState *node)
{
	CrispScan *scan = node->fdw_state;

	/* What has been received makes the pool's descriptor readable no more. */
	if (is_ready(scan))
	{
		wait_descriptor_close(scan->descriptor);
		return PGINVALID_SOCKET;
	}

	/* The pool may be another one than it was. */
	return wait_descriptor_set(scan->descriptor, row_reader_socket(scan->reader));
}
