/*-------------------------------------------------------------------------
 *
 * pager.c
 *		Read the rows of a list, page by page.
 *
 * Which page comes next, when the list ends, and no key twice.  Pages are asked for ahead of need;
 * each lives in a memory context that is deleted when its last row is out.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "utils/memutils.h"

#include "api/api_answer.h"
#include "request/criteria.h"
#include "fetch/early_stop.h"
#include "fetch/page_estimate.h"
#include "fetch/page_watch.h"
#include "request/inbox.h"
#include "json/json_path.h"
#include "fetch/last_page.h"
#include "fetch/pager.h"
#include "base/key_set.h"
#include "api/pipeline.h"

bool pager_makes_sure = false;

struct Pager
{
	const ListRequest *request;	  /* own */
	ListRequest		   own;		  /* what the caller wants, but for an order that Crisp refuses */
	MemoryContext	   context;	  /* of the pager */
	MemoryContext	   scratch;	  /* for what a request is made of */
	Pipeline		  *pipeline;  /* the pages that are under way */
	PageEstimate	  *estimate;  /* how many there may be */
	int				   next_page; /* the first that was not asked for */
	MemoryContext	   page_context; /* of the page that is being read; NULL before the first */

	const JsonPath *key;  /* of a row; NULL when the resource has none */
	KeySet		   *seen; /* keys that were returned */
	bool			owns_seen;

	const JsonNode *rows; /* the page: a JSON array; NULL before the first */
	size_t			nrows;
	size_t			next_row;
	int				page_number;	 /* of rows; 0 before the first */
	int64			page_date;		 /* see pager_page_date() */
	size_t			largest_page;	 /* most rows seen on one page */
	bool			last_page;		 /* nothing follows the page at hand */
	bool			short_first;	 /* the first page wasn't full */
	bool			said_more;		 /* a page did, by its status: the latest that there was, */
	bool			said_before;	 /* and the one before it */
	bool			missing;		 /* there is no page of that number */
	bool			is_announced;	 /* that page, or rows of one that has none, were */
	bool			may_be_gap;		 /* there may be rows after it */
	bool			may_be_refused;	 /* for the order that was asked for */
	int				skipped_on_page; /* page whose skipped elements were logged last */
	int				repeated;		 /* page that was asked for again, as it had nothing new, */
	bool			repeats;		 /* nor had it then, or the next one: the list has moved */

	PageWatch	 watch;		  /* of whether it comes to an end */
	PageSlips	*slips;		  /* what notes where rows may slip by; NULL where nobody asks */
	bool		 minds_slips; /* the pages that follow are asked for anew where one may have */
	EarlyStop	 stop;
	ReaderCounts counts;
};

Pager *
pager_begin(const ListRequest *request, KeySet *seen)
{
	MemoryContext	   context = AllocSetContextCreate(CurrentMemoryContext, "crisp_fdw pager",
													   ALLOCSET_SMALL_SIZES);
	MemoryContext	   old_context = MemoryContextSwitchTo(context);
	const CrispColumn *key = crisp_resource_key(request->options->resource);
	Pager			  *pager = palloc0(sizeof(Pager));

	pager->own = *request;
	pager->request = request = &pager->own;
	pager->context = context;
	pager->scratch = AllocSetContextCreate(context, "crisp_fdw pager scratch",
										   ALLOCSET_SMALL_SIZES);
	pager->pipeline = pipeline_create(context, request->options);
	pager->estimate = page_estimate_begin(request);
	pager->next_page = 1;
	early_stop_init(&pager->stop, request);
	if (key != NULL)
	{
		pager->key = json_path_of(key->path);
		pager->owns_seen = seen == NULL;
		pager->seen = seen ? seen : key_set_create((Size) work_mem * 1024);
	}
	pager->watch.is_first = seen == NULL || key_set_is_empty(seen);
	MemoryContextSwitchTo(old_context);
	return pager;
}

static void
ask_for_page(Pager *pager)
{
	MemoryContext old_context = MemoryContextSwitchTo(pager->scratch);
	char		 *target = request_list_target(pager->request, pager->next_page++);

	/* Another scan may learn so before this page is taken. */
	pager->may_be_refused = request_list_order_may_be_refused(pager->request);
	MemoryContextSwitchTo(old_context);
	pipeline_start(pager->pipeline, target);
	MemoryContextReset(pager->scratch);
}

