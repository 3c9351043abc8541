/*-------------------------------------------------------------------------
 *
 * explain.c
 *		Show scans in EXPLAIN.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/explain.h"
#include "nodes/makefuncs.h"
#include "parser/parsetree.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/ruleutils.h"

#include "scan/aggregate.h"
#include "fetch/time_cursor.h"
#include "scan/expected_requests.h"
#include "scan/explain.h"
#include "scan/explain_advice.h"
#include "scan/explain_statement.h"
#include "fetch/list_reader.h"
#include "fetch/order.h"
#include "plan/plan.h"
#include "scan/scan.h"
#include "request/time_range.h"
#include "base/compat.h"

/* How many keys of a lookup are named. */
#define KEYS_SHOWN 3

/*
 * Return what asks for the first page of a list below a row of the parent, besides its route; or
 * NULL.
 */
static char *
first_query(const ChildrenRequest *request)
{
	if (request->options->resource->cursor != NULL)
		return time_cursor_query(time_cursor_create(request));
	return request->link ? pstrdup(request->link) : NULL;
}

/*
 * Name the requests for lists below the rows of the parent: those that are named, or one that
 * stands for all.
 */
static char *
child_text(const ChildrenRequest *request)
{
	StringInfoData text;
	List		  *arguments = request->arguments ? request->arguments : list_make1(NULL);
	List		  *words = request->words ? request->words : list_make1(NULL);
	int			   nlists = list_length(arguments) * list_length(words);

	initStringInfo(&text);
	for (int i = 0; i < Min(nlists, KEYS_SHOWN); i++)
	{
		const char *argument = list_nth(arguments, i / list_length(words));
		const char *word = list_nth(words, i % list_length(words));

		appendStringInfo(&text, "%sGET %s", i > 0 ? ", " : "",
						 request_child_target(request, argument, word, 1, first_query(request)));
	}
	if (nlists > KEYS_SHOWN)
		appendStringInfo(&text, ", ... (%d lists)", nlists);
	return text.data;
}

/*
 * Name the requests for single rows: the first of those that are known, or one that stands for all.
 */
static char *
keys_text(const KeysRequest *request)
{
	StringInfoData text;
	List		  *keys = request->keys ? request->keys : list_make1(NULL);
	ListCell	  *lc;

	initStringInfo(&text);
	foreach(lc, keys)
	{
		if (foreach_current_index(lc) == KEYS_SHOWN)
		{
			appendStringInfo(&text, ", ... (%d keys)", list_length(keys));
			break;
		}
		appendStringInfo(&text, "%sGET %s", text.len > 0 ? ", " : "",
						 request_lookup_target(request, lfirst(lc)));
	}
	return text.data;
}

/*
 * Describe a request for a list by its first page.
 */
static char *
list_text(const ListRequest *request)
{
	ListRequest first = list_reader_first_request(request);

	return psprintf("GET %s", request_list_target(&first, 1));
}

static char *
request_text(const CrispRequest *request)
{
	switch (request->kind)
	{
		case REQUEST_LIST:
			return list_text(&request->as.list);
		case REQUEST_KEYS:
			return keys_text(&request->as.keys);
		case REQUEST_CHILDREN:
			return child_text(&request->as.children);
	}
	pg_unreachable();
}

/*
 * Show, with VERBOSE, which conditions Crisp is told, and which only PostgreSQL checks.
 */
static void
explain_conditions(ForeignScanState *node, List *deparse_context, ExplainState *es)
{
	ForeignScan *plan = (ForeignScan *) node->ss.ps.plan;
	List		*indexes = list_nth(plan->fdw_private, SCAN_PRIVATE_QUALS);
	List		*asked = NIL;
	List		*local = NIL;
	ListCell	*lc;

	foreach(lc, plan->scan.plan.qual)
	{
		if (list_member_int(indexes, foreach_current_index(lc)))
			asked = lappend(asked, lfirst(lc));
		else
			local = lappend(local, lfirst(lc));
	}
	if (asked != NIL)
		ExplainPropertyText(
			"Asked of Crisp",
			deparse_expression((Node *) make_ands_explicit(asked), deparse_context, true, false),
			es);
	if (local != NIL)
		ExplainPropertyText(
			"Checked Locally Only",
			deparse_expression((Node *) make_ands_explicit(local), deparse_context, true, false),
			es);
}

