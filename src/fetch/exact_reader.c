/*-------------------------------------------------------------------------
 *
 * exact_reader.c
 *		All rows of a list, by date instead of page number.
 *
 * As long as Crisp sorts the list by the date that it takes bounds for, newest first: each request is for
 * what is not newer than the oldest row seen so far.  Where rows are is then no matter of how many stand
 * before them.
 *
 * Nor is it a matter of other dates.  So when the first page has been read, the dates are parted into
 * stretches, each of which is read in that way, from its upper end to its lower one, up to prefetch of
 * them at a time.  Together they hold each date once.  A row that keeps its date while
 * the scan goes on is found by the stretch that holds it; one that changes has a date after the first page, and is
 * the last look's, just as where there is one stretch.  Rows at both sides of a seam come twice, and are dropped by
 * their keys.
 *
 * How many rows lie between two dates isn't known, and how far back a list goes isn't, either.  So it begins with one
 * stretch.  While there are fewer than prefetch, that with the most left to read, by how many rows have come in it so
 * far, is parted; of one without a lower end, as much is taken off as has been read in all.  It costs half a page
 * to part a stretch, as the upper part ends with a page that isn't full: parts are long, and few.
 *
 * Where the list isn't sorted so, or that can't be proved, it's read by spans of dates (exact_spans.c).
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "fetch/exact_reader.h"
#include "fetch/exact_spans.h"
#include "api/server_facts.h"
#include "fetch/order.h"

/* Of a stretch that is parted: pages that must have been read of it, and the fewest that are expected in each part. */
#define PAGES_READ 3
#define PART_PAGES 12

/* For so many pages, one stretch may be parted, besides the first ones. */
#define PAGES_A_PART 24

/* Dates that are read by one request after the other. */
typedef struct Stretch
{
	ExactStep step;
	Span	  span;
	int64  oldest;	/* what is asked for is not later; PG_INT64_MAX for the first request of all */
	int64  read_to; /* all rows of span that are later have been returned */
	bool   decided; /* whether more is to be asked for after the page at hand; if so, it has been */
	bool   ended;	/* there is no more */
	bool   stopped; /* there may be more, which isn't wanted */
	uint64 turn;	/* of its latest request, of those of all stretches */

	/* To tell how much is left. */
	int64  pages;	  /* read */
	int64  begins;	  /* time of the first row */
	double page_span; /* milliseconds of a page: the latest, or the average, whichever is more */
} Stretch;

struct ExactReader
{
	const ListRequest *request;
	const CrispColumn *dates;
	MemoryContext	   context;
	KeySet			  *seen;
	const RowAge	  *age;
	ExactErrand		  *errand; /* NULL for none */
	Span			   whole;  /* the only range where there is no errand */

	Stretch	 **stretches; /* all, also those that have ended */
	int		   nstretches;
	int		   max_stretches; /* room for so many */
	int		   nranges_begun;
	int		   parted;
	Stretch	  *current; /* whose page at hand is being read; NULL in between */
	ExactStep *last;	/* that has taken a page, which is still there; NULL before the first */
	int64	   asked;	/* pages so far */
	int64	   pages;	/* taken */
	int64	   read;	/* and read to their end */

	/* Where there is no order. */
	ExactSpans *spans; /* NULL where there is */
	bool		at_end;
};

/*----------
 * Begin
 *----------
 */

bool
exact_is_possible(const ListRequest *request)
{
	return crisp_resource_dates(request->options->resource) != NULL && request->order == NULL;
}

ListRequest
exact_first_request(const ListRequest *request)
{
	const CrispResource *resource = request->options->resource;
	ListRequest			 first = *request;

	first.order = crisp_resource_order(resource, crisp_resource_dates(resource)->path);
	if (first.order != NULL && order_is_disproved(&first))
		first.order = NULL;
	first.any_order = first.order == NULL;
	return first;
}

ExactReader *
exact_begin(const ListRequest *request, KeySet *seen, const RowAge *age)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "crisp_fdw exact",
												  ALLOCSET_SMALL_SIZES);
	ExactReader	 *reader = MemoryContextAllocZero(context, sizeof(ExactReader));

	reader->request = request;
	reader->dates = crisp_resource_dates(request->options->resource);
	reader->context = context;
	reader->seen = seen;
	reader->age = age;
	reader->errand = request->errand;
	reader->whole.lower = PG_INT64_MIN;
	reader->whole.upper = PG_INT64_MAX;
	reader->max_stretches = 16;
	reader->stretches = MemoryContextAlloc(context, sizeof(Stretch *) * reader->max_stretches);
	return reader;
}

