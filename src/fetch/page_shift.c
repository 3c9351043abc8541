/*-------------------------------------------------------------------------
 *
 * page_shift.c
 *		Find where a page lies by now, of a list whose rows have no key.
 *
 * The rows of the last page that was taken are looked for on the page that has its number, and on
 * those after it.  What follows them is right if they are at the same place before and after that
 * page was answered.  That can't be told of a page whose rows are all the same, nor of a list that
 * grows by two pages between two requests.
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
	PageTexts	  taken;		  /* the last page that was taken, */
	int			  page;			  /* the one that its rows begin on by now, as far as is known, */
	size_t		  offset;		  /* and how many stand before them there */
	PageTexts	  held;			  /* the page after that one */
	int			  sought;		  /* the page on which they are looked for; 0: on none */
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

/*
 * Count the last rows of a page that are those of the other one, so many places before.  *all tells
 * whether no row of the page is another one than it would be.
 */
static size_t
tail_length(const PageTexts *page, const PageTexts *other, size_t offset, bool *all)
{
	size_t length = 0;

	*all = true;
	for (size_t i = page->nrows; i > offset && *all; i--)
	{
		if (i - 1 - offset >= other->nrows)
			continue;
		*all = strcmp(page->rows[i - 1], other->rows[i - 1 - offset]) == 0;
		if (*all)
			length++;
	}
	return length;
}

/*
 * Find the rows of a page on another one, which has *offset rows before them.  Where some have
 * changed, or gone to the front, its last rows tell.  Return false where they aren't there.
 */
static bool
locate(const PageTexts *rows, const PageTexts *page, size_t *offset)
{
	size_t best = 0;

	for (size_t i = 0; i < page->nrows; i++)
	{
		bool   all;
		size_t length = tail_length(page, rows, i, &all);

		if (length > best || (length > 0 && all))
		{
			best = length;
			*offset = i;
		}
		if (length > 0 && all)
			break;
	}
	return best > 0;
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
	forget_texts(&shift->taken);
	shift->taken = texts;
	shift->page = page;
	shift->offset = 0;
	shift->sought = 0;
	shift->settled_checks += shift->checks;
	shift->checks = 0;
	return verdict;
}

/*
 * Look at the page after the one that was taken.
 */
static ShiftVerdict
look_at_next(PageShift *shift, PageTexts texts, int *number)
{
	if (shift->offset == 0 && !overlap(&texts, &shift->taken))
		return take(shift, texts, *number, SHIFT_TAKE);
	shift->held = texts;
	shift->sought = *number = shift->page;
	return SHIFT_HOLD;
}

/*
 * Look at a page on which the rows may be that were taken last.
 */
static ShiftVerdict
look_for_taken(PageShift *shift, PageTexts texts, bool is_last, int *number, size_t *skip)
{
	size_t offset = 0;
	bool   found = locate(&shift->taken, &texts, &offset);

	forget_texts(&texts);
	if (found && shift->held.context != NULL && *number == shift->page && offset == shift->offset)
	{
		PageTexts held = shift->held;

		shift->held = (PageTexts){0};
		*skip = Min(offset, held.nrows);
		*number = shift->page + 1;
		return take(shift, held, *number, SHIFT_TAKE_HELD);
	}
	forget_texts(&shift->held);
	if (!found && is_last)
		return SHIFT_LOST;
	if (found)
	{
		shift->page = *number;
		shift->offset = offset;
		shift->sought = 0;
	}
	else
		shift->sought = *number + 1;
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
	texts = texts_of(shift, rows, nrows);
	if (shift->sought == 0)
		verdict = look_at_next(shift, texts, number);
	else
		verdict = look_for_taken(shift, texts, is_last, number, skip);
	if ((verdict == SHIFT_HOLD || verdict == SHIFT_DROP) && ++shift->checks > MAX_CHECKS)
		return SHIFT_LOST;
	return verdict;
}

int
page_shift_checks(const PageShift *shift)
{
	return shift->settled_checks + shift->checks;
}
