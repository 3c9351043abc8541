/*-------------------------------------------------------------------------
 *
 * analyze.c
 *		Take a sample of a list for ANALYZE, and estimate how many rows it has.
 *
 * The first pages of a list hold its newest rows, which are not like the others.  So pages are
 * taken at even distances from all of it, within the requests that option analyze_pages allows.
 * Where Crisp doesn't say how long a list is, up to half of them go into finding its end: a page
 * beyond it is empty.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>
#include <math.h>

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "commands/vacuum.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/sampling.h"

#include "base/extension_version.h"
#include "options/column_map.h"
#include "scan/analyze.h"
#include "scan/list_end.h"
#include "api/api_answer.h"
#include "fetch/count.h"
#include "plan/plan_details.h"
#include "row/flatten.h"
#include "fetch/pager.h"
#include "row/row_source.h"
#include "base/compat.h"

/* Rows of Crisp's to a block, were they stored here: about 1 kB each. */
#define ROWS_PER_BLOCK 8

/* A page that was read, with its rows, which are not yet in the sample. */
typedef struct SamplePage
{
	int		   number;
	int		   nrows;
	HeapTuple *rows;
} SamplePage;

/* An ANALYZE that runs. */
typedef struct Sampler
{
	Relation	  relation;
	CrispOptions *options;
	Pager		 *pager;
	Flattener	 *flattener;
	MemoryContext row_context; /* reset for each row */
	Datum		 *values;	   /* of a row */
	bool		 *nulls;

	ListEnd end;	  /* what is known of the list */
	double	counted;  /* rows, as Crisp counts them; -1 where it doesn't */
	bool	complete; /* all rows are in the sample, or passed through it */

	List *pages; /* SamplePage *, read while looking for the end */

	/* The sample. */
	HeapTuple *rows;
	int		   nrows;
	int		   targrows;
	double	   rows_passed; /* all rows that could have been in it */
} Sampler;

/*----------
 * The sample
 *----------
 */

/*
 * Add a row to the sample, or drop it: each that passes by has the same chance to stay.
 */
static void
add_row(Sampler *sampler, HeapTuple row)
{
	double place;

	sampler->rows_passed++;
	if (sampler->nrows < sampler->targrows)
	{
		sampler->rows[sampler->nrows++] = row;
		return;
	}

	place = floor(sampler->rows_passed * anl_random_fract());
	if (place < sampler->targrows)
	{
		heap_freetuple(sampler->rows[(int) place]);
		sampler->rows[(int) place] = row;
	}
	else
		heap_freetuple(row);
}

/*
 * Add all rows of a page to the sample, and release the page.
 */
static void
add_page(Sampler *sampler, SamplePage *page)
{
	for (int i = 0; i < page->nrows; i++)
		add_row(sampler, page->rows[i]);
	pfree(page->rows);
	pfree(page);
}

/*----------
 * Pages
 *----------
 */

static int
requests_left(const Sampler *sampler)
{
	int64 left = sampler->options->analyze_pages - sampler->options->counts->requests;

	return (int) Max(left, 0);
}

static HeapTuple
make_tuple(Sampler *sampler, const JsonNode *row)
{
	MemoryContext old_context = MemoryContextSwitchTo(sampler->row_context);

	MemoryContextReset(sampler->row_context);
	flatten_row(sampler->flattener, row, NULL, sampler->values, sampler->nulls);
	MemoryContextSwitchTo(old_context);
	return heap_form_tuple(RelationGetDescr(sampler->relation), sampler->values, sampler->nulls);
}

/*
 * Read a page of the list.
 */
static SamplePage *
read_page(Sampler *sampler, int number)
{
	SamplePage	   *page = palloc0(sizeof(SamplePage));
	size_t			nelements;
	const JsonNode *row;

	compat_vacuum_delay_point();
	nelements = pager_go_to(sampler->pager, number);
	page->number = number;
	page->rows = palloc(sizeof(HeapTuple) * Max(nelements, 1));
	while ((row = pager_next_on_page(sampler->pager)) != NULL)
		page->rows[page->nrows++] = make_tuple(sampler, row);
	list_end_note_page(&sampler->end, number, page->nrows, nelements,
					   pager_on_last_page(sampler->pager));
	return page;
}