static bool
may_ask(const ExactReader *reader)
{
	return reader->errand == NULL || reader->asked < reader->errand->pages;
}

/*
 * A request of a stretch is under way.
 */
static void
note_asked(ExactReader *reader, Stretch *stretch)
{
	stretch->decided = true;
	stretch->turn = ++reader->asked;
}

/*
 * Ask for the first page of what is left of a stretch, unless no more is wanted.
 */
static void
ask(ExactReader *reader, Stretch *stretch)
{
	Span left = {stretch->span.lower, stretch->oldest};

	stretch->decided = true;
	if (left.upper < left.lower)
		stretch->ended = true;
	else if (!may_ask(reader))
		stretch->stopped = true;
	else
	{
		exact_step_bound(&stretch->step, left);
		exact_step_ask(&stretch->step);
		note_asked(reader, stretch);
	}
}

static void
begin_stretch(ExactReader *reader, Span span)
{
	Stretch *stretch = MemoryContextAllocZero(reader->context, sizeof(Stretch));

	if (reader->nstretches == reader->max_stretches)
	{
		reader->max_stretches *= 2;
		reader->stretches = repalloc(reader->stretches, sizeof(Stretch *) * reader->max_stretches);
	}
	exact_step_init(&stretch->step, reader->request, reader->seen, reader->age, reader->context);
	stretch->step.asked = exact_first_request(reader->request);
	stretch->span = span;
	stretch->oldest = stretch->read_to = span.upper;
	reader->stretches[reader->nstretches++] = stretch;
	ask(reader, stretch);
}

/*
 * Whether the page at hand is in the order, and within the bound, that was asked for.
 */
static bool
is_in_order(const Stretch *stretch, PageTimes times)
{
	const ListRequest *asked = &stretch->step.asked;
	bool in_order = times.falling && (times.count == 0 || stretch->oldest == PG_INT64_MAX ||
									  times.first <= time_shift(stretch->oldest, 1));

	if (!in_order)
		order_disprove(asked);
	return in_order && order_is_trusted(asked);
}

/*
 * How many elements of the page at hand are not older than the bound.
 */
static int64
count_group(const ExactReader *reader, const Stretch *stretch)
{
	const JsonNode *rows = pager_page(stretch->step.pager);
	size_t			nrows = json_node_length(rows);
	int64			count = 0;
	const char	   *error;
	JsonPath	   *path = json_path_parse(reader->dates->path, &error);

	for (size_t i = 0; i < nrows; i++)
	{
		int64 time;

		if (!order_row_time(json_node_element(rows, i), path, &time) || time >= stretch->oldest)
			count++;
	}
	return count;
}

/*
 * The page at hand is one of rows that share one millisecond with the bound, and don't fit a page, or of rows without a
 * date, which come last: read these by page number.  Returns whether a page of them has been asked for, or would have
 * been.
 */
static bool
go_on_in_group(ExactReader *reader, Stretch *stretch, PageTimes times, bool is_last)
{
	bool ends = is_last || (times.count > 0 && times.last < stretch->oldest);

	if (!may_ask(reader))
	{
		stretch->decided = stretch->stopped = true;
		return true;
	}
	if (!exact_step_next_of_group(&stretch->step, count_group(reader, stretch), ends))
		return false;
	note_asked(reader, stretch);
	return true;
}

/*
 * Decide what comes after the page at hand, and ask for it.  Before its rows have been returned, that may have to be put off.
 * Returns false where the list doesn't come in order.
 */
