/*-------------------------------------------------------------------------
 *
 * scan_method.h
 *		Define what the plan of a scan hands to the executor.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_SCAN_METHOD_H
#define CRISP_SCAN_METHOD_H

/* How a scan gets its rows. */
typedef enum ScanMethod
{
	SCAN_LIST,	  /* the list, page by page */
	SCAN_LOOKUP,  /* single rows, by their keys */
	SCAN_TOP_N,	  /* the newest rows of the list, sorted by Crisp */
	SCAN_OLDEST,  /* the oldest rows of the list, found by dates */
	SCAN_STREAM,  /* the list in an order of Crisp's, for whoever may stop at any row */
	SCAN_CHILDREN /* the lists below rows of another resource */
} ScanMethod;

/* Say whether a scan gives the rows of a list in an order that the query relies on. */
static inline bool
scan_method_sorts(ScanMethod method)
{
	return method == SCAN_TOP_N || method == SCAN_OLDEST || method == SCAN_STREAM;
}

/*
 * What the plan hands to the executor: the members of ForeignScan.fdw_private.
 * The values of the conditions are in fdw_exprs, in the same order.
 */
enum ScanPrivate
{
	SCAN_PRIVATE_METHOD,	 /* integer List, indexed by ScanMethodField */
	SCAN_PRIVATE_COLUMNS,	 /* integer List: attribute numbers that the query uses */
	SCAN_PRIVATE_CONDITIONS, /* Conditions.conditions */
	SCAN_PRIVATE_QUALS,		 /* integer List: for each condition, its index in the plan's quals */
	SCAN_PRIVATE_LINK		 /* String: what joins tell of the rows; see link_query() */
};

enum ScanMethodField
{
	METHOD_KIND,		/* ScanMethod */
	METHOD_CONDITION,	/* SCAN_LOOKUP, SCAN_CHILDREN: the condition with the keys; -1 for none */
	METHOD_ORDER,		/* index in the resource's orders; -1 for none */
	METHOD_SORT_COLUMN, /* by which rows of a sorted list come, or of SCAN_CHILDREN with a limit; 0
						   for none */
	METHOD_NULLS_FIRST, /* of these */
	METHOD_ASCENDING,	/* of a sorted list: the smallest values come first */
	METHOD_ROWS_WANTED, /* rows after which the query is content; 0 where that's not known */
	METHOD_PAGE_ROWS,	/* the same, of rows that Crisp sends, to size pages by */
	METHOD_REQUESTS,	/* expected */
	METHOD_INHERITS,	/* SCAN_CHILDREN: the query uses columns that the parent's rows hand down */
	METHOD_ID,			/* SCAN_LOOKUP: tells the scan from others of the same statement */
	METHOD_LIST_REQUESTS, /* for all rows that there were at some time; 0 where nothing tells */
	METHOD_MOST_REQUESTS, /* expected of all runs, where a list takes over; 0 where none does */
	METHOD_NO_STATISTICS, /* the table, which can be analyzed, was not */
	METHOD_FIELDS
};

/*
 * Requests of a short list.  Whether it has grown is found out before it's read for what its order
 * might bring sooner; beside a longer one, two requests that prove the order are few.
 */
#define CRISP_SHORT_LIST 4

#endif /* CRISP_SCAN_METHOD_H */
