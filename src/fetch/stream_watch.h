/*-------------------------------------------------------------------------
 *
 * stream_watch.h
 *		Tell when to look for what has moved in a list that is streamed.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_STREAM_WATCH_H
#define CRISP_STREAM_WATCH_H

#include "fetch/pager.h"

/* What is known of a list's pages; zeroed before the first. */
typedef struct StreamWatch
{
	int64 came_again; /* rows that were noticed to come twice */
	int	  looked_at;  /* page before which there was a look; 0 before the first */
} StreamWatch;

/*
 * Say whether it's time for a look, before the next row of a pager that reads what request asks for
 * is given: when rows have come again, as they do when others are put in front of them; and, as a
 * deletion may hide that, whenever twice as many pages have come.
 */
extern bool stream_watch_is_due(StreamWatch *watch, const ListRequest *request, const Pager *pager);

#endif /* CRISP_STREAM_WATCH_H */
