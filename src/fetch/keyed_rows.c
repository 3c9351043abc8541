/*-------------------------------------------------------------------------
 *
 * keyed_rows.c
 *		Keep rows that are found by a key, beyond a limit in temporary files.
 *
 * Rows are kept as text, one after the other, each behind its key.  An index, a hash table of
 * places of fixed size, is made when all of them are there, so that their number is known; it
 * spills as they do.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "utils/memutils.h"

#include "fetch/keyed_rows.h"
#include "base/spill.h"
#include "json/json_parse.h"

/* What stands before a row's key and its text. */
typedef struct RowHead
{
	Size key_length;
	Size text_length;
} RowHead;

/* A place of the index. */
typedef struct RowPlace
{
	uint64 hash; /* of the key */
	int64  at;	 /* 1 and the offset of the row's head; 0 where there is none */
} RowPlace;

struct KeyedRows
{
	MemoryContext context;
	MemoryContext scratch; /* reset after each use */
	ResourceOwner owner;
	Size		  limit;
	Spill		 *rows;
	Spill		 *places; /* one for each row, in order; then the index */
	int64		  count;
	uint64		  mask; /* of the index: places - 1; 0 before it's made */
};

KeyedRows *
keyed_rows_create(MemoryContext parent, Size limit, ResourceOwner owner)
{
	MemoryContext context = AllocSetContextCreate(parent, "crisp_fdw keyed rows",
												  ALLOCSET_SMALL_SIZES);
	KeyedRows	 *rows = MemoryContextAllocZero(context, sizeof(KeyedRows));

	rows->context = context;
	rows->scratch = AllocSetContextCreate(context, "crisp_fdw scratch", ALLOCSET_DEFAULT_SIZES);
	rows->owner = owner;

	/* Most of it is for the rows themselves. */
	rows->limit = limit / 4;
	rows->rows = spill_create(context, limit / 2, owner);
	rows->places = spill_create(context, rows->limit, owner);
	return rows;
}

static uint64
hash_key(const char *key)
{
	return hash_bytes_extended((const unsigned char *) key, (int) strlen(key), 0);
}

void
keyed_rows_add(KeyedRows *rows, const char *key, const JsonNode *row)
{
	MemoryContext old_context = MemoryContextSwitchTo(rows->scratch);
	RowHead		  head = {.key_length = strlen(key)};
	const char	 *text = json_text(row, &head.text_length);
	RowPlace	  place = {.hash = hash_key(key), .at = spill_size(rows->rows) + 1};

	Assert(rows->mask == 0);
	spill_append(rows->rows, &head, sizeof(head));
	spill_append(rows->rows, key, head.key_length);
	spill_append(rows->rows, text, head.text_length);
	spill_append(rows->places, &place, sizeof(place));
	rows->count++;
	MemoryContextSwitchTo(old_context);
	MemoryContextReset(rows->scratch);
}

int64
keyed_rows_count(const KeyedRows *rows)
{
	return rows->count;
}

/*
 * Put a row's place into the index, the next that is free from where its hash belongs.
 */
static void
enter_place(Spill *index, uint64 mask, const RowPlace *place)
{
	uint64	 slot = place->hash & mask;
	RowPlace other;

	for (;; slot = (slot + 1) & mask)
	{
		int64 offset = (int64) (slot * sizeof(RowPlace));

		spill_read(index, offset, &other, sizeof(other));
		if (other.at != 0)
			continue;
		spill_replace(index, offset, place, sizeof(*place));
		return;
	}
}

void
keyed_rows_index(KeyedRows *rows)
{
	const RowPlace none = {0};
	uint64		   size = 16;
	Spill		  *index = spill_create(rows->context, rows->limit, rows->owner);

	/* Half of it stays free, so that what is looked for is near. */
	while (size < (uint64) rows->count * 2)
		size *= 2;
	for (uint64 i = 0; i < size; i++)
		spill_append(index, &none, sizeof(none));
	for (int64 i = 0; i < rows->count; i++)
	{
		RowPlace place;

		spill_read(rows->places, i * (int64) sizeof(place), &place, sizeof(place));
		enter_place(index, size - 1, &place);
	}
	spill_end(rows->places);
	rows->places = index;
	rows->mask = size - 1;
}

/*
 * Say whether a place of the index is that of a row with a key; *head gets what stands before it.
 */
static bool
place_has_key(KeyedRows *rows, const RowPlace *place, uint64 hash, const char *key, RowHead *head)
{
	size_t length = strlen(key);
	char  *other;

	if (place->hash != hash)
		return false;
	spill_read(rows->rows, place->at - 1, head, sizeof(*head));
	if (head->key_length != length)
		return false;
	other = MemoryContextAlloc(rows->scratch, length + 1);
	spill_read(rows->rows, place->at - 1 + (int64) sizeof(*head), other, length);
	return memcmp(other, key, length) == 0;
}

/*
 * Find the first row with a key: its head, and *offset of its text.  Return how many there are, up
 * to limit.
 */
static int
find_rows(KeyedRows *rows, const char *key, int limit, RowHead *head, int64 *offset)
{
	uint64		  hash = hash_key(key);
	MemoryContext old_context = MemoryContextSwitchTo(rows->scratch);
	int			  found = 0;
	RowPlace	  place;

	Assert(rows->mask != 0);
	for (uint64 slot = hash & rows->mask; found < limit; slot = (slot + 1) & rows->mask)
	{
		RowHead other;

		spill_read(rows->places, (int64) (slot * sizeof(place)), &place, sizeof(place));
		if (place.at == 0)
			break;
		if (!place_has_key(rows, &place, hash, key, &other) || found++ > 0)
			continue;
		*head = other;
		*offset = place.at - 1 + (int64) (sizeof(other) + other.key_length);
	}
	MemoryContextSwitchTo(old_context);
	MemoryContextReset(rows->scratch);
	return found;
}

bool
keyed_rows_has(KeyedRows *rows, const char *key, bool only)
{
	RowHead head;
	int64	offset;

	return find_rows(rows, key, only ? 2 : 1, &head, &offset) == 1;
}

const JsonNode *
keyed_rows_get(KeyedRows *rows, const char *key, MemoryContext owner)
{
	RowHead			head;
	int64			offset;
	char		   *text;
	const JsonNode *row;
	char		   *problem;

	if (find_rows(rows, key, 1, &head, &offset) == 0)
		return NULL;
	text = MemoryContextAllocHuge(rows->scratch, head.text_length + 1);
	spill_read(rows->rows, offset, text, head.text_length);
	text[head.text_length] = '\0';
	if (!json_parse(owner, text, head.text_length, &row, &problem))
		elog(ERROR, "could not parse a row that was kept: %s", problem);
	MemoryContextReset(rows->scratch);
	return row;
}

void
keyed_rows_end(KeyedRows *rows)
{
	spill_end(rows->rows);
	spill_end(rows->places);
	MemoryContextDelete(rows->context);
}