/*
 * Say whether the query may need the next page, and it's likely to be there.  When all pages that
 * were expected have come, and the list goes on, nothing is known of how far it goes.
 */
static bool
may_ask_ahead(Pager *pager)
{
	const ListRequest *request = pager->request;
	int				   expected = page_estimate_pages(pager->estimate);

	if (pager->page_number == 0)
		return pager->next_page == 1;
	if (!crisp_resource_is_paged(request->options->resource, request->options->tier) ||
		!api_can_spare(request->options))
		return false;

	/* What is asked for ahead of a list that moves had to be asked for again. */
	if (pager->minds_slips && pager->watch.has_known)
		return false;
	if (request->pages_wanted > 0)
		return pager->next_page <= request->pages_wanted;

	/* Whoever has read so much may go on for half of that. */
	if (request->streamed && pager->next_page > pager->page_number + 1 + pager->page_number / 2)
		return false;
	if (pipeline_is_past_end(pager->pipeline) ||
		(pipeline_says_end(pager->pipeline) && page_status_is_trusted(request->options)))
		return false;
	if (expected == 0 || pager->next_page <= expected)
		return true;
	if (!pipeline_has_come(pager->pipeline))
		return false;
	page_estimate_exceed(pager->estimate, pager->next_page - 1);
	pipeline_narrow(pager->pipeline);
	pipeline_open(pager->pipeline);
	return true;
}

/*
 * Ask for as many pages as the pipeline has room for.  With the second page, Crisp is asked how
 * many rows there are, if that pays; until it has told, for one page at a time.
 */
static void
ask_ahead(Pager *pager)
{
	pipeline_open(pager->pipeline);
	while (pipeline_has_room(pager->pipeline) && may_ask_ahead(pager))
	{
		if (pager->next_page == 2 && page_estimate_ask(pager->estimate, pager->nrows))
			pipeline_take_place(pager->pipeline);
		ask_for_page(pager);
		if (page_estimate_is_pending(pager->estimate))
			break;
	}
}

/* Say what a page is: an array of rows, an object that is the only row, or either. */
static ApiData
wanted_data(const Pager *pager)
{
	const CrispOptions *options = pager->request->options;

	if (crisp_resource_is_one_row(options->resource, options->tier))
		return API_OBJECT;
	return options->resource->maybe_one_row ? API_ROWS : API_LIST;
}

/* Say whether the page at hand is an object, the only row. */
static bool
is_one_row(const Pager *pager)
{
	return json_node_kind(pager->rows) == JSON_NODE_OBJECT;
}

/*
 * Take the page that was received.  Returns false where Crisp has refused it, for its order.  A
 * page that isn't the first, and of which Crisp says that there is none, is empty.
 */
static bool
take_page(Pager *pager)
{
	MemoryContext old_context = MemoryContextSwitchTo(pager->context);
	bool		  is_first = pager->page_number == 1;
	bool		  of_all = is_first && inbox_is_all(pager->request);
	bool		  by_criteria = is_first && pager->request->proof.criteria != NULL;
	bool		  in_order = is_first && pager->may_be_refused;
	ApiKey		  key = !is_first ? API_PAGE : of_all || by_criteria ? API_KEY_GIVEN : API_ORDER;
	bool		  found = true;
	bool		  more;
	ApiAnswer	  answer = {0};

	if (pager->page_context != NULL)
		MemoryContextDelete(pager->page_context);
	pager->page_context = NULL;
	pager->rows = NULL;
	pager->nrows = 0;
	pager->next_row = 0;
	pager->page_context = pipeline_answer(pager->pipeline, wanted_data(pager), key, &answer,
										  !is_first || of_all || by_criteria || in_order ? &found
																						 : NULL);
	MemoryContextSwitchTo(old_context);
	if (!found && in_order)
		return false;
	if (!found && by_criteria)
	{
		criteria_refused(pager->request);
		pager->last_page = true;
		return true;
	}
	if (of_all)
		inbox_check_first_page(pager->request, found, json_node_length(answer.data));
	pager->counts.pages++;
	pager->missing = !found;
	page_watch_begin(&pager->watch);
	pager->rows = answer.data;
	pager->page_date = answer.date;
	pager->nrows = is_one_row(pager) ? 1 : json_node_length(answer.data);
	more = page_announces_more(pager->request->options, pager->said_more, answer.more);
	pager->is_announced = pager->missing ? pager->said_more : pager->nrows == 0 && more;

	/* Where the next page has come already, to look at it costs nothing. */
	more = pipeline_count(pager->pipeline) > 0 && pipeline_has_come(pager->pipeline);
	pager->may_be_gap = pager->is_announced || (!pager->missing && pager->nrows == 0 && more);
	pager->said_before = pager->said_more;
	if (found)
		pager->said_more = answer.more;
	pager->largest_page = Max(pager->largest_page, pager->nrows);
	pager->last_page = page_ends_list(pager->request, pager->nrows, pager->largest_page,
									  answer.more);
	page_note_size(pager->request->options, pager->nrows, pager->request->per_page);
	if (is_first)
		pager->short_first = pager_page_is_short(pager);
	if (pager->slips != NULL)
		page_slips_note_page(pager->slips, pager->rows);
	return true;
}

