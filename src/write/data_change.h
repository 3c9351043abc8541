/*-------------------------------------------------------------------------
 *
 * data_change.h
 *		Find what changes in custom data, key by key.
 *
 * Custom data is an object with keys of the website's own, whose values are strings, numbers and
 * booleans.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_DATA_CHANGE_H
#define CRISP_DATA_CHANGE_H

#include "nodes/pg_list.h"

#include "write/change_table.h"

/* What is to become of the keys.  Those that aren't mentioned stay, unless whole is set. */
typedef struct DataChange
{
	List *set;	   /* of DataMember */
	List *removed; /* C strings in UTF-8; such as may not be there */
	bool  whole;   /* all keys that aren't set go, whichever there are */
} DataChange;

/* A key that gets a value. */
typedef struct DataMember
{
	const char	   *key; /* UTF-8 */
	const JsonNode *value;
} DataMember;

/*
 * The data that a row had when it was read, or that Crisp was told.  What isn't known may be
 * anything.
 */
typedef struct DataBefore
{
	bool			known;
	bool			is_part; /* others may have set more keys: these stay */
	const JsonNode *data;	 /* NULL, or no object, where there was none */
} DataBefore;

/*
 * Find what changes where a row's data, before, becomes that of a column, which isn't NULL.  Only
 * keys whose values differ are set.  Palloc'd in CurrentMemoryContext, as all that is made here.
 *
 * Raises 22023 (invalid_parameter_value), which names the key, for a value that Crisp doesn't take
 * and that wasn't there before, and what encoder_run() raises.
 */
extern DataChange *data_change_of_object(const ChangeRow *row, AttrNumber attnum,
										 DataBefore before);

/*
 * Add a key, of a column that stands for it: it gets the column's value, or goes where that is
 * NULL.  Does nothing where before shows the same.  Raises the same.
 */
extern void data_change_add(DataChange *change, const ChangeRow *row, AttrNumber attnum,
							DataBefore before);

/* Return custom data that Crisp has sent; NULL for what is none, since it's no object. */
extern const JsonNode *data_object(const JsonNode *data);

/* Encode a column's data as it was read; it may be NULL. */
extern DataBefore data_before(const ChangeTable *table, AttrNumber attnum, Datum value,
							  bool isnull);

/*
 * Say whether text of a row's data may have been replaced when it was read (option invalid_text):
 * what the row has isn't all that Crisp has then.
 */
extern bool data_may_be_replaced(const ChangeTable *table, DataBefore before);

/*
 * Raise 22P05 (untranslatable_character) for a key that is to go and that the object, which Crisp
 * has now, lacks, since the row shows it with text that was replaced.
 */
extern void data_change_check_replaced(const DataChange *change, const ChangeTable *table,
									   const JsonNode *object);

/* Say whether nothing changes. */
extern bool data_change_is_empty(const DataChange *change);

/* Return the keys (C strings) of an object that go. */
extern List *data_change_gone(const DataChange *change, const JsonNode *object);

/*
 * Return the JSON text of an object (NULL for an empty one) once it's changed.
 */
extern char *data_change_apply(const DataChange *change, const JsonNode *object);

#endif /* CRISP_DATA_CHANGE_H */
