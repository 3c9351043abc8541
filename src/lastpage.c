/*-------------------------------------------------------------------------
 *
 * lastpage.c
 *		Whether a list ends with a page.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fact.h"
#include "lastpage.h"

/* The fact that a server tells pages that aren't the last by status 206. */
#define SAYS_MORE "says 206"

bool
page_is_last(const CrispOptions *options, size_t nelements, size_t full_page, bool more)
{
	if (nelements == 0)
		return true;
	if (more)
	{
		fact_remember(options, SAYS_MORE, true);
		return false;
	}
	return nelements < full_page || page_status_is_trusted(options);
}

bool
page_status_is_trusted(const CrispOptions *options)
{
	return fact_recall(options, SAYS_MORE) == FACT_TRUE;
}
