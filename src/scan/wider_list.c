/*-------------------------------------------------------------------------
 *
 * wider_list.c
 *		Read the list that serves the runs of a scan, once these have cost as much.
 *
 * A subquery, or a nested loop, may run a scan for each row of another table, with another value of
 * what Crisp filters by, and each run asks for a list.  When these lists have cost as many requests
 * as one would that leaves such conditions out, that one is read, and its rows serve all runs that
 * follow: twice the requests that would have been needed, at worst.  A run during which it comes to
 * that goes on with those rows of the list that it hasn't given.
 *
 * Which conditions these are shows by the parameters that have changed so far.  Where others change
 * later on, the list is another one, and counting begins anew.
 *
 * Some conditions can't be left out: no list has the rows of all searches, or inboxes.  Where their
 * values change, there is a list for each of these, and what was spent is counted for each list.
 * It serves runs that differ in other conditions, or in what Crisp isn't asked about.  Where a run
 * has read its own list to the end, that one serves others at once.  Where runs stop early, and
 * others ask for the same, their own list may be the cheaper one: what they cost counts for both.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "fetch/list_cost.h"
#include "plan/plan.h"
#include "scan/given_rows.h"
#include "scan/rescan.h"
#include "scan/scan_request.h"
#include "scan/scan_source.h"
#include "scan/spent_lists.h"
#include "scan/stored_list.h"
#include "scan/wider_list.h"

/* Pages of lists that aren't full, or unknown, are forgiven as a share of the list's. */
#define SHARE_OF_PARTS 8

/* How many times as many runs as are left were made where the list's length doesn't matter. */
#define WORTH_FINDING 4

struct WiderList
{
	MemoryContext context;
	ResourceOwner owner; /* of the rows' file */
	Bitmapset	 *changing;
	double		  expected;	   /* requests that the planner expects of all runs */
	int			  whole_pages; /* of the list without any condition, once; 0 for unknown */

	/* Of the list. */
	MemoryContext list_context; /* NULL before the first */
	TextKey		  key;
	bool		  is_apart; /* other runs have other ones */
	ListRequest	  request;
	ListCost	  cost;
	int64		  lists;  /* that runs have asked for in its stead */
	int64		  before; /* requests of the scan that don't count */
	int64		  pages_before;
	int64		  rows_before;
	RowStore	 *rows;	  /* NULL before it was read */
	SpentLists	 *others; /* that were the latest one before */

	/* Of the run that is under way. */
	int64		  spent_before; /* requests for those before it */
	int64		  pages_began;	/* of all runs, when it began */
	int64		  looked_at;	/* requests when it was last seen whether it's time */
	CrispRequest *own_list;		/* the request for the list; NULL where there is none */
	bool		  has_own_key;	/* it has a list of its own */
	TextKey		  own_key;		/* which that is */
	bool		  has_beside;	/* another list than the latest one would serve it, too */
	TextKey		  beside;		/* which that is */
	int64		  began;		/* requests before it */
	RowStore	 *own_rows;		/* of that one, from a run before; NULL where they aren't used */
	GivenRows	 *given;		/* rows that it has given; NULL for none */
	bool		  skips;		/* these, where the list has them */
	int64		  position;		/* of the next row */

	int64 runs;
	int64 recalled;
	int64 probes; /* of lists before this one */
};

WiderList *
wider_list_create(ForeignScanState *node)
{
	const CrispScan *scan = node->fdw_state;
	const EState	*estate = node->ss.ps.state;
	int				 kind = scan_method(scan, METHOD_KIND);
	MemoryContext	 context;
	WiderList		*list;

	/* Details are for rows that pass the conditions, not for a whole list. */
	if (!kept_rows_are_for_passes(scan->kept) || kind == SCAN_LOOKUP || kind == SCAN_CHILDREN ||
		scan->early_filter != NULL || scan->value_states == NIL)
		return NULL;
	context = AllocSetContextCreate(estate->es_query_cxt, "crisp_fdw wider list",
									ALLOCSET_SMALL_SIZES);
	list = MemoryContextAllocZero(context, sizeof(WiderList));
	list->context = context;
	list->owner = CurrentResourceOwner;
	list->others = spent_lists_create(context);
	list->whole_pages = scan_method(scan, METHOD_LIST_REQUESTS);
	list->expected = rescan_expected(estate->es_plannedstmt, node->ss.ps.plan) *
					 scan_method(scan, METHOD_REQUESTS);
	return list;
}

