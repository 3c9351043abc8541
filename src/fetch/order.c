/*-------------------------------------------------------------------------
 *
 * order.c
 *		Tell whether the API gives a list in the order that was asked for.
 *
 * That rows come in order proves little: a list by creation date can look sorted by update date for
 * many pages, and then hold an old row that was updated a minute ago.  Where an order isn't
 * documented, it is proved by the first page and that of the opposite order: both are sorted, all
 * of the first is newer than all of the other, and at least one of them is sorted by no other time.
 * The two pages of a list that is shorter than both together have rows in common: these must be the
 * last ones of each.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "api/api_answer.h"
#include "api/server_facts.h"
#include "json/json_path.h"
#include "fetch/order.h"

bool
order_row_time(const JsonNode *row, const JsonPath *path, int64 *unix_ms)
{
	const JsonNode *value = json_path_get(row, path);
	double			real;

	if (json_node_int64(value, unix_ms))
		return true;
	if (json_node_kind(value) != JSON_NODE_NUMBER)
		return false;
	real = json_node_double(value);
	if (real >= (double) PG_INT64_MAX)
		*unix_ms = PG_INT64_MAX;
	else if (real <= (double) PG_INT64_MIN)
		*unix_ms = PG_INT64_MIN;
	else
		*unix_ms = (int64) real;
	return true;
}

PageTimes
order_page_times(const JsonNode *rows, const char *path)
{
	JsonPath *json_path = json_path_of(path);
	PageTimes times = {.falling = true, .rising = true};
	size_t	  nrows = json_node_length(rows);

	for (size_t i = 0; i < nrows; i++)
	{
		int64 time;

		if (!order_row_time(json_node_element(rows, i), json_path, &time))
			continue;
		if (times.count > 0)
		{
			times.falling = times.falling && time <= times.last;
			times.rising = times.rising && time >= times.last;
		}
		else
			times.first = time;
		times.latest = times.count > 0 ? Max(times.latest, time) : time;
		times.earliest = times.count > 0 ? Min(times.earliest, time) : time;
		times.last = time;
		times.count++;
	}
	return times;
}

/*
 * Say whether a page has a row with this key.
 */
static bool
page_has_key(const JsonNode *rows, JsonPath *path, const JsonNode *key)
{
	size_t		nrows = json_node_length(rows);
	size_t		length;
	const char *text = json_plain_text(key, &length);

	for (size_t i = 0; i < nrows; i++)
	{
		const JsonNode *other = json_path_get(json_node_element(rows, i), path);
		size_t			other_length;
		const char	   *other_text;

		if (json_node_kind(other) == JSON_NODE_NULL)
			continue;
		other_text = json_plain_text(other, &other_length);
		if (length == other_length && memcmp(text, other_text, length) == 0)
			return true;
	}
	return false;
}

/*
 * Say whether the two pages meet in rows that they have in common, as those of a list do that is
 * shorter than both together: each begins with rows beyond the other's, and what the second has
 * that is newer than the end of the first, the first has, too.  The other way round, a row may have
 * moved to the front before the second page was answered.
 */
static bool
pages_meet(const CrispResource *resource, const char *path, const JsonNode *newest,
		   const PageTimes *newest_times, const JsonNode *oldest, const PageTimes *oldest_times)
{
	const CrispColumn *key = crisp_resource_key(resource);
	JsonPath		  *key_path;
	JsonPath		  *time_path;
	size_t			   nrows = json_node_length(oldest);

	if (key == NULL || newest_times->first <= oldest_times->last ||
		oldest_times->first >= newest_times->last)
		return false;
	key_path = json_path_of(key->path);
	time_path = json_path_of(path);
	for (size_t i = 0; i < nrows; i++)
	{
		const JsonNode *row = json_node_element(oldest, i);
		const JsonNode *value = json_path_get(row, key_path);
		int64			time;

		if (order_row_time(row, time_path, &time) && time > newest_times->last &&
			(json_node_kind(value) == JSON_NODE_NULL || !page_has_key(newest, key_path, value)))
			return false;
	}
	return true;
}

/*
 * Say whether the two pages are sorted and have the same rows: those of a list that fits a page
 * show nothing.
 */