/*
 * Show how a list is read, if that's not the default.
 */
static void
explain_scan_mode(const CrispRequest *request, ExplainState *es)
{
	if (request->kind == REQUEST_LIST && list_reader_is_exact(&request->as.list))
		ExplainPropertyText("Scan Mode", "exact", es);
}

/*
 * Show where the scan ends before the list does.
 */
static void
explain_early_stop(const List *method, const ListRequest *request, ExplainState *es)
{
	if (list_nth_int(method, METHOD_KIND) == SCAN_TOP_N)
	{
		if (request->order != NULL && order_rises(request->options, request->order) ==
										  (list_nth_int(method, METHOD_ASCENDING) != 0))
			ExplainPropertyInteger("Early Stop", "rows", list_nth_int(method, METHOD_ROWS_WANTED),
								   es);
	}
	else if (list_nth_int(method, METHOD_KIND) == SCAN_OLDEST)
		ExplainPropertyText("Early Stop",
							psprintf("the oldest %d rows, found by dates",
									 list_nth_int(method, METHOD_ROWS_WANTED)),
							es);
	else if (request->order != NULL && request->stop_column != NULL)
		ExplainPropertyText(
			"Early Stop",
			psprintf("in the order of %s, once it is proved",
					 crisp_column_name(request->options->resource, request->stop_column)),
			es);
}

/*
 * Show that rows come in an order, and, with ANALYZE, whether they have been sorted here.
 */
static void
explain_order(ForeignScanState *node, const List *method, ExplainState *es)
{
	if (list_nth_int(method, METHOD_KIND) != SCAN_STREAM)
		return;
	ExplainPropertyText("Order", es->analyze && scan_has_sorted(node) ? "sorted here" : "streamed",
						es);
}

/*
 * Show what is asked for each row of the list.
 */
static void
explain_details(ForeignScanState *node, ExplainState *es)
{
	char *target = scan_detail_target(node);

	if (target != NULL)
		ExplainPropertyText("Crisp Request For Each Row", psprintf("GET %s", target), es);
}

/*
 * Show that nobody has analyzed the table, so that what the planner expects is what's usual, or
 * what the session has seen.
 */
static void
explain_statistics(const List *method, ExplainState *es)
{
	bool lacking = list_nth_int(method, METHOD_NO_STATISTICS) != 0;

	if (lacking || es->format != EXPLAIN_FORMAT_TEXT)
		ExplainPropertyBool("Estimated Without Statistics", lacking, es);
}

/*
 * Show the requests that the planner reckons with: of a scan that is run for each row of another,
 * of one run, and in all.
 */
static void
explain_expected(ForeignScanState *node, const CrispRequest *request, ExplainState *es)
{
	ExpectedRequests expected = {0};
	bool			 is_text = es->format == EXPLAIN_FORMAT_TEXT;
	char			*text = NULL;

	if (request != NULL)
		expected = expected_requests(es->pstmt, (const ForeignScan *) node->ss.ps.plan);
	if (expected.may_stop && expected.run > 1 && expected.runs > 1)
		text = psprintf("1 a loop for the first rows, %.0f a loop for all, %.0f in all",
						expected.run, expected.all);
	else if (expected.may_stop && expected.run > 1)
		text = psprintf("1 for the first rows, %.0f for all", expected.run);
	else if (expected.all > expected.run)
		text = psprintf("%.0f a loop, %.0f in all", expected.run, expected.all);
	if (is_text && text != NULL)
		ExplainPropertyText("Expected Requests", text, es);
	else
		ExplainPropertyFloat("Expected Requests", NULL, expected.run, 0, es);
	if (!is_text)
		ExplainPropertyFloat("Expected Requests In All", NULL, expected.all, 0, es);
}

