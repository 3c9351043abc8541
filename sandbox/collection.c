/*
 * collection.c
 *		Keep a list of rows of one resource, with its sorted indexes.
 *
 * An index is a sorted array of row ids.  A change moves at most the array's
 * tail, four bytes a row, which is fast enough for a million of them; a page
 * is then a slice, and a bound on a time is a binary search.
 */
#include "collection.h"

#include <stdlib.h>
#include <string.h>

#include "json_path.h"

/*
 * Rank a conversation by its state: pending with unread messages comes first, then pending,
 * unresolved with unread, unresolved, resolved, the rest; within each the newest update.
 */
static int64_t
state_value(const Row *row)
{
	const int64_t limit = INT64_C(1) << 50;
	int64_t		  updated = row->times[SORT_UPDATED];
	int64_t		  group = INT64_C(2) * (STATE_NONE - row->state);

	if (row->state < STATE_RESOLVED && (row->flags & ROW_UNREAD))
		group++;
	updated = updated < -limit ? -limit : updated > limit ? limit : updated;
	return group * 4 * limit + updated;
}

int64_t
collection_sort_value(const Collection *collection, uint32_t id, SortKey sort)
{
	if (sort == SORT_STORED)
		return -(int64_t) id;
	if (sort == SORT_STATE)
		return state_value(&collection->rows[id]);
	return collection->rows[id].times[sort];
}

/* Return less than zero when a row (value, id) comes before another. */
static int
compare_places(int64_t value_a, uint32_t id_a, int64_t value_b, uint32_t id_b)
{
	if (value_a != value_b)
		return value_a > value_b ? -1 : 1;
	return id_a == id_b ? 0 : (id_a > id_b ? -1 : 1);
}