static bool
pages_are_same(const CrispResource *resource, const char *path, const JsonNode *newest,
			   const JsonNode *oldest)
{
	const CrispColumn *key = crisp_resource_key(resource);
	size_t			   nrows = json_node_length(oldest);
	JsonPath		  *key_path;

	if (key == NULL || json_node_length(newest) != nrows ||
		!order_page_times(newest, path).falling || !order_page_times(oldest, path).rising)
		return false;
	key_path = json_path_of(key->path);
	for (size_t i = 0; i < nrows; i++)
	{
		const JsonNode *value = json_path_get(json_node_element(oldest, i), key_path);

		if (json_node_kind(value) == JSON_NODE_NULL || !page_has_key(newest, key_path, value))
			return false;
	}
	return true;
}

/*
 * Say whether the two pages prove that lists are sorted by the column at path.
 */
static bool
pages_prove(const CrispResource *resource, const char *path, const JsonNode *newest,
			const JsonNode *oldest)
{
	PageTimes newest_times = order_page_times(newest, path);
	PageTimes oldest_times = order_page_times(oldest, path);

	if (newest_times.count < 2 || oldest_times.count < 2 || !newest_times.falling ||
		!oldest_times.rising)
		return false;
	if (newest_times.last < oldest_times.last &&
		!pages_meet(resource, path, newest, &newest_times, oldest, &oldest_times))
		return false;

	/* They must not be sorted by another time just as well; what hardly a row has sorts none. */
	for (int i = 0; i < resource->ncolumns; i++)
	{
		const CrispColumn *other = &resource->columns[i];
		PageTimes		   other_newest;
		PageTimes		   other_oldest;

		if (other->type != CRISP_TIME || strcmp(other->path, path) == 0)
			continue;
		other_newest = order_page_times(newest, other->path);
		other_oldest = order_page_times(oldest, other->path);
		if (other_newest.falling && other_oldest.rising &&
			(other_newest.count > 1 || other_oldest.count > 1))
			return false;
	}
	return true;
}

/*
 * Ask for the first page of a resource's whole list in some order: a JSON array that belongs to
 * CurrentMemoryContext, or NULL if the answer is something else, or Crisp refuses the order.
 */
static const JsonNode *
first_page(const CrispOptions *options, const char *order_query)
{
	CrispOrder	order = {.query = order_query};
	ListRequest request = request_whole_list(options);
	ApiAnswer	answer;

	request.order = &order;
	if (!api_finish_lookup(
			api_start(options, request_list_target(&request, 1), CurrentMemoryContext),
			API_ANYTHING, API_ORDER, &answer))
		return NULL;
	return json_node_kind(answer.data) == JSON_NODE_ARRAY ? answer.data : NULL;
}

/*
 * Return the name of the fact that an order comes earliest first; palloc'd.
 */
static char *
direction_fact(const CrispOrder *order)
{
	return psprintf("%s rises", order->query);
}

bool
order_rises(const CrispOptions *options, const CrispOrder *order)
{
	char	 *name = direction_fact(order);
	FactState state = server_fact_recall(options, name);

	pfree(name);
	return state == FACT_UNKNOWN ? order->rising : state == FACT_TRUE;
}

void
order_note_direction(const CrispOptions *options, const CrispOrder *order, bool rising)
{
	char *name = direction_fact(order);

	server_fact_remember(options, name, rising);
	pfree(name);
}

void
order_judge_row(OrderJudge *judge, bool has_time, int64 time)
{
	if (judge->has_row)
	{
		if (!judge->has_time && has_time)
			judge->broken = true;
		if (judge->has_time && has_time)
		{
			judge->goes_up = judge->goes_up || time > judge->time;
			judge->goes_down = judge->goes_down || time < judge->time;
		}
	}
	judge->has_row = true;
	judge->has_time = has_time;
	judge->time = time;
}

OrderVerdict
order_judge_verdict(const OrderJudge *judge)
{
	bool wanted = judge->rising ? judge->goes_up : judge->goes_down;
	bool reverse = judge->rising ? judge->goes_down : judge->goes_up;

	if (judge->broken || (wanted && reverse) || (reverse && !judge->either_end))
		return ORDER_BROKEN;
	if (reverse)
		return ORDER_REVERSED;
	return wanted || judge->trusts_ties ? ORDER_KEPT : ORDER_OPEN;
}