void
wider_list_note_params(WiderList *list, const Bitmapset *params)
{
	MemoryContext old_context;

	if (list == NULL || bms_is_subset(params, list->changing))
		return;
	old_context = MemoryContextSwitchTo(list->context);
	list->changing = bms_add_members(list->changing, params);
	MemoryContextSwitchTo(old_context);
}

/*----------
 * Which list, and what it costs
 *----------
 */

/*
 * Say whether a list is the latest one that runs were counted for.
 */
static bool
is_latest(const WiderList *list, TextKey key)
{
	return list->list_context != NULL && memcmp(&list->key, &key, sizeof(key)) == 0;
}

/*
 * Return how many requests the scan has made for its runs, so far, beside what tells whether rows
 * have moved.  Pages that were asked for ahead of need, and then weren't wanted, have cost as much
 * as others.
 */
static int64
requests_made(const WiderList *list, const CrispScan *scan)
{
	ReaderCounts counts = scan_source_counts(scan);

	return scan->options->counts->requests - list->probes - list->cost.probes - counts.rechecks;
}

/*
 * Return how many pages have come for them.  Of a run that is under way, these alone count: what is
 * asked for ahead may be its end.
 */
static int64
pages_read(const CrispScan *scan)
{
	ReaderCounts counts = scan_source_counts(scan);

	return counts.pages - counts.rechecks;
}

/*
 * Count what was spent on runs, and note what the latest has shown of the list's length.
 */
static void
count_runs(WiderList *list, const CrispScan *scan)
{
	ReaderCounts counts = scan_source_counts(scan);
	int64		 pages = counts.pages - counts.rechecks - counts.past_end - list->pages_before;

	/* What a run has shown is on the list. */
	if (counts.rows > list->rows_before)
		list_cost_note_least(&list->cost, 1);
	list->rows_before = counts.rows;
	list->pages_before += Max(pages, 0);
	list->cost.spent = requests_made(list, scan) - list->before;
	if (pages > 1 && scan_method(scan, METHOD_KIND) == SCAN_LIST)
		list_cost_note_least(&list->cost, (int) Min(pages, PG_INT32_MAX / 4));
}

/*
 * Leave the list for another one, and remember what was spent, in case it's asked for again.  Its
 * rows are kept as those of runs are.  Where there's no room for them, it's read again once as much
 * again was spent.
 */
static void
leave_list(WiderList *list, CrispScan *scan)
{
	list->probes += list->cost.probes;
	if (list->rows != NULL)
	{
		past_runs_keep(scan->past_runs, list->key, list->rows);
		row_store_end(list->rows);
		if (!past_runs_has(scan->past_runs, list->key))
			list->cost.spent = 0;
	}
	list->rows = NULL;
	spent_lists_put(list->others,
					&(SpentList){.key = list->key, .cost = list->cost, .lists = list->lists});
	MemoryContextDelete(list->list_context);
	list->list_context = NULL;
}

/*
 * Take up what was spent on a list before.  Runs before its first count where no list did: those of
 * a list that runs don't share count for it alone.
 */
static void
take_up(WiderList *list, const CrispScan *scan, bool is_first)
{
	const SpentList *other = spent_lists_get(list->others, list->key);

	if (other != NULL)
		list->cost = other->cost;
	else if (list_cost_is_whole(&list->request))
		list->cost = list_cost_create(list->whole_pages);
	else
		list->cost = list_cost_create_part();
	list->lists = other ? other->lists : 0;
	if (!is_first || list->is_apart)
		list->before = requests_made(list, scan) - list->cost.spent;
}

/*
 * Count for another list than the latest.  Nothing of the request that is in memory of the moment
 * is kept.
 */
static void
begin_list(WiderList *list, CrispScan *scan, const ListRequest *request, TextKey key)
{
	bool		  is_first = list->list_context == NULL;
	MemoryContext old_context;

	if (!is_first)
		leave_list(list, scan);
	list->list_context = AllocSetContextCreate(list->context, "crisp_fdw list",
											   ALLOCSET_SMALL_SIZES);
	old_context = MemoryContextSwitchTo(list->list_context);
	list->request = *request;
	list->request.query = pstrdup(request->query);
	list->request.inbox = request->inbox ? pstrdup(request->inbox) : NULL;
	list->request.proof = (QueryProof){0};
	list->key = key;
	take_up(list, scan, is_first);
	list_cost_begin(&list->cost, &list->request);
	MemoryContextSwitchTo(old_context);
}

