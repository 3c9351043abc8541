/*-------------------------------------------------------------------------
 *
 * last_page.c
 *		Tell whether a list ends with a page.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "api/server_facts.h"
#include "fetch/last_page.h"

/* The fact that a server tells pages that aren't the last by status 206. */
#define SAYS_MORE "says 206"

/* The fact that it does so of pages past the end of a list, too. */
#define SAYS_MORE_PAST_END "says 206 past the end"

/* The fact that it does so of a page after which there are no rows. */
#define SAYS_MORE_OF_LAST "says 206 of the last page"

/*
 * So many pages without anything new are more than those that came before.  A list that moves while
 * it's read shows these again, once; one that grows by a page with each request, or whose pages
 * don't go by their number, shows no others.
 */
#define IDLE_PAGES 16

bool
page_is_last(const CrispOptions *options, size_t nelements, size_t full_page, bool more)
{
	if (nelements == 0)
		return true;
	if (more)
	{
		server_fact_remember(options, SAYS_MORE, true);
		return false;
	}
	return nelements < full_page || page_status_is_trusted(options);
}

bool
page_ends_list(const ListRequest *request, size_t nelements, size_t largest_page, bool more)
{
	const CrispOptions *options = request->options;

	return !crisp_resource_is_paged(options->resource, options->tier) ||
		   page_is_last(
			   options, nelements,
			   options->resource->per_page_param ? (size_t) request->per_page : largest_page, more);
}

bool
page_status_is_trusted(const CrispOptions *options)
{
	return server_fact_recall(options, SAYS_MORE) == FACT_TRUE;
}

/*
 * Name the fact that a server gives as many rows a page as that.
 */
static char *
size_fact(int per_page)
{
	return psprintf("%d rows a page", per_page);
}

void
page_note_size(const CrispOptions *options, size_t nelements, int per_page)
{
	if (nelements >= (size_t) per_page)
		server_fact_remember(options, size_fact(per_page), true);
}

bool
page_is_short(const CrispOptions *options, size_t nelements, int per_page)
{
	bool is_kept = server_fact_recall(options, size_fact(per_page)) == FACT_TRUE;

	return nelements < (size_t) (is_kept ? per_page : CRISP_MIN_PER_PAGE);
}

void
page_note_progress(PageProgress *progress, const CrispOptions *options, bool has_new,
				   const char *target)
{
	if (has_new)
	{
		progress->pages++;
		progress->idle = 0;
		return;
	}
	if (++progress->idle <= progress->pages + IDLE_PAGES)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_FDW_ERROR),
			 errmsg("cannot read all rows of a list of \"%s\", server \"%s\"",
					options->resource->name, options->server_name),
			 errdetail("GET %s: Page after page follows, but the last %d had no row that had not "
					   "come before.",
					   target, progress->idle)));
}

bool
page_announces_more(const CrispOptions *options, bool before, bool more)
{
	return (more && server_fact_recall(options, SAYS_MORE_PAST_END) != FACT_TRUE) ||
		   (before && server_fact_recall(options, SAYS_MORE_OF_LAST) != FACT_TRUE);
}

void
page_note_end(const CrispOptions *options, bool before, bool more)
{
	if (more)
		server_fact_remember(options, SAYS_MORE_PAST_END, true);
	if (before)
		server_fact_remember(options, SAYS_MORE_OF_LAST, true);
}

void
page_raise_missing(const ListRequest *request, int page, bool is_empty)
{
	const CrispOptions *options = request->options;
	const char		   *target = request_list_target(request, page);

	ereport(
		ERROR,
		(errcode(ERRCODE_FDW_TABLE_NOT_FOUND),
		 is_empty
			 ? errmsg("Crisp sent an empty page of a list, server \"%s\"", options->server_name)
			 : errmsg("Crisp does not know a page of a list, server \"%s\"", options->server_name),
		 is_empty
			 ? errdetail("GET %s answered without a row, although the page after it has rows.",
						 target)
			 : errdetail("GET %s answered HTTP 404, although the page after it has rows.", target),
		 errhint("Try again.")));
}

void
page_raise_lacking(const ListRequest *request)
{
	ereport(ERROR, (errcode(ERRCODE_FDW_TABLE_NOT_FOUND),
					errmsg("Crisp sent an empty page of a list, server \"%s\"",
						   request->options->server_name),
					errdetail("GET %s answered without a row, although rows that belong there had "
							  "come before.",
							  request_list_target(request, 1)),
					errhint("Try again.")));
}
