/*-------------------------------------------------------------------------
 *
 * scan_wait.h
 *		Let an Append wait for scans, together with others.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_SCAN_WAIT_H
#define CRISP_SCAN_WAIT_H

#include "nodes/execnodes.h"

/*
 * Say whether the scan's next row, or its end, can be had without waiting for Crisp; if not, what
 * it would wait for has been asked.  Raises what requests raise.
 */
extern bool scan_get_ready(ForeignScanState *node);

/* Say whether the last Iterate gave no row since it would have had to wait. */
extern bool scan_is_pending(const ForeignScanState *node);

/*
 * Return a descriptor of a pending scan's own that is readable when it's worth calling
 * scan_get_ready() again, or PGINVALID_SOCKET where it is already; valid until the next call, or
 * the end of the scan.  It's only good for waiting if no request is let go on between this call and
 * the wait.  Raises 53000 when there is none to be had.
 */
extern pgsocket scan_wait_descriptor(ForeignScanState *node);

#endif /* CRISP_SCAN_WAIT_H */
