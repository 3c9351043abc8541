/*-------------------------------------------------------------------------
 *
 * page_shift.c
 *		Find where a page lies by now, of a list whose rows have no key.
 *
 * The rows of the last page that was taken are looked for on the page that has its number, and on
 * those after it.  A page that was answered while the one before it stood still goes on from there:
 * the rows that were taken end somewhere on the two, and what follows is new.  That can't be told
 * of pages whose rows are all the same, nor of a list that grows by two pages between two requests.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "fetch/page_shift.h"

/* So many pages may be looked at for one that is taken. */
#define MAX_CHECKS 20

/* Pages of more rows are none of Crisp's, and are taken as they come. */
#define MAX_ROWS 1000

/* The rows of a page, as JSON; in a context of their own. */
typedef struct PageTexts
{
	MemoryContext context; /* NULL: none */
	char		**rows;
	size_t		  nrows;
} PageTexts;

struct PageShift
{
	MemoryContext context;
	PageTexts	  taken;   /* the last page that was taken */
	bool		  repeats; /* it has the rows of the one before */
	int			  page;	   /* on which its rows begin by now, as far as is known */
	PageTexts	  before;  /* that page, if it was looked at since; else it's the one taken */
	PageTexts	  held;	   /* the page after that one, answered later */
	bool		  held_is_last;
	int			  sought;		  /* the page to be looked at for what was taken; 0: none is */
	int			  checks;		  /* for the page that is to be taken, */
	int			  settled_checks; /* and for all that were */
};

PageShift *
page_shift_create(void)
{
	PageShift *shift = palloc0(sizeof(PageShift));

	shift->context = CurrentMemoryContext;
	return shift;
}

/*----------
 * Texts
 *----------
 */

static PageTexts
texts_of(const PageShift *shift, const JsonNode **rows, size_t nrows)
{
	PageTexts	  texts = {.nrows = nrows};
	MemoryContext old_context;

	texts.context = AllocSetContextCreate(shift->context, "crisp_fdw page texts",
										  ALLOCSET_SMALL_SIZES);
	old_context = MemoryContextSwitchTo(texts.context);
	texts.rows = palloc(sizeof(char *) * Max(nrows, 1));
	for (size_t i = 0; i < nrows; i++)
	{
		size_t		length;
		const char *text = json_text(rows[i], &length);

		texts.rows[i] = pnstrdup(text, length);
	}
	MemoryContextSwitchTo(old_context);
	return texts;
}

static void
forget_texts(PageTexts *texts)
{
	if (texts->context != NULL)
		MemoryContextDelete(texts->context);
	*texts = (PageTexts){0};
}

/*
 * Say whether two pages have a row in common.
 */
static bool
overlap(const PageTexts *a, const PageTexts *b)
{
	for (size_t i = 0; i < a->nrows; i++)
		for (size_t j = 0; j < b->nrows; j++)
			if (strcmp(a->rows[i], b->rows[j]) == 0)
				return true;
	return false;
}

static bool
texts_equal(const PageTexts *a, const PageTexts *b)
{
	if (a->nrows != b->nrows)
		return false;
	for (size_t i = 0; i < a->nrows; i++)
		if (strcmp(a->rows[i], b->rows[i]) != 0)
			return false;
	return true;
}

/*
 * Return a row of two pages, of which the second follows the first.
 */
static const char *
row_of_both(const PageTexts *first, const PageTexts *second, size_t i)
{
	return i < first->nrows ? first->rows[i] : second->rows[i - first->nrows];
}

/*
 * Find where the first ntaken rows of those that were taken end on two pages: return how many rows
 * of these go up to there, or 0 where they don't.  What stood before the last of them may have
 * changed, or gone to the front; *is_whole tells whether all of them are there.
 */
static size_t
find_end(const PageTexts *taken, size_t ntaken, const PageTexts *first, const PageTexts *second,
		 bool *is_whole)
{
	size_t nrows = first->nrows + second->nrows;
	size_t most = 0;
	size_t result = 0;

	for (size_t end = 1; end <= nrows; end++)
	{
		size_t length = 0;

		while (length < Min(end, ntaken) && strcmp(row_of_both(first, second, end - 1 - length),
												   taken->rows[ntaken - 1 - length]) == 0)
			length++;

		/* On a list that grows, they are where they were, or further back. */
		if (length > most && end >= Min(ntaken, first->nrows))
		{
			most = length;
			result = end;
		}
	}
	*is_whole = most == ntaken;
	return result;
}

