/*-------------------------------------------------------------------------
 *
 * row_reader.c
 *		Hold what all kinds of readers have in common.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fetch/row_reader.h"

bool
row_reader_is_not(const RowReader *reader)
{
	return false;
}

const JsonNode *
row_reader_no_page(const RowReader *reader)
{
	return NULL;
}

void
row_reader_add_counts(ReaderCounts *sum, ReaderCounts counts)
{
	sum->pages += counts.pages;
	sum->rows += counts.rows;
	sum->duplicates += counts.duplicates;
	sum->past_end += counts.past_end;
	sum->rechecks += counts.rechecks;
	sum->lists += counts.lists;
}
