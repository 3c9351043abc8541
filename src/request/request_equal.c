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

static bool
ranges_equal(TimeRange a, TimeRange b)
{
	return a.lower == b.lower && a.upper == b.upper;
}

static bool
list_requests_equal(const ListRequest *a, const ListRequest *b)
{
	return ranges_equal(a->dates, b->dates) && texts_equal(a->query, b->query) &&
		   texts_equal(a->inbox, b->inbox) && a->stops == b->stops &&
		   (!a->stops || a->stop_before == b->stop_before);
}

static bool
keys_requests_equal(const KeysRequest *a, const KeysRequest *b)
{
	return a->lookup == b->lookup && lists_equal(a->keys, b->keys) &&
		   texts_equal(a->inbox, b->inbox);
}

/*
 * Tell whether two requests bring the same rows of a parent, of which those that are of
 * no use are left out; a list of its own keeps them all.
 */
static bool
parents_equal(const CrispRequest *a, const CrispRequest *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return request_equal(a, b) &&
		   (a->kind != REQUEST_LIST || lists_equal(a->as.list.keep, b->as.list.keep));
}

static bool
children_requests_equal(const ChildrenRequest *a, const ChildrenRequest *b)
{
	return ranges_equal(a->times, b->times) && texts_equal(a->query, b->query) &&
		   texts_equal(a->link, b->link) && parents_equal(a->parent, b->parent) &&
		   lists_equal(a->arguments, b->arguments);
}

bool
request_equal(const CrispRequest *a, const CrispRequest *b)
{
	if (a->kind != b->kind || !texts_equal(a->search, b->search))
		return false;
	switch (a->kind)
	{
		case REQUEST_LIST:
			return list_requests_equal(&a->as.list, &b->as.list);
		case REQUEST_KEYS:
			return keys_requests_equal(&a->as.keys, &b->as.keys);
		case REQUEST_CHILDREN:
			return children_requests_equal(&a->as.children, &b->as.children);
	}
	pg_unreachable();
}
