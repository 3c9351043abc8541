/*-------------------------------------------------------------------------
 *
 * plan_path.h
 *		Make paths, and reckon what they cost.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_PLAN_PATH_H
#define CRISP_PLAN_PATH_H

#include "nodes/pathnodes.h"

#include "plan/match.h"
#include "plan/scan_method.h"

/* What planning a scan needs to keep, in RelOptInfo.fdw_private. */
typedef struct ScanPlan
{
	Oid			  relid;
	CrispOptions *options;
	Conditions	 *conditions;	 /* among the relation's own clauses */
	bool		  all_asked;	 /* there are no other clauses, and no row fails these */
	double		  received;		 /* rows that Crisp sends for them */
	double		  details;		 /* rows whose details are asked for, of these */
	double		  list_requests; /* for all rows that there were; 0 where nothing tells */
	bool		  no_statistics; /* the table, which can be analyzed, was not */
} ScanPlan;

/* A path in the making. */
typedef struct PathDraft
{
	int			   method[METHOD_FIELDS];
	double		   rows;	 /* that leave the scan */
	double		   received; /* that Crisp sends */
	double		   requests; /* in all */
	double		   first;	 /* requests that come before the first row */
	double		   wanted;	 /* rows after which the query is content; 0 where that's not known */
	List		  *pathkeys;
	ParamPathInfo *param_info;
	Cost		   penalty;	  /* for a path that would raise an error */
	Cost		   surcharge; /* of all rows, beside their requests */
} PathDraft;

/*
 * Find the first condition whose value can be looked up as a key: its index, or -1.  *nkeys gets
 * how many keys that is likely to be.
 */
extern int plan_lookup_condition(PlannerInfo *root, const CrispOptions *options,
								 const Conditions *conditions, double *nkeys);

/*
 * Estimate how many requests it takes to look up the keys of such a condition: fewer where several
 * can be searched for together.
 */
extern double plan_lookup_requests(const CrispOptions *options, const Conditions *conditions,
								   int index, double nkeys);

/*
 * Return how many requests such lookups are reckoned with beside a list of all rows: no more than
 * that costs, where it would be read once they have cost as much.  requests is what they cost one
 * by one; is_counted tells whether it's known how many they are before the first is made.
 */
extern double plan_cap_lookups(const RelOptInfo *rel, const CrispLookup *lookup, double requests,
							   bool is_counted);

/*
 * Return how many requests for spans of a list are reckoned with beside that list, likewise.
 * requests is what they cost one by one.
 */
extern double plan_cap_spans(const RelOptInfo *rel, double requests);

/*
 * Say whether a list that is to be read for so many rows is nearly all that there is, and was so
 * short that nobody would mind to read it, had it not grown.
 */
extern bool plan_may_have_grown(const RelOptInfo *rel, double received);

/* Estimate how many requests a list of that many rows costs. */
extern double plan_list_requests(const CrispOptions *options, double rows);

/*
 * Begin a path of that kind: the caller sets its rows, its requests, and what else is special about
 * it.
 */
extern PathDraft plan_draft_path(ScanMethod kind);

/* Make a path of a draft, and offer it to the planner. */
extern void plan_offer_path(PlannerInfo *root, RelOptInfo *baserel, PathDraft *draft);

#endif /* CRISP_PLAN_PATH_H */
