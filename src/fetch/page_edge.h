/*-------------------------------------------------------------------------
 *
 * page_edge.h
 *		Recognize rows at the edge of a page, which the next page brings again.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_PAGE_EDGE_H
#define CRISP_PAGE_EDGE_H

#include "json/json.h"
#include "resource/resource.h"

/*
 * The rows that may come again: a multiset, since two rows may be the same in all that Crisp tells.
 */
typedef struct PageEdge PageEdge;

/* A row of a page. */
typedef struct PageRow
{
	const JsonNode *node; /* an object */
	int64			time; /* by which pages follow each other, Unix ms; PG_INT64_MIN for none */
	size_t			place;
	bool			known;	 /* it was on an earlier page, ... */
	bool			altered; /* ... with another content */
} PageRow;

/* Create it without rows, for a resource that has a cursor.  Lives in CurrentMemoryContext. */
extern PageEdge *page_edge_create(const CrispResource *resource);

/*
 * Set known of each of nrows rows of a page: whether it is one of those that were remembered, as it
 * was or changed since.  One that was remembered is found once at most.
 */
extern void page_edge_find_known(PageEdge *edge, PageRow *rows, size_t nrows);

/*
 * Remember the rows of a page that aren't known, or not as they are now, and not newer than that.
 */
extern void page_edge_remember(PageEdge *edge, const PageRow *rows, size_t nrows, int64 newest);

/* Forget the rows that are newer than that. */
extern void page_edge_forget(PageEdge *edge, int64 newest);

/*
 * Return what tells a row from others whatever becomes of it, and what it says; palloc'd.  Two rows
 * may have the same.
 */
extern char *page_edge_row_text(const PageEdge *edge, const JsonNode *row);

/* Return what its sender calls a row (see CRISP_NAME), as JSON; palloc'd. */
extern char *page_edge_row_name(const PageEdge *edge, const JsonNode *row);

#endif /* CRISP_PAGE_EDGE_H */