/*
 * Make the request for the list that leaves out what depends on parameters of a set, as far as it
 * can (*is_apart: not all of it); NULL where there is none.
 */
static CrispRequest *
make_request(ForeignScanState *node, const Bitmapset *changing, bool *is_apart)
{
	const CrispScan *scan = node->fdw_state;
	CrispRequest	*request = scan_request_create_wider(node, scan->options, scan->value_states,
														 changing, is_apart);

	if (request == NULL || request->kind != REQUEST_LIST)
		return NULL;
	request->as.list.per_page = scan->options->per_page;
	return request;
}

/*
 * Say whether it's time to read the list, when more requests are about to be made in its stead, for
 * a run that begins, or one that is under way.
 */
static bool
is_due(WiderList *list, bool is_under_way)
{
	ListCost *cost = &list->cost;
	double	  left = list->expected - (double) cost->spent;
	int64	  parts;

	if (cost->given_up || cost->spent == 0)
		return false;
	if (left <= 0 || left * WORTH_FINDING > cost->next)
		list_cost_find(cost, HUGE_VAL);

	/*
	 * Runs that share the list out among them end with a page each that isn't full, and may have
	 * asked for others past it; and statistics may make the list shorter than it is.  So the last
	 * of them had better go on to its own end.
	 */
	parts = cost->pages / SHARE_OF_PARTS;
	if (cost->pages != list->whole_pages)
		parts = Min(list->lists * (is_under_way ? list->request.options->prefetch : 1), parts);
	return list_cost_is_reached(cost, parts) &&
		   (api_max_requests == 0 ||
			cost->pages <= (api_max_requests - api_statement_requests()) / 2);
}

/*----------
 * Reading it
 *----------
 */

/*
 * Note that the list couldn't be had: that may pass, so it's tried once more, when as much was
 * spent again.
 */
static void
note_failure(WiderList *list, const CrispScan *scan)
{
	list->cost.given_up = list->cost.failed;
	list->cost.failed = true;
	list->cost.spent = list->spent_before = 0;
	list->before = requests_made(list, scan);
	list->pages_began = pages_read(scan);
}

/*
 * Read the list.  Where Crisp doesn't give it, or says that it has no row although runs have shown
 * some, or where it's far longer than it was said to be, they go on.
 */
static void
read_list(ForeignScanState *node, CrispRequest *request)
{
	const CrispScan *scan = node->fdw_state;
	WiderList		*list = scan->wider;
	RowStore		*rows = stored_list_create(node, list->context, list->owner);

	if (stored_list_read(node, request, rows, list->given, &list->cost))
	{
		list->rows = rows;
		return;
	}
	row_store_end(rows);
	if (list->cost.pages > 0)
		note_failure(list, scan);
}

/*
 * Return the rows of a list that a run has read; NULL where none has.
 */
static RowStore *
recall(const ForeignScanState *node, TextKey key)
{
	const CrispScan *scan = node->fdw_state;
	WiderList		*list = scan->wider;
	RowStore		*rows;

	if (!past_runs_has(scan->past_runs, key))
		return NULL;
	rows = stored_list_create(node, list->context, list->owner);
	(void) past_runs_recall(scan->past_runs, key, rows);
	return rows;
}

/*----------
 * Runs
 *----------
 */

/*
 * Forget the run before.
 */
static void
forget_run(WiderList *list)
{
	if (list->given != NULL)
		given_rows_end(list->given);
	list->given = NULL;
	list->own_list = NULL;
	list->skips = false;
	list->has_own_key = false;
	if (list->own_rows != NULL)
		row_store_end(list->own_rows);
	list->own_rows = NULL;
}

/*
 * Begin a run that the list serves.
 */
static void
begin_served(WiderList *list)
{
	list->runs++;
	list->position = 0;
	row_store_rewind(list->rows);
}

/*
 * Say whether rows of a list have been read.
 */
static bool
is_read(const CrispScan *scan, TextKey key)
{
	return (scan->wider->rows != NULL && is_latest(scan->wider, key)) ||
		   past_runs_has(scan->past_runs, key);
}