/*
 * Take the page that was received; as long as Crisp has refused its order, ask without it, and for
 * good.
 */
static void
take_page_in_some_order(Pager *pager)
{
	while (!take_page(pager))
	{
		MemoryContext old_context = MemoryContextSwitchTo(pager->context);

		request_list_order_refused(pager->request);
		pager->own.order = NULL;
		pager->own.stops = false;
		early_stop_give_up(&pager->stop);
		pager->next_page = 1;
		ask_for_page(pager);
		(void) pipeline_receive(pager->pipeline);
		MemoryContextSwitchTo(old_context);
	}
}

/*
 * Say whether the page at hand isn't believed to have no row, or not to exist: others are said to
 * follow, or it's the first one, and should have a row that was seen, or nothing is taken on trust.
 */
static bool
is_doubtful(const Pager *pager)
{
	const ListRequest *request = pager->request;

	if (pager->is_announced || pager->page_number > 1 || pager->rows == NULL || pager->nrows > 0)
		return pager->is_announced;
	return !request->takes_empty &&
		   (request->expects_rows || request->options->exact_scan ||
			(pager_makes_sure && api_requests_left(request->options) > PAGER_SPARE));
}

/* Take the page that was received.  It's asked for once more where it's doubtful. */
static void
take_sure_page(Pager *pager)
{
	take_page_in_some_order(pager);
	if (!is_doubtful(pager))
		return;
	pager->counts.pages--;
	pager->counts.past_end += 1 + pipeline_drop(pager->pipeline);
	pager->said_more = pager->said_before;
	pager->next_page = pager->page_number;
	ask_for_page(pager);
	(void) pipeline_receive(pager->pipeline);
	take_page_in_some_order(pager);
	if (is_doubtful(pager) && !pager->request->expects_rows &&
		pager->request->options->exact_scan &&
		crisp_resource_is_paged(pager->request->options->resource, pager->request->options->tier))
		pager->may_be_gap = true;
}

void
pager_check_gap(Pager *pager)
{
	MemoryContext old_context;
	MemoryContext page_context;
	ApiAnswer	  answer = {0};
	bool		  found;

	if (!pager->may_be_gap)
		return;
	old_context = MemoryContextSwitchTo(pager->context);
	if (pipeline_count(pager->pipeline) == 0)
		ask_for_page(pager);
	(void) pipeline_receive(pager->pipeline);
	page_context = pipeline_answer(pager->pipeline, API_LIST, API_PAGE, &answer, &found);
	MemoryContextSwitchTo(old_context);
	pager->counts.past_end++;
	if (found && json_node_length(answer.data) > 0)
		page_raise_missing(pager->request, pager->page_number, !pager->missing);
	if (!pager->missing)
		page_note_end(pager->request->options, pager->said_before, pager->said_more);
	MemoryContextDelete(page_context);
}

/* Note that the list is of no more use after the page at hand. */
static void
end_pages(Pager *pager)
{
	pager->last_page = true;
	pager->counts.past_end += pipeline_drop(pager->pipeline);
	page_estimate_end(pager->estimate, pager->page_number);
}

void
pager_watch(Pager *pager, const RowAge *age)
{
	pager->watch.age = age;
	pager->watch.may_stall = true;
}

void
pager_go_on(Pager *pager)
{
	pager->watch.may_stall = false;
	pager->watch.stalled = false;
}

void
pager_note_slips(Pager *pager, PageSlips *slips)
{
	pager->slips = slips;
}

bool
pager_is_stalled(const Pager *pager)
{
	return pager->watch.stalled;
}