static bool
decide(ExactReader *reader, Stretch *stretch, bool is_read)
{
	ExactStep *step = &stretch->step;
	PageTimes  times = order_page_times(pager_page(step->pager), reader->dates->path);
	bool	   is_last = pager_on_last_page(step->pager);
	bool	   in_group;

	/* What fits a page is in whatever order. */
	if (is_last && stretch->oldest == PG_INT64_MAX)
	{
		stretch->decided = stretch->ended = true;
		return true;
	}
	if (step->asked.order == NULL || !is_in_order(stretch, times))
		return false;

	in_group = step->page_number > 1 ||
			   (!is_last && (times.count == 0 || times.last >= stretch->oldest));
	if (in_group && !is_read)
		return true;
	if (in_group && go_on_in_group(reader, stretch, times, is_last))
		return true;
	if (is_last || times.count == 0)
	{
		stretch->decided = stretch->ended = true;
		return true;
	}

	/* Rows of one time may come in as fast as they are read. */
	stretch->oldest = times.last >= stretch->oldest ? time_shift(stretch->oldest, -1) : times.last;
	ask(reader, stretch);
	return true;
}

/*
 * Note what the page that was taken tells of how many rows come in what time.
 */
static void
measure(const ExactReader *reader, Stretch *stretch)
{
	PageTimes times = order_page_times(pager_page(stretch->step.pager), reader->dates->path);

	stretch->pages++;
	if (times.count == 0)
		return;
	if (stretch->pages == 1)
		stretch->begins = times.first;
	stretch->page_span = Max((double) times.first - (double) times.last,
							 ((double) stretch->begins - (double) times.last) /
								 (double) stretch->pages);
}

static int64
pages_in_all(const ExactReader *reader)
{
	return reader->pages + (reader->errand ? reader->errand->pages_before : 0);
}

/*
 * How many pages are left of a stretch, and the time that parts them in two.  There may be no rows down to where it ends, or
 * where it has no end: so no more are expected before that time than have been read in all, and as many after it.
 */
static double
pages_left(const ExactReader *reader, const Stretch *stretch, int64 *middle)
{
	int64  lower = stretch->span.lower;
	int64  from_request;
	double upper_part;

	*middle = PG_INT64_MIN;
	if (stretch->ended || stretch->stopped || stretch->pages < PAGES_READ ||
		stretch->page_span < 1 || stretch->oldest == PG_INT64_MAX)
		return 0;
	if (lower == PG_INT64_MIN && time_range_lower(reader->request->dates, &from_request))
		lower = from_request;
	upper_part = Max((double) pages_in_all(reader), PART_PAGES);
	if (lower != PG_INT64_MIN)
		upper_part = Min(upper_part,
						 ((double) stretch->oldest - (double) lower) / stretch->page_span / 2);
	if (upper_part * stretch->page_span < (double) (PG_INT64_MAX / 4))
		*middle = time_shift(stretch->oldest, -(int64) (upper_part * stretch->page_span));
	return *middle == PG_INT64_MIN ? 0 : upper_part * 2;
}

/*
 * Part the stretch that has the most left.  Returns false where that isn't worth while.
 */
static bool
part_longest(ExactReader *reader)
{
	Stretch *longest = NULL;
	double	 most = 0;
	int64	 middle = 0;
	Span	 lower_part;

	if (reader->parted >=
		INT64_C(2) * (reader->request->options->prefetch - 1) + pages_in_all(reader) / PAGES_A_PART)
		return false;
	for (int i = 0; i < reader->nstretches; i++)
	{
		int64  point;
		double left = pages_left(reader, reader->stretches[i], &point);

		if (left <= most)
			continue;
		most = left;
		middle = point;
		longest = reader->stretches[i];
	}
	if (longest == NULL || most < 2 * PART_PAGES || middle >= longest->oldest ||
		middle <= longest->span.lower)
		return false;

	lower_part.lower = longest->span.lower;
	lower_part.upper = middle;
	longest->span.lower = time_shift(middle, 1);
	reader->parted++;
	begin_stretch(reader, lower_part);
	return true;
}

/*----------
 * The whole
 *----------
 */

static const Span *
ranges(const ExactReader *reader, int *nranges)
{
	*nranges = reader->errand ? reader->errand->nranges : 1;
	return reader->errand ? reader->errand->ranges : &reader->whole;
}

/*
 * How many stretches may be read at a time.  The query may have had enough with the first page; ranges that
 * somebody has named are all wanted.
 */
static int
room(const ExactReader *reader)
{
	int prefetch = reader->request->options->prefetch;
	int nranges;

	if (reader->request->newest_first)
		return 1;
	(void) ranges(reader, &nranges);
	if (nranges > 1)
		return prefetch;
	return reader->read == 0 ? 1 : (int) Min(prefetch, 2 * reader->read);
}

