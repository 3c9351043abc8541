/*-------------------------------------------------------------------------
 *
 * scan_state.h
 *		Describe a running scan, for the files that run it.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_SCAN_STATE_H
#define CRISP_SCAN_STATE_H

#include "nodes/execnodes.h"

#include "fetch/exact_reader.h"
#include "fetch/lookup_prefetch.h"
#include "fetch/order.h"
#include "fetch/row_reader.h"
#include "fetch/whole_list.h"
#include "scan/early_filter.h"
#include "scan/kept_rows.h"
#include "scan/open_scans.h"
#include "scan/past_runs.h"
#include "scan/top_n.h"
#include "scan/tuple_maker.h"
#include "scan/wait_descriptor.h"

/* A running scan, in ForeignScanState.fdw_state; lives in the query's memory. */
typedef struct CrispScan
{
	CrispOptions *options;
	List		 *method;		/* SCAN_PRIVATE_METHOD */
	List		 *value_states; /* ExprStates of the conditions' values */
	TupleMaker	 *maker;
	EarlyFilter	 *early_filter; /* of a list whose elements lack columns that are used; or NULL */
	ExactErrand	 *errand;		/* what is wanted, if not all rows; NULL for all */

	/* Of the request that is running. */
	MemoryContext request_context;
	CrispRequest *request;
	CrispRequest  asked;  /* request as its conditions have it, before its order was judged */
	RowReader	 *reader; /* NULL where rows come from kept, and before the request */
	TopN		 *top_n;  /* sorts what comes from there; or NULL */
	OrderJudge	  judge;  /* of the rows that come for it */
	JsonPath	 *order_path;
	RowStore	 *ahead;		 /* rows of the reader that were taken before; NULL for none */
	bool		  streams;		 /* rows are given as they come, if the order is trusted */
	bool		  narrowed;		 /* to the oldest rows, as far as they have been found */
	bool		  shuns_failure; /* rows are sorted, since the latest stream has failed */
	bool		  started;
	bool		  at_end;
	bool		  parameters_changed; /* since the request was made: is it still the same? */
	int64		  matched;	/* rows that satisfy the conditions, where a LIMIT counts these */
	ExprContext	 *econtext; /* for finding that out */
	ReaderCounts  counts;	/* of earlier requests */
	bool		  relied;	/* a run has given the first rows in an order that it took on trust */

	/* Of all requests. */
	LookupPrefetch	 *prefetch;	  /* lookups that a join has begun; NULL without lookups */
	AnswerCache		 *cache;	  /* of lookups, and of lists below others; NULL for a list */
	WholeList		 *whole_list; /* serves lookups that have cost as much; NULL without any */
	KeySearch		 *search;	  /* finds several keys together; NULL without any */
	KeptRows		 *kept;
	bool			  reads_kept_list; /* the request is served from there, */
	struct WiderList *wider; /* or from there, where runs have cost as much; may be NULL */
	bool			  reads_wider;
	PastRuns		 *past_runs; /* serve others that give the same; may be NULL */
	TextKey			  run_key;	 /* of the run, there */
	bool			  has_run_key;
	bool			  reads_past;

	/* Under an Append, which waits for several scans. */
	bool			pending; /* the last Iterate would have had to wait for Crisp */
	WaitDescriptor *descriptor;

	/* For when the session changes what the scan reads. */
	OpenScan		open;
	bool			busy;	   /* within a call of the executor's */
	bool			cut_off;   /* its rest could not be read: there's no going on */
	TupleTableSlot *rest_slot; /* for a row of that; NULL before the first */
} CrispScan;

/* Return a member of the plan's method, indexed by ScanMethodField. */
static inline int
scan_method(const CrispScan *scan, int field)
{
	return list_nth_int(scan->method, field);
}

/*
 * Return what rows of the scan look like; unlike the relation's own, nobody counts who refers to
 * it.
 */
static inline TupleDesc
scan_row_desc(const ForeignScanState *node)
{
	return node->ss.ss_ScanTupleSlot->tts_tupleDescriptor;
}

#endif /* CRISP_SCAN_STATE_H */
