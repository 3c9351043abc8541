/*-------------------------------------------------------------------------
 *
 * request_equal.c
 *		Whether a scan would ask for the same again.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "request/request.h"

static bool
texts_equal(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/*
 * Whether two Lists of char * hold the same.
 */
static bool
lists_equal(const List *a, const List *b)
{
	ListCell *lc_a;
	ListCell *lc_b;

	if (list_length(a) != list_length(b))
		return false;
	forboth(lc_a, a, lc_b, b)
		if (strcmp(lfirst(lc_a), lfirst(lc_b)) != 0)
			return false;
	return true;
}

/*
 * Whether two requests bring the same rows of a parent, of which those that are of
 * no use are left out; a list of its own keeps them all.
 */
static bool
parents_equal(const CrispRequest *a, const CrispRequest *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return request_equal(a, b) && lists_equal(a->keep, b->keep);
}

bool
request_equal(const CrispRequest *a, const CrispRequest *b)
{
	if (a->lookup != b->lookup || a->names_inbox != b->names_inbox ||
		a->has_arguments != b->has_arguments || a->times.lower != b->times.lower ||
		a->times.upper != b->times.upper || a->dates.lower != b->dates.lower ||
		a->dates.upper != b->dates.upper || a->stops != b->stops ||
		(a->stops && a->stop_before != b->stop_before) || !texts_equal(a->query, b->query) ||
		!texts_equal(a->link, b->link) || !texts_equal(a->search, b->search))
		return false;
	return lists_equal(a->keys, b->keys) && lists_equal(a->arguments, b->arguments) &&
		   parents_equal(a->parent, b->parent);
}
