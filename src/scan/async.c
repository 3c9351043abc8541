/*-------------------------------------------------------------------------
 *
 * async.c
 *		Fetch for several scans under one Append at the same time.
 *
 * An Append asks each of its scans for a row.  A scan that would have to wait for Crisp says that
 * it is pending; the Append then waits for the descriptors of all that are.  A scan's descriptor is
 * a duplicate of its pool's, since scans of one server share a pool, and a descriptor can be waited
 * for once only.  Whoever looks after the pool receives the answers of all its scans.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <sys/eventfd.h>

#include "executor/execAsync.h"
#include "storage/latch.h"

#include "scan/async.h"
#include "http/http.h"
#include "plan/plan.h"
#include "scan/scan_wait.h"
#include "base/compat.h"

bool
crispIsForeignPathAsyncCapable(ForeignPath *path)
{
	/* A count of rows has another form, and comes at once. */
	return path->path.parent->reloptkind != RELOPT_UPPER_REL &&
		   !scan_method_sorts((ScanMethod) list_nth_int(path->fdw_private, METHOD_KIND));
}

/*
 * Answer a request with the scan's next row, or say that it is pending.
 */
static void
produce_row(AsyncRequest *areq)
{
	ForeignScanState *node = castNode(ForeignScanState, areq->requestee);
	TupleTableSlot	 *slot = node->ss.ps.ExecProcNodeReal(&node->ss.ps);

	if (TupIsNull(slot) && scan_is_pending(node))
		ExecAsyncRequestPending(areq);
	else
		ExecAsyncRequestDone(areq, TupIsNull(slot) ? NULL : slot);
}

void
crispForeignAsyncRequest(AsyncRequest *areq)
{
	produce_row(areq);
}

/*
 * Return a descriptor that is readable at any time; the process has one.
 */
static pgsocket
ready_descriptor(void)
{
	static int descriptor = -1;

	if (descriptor < 0)
		descriptor = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
	if (descriptor < 0)
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_RESOURCES),
						errmsg("could not open a descriptor to wait for: %m")));
	return descriptor;
}

/* The set of events whose wait ends at once; NULL for none. */
static const WaitEventSet *ended = NULL;

/*
 * Have a wait of an Append end at once, for the sake of this scan.  Where it does so for another
 * one already, this one is served by one of the next waits: they take no time.
 */
static void
end_wait_at_once(AsyncRequest *areq, WaitEventSet *events)
{
	/*
	 * It's a new set, maybe in the place of an old one: only the death of the postmaster is in
	 * there.
	 */
	if (GetNumRegisteredWaitEvents(events) == 1)
		ended = NULL;
	if (ended == events)
		return;
	AddWaitEventToSet(events, WL_SOCKET_READABLE, ready_descriptor(), NULL, areq);
	ended = events;
}

/*
 * Say whether the Append begins anew with other values of parameters.  It waits for what is under
 * way first, of which nobody wants a row any more.
 */
static bool
is_outdated(const AsyncRequest *areq)
{
	return areq->requestor->chgParam != NULL;
}

void
crispForeignAsyncConfigureWait(AsyncRequest *areq)
{
	ForeignScanState *node = castNode(ForeignScanState, areq->requestee);
	AppendState		 *append = castNode(AppendState, areq->requestor);
	pgsocket		  descriptor;

	Assert(areq->callback_pending);

	/* As long as it has rows of other scans to give, it just looks. */
	http_append_waits(append->as_syncdone);

	/*
	 * Nothing is received here: another scan of the same pool might have been
	 * told to wait for it already, and would wait in vain.
	 */
	descriptor = is_outdated(areq) ? PGINVALID_SOCKET : scan_wait_descriptor(node);
	if (descriptor == PGINVALID_SOCKET)
		end_wait_at_once(areq, append->as_eventset);
	else
		AddWaitEventToSet(append->as_eventset, WL_SOCKET_READABLE, descriptor, NULL, areq);
}

void
crispForeignAsyncNotify(AsyncRequest *areq)
{
	/* The wait is over; the next set may be in the place of that one, with others' events in it. */
	ended = NULL;
	http_append_waits(false);
	if (is_outdated(areq))
		ExecAsyncRequestDone(areq, NULL);
	else
		produce_row(areq);
}
