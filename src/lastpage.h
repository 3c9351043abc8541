/*-------------------------------------------------------------------------
 *
 * lastpage.h
 *		Whether a list ends with a page.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_LASTPAGE_H
#define CRISP_LASTPAGE_H

#include "option.h"

/*
 * Whether the list of the options' resource ends with a page of nelements that
 * was answered with status 206 (more) or 200.
 *
 * 206 says that more pages follow, 200 that this was the last; but a server is
 * taken at its word only once it has been seen to say 206 in this session.  Until then, a 200
 * ends the list if the page has less than full_page elements: a request more
 * than needed is better than a row less.  An empty page ends it in any case.
 */
extern bool page_is_last(const CrispOptions *options, size_t nelements, size_t full_page,
						 bool more);

/* Whether a server has been seen to say 206 in this session, so that a 200 is the end of a list. */
extern bool page_status_is_trusted(const CrispOptions *options);

#endif /* CRISP_LASTPAGE_H */