/*
 * Show how keys were found, where the whole list has served any.
 */
static void
explain_whole_list(const WholeListCounts *counts, ExplainState *es)
{
	char *absent = counts->absent > 0 ? psprintf(", Not In It: " INT64_FORMAT, counts->absent) : "";

	if (es->format == EXPLAIN_FORMAT_TEXT && counts->is_read)
		ExplainPropertyText("Keys Looked Up",
							psprintf(INT64_FORMAT ", From The Whole List: " INT64_FORMAT "%s",
									 counts->lookups, counts->served, absent),
							es);
	if (es->format == EXPLAIN_FORMAT_TEXT && counts->probes > 0)
		ExplainPropertyInteger("Requests For The List's Length", NULL, counts->probes, es);
	if (es->format == EXPLAIN_FORMAT_TEXT)
		return;
	ExplainPropertyBool("Lookups Replaced By List", counts->is_read, es);
	ExplainPropertyInteger("Keys Looked Up", NULL, counts->lookups, es);
	ExplainPropertyInteger("Keys From The Whole List", NULL, counts->served, es);
	ExplainPropertyInteger("Keys Not In The Whole List", NULL, counts->absent, es);
	ExplainPropertyInteger("Requests For The List's Length", NULL, counts->probes, es);
}

/*
 * Show how many runs of the scan one list has served.
 */
static void
explain_wider_list(const WiderListCounts *counts, ExplainState *es)
{
	if (es->format != EXPLAIN_FORMAT_TEXT || counts->runs > 0)
		ExplainPropertyInteger("Loops Served From One List", NULL, counts->runs, es);
	if (es->format == EXPLAIN_FORMAT_TEXT && counts->probes > 0)
		ExplainPropertyInteger("Requests For The List's Length", NULL, counts->probes, es);
}

/*
 * Show how many runs of the scan were given what others had asked for.
 */
static void
explain_past_runs(int64 runs, ExplainState *es)
{
	if (es->format != EXPLAIN_FORMAT_TEXT || runs > 0)
		ExplainPropertyInteger("Loops Served From Earlier Ones", NULL, runs, es);
}

/*
 * Show which keys were searched for together.
 */
static void
explain_key_search(const KeySearchCounts *counts, ExplainState *es)
{
	if (es->format != EXPLAIN_FORMAT_TEXT)
	{
		ExplainPropertyInteger("Keys Searched For Together", NULL, counts->keys, es);
		ExplainPropertyInteger("Keys Found Together", NULL, counts->found, es);
		ExplainPropertyInteger("Requests For Keys Together", NULL, counts->searches, es);
	}
	else if (counts->searches > 0)
		ExplainPropertyText("Keys Searched For Together",
							psprintf(INT64_FORMAT ", Found: " INT64_FORMAT
												  ", Requests: " INT64_FORMAT,
									 counts->keys, counts->found, counts->searches),
							es);
}

/*
 * Show, with ANALYZE, what the scan has cost.
 */
