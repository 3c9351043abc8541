/*-------------------------------------------------------------------------
 *
 * expected_requests.h
 *		Reckon how many requests a scan makes in a statement.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_EXPECTED_REQUESTS_H
#define CRISP_EXPECTED_REQUESTS_H

#include "nodes/plannodes.h"

/* Requests of a scan, as the planner reckons them. */
typedef struct ExpectedRequests
{
	bool   may_stop; /* no more than some rows are likely to be asked for, of those of all of it */
	double runs;
	double run;	   /* of one run, for all its rows */
	double all;	   /* of all runs, likewise */
	double likely; /* of all runs, for the rows that a LIMIT leaves */
} ExpectedRequests;

/* Return those of one of our scans of a statement's plan. */
extern ExpectedRequests expected_requests(const PlannedStmt *statement, const ForeignScan *scan);

#endif /* CRISP_EXPECTED_REQUESTS_H */