static int
count_active(const ExactReader *reader)
{
	int count = 0;

	for (int i = 0; i < reader->nstretches; i++)
		if (!reader->stretches[i]->ended && !reader->stretches[i]->stopped)
			count++;
	return count;
}

/*
 * Begin as many stretches as there is room for.
 */
static void
open_stretches(ExactReader *reader)
{
	int			nranges;
	const Span *all = ranges(reader, &nranges);

	while (may_ask(reader) && count_active(reader) < room(reader))
	{
		if (reader->nranges_begun < nranges)
			begin_stretch(reader, all[reader->nranges_begun++]);
		else if (room(reader) == 1 || !part_longest(reader))
			break;
	}
}

/*
 * Crisp's order can't be relied on: go on by spans, with the page at hand as the first of all dates where it's that.
 */
static void
begin_spans(ExactReader *reader, Stretch *stretch)
{
	bool is_first = stretch->oldest == PG_INT64_MAX;

	reader->current = NULL;
	for (int i = 0; i < reader->nstretches; i++)
		if (reader->stretches[i] != stretch)
			exact_step_end(&reader->stretches[i]->step);
	if (reader->errand != NULL)
	{
		reader->at_end = true;
		return;
	}
	reader->last = &stretch->step;
	reader->spans = exact_spans_begin(&stretch->step, reader->dates);
	reader->at_end = !(is_first ? exact_spans_next(reader->spans) : exact_spans_ask(reader->spans));
}

/*
 * Tell what has been read.
 */
static void
report(ExactReader *reader)
{
	ExactErrand *errand = reader->errand;

	errand->covered = MemoryContextAlloc(GetMemoryChunkContext(errand),
										 sizeof(Span) * Max(reader->nstretches, 1));
	errand->ncovered = 0;
	for (int i = 0; i < reader->nstretches; i++)
	{
		const Stretch *stretch = reader->stretches[i];
		Span		   span = stretch->span;

		if (!stretch->ended)
			span.lower = time_shift(stretch->read_to, 1);
		if (stretch->ended || stretch->read_to < span.upper)
			errand->covered[errand->ncovered++] = span;
	}
	errand->is_done = true;
}

/*
 * Whether a step waits for a page.
 */
static bool
is_waiting(const ExactReader *reader)
{
	if (reader->spans != NULL)
		return reader->last->waits;
	for (int i = 0; i < reader->nstretches; i++)
		if (reader->stretches[i]->step.waits)
			return true;
	return false;
}

/*
 * When the page at hand, if there is one, has been read: ask for what comes next.  Returns false at the end; otherwise
 * something is waited for.
 */
static bool
go_on(ExactReader *reader)
{
	Stretch *stretch = reader->current;

	if (reader->at_end)
		return false;
	if (reader->spans != NULL)
	{
		if (!reader->last->waits)
			reader->at_end = !exact_spans_next(reader->spans);
		return !reader->at_end;
	}
	if (stretch != NULL)
	{
		reader->read++;
		if (!stretch->decided && !decide(reader, stretch, true))
		{
			begin_spans(reader, stretch);
			return !reader->at_end;
		}
		stretch->read_to = stretch->oldest;
		reader->current = NULL;
	}
	open_stretches(reader);
	if (is_waiting(reader))
		return true;
	reader->at_end = true;
	if (reader->errand != NULL)
		report(reader);
	return false;
}

static int
compare_turns(const void *a, const void *b)
{
	uint64 left = (*(Stretch *const *) a)->turn;
	uint64 right = (*(Stretch *const *) b)->turn;

	return left < right ? -1 : left > right ? 1 : 0;
}

/*
 * The stretches that wait for a page, of the earliest request first.  Before the first page of all has come, that is the only one.
 */
static int
find_waiting(const ExactReader *reader, Stretch **waiting)
{
	int count = 0;

	if (reader->pages == 0)
	{
		waiting[0] = reader->stretches[0];
		return 1;
	}
	for (int i = 0; i < reader->nstretches; i++)
		if (reader->stretches[i]->step.waits)
			waiting[count++] = reader->stretches[i];
	qsort(waiting, count, sizeof(Stretch *), compare_turns);
	return count;
}

/*
 * Take the next page that comes, of whichever stretch.
 */
