/*-------------------------------------------------------------------------
 *
 * change.h
 *		Rows that are written, as requests.
 *
 * Pure: no request is made here.  What can be written, and how, is said by the
 * catalog alone.
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
	int			nknown; /* what is known of the row once it's there: paths of the list's elements */
	BodyMember *known;
	bool named; /* the sender has given the name (see CRISP_NAME), which other rows may have */
} ChangeRequest;

/*
 * The table, of which options.resource can be written.  Palloc'd in CurrentMemoryContext, which
 * must outlive it.
 */
extern ChangeTable *change_table_create(const CrispOptions *options, Relation relation);

/* The attribute number of a column, by its name in the catalog; 0 when the table has none. */
extern AttrNumber change_attribute(const ChangeTable *table, const char *catalog_name);

/* A column's name as the table has it, else the catalog's; for messages. */
extern const char *change_column_name(const ChangeTable *table, const char *catalog_name);

/*
 * The request that inserts a row, of which values and nulls have an element for each attribute.
 * Palloc'd in CurrentMemoryContext, as are those that follow.
 *
 * Raises 23502 (not_null_violation) where Crisp needs a value and there is none, 22023
 * (invalid_parameter_value) for one that it doesn't take, 0A000 (feature_not_supported) for one
 * that can't be sent.
 */
extern ChangeRequest *change_insert(const ChangeTable *table, const Datum *values,
									const bool *nulls);

/*
 * The requests (ChangeRequest) that change a row's columns, a set of attribute numbers that
 * change_check_updated() has passed; raises the same.
 */
extern List *change_update(const ChangeTable *table, const Bitmapset *columns, const Datum *values,
						   const bool *nulls, const ChangeKeys *keys);

extern ChangeRequest *change_remove(const ChangeTable *table, const ChangeKeys *keys);

/*
 * Raise 0A000 unless all of these attributes can be changed by an UPDATE, or hold what
 * PostgreSQL generates.
 */
extern void change_check_updated(const ChangeTable *table, const Bitmapset *columns);

/*
 * Add to what is known of a request's row, in place of what was known of the same path; neither is
 * copied.
 */
extern void change_know(ChangeRequest *request, const char *path, EncodedValue value);

/* Add a row's value to its keys; text is in the database's encoding, and not copied. */
extern void change_add_key(ChangeKeys *keys, const char *catalog_name, const char *text);

/*
 * A route with website and keys filled in; palloc'd.  Raises 22023 for a key that can be none, such
 * as an empty one.
 */
extern char *change_target(const ChangeTable *table, const char *route, const ChangeKeys *keys);

#endif /* CRISP_CHANGE_H */