/*----------
 * The whole
 *----------
 */

/*
 * Take a page.
 */
static ShiftVerdict
take(PageShift *shift, PageTexts texts, int page, ShiftVerdict verdict)
{
	shift->repeats = texts.nrows > 0 && texts_equal(&texts, &shift->taken);
	forget_texts(&shift->taken);
	forget_texts(&shift->before);
	shift->taken = texts;
	shift->page = page;
	shift->sought = 0;
	shift->settled_checks += shift->checks;
	shift->checks = 0;
	return verdict;
}

/*
 * Look at the page after the one that was taken.
 */
static ShiftVerdict
look_at_next(PageShift *shift, PageTexts texts, bool is_last, int *number)
{
	if (shift->before.context == NULL && !overlap(&texts, &shift->taken))
		return take(shift, texts, *number, SHIFT_TAKE);
	shift->held = texts;
	shift->held_is_last = is_last;
	shift->sought = *number = shift->page;
	return SHIFT_HOLD;
}

/*
 * Take the page that is held, if the rows that were taken end on it, or on the one before it.  If
 * some of them reach up to its end, the others may be on the page after it: then it's taken for the
 * one on which they begin.  Otherwise, returns SHIFT_LOST, and leaves all as it is.
 */
static ShiftVerdict
use_held(PageShift *shift, const PageTexts *before, int *number, size_t *skip)
{
	PageTexts held = shift->held;
	size_t	  end = 0;
	bool	  is_whole = true;

	/* The last of them may have gone to the front. */
	for (size_t i = shift->taken.nrows; end == 0 && i > 0; i--)
	{
		end = find_end(&shift->taken, i, before, &held, &is_whole);
		is_whole = is_whole && i == shift->taken.nrows;
	}
	if (end == 0)
		return SHIFT_LOST;
	shift->held = (PageTexts){0};
	if (end == before->nrows + held.nrows && !is_whole && !shift->held_is_last)
	{
		forget_texts(&shift->before);
		shift->before = held;
		shift->page++;
		shift->sought = 0;
		*number = shift->page + 1;
		return SHIFT_DROP;
	}
	*skip = end > before->nrows ? end - before->nrows : 0;
	*number = shift->page + 1;
	return take(shift, held, *number, SHIFT_TAKE_HELD);
}

/*
 * Look at a page on which the rows may be that were taken last.
 */
static ShiftVerdict
look_for_taken(PageShift *shift, PageTexts texts, bool is_last, int *number, size_t *skip)
{
	const PageTexts *before = shift->before.context ? &shift->before : &shift->taken;

	if (shift->held.context != NULL && *number == shift->page && texts_equal(&texts, before))
	{
		ShiftVerdict verdict = use_held(shift, &texts, number, skip);

		if (verdict != SHIFT_LOST)
		{
			forget_texts(&texts);
			return verdict;
		}
	}
	forget_texts(&shift->held);
	if (overlap(&texts, &shift->taken))
	{
		forget_texts(&shift->before);
		shift->before = texts;
		shift->page = *number;
		shift->sought = 0;
	}
	else
	{
		forget_texts(&texts);
		if (is_last)
			return SHIFT_LOST;
		shift->sought = *number + 1;
	}
	++*number;
	return SHIFT_DROP;
}

ShiftVerdict
page_shift_look(PageShift *shift, const JsonNode **rows, size_t nrows, bool is_last, int *number,
				size_t *skip)
{
	PageTexts	 texts;
	ShiftVerdict verdict;

	*skip = 0;

	/* Nothing follows a list of one page. */
	if (is_last && shift->taken.context == NULL)
		return SHIFT_TAKE;
	if (nrows > MAX_ROWS)
	{
		if (shift->sought != 0 || shift->before.context != NULL)
			return SHIFT_LOST;
		return take(shift, (PageTexts){0}, *number, SHIFT_TAKE);
	}
	texts = texts_of(shift, rows, nrows);
	if (shift->sought == 0)
		verdict = look_at_next(shift, texts, is_last, number);
	else
		verdict = look_for_taken(shift, texts, is_last, number, skip);
	if ((verdict == SHIFT_HOLD || verdict == SHIFT_DROP) && ++shift->checks > MAX_CHECKS)
		return SHIFT_LOST;
	return verdict;
}

bool
page_shift_repeats(const PageShift *shift)
{
	return shift->repeats;
}

int
page_shift_checks(const PageShift *shift)
{
	return shift->settled_checks + shift->checks;
}
