/*-------------------------------------------------------------------------
 *
 * change_table.h
 *		Describe a foreign table that is written to in terms of the catalog.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_CHANGE_TABLE_H
#define CRISP_CHANGE_TABLE_H

#include "nodes/bitmapset.h"
#include "utils/rel.h"

#include "options/options.h"
#include "resource/writable.h"
#include "write/encode.h"

/* A column of the foreign table. */
typedef struct ChangeColumn
{
	const char		  *name;		 /* in the table; NULL: dropped */
	const CrispColumn *column;		 /* in the catalog; NULL: not there */
	const char		  *catalog_name; /* its SQL name there */
	const char		  *data_key;	 /* of custom data, whose value it is: UTF-8; else NULL */
	bool			   generated;
	Encoder			  *encoder; /* NULL for a column that has neither */
} ChangeColumn;

/* A foreign table in terms of the catalog. */
typedef struct ChangeTable
{
	const CrispOptions *options;
	const CrispChanges *changes;
	const char		   *name;
	const char		   *sql_name; /* with its schema, quoted where it must be */
	int					ncolumns;
	ChangeColumn	   *columns;	 /* by attribute number, from 1, minus 1 */
	const char		   *data_column; /* the catalog's, for custom data; NULL: none can be written */
} ChangeTable;

/* A row that is about to be written. */
typedef struct ChangeRow
{
	const ChangeTable *table;
	const Datum		  *values; /* by attribute number minus 1 */
	const bool		  *nulls;
} ChangeRow;

/*
 * Describe a table, of which options->resource can be written, in terms of the catalog.  Palloc'd
 * in CurrentMemoryContext, which must outlive it, as must options.
 */
extern ChangeTable *change_table_create(const CrispOptions *options, Relation relation);

/*
 * Return the attribute number of a column, by its name in the catalog; 0 when the table has none.
 */
extern AttrNumber change_attribute(const ChangeTable *table, const char *catalog_name);

/*
 * Return what stands in for a column in routes; NULL when there is no such thing.
 */
extern const CrispOtherKey *change_other_key(const ChangeTable *table, const char *catalog_name);

/*
 * Return the attribute number of the column whose value stands in routes for a column (its name in
 * the catalog): that one, else the one that stands in for it; 0 when the table has neither.
 */
extern AttrNumber change_key_attribute(const ChangeTable *table, const char *catalog_name);

/* Return a column's name as the table has it, else the catalog's; for messages. */
extern const char *change_column_name(const ChangeTable *table, const char *catalog_name);

/*
 * Return the catalog's column in whose field at Crisp the values of a column go: for a key of
 * custom data, that for all of it; NULL for none.
 */
extern const char *change_column_target(const ChangeTable *table, const ChangeColumn *column);

/* Say whether a set of attribute numbers has columns with custom data. */
extern bool change_writes_data(const ChangeTable *table, const Bitmapset *columns);

/* Return a column's value in a row as text, palloc'd; NULL when it has none. */
extern char *change_row_text(const ChangeRow *row, const char *catalog_name);

#endif /* CRISP_CHANGE_TABLE_H */
