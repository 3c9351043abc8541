/*-------------------------------------------------------------------------
 *
 * change.h
 *		Make requests of rows that are to be written.
 *
 * No request is sent here.  The catalog alone says what can be written, and how.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_CHANGE_H
#define CRISP_CHANGE_H

#include "nodes/bitmapset.h"
#include "utils/rel.h"

#include "api/api_answer.h"
#include "resource/writable.h"
#include "write/encode.h"
#include "write/json_body.h"

/* A column of the foreign table. */
typedef struct ChangeColumn
{
	const char		  *name;		 /* in the table; NULL: dropped */
	const CrispColumn *column;		 /* in the catalog; NULL: not there */
	const char		  *catalog_name; /* its SQL name there */
	bool			   generated;
	Encoder			  *encoder; /* NULL when not in the catalog */
} ChangeColumn;

/* A foreign table in terms of the catalog. */
typedef struct ChangeTable
{
	const CrispOptions *options;
	const CrispChanges *changes;
	const char		   *name;
	const char		   *sql_name; /* with its schema, quoted where it must be */
	int					ncolumns;
	ChangeColumn	   *columns; /* by attribute number, from 1, minus 1 */
} ChangeTable;

/* What names a row in a route: columns, by their names in the catalog, and their values as text. */
#define CHANGE_MAX_KEYS 4

typedef struct ChangeKeys
{
	int			count;
	const char *columns[CHANGE_MAX_KEYS];
	const char *values[CHANGE_MAX_KEYS];
} ChangeKeys;

typedef struct ChangeRequest
{
	ApiChange api;
	const CrispField
			   *doubtful;	/* a field that is null in the body, and of which it's open where Crisp
								 * takes a null; NULL: none */
	const char *other_body; /* the same with that null where it may have to be instead */
	size_t		other_body_length;
	ChangeKeys	keys;	/* the row */
	List	   *nulls;	/* names, as the table has them, of columns that are sent as null */
	int			nknown; /* what is known of the row once it's there: paths of the list's elements */
	BodyMember *known;
	bool named; /* the sender has given the name (see CRISP_NAME), which other rows may have */
} ChangeRequest;

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
 * Return the attribute number of the column whose value stands in routes for a column (its name in
 * the catalog): that one, else the one that stands in for it; 0 when the table has neither.
 */
extern AttrNumber change_key_attribute(const ChangeTable *table, const char *catalog_name);

/* Return a column's name as the table has it, else the catalog's; for messages. */
extern const char *change_column_name(const ChangeTable *table, const char *catalog_name);

/*
 * Make the request that inserts a row.  values and nulls have an element for each attribute.
 * Palloc'd in CurrentMemoryContext, as are the results of the functions that follow.
 *
 * Raises 23502 (not_null_violation) where Crisp needs a value and there is none, 22023
 * (invalid_parameter_value) for one that it doesn't take, 0A000 (feature_not_supported) for one
 * that can't be sent.
 */
extern ChangeRequest *change_insert(const ChangeTable *table, const Datum *values,
									const bool *nulls);

/*
 * Make the requests (ChangeRequest) that change a row's columns, a set of attribute numbers that
 * change_check_updated() has passed.  Raises the same as change_insert().
 */
extern List *change_update(const ChangeTable *table, const Bitmapset *columns, const Datum *values,
						   const bool *nulls, const ChangeKeys *keys);

extern ChangeRequest *change_remove(const ChangeTable *table, const ChangeKeys *keys);

/*
 * Raise 0A000 unless each of these attributes can be changed by an UPDATE, or holds what PostgreSQL
 * generates.
 */
extern void change_check_updated(const ChangeTable *table, const Bitmapset *columns);

/*
 * Add a value to what is known of a request's row, in place of what was known of the same path.
 * Neither path nor value is copied.
 */
extern void change_know(ChangeRequest *request, const char *path, EncodedValue value);

/* Add a row's value to its keys.  text is in the database's encoding, and not copied. */
extern void change_add_key(ChangeKeys *keys, const char *catalog_name, const char *text);

/*
 * Fill website and keys into a route.  Returns a palloc'd target.  Raises 22023 for a key that
 * can't be one, such as an empty one.
 */
extern char *change_target(const ChangeTable *table, const char *route, const ChangeKeys *keys);

#endif /* CRISP_CHANGE_H */
