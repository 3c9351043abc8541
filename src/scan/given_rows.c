/*-------------------------------------------------------------------------
 *
 * given_rows.c
 *		Know the rows that a run of a scan has given, when they come again.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "miscadmin.h"
#include "nodes/bitmapset.h"
#include "utils/memutils.h"

#include "base/key_set.h"
#include "json/json_path.h"
#include "scan/given_rows.h"

struct GivenRows
{
	MemoryContext context;
	JsonPath	 *key; /* NULL where the resource has none */
	KeySet		 *keys;
	Bitmapset	 *places;
};

GivenRows *
given_rows_create(MemoryContext parent, ResourceOwner owner, const CrispOptions *options)
{
	const CrispColumn *key = crisp_resource_key(options->resource);
	MemoryContext	   context = AllocSetContextCreate(parent, "crisp_fdw given rows",
													   ALLOCSET_SMALL_SIZES);
	MemoryContext	   old_context = MemoryContextSwitchTo(context);
	ResourceOwner	   old_owner = CurrentResourceOwner;
	GivenRows		  *rows = palloc0(sizeof(GivenRows));

	rows->context = context;
	rows->key = key ? json_path_of(key->path) : NULL;
	CurrentResourceOwner = owner;
	rows->keys = key_set_create((Size) work_mem * 1024);
	CurrentResourceOwner = old_owner;
	MemoryContextSwitchTo(old_context);
	return rows;
}

/*
 * Return the key of a row; NULL where it has none.
 */
static const char *
row_key(const GivenRows *rows, const JsonNode *row)
{
	return json_node_string(rows->key ? json_path_get(row, rows->key) : NULL, NULL);
}

bool
given_rows_add(GivenRows *rows, const JsonNode *row)
{
	const char *key = row_key(rows, row);

	if (key != NULL)
		(void) key_set_add(rows->keys, key, strlen(key));
	return key != NULL;
}

void
given_rows_begin_list(GivenRows *rows)
{
	bms_free(rows->places);
	rows->places = NULL;
}

void
given_rows_note_place(GivenRows *rows, const JsonNode *row, int place)
{
	const char	 *key = row_key(rows, row);
	MemoryContext old_context;

	if (key == NULL || !key_set_has(rows->keys, key, strlen(key)))
		return;
	old_context = MemoryContextSwitchTo(rows->context);
	rows->places = bms_add_member(rows->places, place);
	MemoryContextSwitchTo(old_context);
}

bool
given_rows_at(const GivenRows *rows, int place)
{
	return bms_is_member(place, rows->places);
}

void
given_rows_end(GivenRows *rows)
{
	key_set_free(rows->keys);
	MemoryContextDelete(rows->context);
}
