/*-------------------------------------------------------------------------
 *
 * writable.h
 *		Describe in the catalog what can be written.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_WRITABLE_H
#define CRISP_WRITABLE_H

#include "resource/entry.h"

/* Properties of a field. */
#define CRISP_FIELD_REQUIRED 0x01 /* may not be NULL, wherever the field applies */
#define CRISP_FIELD_OBJECT 0x02	  /* JSON that must be an object */
#define CRISP_FIELD_ARRAY 0x04	  /* JSON that must be an array */
#define CRISP_FIELD_DATA 0x08	  /* custom data, whose keys may have columns of their own */

/*
 * A column whose value goes into the body of a request.  Columns go by their
 * SQL names in the catalog.
 */
typedef struct CrispField
{
	const char *column;
	const char *body_path; /* JSON path of its value in the body; two may share one, see when */
	int			flags;
	const char *fallback;		/* what is sent for NULL, as text; NULL: nothing */
	const char *const *words;	/* the only values that Crisp takes; NULL: any */
	const char		  *when;	/* the field applies only when this column ... */
	const char *const *matches; /* ... has one of these values; NULL: always */
	const char *null_path;		/* where a null says the same, should Crisp take none at body_path;
								   * NULL: nowhere */
} CrispField;

/*
 * A request that changes several rows in the same way, and may be made twice without harm.  Its
 * body has their names, and unless there is a value what the request for one row has.
 */
typedef struct CrispBatch
{
	const char *method;
	const char *route;		/* {website_id} */
	const char *names_path; /* JSON path of the array of rows in the body */
	const char *name;		/* the column whose values it has */
	const char *column;		/* the only one that is changed; NULL where rows are removed */
	const char *value;		/* it's for this new value alone, as text; NULL: for any */
	bool		takes_null; /* as the new value */
	bool adds; /* it's open whether the value is added to what there is, or put in its place */
} CrispBatch;

/* A request that changes a row. */
typedef struct CrispChange
{
	const char		 *method;
	const char		 *route;	  /* {website_id}, or a column of the row */
	bool			  repeatable; /* Crisp may get it twice without harm */
	const CrispField *fields;	  /* of the body; ends with one without column; NULL: no body */

	/*
	 * Where custom data that is sent is merged into what is there, for certain: the method that
	 * puts it in its place.  NULL: it may be either, so all of it is sent.
	 */
	const char		 *replace_method;
	const CrispBatch *batches; /* for several rows; ends with one without method; NULL: none */
} CrispChange;

/* A value in the answer to an insert. */
typedef struct CrispAnswered
{
	const char *column;
	const char *path; /* in the answer's data */
} CrispAnswered;

/*
 * A column whose value names a row at Crisp, too: for tables that lack the one of the routes.
 */
typedef struct CrispOtherKey
{
	const char *column; /* that the routes name */
	const char *other;	/* whose value they take in its place */
	const char *holds;	/* text that each such value holds */
	const char
		*route;		  /* of the object that has the former, by the latter; NULL: routes take both */
	const char *path; /* where it has it */
} CrispOtherKey;

struct CrispChanges
{
	const char *noun;		/* what a row is, in messages */
	const char *parent;		/* what it belongs to, and must exist for an insert; NULL: nothing */
	const char *parent_key; /* the column that names that */

	const CrispOtherKey *other_key; /* NULL: none */

	/*
	 * The column of which Crisp refuses (409) a value that another row has, or, of custom data,
	 * whose row there is if it has keys; NULL: none.
	 */
	const char *conflict;

	const CrispChange	*insert;	 /* NULL: Crisp has none */
	const CrispAnswered *answered;	 /* to the insert; ends with one without column; required */
	const char			*read_route; /* of the row that an insert has made */
	bool insert_then_updates;	/* what else an insert is given goes by the updates, after it */
	const CrispChange *updates; /* each of its columns is in one; ends with one without method */
	const CrispChange *remove;	/* NULL: Crisp has none */
};

/* Return a list of words that ends with NULL as text: "a, b, c"; palloc'd. */
extern char *crisp_words_text(const char *const *words);

/* Say whether a word is in such a list. */
extern bool crisp_words_have(const char *const *words, const char *word);

/*
 * Find the next column that a route names, from *place on.  Return its name (palloc'd), with *place
 * set behind it; NULL when there are no more.  {website_id} is passed over.
 */
extern char *crisp_route_column(const char **place);

/*
 * Return the columns that an INSERT (the fields of the insert and the columns of its route) or an
 * UPDATE can write, as text for messages; palloc'd.
 */
extern char *crisp_insert_columns(const CrispChanges *changes);
extern char *crisp_update_columns(const CrispChanges *changes);

/* Say whether a request has a column in its body. */
extern bool crisp_change_has(const CrispChange *change, const char *column);

/* Say whether an INSERT, or an UPDATE, can write a column.  changes must have it. */
extern bool crisp_insert_takes(const CrispChanges *changes, const char *column);
extern bool crisp_update_takes(const CrispChanges *changes, const char *column);

/*
 * Say whether an UPDATE may have to know what a row has in a column: whether a field applies, or,
 * if it's set, what keys of custom data stay, and whether a batch would add to it.
 */
extern bool crisp_update_looks_at(const CrispChanges *changes, const char *column, bool is_set);

/*
 * Return the statements that can be used on the rows, as text: "INSERT, UPDATE, DELETE"; NULL where
 * changes is NULL.  Palloc'd.
 */
extern char *crisp_statements(const CrispChanges *changes);

/*
 * Return the statements that can write a column, as text: "INSERT, UPDATE"; NULL where none can.
 * changes may be NULL.  The text is static.
 */
extern const char *crisp_written_by(const CrispChanges *changes, const char *column);

#endif /* CRISP_WRITABLE_H */