static void
judge_page(Pager *pager, bool by_keys)
{
	MemoryContext old_context = MemoryContextSwitchTo(pager->scratch);

	page_watch_end(&pager->watch, pager->request, pager->page_number, by_keys);
	MemoryContextSwitchTo(old_context);
	MemoryContextReset(pager->scratch);
}

void
pager_check_keys(Pager *pager)
{
	judge_page(pager, true);
}

/* Judge, after a page, whether the list ends. */
static void
watch_page(Pager *pager)
{
	if (pager->page_number > 0)
		judge_page(pager, false);
	if (pager->watch.stalled)
		(void) pipeline_drop(pager->pipeline);
}

/*
 * Get the next page, and have others on their way.  The second page is asked for when the first has
 * been read to its end, not before: until then, the query may have had enough.  From then on it
 * takes the list for one that it will read on, and asks for more as soon as a page is here, before
 * it's parsed and read; unless the page's rows may show that they are the last ones wanted, or the
 * user wants no page that isn't needed.
 */
static void
fetch_page(Pager *pager)
{
	bool reads_on = pager->page_number > 0 && pager->request->options->prefetch > 1 &&
					!pager->stop.stops;
	MemoryContext old_context = MemoryContextSwitchTo(pager->context);

	ask_ahead(pager);
	if (pipeline_count(pager->pipeline) == 0)
		ask_for_page(pager);
	if (pipeline_receive(pager->pipeline) && reads_on && !page_estimate_is_pending(pager->estimate))
		ask_ahead(pager);
	MemoryContextSwitchTo(old_context);

	pager->page_number++;
	take_sure_page(pager);
	pager_check_gap(pager);
	if (pager->last_page)
		end_pages(pager);
}

/* Look at a row that has come twice. */
static void
note_duplicate(Pager *pager)
{
	pager->counts.duplicates++;
	page_watch_note_known(&pager->watch);
	if (pager->slips != NULL)
		page_slips_note_duplicate(pager->slips);
	if (pager->minds_slips)
	{
		(void) pipeline_drop(pager->pipeline);
		pager->next_page = pager->page_number + 1;
	}
}

/*
 * Say whether a row may be returned: its key has not been before.  A row without a key can't be
 * told from others, and is returned.
 */
static bool
is_new(Pager *pager, const JsonNode *row)
{
	const JsonNode *key = pager->key ? json_path_get(row, pager->key) : NULL;
	size_t			length;
	const char	   *text = key ? json_plain_text(key, &length) : NULL;

	if (text == NULL || key_set_add(pager->seen, text, length))
		return true;
	note_duplicate(pager);
	return false;
}

bool
pager_has_key(const Pager *pager, const JsonNode *row)
{
	return pager->key == NULL || json_path_get(row, pager->key) != NULL;
}

/* Say in the server's log that an element of a list is no row; once a page. */
static void
log_skipped(Pager *pager)
{
	MemoryContext old_context;

	if (pager->skipped_on_page == pager->page_number)
		return;
	pager->skipped_on_page = pager->page_number;
	old_context = MemoryContextSwitchTo(pager->scratch);
	api_log_skipped(pager->request->options,
					request_list_target(pager->request, pager->page_number), pager->next_row);
	MemoryContextSwitchTo(old_context);
	MemoryContextReset(pager->scratch);
}

const JsonNode *
pager_next_on_page(Pager *pager)
{
	while (pager->next_row < pager->nrows)
	{
		const JsonNode *row = is_one_row(pager) ? pager->rows
												: json_node_element(pager->rows, pager->next_row);

		pager->next_row++;
		pager->counts.rows++;
		if (json_node_kind(row) != JSON_NODE_OBJECT)
			log_skipped(pager);
		else if (early_stop_is_past(&pager->stop, row))
		{
			/* Nothing of this page, and no other, is wanted. */
			pager->next_row = pager->nrows;
			end_pages(pager);
		}
		else if (is_new(pager, row))
		{
			/* Where rows have a key, those without one say nothing of whether the list goes on. */
			if (pager_has_key(pager, row))
				page_watch_note_new(&pager->watch, row);
			early_stop_note_row(&pager->stop, row, pager->rows);
			return row;
		}
	}
	return NULL;
}

/*
 * Ask for the page at hand once more, if none of its rows is new, though the list is read for the
 * first time: it may have been the answer to another request.  Returns whether it was asked for.
 * Where that changes little, the list has moved by pages, and no other is asked for again.
 */