/*
 * Say whether the list of the run's own serves it, as another run has read that, and the latest
 * isn't at hand for the run's request, or NULL.
 */
static bool
is_recalled(ForeignScanState *node, const CrispRequest *request)
{
	const CrispScan *scan = node->fdw_state;
	WiderList		*list = scan->wider;

	if (list->has_own_key &&
		(list->rows == NULL || request == NULL || !is_latest(list, past_runs_list_key(request))))
		list->own_rows = recall(node, list->own_key);
	return list->own_rows != NULL;
}

/*
 * Get the rows of the list that a request is for, if a run has read them, or it's time to.
 */
static void
get_list(ForeignScanState *node, CrispRequest *request)
{
	CrispScan *scan = node->fdw_state;
	WiderList *list = scan->wider;
	TextKey	   key = past_runs_list_key(request);

	if (!is_latest(list, key))
		begin_list(list, scan, &request->as.list, key);
	if (list->rows == NULL)
	{
		list->rows = recall(node, key);
		list->recalled += list->rows != NULL;
	}
	if (list->rows == NULL)
	{
		count_runs(list, scan);
		if (is_due(list, false))
			read_list(node, request);
	}
}

/*
 * Count what the run before has cost: for the list that it was to come from, and for the other one
 * that would have served it.
 */
static void
count_latest(WiderList *list, const CrispScan *scan)
{
	if (list->list_context == NULL)
		return;
	count_runs(list, scan);
	if (list->has_beside)
		spent_lists_add(list->others, list->beside, requests_made(list, scan) - list->began);
	list->has_beside = false;
}

/*
 * Say whether the run's own list, which other runs asked for, too, may have cost as much as it
 * takes.
 */
static bool
is_own_worth_asking(WiderList *list)
{
	const SpentList *other = spent_lists_get(list->others, list->own_key);
	const ListCost	*cost = other ? &other->cost : NULL;

	if (is_latest(list, list->own_key))
		cost = &list->cost;
	return cost != NULL && !cost->given_up &&
		   cost->spent >= (cost->pages > 0 ? cost->pages : cost->next);
}

/*
 * Choose between the run's own list, by a request, and the one that leaves conditions out: that is
 * the one to count for first.
 */
static CrispRequest *
choose_between(CrispScan *scan, CrispRequest *own, CrispRequest *shared)
{
	WiderList *list = scan->wider;
	TextKey	   key = past_runs_list_key(shared);
	bool	   takes_own;

	if (memcmp(&key, &list->own_key, sizeof(key)) == 0 || is_read(scan, key))
		return shared;
	takes_own = is_own_worth_asking(list);
	list->has_beside = true;
	list->beside = takes_own ? key : list->own_key;
	list->began = requests_made(list, scan);
	return takes_own ? own : shared;
}

/*
 * Make the request for the list that is to serve runs such as the one that begins.
 */
static CrispRequest *
choose_list(ForeignScanState *node)
{
	CrispScan	 *scan = node->fdw_state;
	WiderList	 *list = scan->wider;
	CrispRequest *own = make_request(node, NULL, &list->is_apart);
	CrispRequest *shared = NULL;

	if (list->changing != NULL)
		shared = make_request(node, list->changing, &list->is_apart);
	list->has_own_key = own != NULL;
	if (own != NULL)
		list->own_key = past_runs_list_key(own);
	if (own == NULL || shared == NULL || !list->is_apart)
		return shared;
	return choose_between(scan, own, shared);
}

bool
wider_list_serves(ForeignScanState *node)
{
	CrispScan	 *scan = node->fdw_state;
	WiderList	 *list = scan->wider;
	bool		  is_first;
	CrispRequest *request;

	if (list == NULL || scan->errand != NULL)
		return false;
	is_first = list->list_context == NULL;
	forget_run(list);
	count_latest(list, scan);
	request = choose_list(node);
	if (is_recalled(node, request))
		return true;
	if (request != NULL)
		get_list(node, request);
	if (request != NULL && list->rows != NULL)
	{
		begin_served(list);
		return true;
	}
	list->lists++;

	/* There may be no other run than the first. */
	list->own_list = is_first ? NULL : request;
	list->looked_at = scan->options->counts->requests - list->cost.probes;
	list->spent_before = requests_made(list, scan) - list->before;
	list->pages_began = pages_read(scan);
	return false;
}