static void
explain_counts(const ScanCounts *counts, ExplainState *es)
{
	ExplainPropertyInteger("Requests", NULL, counts->api.requests, es);
	if (counts->api.retries > 0 || es->format != EXPLAIN_FORMAT_TEXT)
		ExplainPropertyInteger("Retries", NULL, counts->api.retries, es);
	ExplainPropertyInteger("Requests Past The End", NULL, counts->reader.past_end, es);
	if (counts->reader.rechecks > 0 || es->format != EXPLAIN_FORMAT_TEXT)
		ExplainPropertyInteger("Recheck Requests", NULL, counts->reader.rechecks, es);
	ExplainPropertyInteger("Pages", NULL, counts->reader.pages, es);
	ExplainPropertyInteger("Rows Received", NULL, counts->reader.rows, es);
	ExplainPropertyInteger("Duplicates Removed", NULL, counts->reader.duplicates, es);
	explain_key_search(&counts->key_search, es);
	explain_whole_list(&counts->whole_list, es);
	explain_wider_list(&counts->wider_list, es);
	explain_past_runs(counts->past_runs, es);
	if (counts->reader.lists > 0 || es->format != EXPLAIN_FORMAT_TEXT)
		ExplainPropertyInteger("Lists", NULL, counts->reader.lists, es);
	if (es->timing)
	{
		ExplainPropertyInteger("Received", "bytes", counts->api.bytes, es);
		ExplainPropertyFloat("Waiting Time", "ms", counts->api.wait_ms, 3, es);
	}
}

void
explain_scan(ForeignScanState *node, struct ExplainState *es)
{
	ForeignScan	 *plan = (ForeignScan *) node->ss.ps.plan;
	List		 *method = list_nth(plan->fdw_private, SCAN_PRIVATE_METHOD);
	List		 *deparse_context = set_deparse_context_plan(es->deparse_cxt, (Plan *) plan, NIL);
	CrispRequest *request = scan_request(node, deparse_context);

	if (request == NULL)
		ExplainPropertyText("Crisp Request", "none, for no row can match", es);
	else if (request->kind == REQUEST_CHILDREN)
	{
		const CrispRequest *parent = request->as.children.parent;

		if (parent != NULL)
			ExplainPropertyText("Crisp Request", request_text(parent), es);
		ExplainPropertyText(parent ? "Crisp Request For Each Row" : "Crisp Request",
							request_text(request), es);
		if (parent != NULL)
			explain_scan_mode(parent, es);
	}
	else
	{
		ExplainPropertyText("Crisp Request", request_text(request), es);
		explain_scan_mode(request, es);
		if (request->kind == REQUEST_LIST)
		{
			explain_early_stop(method, &request->as.list, es);
			explain_advice(node, es);
		}
		explain_order(node, method, es);
		explain_details(node, es);
	}
	if (es->verbose)
		explain_conditions(node, deparse_context, es);
	if (es->costs)
	{
		explain_expected(node, request, es);
		explain_statistics(method, es);
	}
	if (es->analyze)
	{
		ScanCounts counts = scan_counts(node);

		explain_counts(&counts, es);
	}
	explain_statement(node, es);
}

/*
 * Return the relation whose rows a node counts, as EXPLAIN names those that it scans.
 */
static char *
counted_relation_text(ForeignScanState *node, const ExplainState *es)
{
	Index				 rti = aggregate_relation(node);
	const RangeTblEntry *rte = rt_fetch(rti, es->rtable);
	const char			*alias = list_nth(es->rtable_names, (int) rti - 1);
	char				*relation = get_rel_name(rte->relid);
	char	   *schema = es->verbose ? get_namespace_name(get_rel_namespace(rte->relid)) : NULL;
	const char *name = quote_qualified_identifier(schema, relation);

	if (alias == NULL || strcmp(alias, relation) == 0)
		return psprintf("Aggregate on (%s)", name);
	return psprintf("Aggregate on (%s %s)", name, quote_identifier(alias));
}

void
explain_aggregate(ForeignScanState *node, struct ExplainState *es)
{
	ExplainPropertyText("Relations", counted_relation_text(node, es), es);
	ExplainPropertyText("Crisp Request", psprintf("GET %s", aggregate_target(node)), es);
	if (es->costs)
		ExplainPropertyInteger("Expected Requests", NULL, 1, es);
	if (es->analyze)
	{
		ScanCounts counts = aggregate_counts(node);

		explain_counts(&counts, es);
	}
	explain_statement(node, es);
}