static bool
take_repeated_again(Pager *pager)
{
	if (!pager->watch.is_first || !page_watch_repeats(&pager->watch))
		return false;
	pager->repeats = pager->repeats || pager->page_number - pager->repeated < 2;
	if (pager->repeats)
		return false;
	pager->repeated = pager->next_page = pager->page_number--;
	fetch_page(pager);
	return true;
}

const JsonNode *
pager_next_within_dates(Pager *pager, bool *keeps_dates)
{
	for (;;)
	{
		const JsonNode *row = pager_next_on_page(pager);

		if (keeps_dates != NULL)
			*keeps_dates = row != NULL || pager->rows == NULL ||
						   page_keeps_dates(pager->rows, pager->request);
		if (row == NULL && take_repeated_again(pager))
			continue;
		if (row != NULL || pager->last_page || pager->watch.stalled ||
			(keeps_dates != NULL && !*keeps_dates))
			return row;
		watch_page(pager);
		if (!pager->watch.stalled)
			fetch_page(pager);
	}
}

const JsonNode *
pager_next(Pager *pager)
{
	return pager_next_within_dates(pager, NULL);
}

void
pager_mind_slips(Pager *pager)
{
	pager->minds_slips = true;
}

void
pager_ask(Pager *pager, int page_number)
{
	pager->counts.past_end += pipeline_drop(pager->pipeline);
	pager->next_page = page_number;
	pager->said_more = pager->said_more && page_number == pager->page_number + 1;
	ask_for_page(pager);
}

/* Take the page that was asked for, and make sure of one that has no row. */
static size_t
take_asked(Pager *pager, bool makes_sure)
{
	pager->page_number = pager->next_page - 1;
	(void) pipeline_receive(pager->pipeline);
	if (makes_sure)
		take_sure_page(pager);
	else
		take_page_in_some_order(pager);
	return pager->nrows;
}

size_t
pager_take(Pager *pager)
{
	return take_asked(pager, true);
}

bool
pager_has_answer(const Pager *pager)
{
	return pipeline_has_answer(pager->pipeline);
}

ApiCall *
pager_call(const Pager *pager)
{
	return pipeline_oldest(pager->pipeline);
}

size_t
pager_go_to(Pager *pager, int page_number)
{
	pager_ask(pager, page_number);

	/* Others may be beyond the end. */
	return take_asked(pager, page_number == 1);
}

bool
pager_on_last_page(const Pager *pager)
{
	return pager->last_page;
}

bool
pager_page_is_short(const Pager *pager)
{
	return pager->request->options->resource->per_page_param &&
		   page_is_short(pager->request->options, pager->nrows, pager->request->per_page);
}

bool
pager_came_at_once(const Pager *pager)
{
	return pager->last_page &&
		   (pager->page_number == 1 ||
			(pager->page_number == 2 && pager->nrows == 0 && pager->short_first));
}

const JsonNode *
pager_page(const Pager *pager)
{
	return pager->rows;
}

int
pager_page_number(const Pager *pager)
{
	return pager->page_number;
}

int64
pager_page_date(const Pager *pager)
{
	return pager->page_date;
}

bool
pager_has_all(const Pager *pager, int *npages)
{
	*npages = pager->page_number + pipeline_count(pager->pipeline);
	return pager->last_page ||
		   (pipeline_has_come(pager->pipeline) && pipeline_says_end(pager->pipeline) &&
			page_status_is_trusted(pager->request->options));
}

bool
pager_at_hand(const Pager *pager)
{
	return pager->next_row < pager->nrows;
}

bool
pager_get_ready(Pager *pager)
{
	MemoryContext old_context;

	if (pager_at_hand(pager) || pager->last_page || pager->watch.stalled)
		return true;
	old_context = MemoryContextSwitchTo(pager->context);
	ask_ahead(pager);
	if (pipeline_count(pager->pipeline) == 0)
		ask_for_page(pager);
	MemoryContextSwitchTo(old_context);
	return pipeline_get_ready(pager->pipeline);
}

bool
pager_is_ready(const Pager *pager)
{
	return pipeline_is_ready(pager->pipeline);
}

pgsocket
pager_socket(const Pager *pager)
{
	return pipeline_socket(pager->pipeline);
}

ReaderCounts
pager_counts(const Pager *pager)
{
	return pager->counts;
}

void
pager_end(Pager *pager)
{
	if (pager->owns_seen)
		key_set_free(pager->seen);
	MemoryContextDelete(pager->context);
}
