/*-------------------------------------------------------------------------
 *
 * exact_reader.c
 *		Read all rows of a list, by date instead of page number.
 *
 * Dates are read in stretches (exact_stretch.c).  Where rows are is then no matter of how many
 * stand before them.
 *
 * Nor is it a matter of other dates.  So when the first page has been read, the dates are parted
 * into stretches, each of which is read from its upper end to its lower one, up to prefetch of them
 * at a time.  Together they hold each date once.  A row that keeps its date while the scan goes on
 * is found by the stretch that holds it; one that changes has a date after the first page, and is
 * the recheck's, just as where there is one stretch.  Rows at both sides of a seam come twice, and
 * are dropped by their keys.
 *
 * How many rows lie between two dates isn't known, and how far back a list goes isn't, either.  So
 * it begins with one stretch.  While there are fewer than prefetch, that with the most left to
 * read, by how many rows have come in it so far, is parted; of one without a lower end, as much is
 * taken off as has been read in all.  It costs half a page to part a stretch, as the upper part
 * ends with a page that isn't full: parts are long, and few.
 *
 * Where the list isn't sorted so, or that can't be proved, it's read by spans of dates
 * (exact_spans.c).
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "fetch/exact_reader.h"
#include "fetch/exact_spans.h"
#include "fetch/exact_stretch.h"
#include "api/server_facts.h"
#include "fetch/order.h"

/* For so many pages, one stretch may be parted, besides the first ones. */
#define PAGES_A_PART 24

struct ExactReader
{
	StretchScan	 scan;
	ExactErrand *errand; /* NULL for none */
	Span		 whole;	 /* the only range where there is no errand */

	Stretch	 **stretches; /* all, also those that have ended */
	int		   nstretches;
	int		   max_stretches; /* room for so many */
	int		   nranges_begun;
	int		   parted;
	Stretch	  *current; /* whose page at hand is being read; NULL in between */
	ExactStep *last;	/* that has taken a page, which is still there; NULL before the first */
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

	reader->scan = (StretchScan){
		.request = request,
		.dates = crisp_resource_dates(request->options->resource),
		.context = context,
		.seen = seen,
		.age = age,
		.max_pages = request->errand ? request->errand->pages : PG_INT64_MAX,
	};
	reader->errand = request->errand;
	reader->whole.lower = PG_INT64_MIN;
	reader->whole.upper = PG_INT64_MAX;
	reader->max_stretches = 16;
	reader->stretches = MemoryContextAlloc(context, sizeof(Stretch *) * reader->max_stretches);
	return reader;
}

/*
 * Begin to read a span, and count it among the stretches.  is_part: it was taken off one of them.
 */
static void
begin_stretch(ExactReader *reader, Span span, bool is_part)
{
	ListRequest asked = exact_first_request(reader->scan.request);

	if (reader->nstretches == reader->max_stretches)
	{
		reader->max_stretches *= 2;
		reader->stretches = repalloc(reader->stretches, sizeof(Stretch *) * reader->max_stretches);
	}
	reader->stretches[reader->nstretches++] = stretch_begin(&reader->scan, &asked, span, is_part);
}

static int64
pages_in_all(const ExactReader *reader)
{
	return reader->pages + (reader->errand ? reader->errand->pages_before : 0);
}

/*
 * Part the stretch that has the most left.  Return false where that isn't worth while.
 */
static bool
part_longest(ExactReader *reader)
{
	Stretch *longest = NULL;
	double	 most = 0;
	int64	 middle = 0;

	if (reader->parted >= INT64_C(2) * (reader->scan.request->options->prefetch - 1) +
							  pages_in_all(reader) / PAGES_A_PART)
		return false;
	for (int i = 0; i < reader->nstretches; i++)
	{
		int64  point;
		double left = stretch_pages_left(&reader->scan, reader->stretches[i], pages_in_all(reader),
										 &point);

		if (left <= most)
			continue;
		most = left;
		middle = point;
		longest = reader->stretches[i];
	}
	if (longest == NULL || middle >= longest->oldest || middle <= longest->span.lower)
		return false;

	reader->parted++;
	begin_stretch(reader, stretch_part(longest, middle), true);
	reader->stretches[reader->nstretches - 1]->floor = longest->floor;
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
 * Return how many stretches may be read at a time.  The query may have had enough with the first
 * page; ranges that somebody has named are all wanted.
 */
static int
room(const ExactReader *reader)
{
	int prefetch = reader->scan.request->options->prefetch;
	int nranges;

	if (reader->scan.request->newest_first)
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
		if (stretch_is_active(reader->stretches[i]))
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

	while (stretch_may_ask(&reader->scan) && count_active(reader) < room(reader))
	{
		if (reader->nranges_begun < nranges)
		{
			int number = reader->nranges_begun++;

			/* Ranges that adjoin are parts of one. */
			begin_stretch(reader, all[number],
						  number > 0 && all[number - 1].lower == time_shift(all[number].upper, 1));
		}
		else if (room(reader) == 1 || !part_longest(reader))
			break;
	}
}

/*
 * Go on by spans, since Crisp's order can't be relied on, with the page at hand as the first of all
 * dates where it's that.
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
	reader->spans = exact_spans_begin(&stretch->step, reader->scan.dates);
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

		if (stretch->given_back)
			continue;
		if (!stretch->ended)
			span.lower = time_shift(stretch->read_to, 1);
		if (stretch->ended || stretch->read_to < span.upper)
			errand->covered[errand->ncovered++] = span;
	}
	errand->is_done = true;
}

/*
 * Say whether a step waits for a page.
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
 * Ask for what comes next, when the page at hand, if there is one, has been read.  Return false at
 * the end; otherwise something is waited for.
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
		if (!stretch->decided && !stretch_decide(&reader->scan, stretch, true))
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
 * Find the stretches that wait for a page, and put them into waiting, that of the earliest request
 * first.  Before the first page of all has come, that is the only one.
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
 * Where a part seems to be empty, have the stretch above it read it, too.
 */
static void
give_back(ExactReader *reader, Stretch *part)
{
	for (int i = 0; i < reader->nstretches; i++)
	{
		Stretch *above = reader->stretches[i];

		if (!above->given_back && above->span.lower != PG_INT64_MIN &&
			above->span.lower == time_shift(part->span.upper, 1))
		{
			stretch_give_back(&reader->scan, part, above);
			return;
		}
	}
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
	stretch_take(&reader->scan, stretch);
	reader->last = &stretch->step;
	reader->current = stretch;
	reader->pages++;
	if (stretch_is_empty_part(stretch))
		give_back(reader, stretch);

	/*
	 * What comes next is asked for before the rows of this page have been returned, unless they
	 * may be all that is wanted.
	 */
	if (!stretch->decided && !reader->scan.request->newest_first &&
		reader->scan.request->options->prefetch > 1 &&
		(reader->read > 0 || reader->errand != NULL) &&
		!stretch_decide(&reader->scan, stretch, false))
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
	MemoryContextDelete(reader->scan.context);
}
