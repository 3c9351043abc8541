/*-------------------------------------------------------------------------
 *
 * details.c
 *		Fetch what the elements of a list lack, for each of them.
 *
 * Elements wait in a queue while their details are under way.  It is filled from the page at hand
 * alone, so that no page is asked for before a row of it is needed.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "api/pipeline.h"
#include "fetch/details.h"
#include "http/url.h"
#include "json/json_make.h"
#include "json/json_path.h"
#include "request/request.h"

/* An element of the list, in a context of its own, as its page may go before its details come. */
typedef struct Element
{
	MemoryContext	context;
	const JsonNode *row;
} Element;

typedef struct Details
{
	RowReader			reader;
	RowReader		   *list;
	const CrispOptions *options;
	DetailsFilter		filter;
	void			   *filter_arg;
	const JsonPath	   *key;
	MemoryContext		context;
	MemoryContext		scratch; /* reset after each element of the list */
	bool				at_end;	 /* of the list */

	Pipeline *pipeline;					 /* the details that are under way, */
	Element	  queue[CRISP_MAX_PREFETCH]; /* of these elements: a ring */
	int		  oldest;
	int		  count;
	double	  expected; /* rows that will be wanted in any case, those in the queue among them */

	/* Of the latest row; NULL where there is none. */
	MemoryContext row_context;
	MemoryContext detail_context;
} Details;

/*
 * Ask for the details of an element of the list.
 */
static void
ask(Details *details, const JsonNode *element)
{
	const CrispOptions *options = details->options;
	const char		   *key = json_node_string(json_path_get(element, details->key), NULL);

	if (key == NULL || !url_can_be_segment(key))
		ereport(ERROR,
				(errcode(ERRCODE_PROTOCOL_VIOLATION),
				 errmsg("unexpected answer from Crisp, server \"%s\"", options->server_name),
				 errdetail("An element of the list of \"%s\" has no %s.", options->resource->name,
						   crisp_resource_key(options->resource)->path),
				 errhint("Check the server's option base_url.")));
	pipeline_start(details->pipeline,
				   request_key_target(options,
									  crisp_resource_detail_route(options->resource, options->tier),
									  key));
}

/*
 * Put the next element of the list into the queue, unless its details aren't wanted.
 */
static void
add_element(Details *details)
{
	MemoryContext old_context = MemoryContextSwitchTo(details->scratch);
	FetchedRow	  row;

	if (!row_reader_next(details->list, &row))
		details->at_end = true;
	else if (details->filter(details->filter_arg, &row))
	{
		Element *element = &details->queue[(details->oldest + details->count) % CRISP_MAX_PREFETCH];

		ask(details, row.row);
		element->context = AllocSetContextCreate(details->context, "crisp_fdw element",
												 ALLOCSET_SMALL_SIZES);
		element->row = json_copy(element->context, row.row);
		details->count++;
	}
	MemoryContextSwitchTo(old_context);
	MemoryContextReset(details->scratch);
}

/*
 * Ask for as much as there is room for; a row that nobody was known to want is asked for when it
 * is.
 */
static void
ask_ahead(Details *details)
{
	pipeline_open(details->pipeline);
	while (!details->at_end && pipeline_has_room(details->pipeline) &&
		   (details->count == 0 ||
			(details->count < details->expected && row_reader_at_hand(details->list))))
		add_element(details);
}

/*
 * Let go of the latest row.
 */
static void
drop_row(Details *details)
{
	if (details->row_context != NULL)
		MemoryContextDelete(details->row_context);
	if (details->detail_context != NULL)
		MemoryContextDelete(details->detail_context);
	details->row_context = NULL;
	details->detail_context = NULL;
}

/*
 * Take the oldest element of the queue, and its details.  Return false when these are gone.
 */
static bool
take_oldest(Details *details, FetchedRow *row)
{
	Element	  element = details->queue[details->oldest];
	ApiAnswer answer = {0};
	bool	  found;

	drop_row(details);
	details->row_context = element.context;
	details->oldest = (details->oldest + 1) % CRISP_MAX_PREFETCH;
	details->count--;
	details->expected--;
	(void) pipeline_receive(details->pipeline);
	details->detail_context = pipeline_answer(details->pipeline, API_OBJECT, API_KEY_TOLD, &answer,
											  &found);
	if (found)
		*row = (FetchedRow){.row = element.row, .detail = answer.data};
	return found;
}

/*----------
 * The reader's methods; see row_reader.h
 *----------
 */

static bool
next(RowReader *reader, FetchedRow *row)
{
	Details		 *details = (Details *) reader;
	MemoryContext old_context = MemoryContextSwitchTo(details->context);
	bool		  found = false;

	while (!found)
	{
		ask_ahead(details);
		if (details->count == 0)
			break;
		found = take_oldest(details, row);
	}
	MemoryContextSwitchTo(old_context);
	return found;
}

static bool
get_ready(RowReader *reader)
{
	Details *details = (Details *) reader;

	/* What was asked for last may still be to be looked at by its conditions. */
	while (details->count == 0 && !details->at_end)
	{
		if (!row_reader_get_ready(details->list))
			return false;
		add_element(details);
	}
	return details->count == 0 || pipeline_get_ready(details->pipeline);
}

static bool
is_ready(const RowReader *reader)
{
	const Details *details = (const Details *) reader;

	return details->count > 0 ? pipeline_is_ready(details->pipeline)
							  : row_reader_is_ready(details->list);
}

static pgsocket
get_socket(const RowReader *reader)
{
	const Details *details = (const Details *) reader;

	return details->count > 0 ? pipeline_socket(details->pipeline)
							  : row_reader_socket(details->list);
}

static bool
at_hand(const RowReader *reader)
{
	const Details *details = (const Details *) reader;

	return row_reader_at_hand(details->list);
}

static bool
at_end(const RowReader *reader)
{
	const Details *details = (const Details *) reader;

	return row_reader_at_end(details->list);
}

static const JsonNode *
page(const RowReader *reader)
{
	return row_reader_page(((const Details *) reader)->list);
}

static void
expect(RowReader *reader, double rows)
{
	((Details *) reader)->expected = rows;
}

static ReaderCounts
counts(const RowReader *reader)
{
	return row_reader_counts(((const Details *) reader)->list);
}

static void
end(RowReader *reader)
{
	Details	  *details = (Details *) reader;
	RowReader *list = details->list;

	MemoryContextDelete(details->context);
	row_reader_end(list);
}

static const RowReaderMethods details_methods = {
	.next = next,
	.get_ready = get_ready,
	.is_ready = is_ready,
	.socket = get_socket,
	.at_hand = at_hand,
	.at_end = at_end,
	.page = page,
	.expect = expect,
	.counts = counts,
	.end = end,
};

RowReader *
details_begin(RowReader *list, const CrispOptions *options, DetailsFilter filter, void *arg)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "crisp_fdw details",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(context);
	Details		 *details = palloc0(sizeof(Details));

	details->reader.methods = &details_methods;
	details->list = list;
	details->options = options;
	details->filter = filter;
	details->filter_arg = arg;
	details->key = json_path_of(crisp_resource_key(options->resource)->path);
	details->context = context;
	details->scratch = AllocSetContextCreate(context, "crisp_fdw scratch", ALLOCSET_DEFAULT_SIZES);
	details->pipeline = pipeline_create(context, options);
	MemoryContextSwitchTo(old_context);
	return &details->reader;
}
