/*-------------------------------------------------------------------------
 *
 * flatten.h
 *		Convert the JSON at a path to a Datum of the column's type.
 *
 * Knows JSON and PostgreSQL's types, nothing of HTTP and nothing of Crisp.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_FLATTEN_H
#define CRISP_FLATTEN_H

#include "access/tupdesc.h"
#include "json/json.h"
#include "base/server_text.h"

/* Which values a column shows; others count as missing. */
typedef enum FlattenKinds
{
	FLATTEN_ALL,
	FLATTEN_STRINGS,
	FLATTEN_STRUCTURES /* objects and arrays */
} FlattenKinds;

/* What fills one column. */
typedef struct FlattenSource
{
	AttrNumber	 attnum;
	const char	*path; /* JSON path; NULL: found by the flattening rule, from name */
	const char	*name; /* the column's at Crisp, in the database's encoding */
	const char	*text; /* what every row has instead, as if it were a JSON string; or NULL */
	FlattenKinds kinds;
	bool		 base_first; /* what the base has at the path goes before the row's own */
} FlattenSource;

/* Most values by which errors name a row: that of the row it lies below, and its own. */
#define FLATTEN_MAX_NAMES 2

/* What all columns have in common. */
typedef struct FlattenTable
{
	const char *name;					  /* of the foreign table, for error messages */
	const char *envelope;				  /* a key (UTF-8) whose object is searched after the row
										   * itself for columns that have no path; or NULL */
	const char *names[FLATTEN_MAX_NAMES]; /* JSON paths of what names a row in errors; NULL: none */
	InvalidText invalid_text;			  /* what becomes of text that the database can't keep */
} FlattenTable;

typedef struct Flattener Flattener;

/*
 * Prepare the conversion of rows for the columns in sources (dropped ones are passed over); all
 * others will be NULL.  Resolves types, input functions and paths once per scan.
 *
 * Everything is palloc'd in CurrentMemoryContext, which must outlive the scan; all arguments are
 * copied.  Raises what looking up types raises, and HV024 (fdw_invalid_attribute_value) for a
 * malformed path.
 */
extern Flattener *flatten_begin(TupleDesc tupdesc, const FlattenTable *table,
								const FlattenSource *sources, int nsources);

/*
 * Convert one row (a JSON object, not NULL) into values and nulls, arrays of tupdesc->natts
 * elements.  What it lacks is looked for in base, another object, which may be NULL.  By-reference
 * values are palloc'd in CurrentMemoryContext, which the caller resets per row.
 *
 * Raises the input function's own error when a value does not fit its column, with a context line
 * that names column, foreign table, JSON path, the row and the value's start.
 */
extern void flatten_row(Flattener *flattener, const JsonNode *row, const JsonNode *base,
						Datum *values, bool *nulls);

#endif /* CRISP_FLATTEN_H */
