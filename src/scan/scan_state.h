/*-------------------------------------------------------------------------
 *
 * scan_state.h
 *		A running scan, for the files that run it.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_SCAN_STATE_H
#define CRISP_SCAN_STATE_H

#include "nodes/execnodes.h"

#include "base/compat.h"
#include "scan/detail.h"
#include "row/flatten.h"
#include "fetch/list_reader.h"
#include "fetch/lookup.h"
#include "scan/top_n.h"
#include "scan/open_scans.h"
#include "fetch/order.h"
#include "scan/row_store.h"
#include "scan/scan.h"
#include "fetch/children.h"
#include "fetch/whole_list.h"

/* A running scan, in ForeignScanState.fdw_state; lives in the query's memory. */
typedef struct CrispScan
{
	CrispOptions *options;
	Flattener	 *flattener;
	AttrNumber	  search_column; /* reads what was searched for; 0 for none */
	Datum		  search_value;	 /* that, if the request searches */

	List *method;		/* SCAN_PRIVATE_METHOD */
	List *value_states; /* ExprStates of the conditions' values */

	ExactErrand *errand; /* what is wanted, if not all rows; NULL for all */

	/* Of the request that is running; at most one of list, lookup and walk is set. */
	MemoryContext	request_context;
	CrispRequest   *request;
	CrispRequest	asked; /* request as its conditions have it, before its order was judged */
	ListReader	   *list;
	Lookup		   *lookup;
	ChildrenReader *walk;
	Details		   *details; /* adds to the rows of a list what it lacks; or NULL */
	TopN		   *newest;	 /* sorts what comes from there; or NULL */
	OrderJudge		judge;	 /* of the rows that come for it */
	JsonPath	   *order_path;
	bool			started;
	bool			at_end;
	bool			parameters_changed; /* since the request was made: is it still the same? */

	bool				  pending;	  /* the last Iterate would have had to wait for Crisp */
	int					  descriptor; /* for waiting; -1 for none */
	MemoryContextCallback descriptor_callback;

	LookupPrefetch *ahead;		  /* lookups that somebody else has begun; NULL without lookups */
	AnswerCache	   *cache;		  /* of all lookups and walks of the scan; NULL for a list */
	WholeList	   *whole_list;	  /* serves lookups that have cost as much; NULL without any */
	PagerCounts		pager_counts; /* of earlier requests */

	/*
	 * What a rescan that asks for the same is served from, kept where one may come; otherwise
	 * NULL.
	 */
	RowStore *store;

	/*
	 * All rows of the list that stands in for lookups where keys can't be looked
	 * up, kept where that may happen again; otherwise NULL.
	 */
	RowStore *whole;
	char	 *whole_target; /* of the list's first page; NULL before it was read */
	bool	  reads_whole;	/* the request is served from there */

	/* For when the session changes what the scan reads. */
	OpenScan		open;
	bool			busy;	 /* within a call of the executor's */
	bool			cut_off; /* its rest could not be read: there's no going on */
	RowStore	   *rest; /* rows that were read first, unless they are in store; NULL for none */
	TupleTableSlot *rest_slot; /* for one of these */
	int64 matched; /* rows of the request that satisfy its conditions, where a LIMIT counts */
	ExprContext *econtext; /* for finding that out */
} CrispScan;

/* A member of the plan's method, indexed by ScanMethodField. */
static inline int
scan_method(const CrispScan *scan, int field)
{
	return list_nth_int(scan->method, field);
}

/* What rows of the scan look like; unlike the relation's own, nobody counts who refers to it. */
static inline TupleDesc
scan_row_desc(const ForeignScanState *node)
{
	return node->ss.ss_ScanTupleSlot->tts_tupleDescriptor;
}

/* scan.c: getting rows */

/* Evaluate what is asked for, and get ready to ask.  Raises what making the request raises. */
extern void scan_start(ForeignScanState *node);

/*
 * Fill slot with the next row of the scan, in CurrentMemoryContext; returns false at the end.
 * Raises what requests raise.
 */
extern bool scan_fetch(ForeignScanState *node, TupleTableSlot *slot);

/* The same, as rows come from the list, the walk or the lookup. */
extern bool scan_fetch_from_list(ForeignScanState *node, TupleTableSlot *slot);

/* Find out for how many rows details will be wanted in any case. */
extern void scan_expect_rows(ForeignScanState *node);

/* What all lists of the scan have brought. */
extern PagerCounts scan_sum_counts(const CrispScan *scan);

/* scan_order.c: rows in an order */

/*
 * Ask for the list in an order that nobody relies on: where its newest rows were wanted, for all
 * of it.
 */
extern void scan_give_up_order(CrispScan *scan);

/*
 * Get ready to give the rows of the list in the order that is wanted, which may be trusted or
 * not.
 */
extern void scan_begin_newest(ForeignScanState *node, bool trusted);

/* Look at the order of a row that has come, and is in the slot. */
extern void scan_judge_row(ForeignScanState *node, const JsonNode *row, const TupleTableSlot *slot);

/* scan_rest.c: rows that were fetched before they are given */

/* Whether a row satisfies the scan's conditions, where these have no say in anything else. */
extern bool scan_satisfies_conditions(ForeignScanState *node, TupleTableSlot *slot);

/*
 * Fill slot with the next row that was fetched before, by an earlier pass over the same request
 * or ahead of a change; returns false where there is none.
 */
extern bool scan_fetch_kept(CrispScan *scan, TupleTableSlot *slot);

/* An OpenScan's: fetch the rows that are still to come.  Raises what requests raise. */
extern void scan_read_rest(ForeignScanState *node);

/*
 * Raise 55000 (OBJECT_NOT_IN_PREREQUISITE_STATE): scan_read_rest() has failed, so there is no
 * going on.
 */
pg_noreturn extern void scan_raise_cut_off(const ForeignScanState *node);

/* scan_wait.c: waiting for rows */

/* Close the descriptor by which an Append waits for the scan, a CrispScan; a reset callback. */
extern void scan_close_descriptor(void *arg);

#endif /* CRISP_SCAN_STATE_H */