void
wider_list_note_given(CrispScan *scan, const FetchedRow *row)
{
	WiderList *list = scan->wider;

	if (list == NULL || list->own_list == NULL)
		return;
	if (list->given == NULL)
		list->given = given_rows_create(list->context, list->owner, scan->options);

	/* What can't be told from others keeps the run from changing over. */
	if (!given_rows_add(list->given, row->row))
		list->own_list = NULL;
}

/*
 * Say whether it's worth seeing now whether the list takes over: a page is about to be asked for,
 * and others were since that was seen last.
 */
static bool
is_between_pages(WiderList *list, const CrispScan *scan)
{
	int64 requests = scan->options->counts->requests - list->cost.probes;

	if (list->own_list == NULL || scan->ahead != NULL || row_reader_at_hand(scan->reader) ||
		list->looked_at == requests)
		return false;
	list->looked_at = requests;
	list->cost.spent = list->spent_before + pages_read(scan) - list->pages_began;
	return !row_reader_at_end(scan->reader);
}

bool
wider_list_is_due(ForeignScanState *node)
{
	const CrispScan *scan = node->fdw_state;
	WiderList		*list = scan->wider;

	/* The first one to read a part of its list can't make it dearer than it is. */
	if (list == NULL || (list->is_apart && list->spent_before == 0) ||
		!is_between_pages(list, scan) || !is_due(list, true))
		return false;

	/* Nor does one that is about to end it. */
	return !list->is_apart || pages_read(scan) - list->pages_began < list->cost.pages - 1;
}

bool
wider_list_own_key(const WiderList *list, TextKey *key)
{
	if (list == NULL || !list->has_own_key)
		return false;
	*key = list->own_key;
	return true;
}

bool
wider_list_takes_all(ForeignScanState *node)
{
	CrispScan	 *scan = node->fdw_state;
	WiderList	 *list = scan->wider;
	MemoryContext old_context = MemoryContextSwitchTo(scan->request_context);
	RowReader	 *own = scan->reader;

	scan->reader = NULL;
	read_list(node, list->own_list);
	if (list->rows != NULL)
	{
		row_reader_add_counts(&scan->counts, row_reader_counts(own));
		row_reader_end(own);
		begin_served(list);
	}
	else
		scan->reader = own;
	MemoryContextSwitchTo(old_context);
	return list->rows != NULL;
}

bool
wider_list_takes_over(ForeignScanState *node)
{
	WiderList *wider = ((CrispScan *) node->fdw_state)->wider;

	if (!wider_list_is_due(node) || !wider_list_takes_all(node))
		return false;
	wider->skips = wider->given != NULL;
	return true;
}

/*----------
 * Its rows
 *----------
 */

bool
wider_list_is_read(const CrispScan *scan)
{
	return scan->reads_wider && scan->top_n == NULL;
}

void
wider_list_rewind(CrispScan *scan)
{
	WiderList *list = scan->wider;

	list->skips = false;
	list->position = 0;
	row_store_rewind(list->own_rows ? list->own_rows : list->rows);
	scan->at_end = false;
}

bool
wider_list_get(WiderList *list, TupleTableSlot *slot)
{
	if (list->own_rows != NULL)
		return row_store_get(list->own_rows, slot);
	while (row_store_get(list->rows, slot))
		if (!list->skips || !given_rows_at(list->given, (int) list->position++))
			return true;

	/* A row that was skipped isn't given. */
	ExecClearTuple(slot);
	return false;
}

bool
wider_list_fetch(ForeignScanState *node, TupleTableSlot *slot, bool *late)
{
	*late = false;
	return wider_list_get(((const CrispScan *) node->fdw_state)->wider, slot);
}

WiderListCounts
wider_list_counts(const WiderList *list)
{
	WiderListCounts counts = {0};

	if (list != NULL)
	{
		counts.runs = list->runs;
		counts.recalled = list->recalled;
		counts.probes = list->probes + list->cost.probes;
	}
	return counts;
}

void
wider_list_end(WiderList *list)
{
	if (list == NULL)
		return;
	forget_run(list);
	if (list->rows != NULL)
		row_store_end(list->rows);
	MemoryContextDelete(list->context);
}
