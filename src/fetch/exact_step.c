/*-------------------------------------------------------------------------
 *
 * exact_step.c
 *		Make one request after the other for a list between two dates.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fetch/exact_step.h"

/*
 * Most passes over rows that dates don't tell apart; and most pages in a row that bring nothing
 * older than the scan, of these, or of the latest span.
 */
#define MAX_PASSES 6
#define MAX_IDLE_PAGES 16

void
exact_step_init(ExactStep *step, const ListRequest *request, KeySet *seen, const RowAge *age,
				MemoryContext context)
{
	memset(step, 0, sizeof(ExactStep));
	step->request = request;
	step->asked = *request;
	step->seen = seen;
	step->age = age;
	step->context = context;
	step->group_before = -1;
}

void
exact_step_bound(ExactStep *step, Span span)
{
	const TimeRange *dates = &step->request->dates;

	step->asked.dates = *dates;
	if (span.lower != PG_INT64_MIN)
		step->asked.dates.lower = Max(dates->lower, time_from_unix_ms(span.lower));
	if (span.upper != PG_INT64_MAX)
		step->asked.dates.upper = Min(dates->upper, time_from_unix_ms(span.upper));
}

void
exact_step_ask(ExactStep *step, ExactHope hope)
{
	MemoryContext old_context = MemoryContextSwitchTo(step->context);

	Assert(!step->waits);

	step->asked.expects_rows = hope == EXACT_HAS_ROW;
	step->asked.takes_empty = hope == EXACT_IS_PART;
	step->next = pager_begin(&step->asked, step->seen);
	MemoryContextSwitchTo(old_context);
	pager_ask(step->next, 1);
	step->waits = true;
}

/*
 * Go on with what was asked for besides the page at hand.
 */
static void
use_next(ExactStep *step)
{
	if (step->pager != NULL)
	{
		row_reader_add_counts(&step->counts, pager_counts(step->pager));
		pager_end(step->pager);
	}
	step->pager = step->next;
	step->next = NULL;
	step->page_number = 1;
	step->group = 0;
	step->group_before = -1;
	step->passes = 0;
	step->pages_before = 0;
	step->gained = 0;
}

void
exact_step_take(ExactStep *step)
{
	Assert(step->waits);
	if (step->next != NULL)
		use_next(step);
	(void) pager_take(step->pager);
	pager_check_gap(step->pager);
	step->waits = false;
}

void
exact_step_ask_next_page(ExactStep *step)
{
	Assert(!step->waits);
	pager_check_keys(step->pager);
	pager_ask(step->pager, ++step->page_number);
	step->waits = true;
}

Pager *
exact_step_waiting(const ExactStep *step)
{
	Assert(step->waits);
	return step->next ? step->next : step->pager;
}

const JsonNode *
exact_step_row(ExactStep *step)
{
	const JsonNode *row = pager_next_on_page(step->pager);

	if (row != NULL && pager_has_key(step->pager, row) && row_is_old(step->age, row))
		step->gained++;
	return row;
}

bool
exact_step_gains(ExactStep *step)
{
	step->idle = step->gained > 0 ? 0 : step->idle + 1;
	step->gained = 0;
	return step->idle < MAX_IDLE_PAGES;
}

bool
exact_step_next_of_group(ExactStep *step, int64 rows, bool is_last)
{
	bool gained = exact_step_gains(step);

	/* What the pass before has shown is looked through in whole. */
	if (step->page_number <= step->pages_before)
	{
		gained = true;
		step->idle = 0;
	}
	step->group += rows;
	if (!is_last)
		pager_check_keys(step->pager);
	if (!is_last && gained)
		step->page_number++;
	else if (step->page_number == 1 || step->group == step->group_before ||
			 ++step->passes == MAX_PASSES)
		return false;
	else
	{
		step->group_before = step->group;
		step->group = 0;
		step->pages_before = step->page_number;
		step->page_number = 1;
		step->idle = 0;
	}
	pager_ask(step->pager, step->page_number);
	step->waits = true;
	return true;
}

ReaderCounts
exact_step_counts(const ExactStep *step)
{
	ReaderCounts sum = step->counts;

	if (step->pager != NULL)
		row_reader_add_counts(&sum, pager_counts(step->pager));
	if (step->next != NULL)
		row_reader_add_counts(&sum, pager_counts(step->next));
	return sum;
}

void
exact_step_end(ExactStep *step)
{
	step->counts = exact_step_counts(step);
	if (step->next != NULL)
		pager_end(step->next);
	if (step->pager != NULL)
		pager_end(step->pager);
	step->next = step->pager = NULL;
	step->waits = false;
}