/* Return the place of the first row that does not come before (value, id). */
static size_t
find_place(const Collection *collection, const RowIndex *index, SortKey sort, int64_t value,
		   uint32_t id)
{
	size_t low = 0;
	size_t high = index->count;

	while (low < high)
	{
		size_t	 middle = low + (high - low) / 2;
		uint32_t other = index->ids[middle];

		if (compare_places(collection_sort_value(collection, other, sort), other, value, id) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

size_t
collection_rank(const Collection *collection, const RowIndex *index, SortKey sort, int64_t time)
{
	return find_place(collection, index, sort, time, UINT32_MAX);
}

static void
index_insert(const Collection *collection, RowIndex *index, SortKey sort, uint32_t id)
{
	size_t place;

	if (index->count == index->capacity)
	{
		index->capacity = index->capacity > 0 ? index->capacity * 2 : 16;
		index->ids = xrealloc(index->ids, index->capacity * sizeof(*index->ids));
	}
	place = find_place(collection, index, sort, collection_sort_value(collection, id, sort), id);
	memmove(index->ids + place + 1, index->ids + place,
			(index->count - place) * sizeof(*index->ids));
	index->ids[place] = id;
	index->count++;
}

static void
index_remove(const Collection *collection, RowIndex *index, SortKey sort, uint32_t id)
{
	size_t place;

	place = find_place(collection, index, sort, collection_sort_value(collection, id, sort), id);
	if (place >= index->count || index->ids[place] != id)
		return;
	index->count--;
	memmove(index->ids + place, index->ids + place + 1,
			(index->count - place) * sizeof(*index->ids));
}

/* Take a row out of all indexes, or put it in; its times must not change in between. */
static void
enlist(Collection *collection, uint32_t id, bool in)
{
	bool empty = (collection->rows[id].flags & ROW_EMPTY) != 0;

	for (int sort = 0; sort < SORT_KEY_COUNT; sort++)
		for (int all = empty ? 1 : 0; all <= 1; all++)
		{
			if (in)
				index_insert(collection, &collection->indexes[sort][all], (SortKey) sort, id);
			else
				index_remove(collection, &collection->indexes[sort][all], (SortKey) sort, id);
		}
	collection->version++;
}

typedef struct Place
{
	int64_t	 value;
	uint32_t id;
} Place;

static int
compare_place_structs(const void *a, const void *b)
{
	const Place *place_a = a;
	const Place *place_b = b;

	return compare_places(place_a->value, place_a->id, place_b->value, place_b->id);
}

static void
build_index(Collection *collection, SortKey sort, Place *places)
{
	size_t	  count = collection->row_count;
	RowIndex *all = &collection->indexes[sort][1];
	RowIndex *filled = &collection->indexes[sort][0];

	for (uint32_t id = 0; id < count; id++)
		places[id] = (Place){collection_sort_value(collection, id, sort), id};
	if (sort != SORT_STORED)
		qsort(places, count, sizeof(*places), compare_place_structs);

	all->ids = xmalloc(count * sizeof(*all->ids));
	filled->ids = xmalloc(count * sizeof(*filled->ids));
	all->capacity = filled->capacity = count;
	for (size_t i = 0; i < count; i++)
	{
		all->ids[all->count++] = places[i].id;
		if (!(collection->rows[places[i].id].flags & ROW_EMPTY))
			filled->ids[filled->count++] = places[i].id;
	}
}

void
collection_init(Collection *collection, const ResourceType *type, const struct Website *website,
				uint64_t seed, uint32_t owner, size_t count)
{
	Place *places = xmalloc(count * sizeof(*places));

	memset(collection, 0, sizeof(*collection));
	collection->type = type;
	collection->website = website;
	collection->seed = seed;
	collection->owner = owner;
	collection->rows = xcalloc(count, sizeof(*collection->rows));
	collection->row_count = collection->row_capacity = collection->generated = count;
	for (size_t i = 0; i < count; i++)
	{
		collection->rows[i].number = (uint32_t) i;
		type->generate(collection, &collection->rows[i]);
	}
	for (int sort = 0; sort < SORT_KEY_COUNT; sort++)
		build_index(collection, (SortKey) sort, places);
	free(places);
}

static void
free_own(Row *row)
{
	RowText *own = row->own;

	if (own == NULL)
		return;
	free(own->text);
	free(own->key);
	free(own->email);
	free(own->people_id);
	free(own->inbox_id);
	free(own->assigned_id);
	free(own);
	row->own = NULL;
}

void
collection_free(Collection *collection)
{
	if (collection->own_keys != NULL)
	{
		for (size_t i = 0; i < collection->row_count; i++)
			free_own(&collection->rows[i]);
		lh_table_free(collection->own_keys);
	}
	for (int sort = 0; sort < SORT_KEY_COUNT; sort++)
	{
		free(collection->indexes[sort][0].ids);
		free(collection->indexes[sort][1].ids);
	}
	free(collection->rows);
	memset(collection, 0, sizeof(*collection));
}

const RowIndex *
collection_index(const Collection *collection, SortKey sort, bool include_empty)
{
	return &collection->indexes[sort][include_empty ? 1 : 0];
}

int64_t
collection_newest(const Collection *collection, SortKey sort)
{
	const RowIndex *index = &collection->indexes[sort][1];

	return index->count > 0 ? collection_sort_value(collection, index->ids[0], sort) : NO_TIME;
}

/* Say whether the row with this id lives and its generated key, or its own, is "key". */
static bool
has_key(const Collection *collection, uint32_t id, const char *key)
{
	Buffer own = {0};
	bool   same;

	if (id >= collection->row_count || (collection->rows[id].flags & ROW_DELETED))
		return false;
	same = collection_key(collection, id, &own) && strcmp(own.data, key) == 0;
	buffer_free(&own);
	return same;
}

uint32_t
collection_find(const Collection *collection, const char *key)
{
	void	*found;
	uint32_t number;

	if (collection->own_keys != NULL && lh_table_lookup_ex(collection->own_keys, key, &found) &&
		has_key(collection, (uint32_t) ((uintptr_t) found - 1), key))
		return (uint32_t) ((uintptr_t) found - 1);

	if (collection->type->number != NULL)
	{
		if (collection->type->number(collection, key, &number) && has_key(collection, number, key))
			return number;
		return NO_ROW;
	}
	for (uint32_t id = 0; id < collection->row_count; id++)
		if (has_key(collection, id, key))
			return id;
	return NO_ROW;
}

bool
collection_key(const Collection *collection, uint32_t id, Buffer *key)
{
	const Row *row = &collection->rows[id];
	char	   generated[KEY_SIZE];

	if (row->own != NULL)
	{
		if (row->own->key == NULL)
			return false;
		buffer_puts(key, row->own->key);
		return true;
	}
	collection->type->key(collection, row->number, generated);
	buffer_puts(key, generated);
	return true;
}

void
collection_write(const Collection *collection, uint32_t id, JsonWriter *writer)
{
	const Row *row = &collection->rows[id];

	if (row->own != NULL)
		jw_raw(writer, row->own->text, row->own->len);
	else
	{
		/* Half of the rows come with escapes, half as plain UTF-8. */
		writer->ascii = row->number % 2 == 1;
		collection->type->write(collection, row, writer);
		writer->ascii = false;
	}
}

json_object *
collection_tree(const Collection *collection, uint32_t id)
{
	Buffer		 text = {0};
	JsonWriter	 writer = {&text, false, false};
	json_object *tree;

	collection_write(collection, id, &writer);
	tree = json_parse(text.data, text.len);
	buffer_free(&text);
	return tree;
}

void
collection_delete(Collection *collection, uint32_t id)
{
	int64_t updated_at = collection_sort_value(collection, id, SORT_UPDATED);

	if (updated_at > collection->newest_gone)
		collection->newest_gone = updated_at;
	enlist(collection, id, false);
	collection->rows[id].flags |= ROW_DELETED;
}

void
collection_clear(Collection *collection)
{
	for (size_t i = 0; i < collection->row_count; i++)
		collection->rows[i].flags |= ROW_DELETED;
	for (int sort = 0; sort < SORT_KEY_COUNT; sort++)
		collection->indexes[sort][0].count = collection->indexes[sort][1].count = 0;
	collection->version++;
}

static uint32_t
add_row(Collection *collection)
{
	uint32_t id = (uint32_t) collection->row_count++;
	Row		*row;

	if (collection->row_count > collection->row_capacity)
	{
		collection->row_capacity = collection->row_count * 2;
		collection->rows = xrealloc(collection->rows, collection->row_capacity * sizeof(Row));
	}
	row = &collection->rows[id];
	memset(row, 0, sizeof(*row));
	row->number = id;
	return id;
}

void
row_clear_facts(Row *row)
{
	for (int sort = 0; sort < SORT_STORED; sort++)
		row->times[sort] = NO_TIME;
	row->person = NO_ROW;
	row->inbox = row->operator_number = -1;
	row->state = STATE_NONE;
}

uint32_t
collection_generate(Collection *collection, int64_t at)
{
	uint32_t id = add_row(collection);
	Row		*row = &collection->rows[id];

	collection->type->generate(collection, row);
	for (int sort = 0; sort < SORT_STORED; sort++)
		if (row->times[sort] != NO_TIME)
			row->times[sort] = at;
	row->flags &= (uint8_t) ~ROW_EMPTY;
	enlist(collection, id, true);
	return id;
}

void
collection_set_time(Collection *collection, uint32_t id, SortKey sort, int64_t time)
{
	enlist(collection, id, false);
	collection->rows[id].times[sort] = time;
	enlist(collection, id, true);
}

void
collection_set_flag(Collection *collection, uint32_t id, uint8_t flag, bool on)
{
	enlist(collection, id, false);
	if (on)
		collection->rows[id].flags |= flag;
	else
		collection->rows[id].flags &= (uint8_t) ~flag;
	enlist(collection, id, true);
}

static char *
copy_or_null(const char *text)
{
	return text != NULL ? xstrdup(text) : NULL;
}

/* Return the key: a string, or a message's fingerprint, which is a number. */
static char *
key_at(json_object *tree, const char *path)
{
	json_object *value = json_path_get(tree, path);

	if (json_object_is_type(value, json_type_string) || json_object_is_type(value, json_type_int))
		return xstrdup(json_object_get_string(value));
	return NULL;
}

static int64_t
time_at(json_object *tree, const char *path)
{
	json_object *value = path != NULL ? json_path_get(tree, path) : NULL;

	if (!json_object_is_type(value, json_type_int) && !json_object_is_type(value, json_type_double))
		return NO_TIME;
	return json_object_get_int64(value);
}

/* Take from a tree what lists are sorted and filtered by. */
static void
take_facts(Collection *collection, Row *row, json_object *tree)
{
	const ResourceType *type = collection->type;

	row_clear_facts(row);
	row->times[SORT_CREATED] = time_at(tree, type->created_path);
	row->times[SORT_UPDATED] = time_at(tree, type->updated_path);
	row->times[SORT_WAITING] = time_at(tree, "waiting_since");
	row->times[SORT_ACTIVE] = time_at(tree, "active.last");
	row->segments = 0;
	row->flags = 0;
	if (type->facts != NULL)
		type->facts(collection, tree, row);
}

static void
remember_key(Collection *collection, uint32_t id)
{
	const char *key = collection->rows[id].own->key;

	if (collection->own_keys == NULL)
		collection->own_keys = lh_kchar_table_new(16, NULL);
	if (key == NULL)
		return;

	/* The table holds pointers to keys: the old one must go before its row's text does. */
	lh_table_delete(collection->own_keys, key);
	lh_table_insert(collection->own_keys, key, (void *) ((uintptr_t) id + 1));
}

uint32_t
collection_set_text(Collection *collection, uint32_t id, const char *text, size_t len,
					bool verbatim)
{
	bool		 added = id == NO_ROW;
	RowText		*own = xcalloc(1, sizeof(*own));
	json_object *tree;
	Row			*row;

	if (added)
		id = add_row(collection);
	else
		enlist(collection, id, false);
	row = &collection->rows[id];
	own->text = xstrndup(text, len);
	own->len = len;
	tree = json_parse(own->text, len);
	own->key = key_at(tree, collection->type->key_path);
	own->email = copy_or_null(json_path_string(tree, "email"));
	own->people_id = copy_or_null(json_path_string(tree, "people_id"));
	own->inbox_id = copy_or_null(json_path_string(tree, "inbox_id"));
	own->assigned_id = copy_or_null(json_path_string(tree, "assigned.user_id"));
	if (row->own != NULL && row->own->key != NULL)
		lh_table_delete(collection->own_keys, row->own->key);
	if (!verbatim || added)
	{
		uint8_t kept = row->flags & ROW_EMPTY;

		take_facts(collection, row, tree);
		row->flags |= kept;
	}
	if (verbatim)
		row->flags |= ROW_VERBATIM;
	json_object_put(tree);
	free_own(row);
	row->own = own;
	remember_key(collection, id);
	enlist(collection, id, true);
	return id;
}