/*
 * Get a page that was read before, or read it.
 */
static SamplePage *
get_page(Sampler *sampler, int number)
{
	ListCell *lc;

	foreach(lc, sampler->pages)
	{
		SamplePage *page = lfirst(lc);

		if (page->number == number)
		{
			sampler->pages = list_delete_cell(sampler->pages, lc);
			return page;
		}
	}
	return read_page(sampler, number);
}

/*
 * Read a page and keep it for get_page(), if the list has it.
 */
static void
keep_page(Sampler *sampler, int number)
{
	SamplePage *page = read_page(sampler, number);

	if (number < sampler->end.first_missing)
		sampler->pages = lappend(sampler->pages, page);
	else
		add_page(sampler, page);
}

/*----------
 * The end of the list
 *----------
 */

/*
 * Look for the end of the list, by pages further and further away, and then by bisection.  Half of
 * the requests remain for the sample, unless the list may be short enough for all of it to be read.
 */
static void
find_end(Sampler *sampler)
{
	int allowed = sampler->options->analyze_pages;

	while (!list_end_is_known(&sampler->end, allowed) &&
		   sampler->end.last_found < LIST_END_LAST_PAGE &&
		   sampler->end.first_missing - 1 - list_length(sampler->pages) > requests_left(sampler))
	{
		bool is_long = allowed >= LIST_END_MIN_PAGES && sampler->end.first_missing > allowed + 1;

		if (requests_left(sampler) <= (is_long ? allowed / 2 : 0))
			break;
		keep_page(sampler, list_end_next_page(&sampler->end, allowed));
	}
}

/*
 * Return how many rows the list has before anybody has looked: as many as the last time, or as is
 * usual.
 */
static double
expected_rows(Relation relation, const CrispOptions *options)
{
	return relation->rd_rel->reltuples > 0 ? relation->rd_rel->reltuples
										   : options->resource->typical_rows;
}

/*
 * Estimate how many rows the list has.
 */
static double
estimate_rows(const Sampler *sampler)
{
	if (sampler->complete)
		return sampler->rows_passed;
	if (sampler->counted >= 0)
		return sampler->counted;

	return list_end_rows(&sampler->end, expected_rows(sampler->relation, sampler->options));
}

/*----------
 * The list
 *----------
 */

/*
 * Add the first row of the first page to the sample, which was read and isn't part of it: without
 * the newest row, statistics would end where the first of the pages begins that are.
 */
static void
take_newest(Sampler *sampler)
{
	ListCell *lc;

	foreach(lc, sampler->pages)
	{
		const SamplePage *page = lfirst(lc);

		if (page->number == 1 && page->nrows > 0)
			add_row(sampler, page->rows[0]);
	}
}

/*
 * Take all of a list that seems to have that many pages.
 */
static void
take_all(Sampler *sampler, int npages)
{
	for (int number = 1; number <= npages && number < sampler->end.first_missing; number++)
		add_page(sampler, get_page(sampler, number));
	sampler->complete = sampler->end.first_missing <= sampler->end.last_found + 1;
}

/*
 * Take pages at even distances from a list that has that many.
 */
static void
take_spread(Sampler *sampler, int npages)
{
	int		  taken = Min(npages, requests_left(sampler));
	ListCell *lc;

	for (int i = 0; i < taken; i++)
		add_page(sampler, get_page(sampler, (int) ((i + 0.5) * npages / taken) + 1));
	if (taken > 0)
	{
		take_newest(sampler);
		return;
	}

	/* Those that were read must do. */
	foreach(lc, sampler->pages)
		add_page(sampler, lfirst(lc));
	sampler->pages = NIL;
}

/*
 * Return how many pages the list has by Crisp's count of its rows; 0 if there is no such count.
 */
