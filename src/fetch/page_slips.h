/*-------------------------------------------------------------------------
 *
 * page_slips.h
 *		Find between which pages of a list a row may have slipped by.
 *
 * Pages that are under way together may be answered in another order than that of their numbers.
 * If a row moves to the front just between two answers, the last row of one page may become the
 * first of the next, which was answered before.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_PAGE_SLIPS_H
#define CRISP_PAGE_SLIPS_H

#include "json/json_node.h"
#include "request/request.h"

typedef struct PageSlips PageSlips;

/*
 * Begin to watch the list that a request asks for, newest first by a column.  In
 * CurrentMemoryContext; request must live as long.  NULL where no row can slip by, as pages come
 * one by one, or where no date brings it: column is NULL, or the list is read up to a row.
 */
extern PageSlips *page_slips_begin(const ListRequest *request, const CrispColumn *column);

/* Note the next page's rows, before any of them was read. */
extern void page_slips_note_page(PageSlips *slips, const JsonNode *rows);

/* Note that a row of that page had come before. */
extern void page_slips_note_duplicate(PageSlips *slips);

/* Note that the list is over. */
extern void page_slips_end(PageSlips *slips);

/*
 * Return what to ask for next: what lies between the dates of two pages between which rows may have
 * slipped by.  NULL when there is no more of that.  Rows that came twice are the trace of rows that
 * moved, and moved tells how many of these were found since.  If there are fewer, others have
 * slipped by, wherever they may; with -1, that isn't known, and only edges count that have rows
 * which came twice before them and behind.
 */
extern const ListRequest *page_slips_next(PageSlips *slips, int64 moved);

/*
 * Say whether the rows of a page are within the dates that were asked for, by a column that Crisp
 * takes them to be about.
 */
extern bool page_keeps_dates(const JsonNode *rows, const ListRequest *request);

/*
 * Say whether rows that slip by can be asked for by their dates, as far as the session knows; and
 * note that they can't, since Crisp ignores dates.
 */
extern bool page_slips_can_be_asked_for(const ListRequest *request);
extern void page_slips_note_ignored_dates(const ListRequest *request);

/*
 * Say whether pages that are under way are to be asked for anew where rows may have slipped by:
 * where it's the order of rows that counts, or they can't be asked for by date.  Another list would
 * be read page by page while it moves, and might never end where it grows as fast as that.
 */
extern bool page_slips_matter(const ListRequest *request);

#endif /* CRISP_PAGE_SLIPS_H */
