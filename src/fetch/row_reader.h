/*-------------------------------------------------------------------------
 *
 * row_reader.h
 *		Read rows through one interface, whatever they come from.
 *
 * A reader gives the rows that a request asks for, one by one, and asks Crisp for what it needs as
 * it goes.  Its kinds are lists (list_reader.h), lookups by keys (lookup.h), lists below the rows
 * of another resource (children.h), and details (details.h), which wrap another reader.  Who has a
 * reader needn't know of which kind it is.
 *
 * Each kind begins its readers by a function of its own, which makes no request yet.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_ROW_READER_H
#define CRISP_ROW_READER_H

#include "json/json.h"

/*
 * A row that has come: JSON objects that stay valid until the reader is asked for another row, or
 * ended.  Columns of a row are looked for in row, and what that lacks in base, which is what the
 * row inherits from one of another resource.  For the columns that a list is known to lack, what
 * is in detail goes before both: it's what Crisp tells of the row by itself.  base and detail are
 * NULL where there are none.  late tells, of a list that is streamed, that the row has moved while
 * it was read, and has a place before rows that have come.
 */
typedef struct FetchedRow
{
	const JsonNode *row;
	const JsonNode *base;
	const JsonNode *detail;
	bool			late;
} FetchedRow;

/* What a reader, or several of them, have received so far. */
typedef struct ReaderCounts
{
	int64 pages;
	int64 rows;
	int64 duplicates; /* of the rows, those dropped since they had come before */
	int64 past_end;	  /* requests for pages that there were none of */
	int64 rechecks;	  /* of the pages, those that tell what has changed while a list was read */
	int64 lists;	  /* below rows of another resource */
} ReaderCounts;

typedef struct RowReader RowReader;

/* The functions of a kind.  None but next, get_ready and end changes what the reader is at. */
typedef struct RowReaderMethods
{
	/*
	 * Get the next row, waiting for Crisp if need be.  Returns false, and leaves *row alone, at the
	 * end, however often it's asked again.  Works in memory of its own.  Raises what requests raise
	 * (api_finish()), and what the kind's header says.
	 */
	bool (*next)(RowReader *reader, FetchedRow *row);

	/*
	 * For asynchronous execution.  Get on as far as that takes no waiting: let requests go on, take
	 * answers, ask for what comes next.  Returns whether next() can return, or raise, without
	 * waiting; if not, what it would wait for has been asked.  Raises what next() raises.
	 */
	bool (*get_ready)(RowReader *reader);

	/*
	 * Whether what get_ready() has asked for has been answered since, as somebody else let requests
	 * of the same server go on.  Does nothing for it to come, and doesn't tell of what nobody waits
	 * for.  Raises nothing.
	 */
	bool (*is_ready)(const RowReader *reader);

	/*
	 * A descriptor that becomes readable when it's worth calling get_ready() again; only after that
	 * has returned false.  It belongs to the connections of the server.
	 */
	pgsocket (*socket)(const RowReader *reader);

	/* Whether the next row has come already, so that next() is likely to need no request. */
	bool (*at_hand)(const RowReader *reader);

	/* Whether no more rows come, as far as that is known without a request. */
	bool (*at_end)(const RowReader *reader);

	/* The page that the latest row was on, a JSON array; NULL where rows don't come in pages. */
	const JsonNode *(*page)(const RowReader *reader);

	/*
	 * Tell how many rows will be asked for in any case, from now on: nothing is fetched for others
	 * before they are wanted.  NULL for a kind that does nothing for rows which may not be wanted.
	 */
	void (*expect)(RowReader *reader, double rows);

	/* What was received so far. */
	ReaderCounts (*counts)(const RowReader *reader);

	/* Abort what is under way, and release everything. */
	void (*end)(RowReader *reader);
} RowReaderMethods;

/* The first member of what each kind has for a reader. */
struct RowReader
{
	const RowReaderMethods *methods;
};

/*
 * Answer for kinds that don't know: rows are never at hand, nor at their end, and come in no pages.
 */
extern bool			   row_reader_is_not(const RowReader *reader);
extern const JsonNode *row_reader_no_page(const RowReader *reader);

/* Add counts to a sum of them. */
extern void row_reader_add_counts(ReaderCounts *sum, ReaderCounts counts);

/* Call the functions of a reader, whatever its kind. */
static inline bool
row_reader_next(RowReader *reader, FetchedRow *row)
{
	return reader->methods->next(reader, row);
}

static inline bool
row_reader_get_ready(RowReader *reader)
{
	return reader->methods->get_ready(reader);
}

static inline bool
row_reader_is_ready(const RowReader *reader)
{
	return reader->methods->is_ready(reader);
}

static inline pgsocket
row_reader_socket(const RowReader *reader)
{
	return reader->methods->socket(reader);
}

static inline bool
row_reader_at_hand(const RowReader *reader)
{
	return reader->methods->at_hand(reader);
}

static inline bool
row_reader_at_end(const RowReader *reader)
{
	return reader->methods->at_end(reader);
}

static inline const JsonNode *
row_reader_page(const RowReader *reader)
{
	return reader->methods->page(reader);
}

/* Say whether it's worth while to find out what row_reader_expect() is told. */
static inline bool
row_reader_minds_need(const RowReader *reader)
{
	return reader->methods->expect != NULL;
}

static inline void
row_reader_expect(RowReader *reader, double rows)
{
	if (reader->methods->expect != NULL)
		reader->methods->expect(reader, rows);
}

static inline ReaderCounts
row_reader_counts(const RowReader *reader)
{
	return reader->methods->counts(reader);
}

static inline void
row_reader_end(RowReader *reader)
{
	reader->methods->end(reader);
}

#endif /* CRISP_ROW_READER_H */