static int
counted_pages(Sampler *sampler)
{
	const CrispOptions *options = sampler->options;
	int64				counted;
	double				per_page;

	if (options->resource->count == NULL || requests_left(sampler) == 0 ||
		!count_ask(options, &counted))
		return 0;

	sampler->counted = (double) counted;
	per_page = options->resource->per_page_param ? options->per_page : sampler->end.last_found_rows;
	return (int) Min(Max(ceil(sampler->counted / per_page), 1), LIST_END_LAST_PAGE);
}

static void
sample_list(Sampler *sampler)
{
	int npages;

	keep_page(sampler, 1);
	if (sampler->end.first_missing != INT_MAX)
	{
		take_all(sampler, 1);
		return;
	}

	npages = counted_pages(sampler);
	if (npages == 0)
	{
		find_end(sampler);
		npages = sampler->end.first_missing - 1;
	}
	if (npages - list_length(sampler->pages) <= requests_left(sampler))
		take_all(sampler, npages);
	else
		take_spread(sampler, sampler->counted >= 0 ? npages : sampler->end.last_found);
}

/*----------
 * Details
 *----------
 */

/*
 * Return the column that a row's details are asked for by; 0 when the table has none.
 */
static AttrNumber
key_column(const Sampler *sampler)
{
	const CrispOptions *options = sampler->options;
	TupleDesc			tupdesc = RelationGetDescr(sampler->relation);
	const char		   *key = crisp_resource_key(options->resource)->path;
	ListCell		   *lc;

	foreach(lc, row_source_all_columns(sampler->relation))
	{
		Form_pg_attribute attribute = TupleDescAttr(tupdesc, lfirst_int(lc) - 1);
		const char		 *path =
			column_map(options, RelationGetRelid(sampler->relation), attribute->attnum).path;

		if (attribute->atttypid == TEXTOID && path != NULL && strcmp(path, key) == 0)
			return attribute->attnum;
	}
	return 0;
}

/*
 * Make a row with its details, which lacking converts for columns; NULL when they are gone.
 */
static HeapTuple
add_details(Sampler *sampler, HeapTuple row, const char *key, Flattener *lacking, List *columns)
{
	const CrispOptions *options = sampler->options;
	TupleDesc			tupdesc = RelationGetDescr(sampler->relation);
	const char		   *route = crisp_resource_detail_route(options->resource, options->tier);
	ApiAnswer			answer = {0};
	ListCell		   *lc;
	Datum			   *values = palloc(sizeof(Datum) * tupdesc->natts);
	bool			   *nulls = palloc(sizeof(bool) * tupdesc->natts);

	if (!api_finish_lookup(
			api_start(options,
					  request_key_target(options, route,
										 pg_server_to_any(key, (int) strlen(key), PG_UTF8)),
					  CurrentMemoryContext),
			API_OBJECT, API_KEY_TOLD, &answer))
		return NULL;

	heap_deform_tuple(row, tupdesc, sampler->values, sampler->nulls);
	flatten_row(lacking, answer.data, NULL, values, nulls);
	foreach(lc, columns)
	{
		int index = lfirst_int(lc) - 1;

		if (nulls[index])
			continue;
		sampler->values[index] = values[index];
		sampler->nulls[index] = false;
	}
	return heap_form_tuple(tupdesc, sampler->values, sampler->nulls);
}

/*
 * Ask for the details of the rows in the sample, as far as there are requests for it.  Where they
 * don't suffice, rows at even distances stay: one without its details would count as one that has
 * none.
 */
static void
take_details(Sampler *sampler, List *columns)
{
	Flattener *lacking = row_source_begin(sampler->options, sampler->relation, columns, NULL);
	AttrNumber key = key_column(sampler);
	int		   taken = Min(sampler->nrows, requests_left(sampler));
	int		   kept = 0;

	if (key == 0 || taken == 0)
		return;
	for (int i = 0; i < taken; i++)
	{
		MemoryContext old_context = MemoryContextSwitchTo(sampler->row_context);
		HeapTuple	  row = sampler->rows[(int) ((double) i * sampler->nrows / taken)];
		bool		  isnull;
		Datum key_value = heap_getattr(row, key, RelationGetDescr(sampler->relation), &isnull);

		MemoryContextReset(sampler->row_context);
		row = isnull ? NULL
					 : add_details(sampler, row, TextDatumGetCString(key_value), lacking, columns);
		MemoryContextSwitchTo(old_context);
		if (row != NULL)
			sampler->rows[kept++] = heap_copytuple(row);
	}
	sampler->nrows = kept;
}