static void
take(ExactReader *reader)
{
	Stretch *waiting[CRISP_MAX_PREFETCH];
	ApiCall *calls[CRISP_MAX_PREFETCH];
	Stretch *stretch;
	int		 count;

	reader->pages++;
	if (reader->spans != NULL)
	{
		exact_step_take(reader->last);
		return;
	}
	reader->pages--;
	count = find_waiting(reader, waiting);
	for (int i = 0; i < count; i++)
		calls[i] = pager_call(exact_step_waiting(&waiting[i]->step));
	stretch = waiting[api_wait_any(calls, count)];
	for (int i = 0; i < reader->nstretches; i++)
		if (reader->stretches[i]->ended && reader->stretches[i]->step.pager != NULL)
			exact_step_end(&reader->stretches[i]->step);
	reader->last = NULL;
	exact_step_take(&stretch->step);
	reader->last = &stretch->step;
	reader->current = stretch;
	reader->pages++;
	stretch->decided = false;
	measure(reader, stretch);

	/* What comes next is asked for before the rows of this page have been returned, unless they may be all that is wanted. */
	if (!reader->request->newest_first && reader->request->options->prefetch > 1 &&
		(reader->read > 0 || reader->errand != NULL) && !decide(reader, stretch, false))
		begin_spans(reader, stretch);
}

const JsonNode *
exact_next(ExactReader *reader)
{
	for (;;)
	{
		const JsonNode *row = NULL;

		if (reader->current != NULL)
			row = exact_step_row(&reader->current->step);
		else if (reader->spans != NULL && !reader->last->waits)
			row = exact_step_row(reader->last);
		if (row != NULL)
			return row;
		if (!go_on(reader))
			return NULL;
		take(reader);
	}
}

const JsonNode *
exact_page(const ExactReader *reader)
{
	return reader->last && reader->last->pager ? pager_page(reader->last->pager) : NULL;
}

int64
exact_page_date(const ExactReader *reader)
{
	return reader->last && reader->last->pager ? pager_page_date(reader->last->pager) : 0;
}

bool
exact_at_hand(const ExactReader *reader)
{
	if (reader->spans != NULL)
		return !reader->last->waits && pager_at_hand(reader->last->pager);
	return reader->current != NULL && pager_at_hand(reader->current->step.pager);
}

bool
exact_get_ready(ExactReader *reader)
{
	Stretch *waiting[CRISP_MAX_PREFETCH];
	int		 count;

	if (exact_at_hand(reader) || !go_on(reader))
		return true;
	if (reader->spans != NULL)
		return api_get_ready(pager_call(exact_step_waiting(reader->last)));
	count = find_waiting(reader, waiting);
	if (api_get_ready(pager_call(exact_step_waiting(&waiting[0]->step))))
		return true;
	for (int i = 1; i < count; i++)
		if (pager_has_answer(exact_step_waiting(&waiting[i]->step)))
			return true;
	return false;
}

bool
exact_is_ready(const ExactReader *reader)
{
	Stretch *waiting[CRISP_MAX_PREFETCH];
	int		 count;

	if (!is_waiting(reader))
		return true;
	if (reader->spans != NULL)
		return pager_is_ready(exact_step_waiting(reader->last));
	count = find_waiting(reader, waiting);
	for (int i = 0; i < count; i++)
		if (i == 0 ? pager_is_ready(exact_step_waiting(&waiting[0]->step))
				   : pager_has_answer(exact_step_waiting(&waiting[i]->step)))
			return true;
	return false;
}

pgsocket
exact_socket(const ExactReader *reader)
{
	Stretch *waiting[CRISP_MAX_PREFETCH];

	if (reader->spans != NULL)
		return pager_socket(exact_step_waiting(reader->last));
	(void) find_waiting(reader, waiting);
	return pager_socket(exact_step_waiting(&waiting[0]->step));
}

ReaderCounts
exact_counts(const ExactReader *reader)
{
	ReaderCounts sum = {0};

	for (int i = 0; i < reader->nstretches; i++)
		row_reader_add_counts(&sum, exact_step_counts(&reader->stretches[i]->step));
	return sum;
}

void
exact_end(ExactReader *reader)
{
	for (int i = 0; i < reader->nstretches; i++)
		exact_step_end(&reader->stretches[i]->step);
	MemoryContextDelete(reader->context);
}