/*
 * Return the name of the fact that a list has shown nothing of its order, as it fits a page;
 * palloc'd.
 */
static char *
one_page_fact(const ListRequest *request)
{
	return psprintf("%s one page", request->order->query);
}

bool
order_shows_nothing(const ListRequest *request)
{
	return server_fact_recall(request->options, request->order->query) == FACT_UNKNOWN &&
		   server_fact_recall(request->options, one_page_fact(request)) == FACT_TRUE;
}

void
order_note_longer(const ListRequest *request)
{
	server_fact_remember(request->options, one_page_fact(request), false);
}

bool
order_is_trusted(const ListRequest *request)
{
	const CrispOptions *options = request->options;
	const CrispOrder   *order = request->order;
	FactState			state = server_fact_recall(options, order->query);
	MemoryContext		context;
	MemoryContext		old_context;
	const JsonNode	   *newest;
	const JsonNode	   *oldest;
	bool				proved;

	if (state != FACT_UNKNOWN)
		return state == FACT_TRUE;
	if (order->opposite == NULL)
		return true;
	if (order_shows_nothing(request))
		return false;

	context = AllocSetContextCreate(CurrentMemoryContext, "crisp_fdw order",
									ALLOCSET_DEFAULT_SIZES);
	old_context = MemoryContextSwitchTo(context);
	newest = first_page(options, order->query);
	oldest = newest ? first_page(options, order->opposite) : NULL;
	proved = newest != NULL && oldest != NULL &&
			 pages_prove(options->resource, order->path, newest, oldest);
	if (!proved && newest != NULL && oldest != NULL &&
		server_fact_recall(options, one_page_fact(request)) != FACT_FALSE &&
		pages_are_same(options->resource, order->path, newest, oldest))
		server_fact_remember(options, one_page_fact(request), true);
	else
		server_fact_remember(options, order->query, proved);
	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(context);
	return proved;
}

bool
order_is_proved(const ListRequest *request)
{
	return server_fact_recall(request->options, request->order->query) == FACT_TRUE;
}

bool
order_is_disproved(const ListRequest *request)
{
	return server_fact_recall(request->options, request->order->query) == FACT_FALSE;
}

void
order_disprove(const ListRequest *request)
{
	server_fact_remember(request->options, request->order->query, false);
}

/*
 * Return the name of a fact about streams in an order; palloc'd.
 */
static char *
stream_fact(const CrispOrder *order, const char *what)
{
	return psprintf("%s %s", order->query, what);
}

/* Their names: the latest stream in the order has failed, and, one has by rows out of order. */
#define STREAM_FAILED "stream failed"
#define STREAM_UNSORTED "stream was unsorted"

bool
order_has_failed(const CrispOptions *options, const CrispOrder *order)
{
	return server_fact_recall(options, stream_fact(order, STREAM_FAILED)) == FACT_TRUE;
}

void
order_note_failure(const ListRequest *request, bool unsorted)
{
	const CrispOptions *options = request->options;
	const char		   *fact = stream_fact(request->order, STREAM_UNSORTED);

	server_fact_remember(options, stream_fact(request->order, STREAM_FAILED), true);
	if (!unsorted)
		return;
	if (server_fact_recall(options, fact) == FACT_TRUE)
		order_disprove(request);
	server_fact_remember(options, fact, true);
}

void
order_forget_failure(const CrispOptions *options, const CrispOrder *order)
{
	server_fact_remember(options, stream_fact(order, STREAM_FAILED), false);
}

void
order_check_page(const ListRequest *request, const JsonNode *rows)
{
	PageTimes times = order_page_times(rows, request->order->path);

	/* One that may begin at either end is kept in both. */
	if (request->order->filters	 ? !times.falling && !times.rising
		: request->order->rising ? !times.rising
								 : !times.falling)
		order_disprove(request);
}

static int
compare_times(const void *a, const void *b)
{
	int64 left = *(const int64 *) a;
	int64 right = *(const int64 *) b;

	return left < right ? -1 : left > right ? 1 : 0;
}

void
order_sort_times(int64 *times, size_t ntimes)
{
	qsort(times, ntimes, sizeof(int64), compare_times);
}