/*----------
 * ANALYZE
 *----------
 */

/*
 * Return how many requests ANALYZE may make for a table.  PostgreSQL analyzes partitions with the
 * table that they belong to, also where ANALYZE names no table at all: so they have to be told to
 * ask.
 */
static int
requests_allowed(Relation relation, const CrispOptions *options)
{
	if (options->analyze_pages != CRISP_ANALYZE_PAGES_UNSET)
		return options->analyze_pages;
	return relation->rd_rel->relispartition ? 0 : CRISP_DEFAULT_ANALYZE_PAGES;
}

/*
 * Prepare the conversion of all columns.
 */
static void
begin_rows(Sampler *sampler)
{
	TupleDesc tupdesc = RelationGetDescr(sampler->relation);

	sampler->flattener = row_source_begin(sampler->options, sampler->relation,
										  row_source_all_columns(sampler->relation), NULL);
	sampler->values = palloc(sizeof(Datum) * tupdesc->natts);
	sampler->nulls = palloc(sizeof(bool) * tupdesc->natts);
	sampler->row_context = AllocSetContextCreate(CurrentMemoryContext, "crisp_fdw row",
												 ALLOCSET_DEFAULT_SIZES);
}

/*
 * Fill rows, an array of targrows elements, and return how many that are (an
 * AcquireSampleRowsFunc).
 */
static int
acquire_sample_rows(Relation relation, int elevel, HeapTuple *rows, int targrows, double *totalrows,
					double *totaldeadrows)
{
	CrispOptions *options = options_of_table(RelationGetRelid(relation));
	Sampler		  sampler = {
			  .relation = relation,
			  .options = options,
			  .end = {.first_missing = INT_MAX},
			  .counted = -1,
			  .rows = rows,
			  .targrows = targrows,
	  };
	ListRequest request = request_whole_list(options);
	List	   *lacking;
	int			allowed;

	option_add_credentials(options, relation->rd_rel->relowner);
	begin_rows(&sampler);
	lacking = detail_columns(options, RelationGetRelid(relation), row_source_all_columns(relation));

	/* Half of the requests remain for details. */
	allowed = requests_allowed(relation, options);
	options->analyze_pages = allowed;
	if (lacking != NIL)
		options->analyze_pages = (allowed + 1) / 2;
	request.any_order = true;
	sampler.pager = pager_begin(&request, NULL);
	sample_list(&sampler);
	pager_end(sampler.pager);
	options->analyze_pages = allowed;
	if (lacking != NIL)
		take_details(&sampler, lacking);
	MemoryContextDelete(sampler.row_context);

	*totalrows = estimate_rows(&sampler);
	*totaldeadrows = 0;
	ereport(elevel, (errmsg("\"%s\": %d rows in sample, %.0f estimated total rows, %lld requests",
							RelationGetRelationName(relation), sampler.nrows, *totalrows,
							(long long) options->counts->requests)));
	return sampler.nrows;
}

bool
crispAnalyzeForeignTable(Relation relation, AcquireSampleRowsFunc *func, BlockNumber *totalpages)
{
	const CrispOptions *options = options_of_table(RelationGetRelid(relation));

	extension_version_check();
	/* Lists below rows of another resource have no pages that could be taken at even distances. */
	if (options->resource->parent != NULL || requests_allowed(relation, options) == 0)
		return false;
	*func = acquire_sample_rows;

	/* A parent's sample is shared among its children by their sizes.  Nobody was asked yet. */
	*totalpages = (BlockNumber) Max(ceil(expected_rows(relation, options) / ROWS_PER_BLOCK), 1);
	return true;
}
