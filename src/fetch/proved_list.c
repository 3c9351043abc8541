/*-------------------------------------------------------------------------
 *
 * proved_list.c
 *		Read a list of which it's sure that what it lacks isn't there.
 *
 * A list that moves may lose rows to page numbers, so it's read by date, whatever the table's scan
 * mode.  Where it comes in no order that takes several times the requests, so it's done only for
 * those who say that it's worth it.
 * Nor is a row without a date sure to come, once a date is asked for: where one has come, there may
 * be others that haven't.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "api/api_error.h"
#include "api/server_facts.h"
#include "base/sqlstate.h"
#include "fetch/exact_reader.h"
#include "fetch/list_reader.h"
#include "fetch/order.h"
#include "fetch/proved_list.h"
#include "json/json_path.h"

/* The fact that the list can be read by date. */
#define FACT_DATES "a list read by date"

/* The reading of a list. */
typedef struct Reading
{
	CrispOptions options;	   /* the table's, in the scan mode exact */
	bool		 in_any_order; /* whatever that takes */
	ListRequest	 request;
	RowReader	*reader; /* NULL before the list is read */
} Reading;

bool
proved_list_is_possible(const CrispOptions *options)
{
	const CrispResource *resource = options->resource;
	ListRequest			 request;

	/* Whether a list has the rows of all inboxes is open, also where these are asked for. */
	if ((resource->include_empty_param != NULL && !options->include_empty) ||
		resource->inbox != NULL)
		return false;
	request = request_whole_list(options);
	return exact_is_possible(&request) && server_fact_recall(options, FACT_DATES) != FACT_FALSE;
}

/*
 * Begin to read, if the list comes in an order, or need not.
 */
static void
begin(Reading *reading)
{
	ListRequest first = exact_first_request(&reading->request);

	if (reading->in_any_order || (first.order != NULL && order_is_trusted(&first)))
		reading->reader = list_reader_begin(&reading->request);
}

/*
 * Get the next row.  Returns false at the end; *failed tells whether Crisp has failed.
 */
static bool
read_row(Reading *reading, FetchedRow *row, bool *failed)
{
	MemoryContext old_context = CurrentMemoryContext;
	volatile bool found = false;

	PG_TRY();
	{
		if (reading->reader == NULL)
			begin(reading);
		if (reading->reader != NULL)
			found = row_reader_next(reading->reader, row);
		*failed = reading->reader == NULL;
	}
	PG_CATCH();
	{
		if (!api_error_is_crisps(geterrcode()))
			PG_RE_THROW();
		if (geterrcode() == ERRCODE_CRISP_NOT_EXACT)
			server_fact_remember(&reading->options, FACT_DATES, false);
		MemoryContextSwitchTo(old_context);
		FlushErrorState();
		*failed = true;
	}
	PG_END_TRY();
	return found;
}

/*
 * Read rows of the list to its end, or for so many pages once one has no date.  Returns what has
 * become of it.
 */
static ProvedListEnd
read_rows(Reading *reading, int64 pages, void (*take)(void *arg, const JsonNode *row), void *arg)
{
	JsonPath	 *date = json_path_of(crisp_resource_dates(reading->options.resource)->path);
	ProvedListEnd end = PROVED_LIST_PROVED;
	FetchedRow	  row;
	bool		  failed;

	while (read_row(reading, &row, &failed))
	{
		int64 time;

		take(arg, row.row);
		if (!order_row_time(row.row, date, &time))
			end = PROVED_LIST_READ;
		if (end == PROVED_LIST_READ && row_reader_counts(reading->reader).pages > pages)
			break;
	}
	return failed ? PROVED_LIST_FAILED : end;
}

ProvedListEnd
proved_list_read(const CrispOptions *options, bool in_any_order, int64 pages,
				 void (*take)(void *arg, const JsonNode *row), void *arg, ReaderCounts *counts)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "crisp_fdw proved list",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(context);
	Reading		  reading = {.options = *options, .in_any_order = in_any_order};
	ProvedListEnd end;

	reading.options.exact_scan = true;
	reading.request = request_whole_list(&reading.options);
	end = read_rows(&reading, pages, take, arg);
	if (end == PROVED_LIST_READ)
		server_fact_remember(&reading.options, FACT_DATES, false);
	if (reading.reader != NULL)
	{
		*counts = row_reader_counts(reading.reader);
		row_reader_end(reading.reader);
	}
	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(context);
	return end;
}
