/*
 * listing.c
 *		Select which rows of a collection a list answers with, in which order, and a page of them.
 *
 * A list without filters is an index, or a part of it that a binary search
 * finds.  Any other list is collected by a walk over the index, and kept.
 */
#include "listing.h"

#include <stdlib.h>
#include <string.h>

#include "dataset.h"
#include "parameters.h"

void
listing_forget(ListingCache *cache)
{
	for (size_t i = 0; i < LISTING_CACHE_SIZE; i++)
	{
		free(cache->entries[i].key);
		free(cache->entries[i].ids);
	}
	memset(cache, 0, sizeof(*cache));
}

SortKey
listing_true_order(const Collection *collection)
{
	if (collection->type->is_log)
		return SORT_CREATED;
	if (collection->type->updated_path == NULL || collection->type == &inbox_type)
		return SORT_STORED;
	return SORT_UPDATED;
}

void
listing_default_order(const Settings *settings, const Collection *collection, ListRequest *list)
{
	list->sort = listing_true_order(collection);
	if (list->sort != SORT_UPDATED)
		return;
	switch ((DefaultOrder) settings->default_order)
	{
		case ORDER_STATE:
			if (collection->type == &conversation_type)
				list->sort = SORT_STATE;
			break;
		case ORDER_UPDATED:
			break;
		case ORDER_CREATED:
			list->sort = SORT_CREATED;
			break;
		case ORDER_INSERTION:
		case ORDER_NONE:
			list->sort = SORT_STORED;
			break;
		case ORDER_RANDOM:
			list->shuffled = true;
			break;
	}
}

/* Say whether a member of the row that refers to another row, by number or own text, is "id". */
static bool
refers_to(const Collection *collection, const char *own, Resource resource, int16_t number,
		  const char *id, bool has_own)
{
	const Collection *target = &collection->website->lists[resource];
	char			  key[KEY_SIZE];

	if (has_own)
		return own != NULL && strcmp(own, id) == 0;
	if (number < 0)
		return false;
	target->type->key(target, (uint32_t) number, key);
	return strcmp(key, id) == 0;
}

bool
listing_passes(const Collection *collection, const ListRequest *request, uint32_t id)
{
	const Row	  *row = &collection->rows[id];
	const RowText *own = row->own;
	bool		   assigned = own != NULL ? own->assigned_id != NULL : row->operator_number >= 0;

	if ((request->unread && !(row->flags & ROW_UNREAD)) ||
		(request->mention && !(row->flags & ROW_MENTION)) ||
		(request->resolved && row->state != STATE_RESOLVED) ||
		(request->not_resolved && row->state == STATE_RESOLVED) ||
		(request->unassigned && assigned) ||
		(request->waiting && row->times[SORT_WAITING] == NO_TIME) ||
		(request->main_inbox && (own != NULL ? own->inbox_id != NULL : row->inbox >= 0)))
		return false;
	if (request->assigned != NULL &&
		!refers_to(collection, own != NULL ? own->assigned_id : NULL, RESOURCE_OPERATORS,
				   row->operator_number, request->assigned, own != NULL))
		return false;
	if (request->inbox != NULL &&
		!refers_to(collection, own != NULL ? own->inbox_id : NULL, RESOURCE_INBOXES, row->inbox,
				   request->inbox, own != NULL))
		return false;
	return request->search == NULL || search_matches(request->search, collection, id);
}

static bool
has_filters(const ListRequest *request)
{
	return request->unread || request->resolved || request->not_resolved || request->mention ||
		   request->unassigned || request->waiting || request->main_inbox ||
		   request->assigned != NULL || request->inbox != NULL || request->search != NULL;
}

/* Return the part of an index within the bounds. */
static Selection
bounded_part(const Collection *collection, const RowIndex *index, const ListRequest *request)
{
	Selection part = {index->ids, index->count, false};
	size_t	  first;
	size_t	  last;

	if (!request->has_bounds)
		return part;
	first = collection_rank(collection, index, request->bounded, request->end);
	last = collection_rank(collection, index, request->bounded,
						   request->start > NO_TIME + 1 ? request->start - 1 : NO_TIME);
	part.ids = index->ids + first;
	part.count = last > first ? last - first : 0;
	return part;
}

/* A collected row with what it is sorted by. */
typedef struct SortItem
{
	bool	 missing; /* comes last, whatever the direction */
	bool	 descending;
	double	 number;
	char	*text;	/* NULL for numbers */
	size_t	 place; /* as collected */
	uint32_t id;
} SortItem;

static int
compare_items(const void *a, const void *b)
{
	const SortItem *item_a = a;
	const SortItem *item_b = b;
	int				order = 0;

	if (item_a->missing != item_b->missing)
		return item_a->missing ? 1 : -1;
	if (item_a->text != NULL && item_b->text != NULL)
		order = strcmp(item_a->text, item_b->text);
	else if (item_a->number != item_b->number)
		order = item_a->number < item_b->number ? -1 : 1;
	if (item_a->descending)
		order = -order;
	if (order == 0 && item_a->place != item_b->place)
		order = item_a->place < item_b->place ? -1 : 1;
	return order;
}

static void
fill_sort_item(const Collection *collection, const ListRequest *request, SortItem *item)
{
	json_object *tree;
	json_object *value;
	int64_t		 time;

	item->descending = !request->ascending;
	if (request->sort_path == NULL)
	{
		time = collection_sort_value(collection, item->id, request->sort);
		item->missing = time == NO_TIME;
		item->number = (double) time;
		return;
	}
	tree = collection_tree(collection, item->id);
	value = search_value(tree, request->sort_path);
	item->missing = value == NULL;
	if (json_object_is_type(value, json_type_string))
		item->text = xstrdup(json_object_get_string(value));
	else
		item->number = json_object_get_double(value);
	json_object_put(tree);
}

static void
sort_ids(const Collection *collection, const ListRequest *request, uint32_t *ids, size_t count)
{
	SortItem *items = xcalloc(count, sizeof(*items));

	for (size_t i = 0; i < count; i++)
	{
		items[i].id = ids[i];
		items[i].place = i;
		fill_sort_item(collection, request, &items[i]);
	}
	qsort(items, count, sizeof(*items), compare_items);
	for (size_t i = 0; i < count; i++)
	{
		ids[i] = items[i].id;
		free(items[i].text);
	}
	free(items);
}

static CachedSelection *
collect(ListingCache *cache, const Collection *collection, const ListRequest *request,
		const char *key, const Selection *part, bool sorted)
{
	CachedSelection *entry = &cache->entries[cache->next];

	cache->next = (cache->next + 1) % LISTING_CACHE_SIZE;
	free(entry->key);
	free(entry->ids);
	entry->key = xstrdup(key);
	entry->collection = collection;
	entry->collection_version = collection->version;
	entry->ids = xmalloc(part->count * sizeof(*entry->ids));
	entry->count = 0;
	for (size_t i = 0; i < part->count; i++)
		if (listing_passes(collection, request, part->ids[i]))
			entry->ids[entry->count++] = part->ids[i];
	if (!sorted)
		sort_ids(collection, request, entry->ids, entry->count);
	return entry;
}

/* Return the selected rows in an order that no other request gets; the caller frees them. */
static uint32_t *
shuffle(ListingCache *cache, const Collection *collection, const Selection *selection)
{
	uint32_t *ids = xmalloc((selection->count + 1) * sizeof(*ids));
	Random	  random = random_stream(collection->seed, ++cache->shuffles, 0);

	for (size_t i = 0; i < selection->count; i++)
	{
		size_t other = random_below(&random, (uint32_t) i + 1);

		ids[i] = ids[other];
		ids[other] = selection_at(selection, i);
	}
	return ids;
}

static const CachedSelection *
find_cached(const ListingCache *cache, const Collection *collection, const char *key)
{
	for (size_t i = 0; i < LISTING_CACHE_SIZE; i++)
	{
		const CachedSelection *entry = &cache->entries[i];

		if (entry->key != NULL && entry->collection == collection &&
			entry->collection_version == collection->version && strcmp(entry->key, key) == 0)
			return entry;
	}
	return NULL;
}

Selection
listing_select(ListingCache *cache, const Collection *collection, const ListRequest *request,
			   const char *key)
{
	SortKey				   walked = request->has_bounds ? request->bounded : request->sort;
	const RowIndex		  *index = collection_index(collection, walked, request->include_empty);
	Selection			   part = bounded_part(collection, index, request);
	bool				   sorted = walked == request->sort && request->sort_path == NULL;
	bool				   all_have_time = sorted && (part.count == 0 ||
									  collection_sort_value(collection, part.ids[part.count - 1],
																			walked) != NO_TIME);
	const CachedSelection *cached;

	if (!has_filters(request) && sorted && (!request->ascending || all_have_time))
	{
		part.backwards = request->ascending;
		return part;
	}
	cached = find_cached(cache, collection, key);
	if (cached == NULL)
		cached = collect(cache, collection, request, key, &part, sorted && !request->ascending);
	return (Selection){cached->ids, cached->count, false};
}

uint32_t
selection_at(const Selection *selection, size_t place)
{
	return selection->ids[selection->backwards ? selection->count - 1 - place : place];
}

unsigned
listing_status(const Settings *settings, size_t rows, uint32_t per_page, bool more)
{
	if (more)
		return 206;
	return rows == per_page ? settings->full_last_page : 200;
}

/* Answer a page past the end with 404, where the settings say so; the first page is none. */
static bool
refuse_page(Reply *reply, const Settings *settings, uint64_t page, uint64_t first, uint64_t total)
{
	if (!settings->past_end || page == 1 || first < total)
		return false;
	reply_error(reply, 404, "not_found", "This page does not exist");
	return true;
}

void
listing_reply(Reply *reply, const Settings *settings, const Collection *collection,
			  const Selection *selection, uint64_t page, uint32_t per_page)
{
	uint64_t   first = (page - 1) * per_page;
	uint64_t   last = first + per_page;
	size_t	   rows;
	JsonWriter writer;

	if (refuse_page(reply, settings, page, first, selection->count))
		return;
	if (first > selection->count)
		first = selection->count;
	if (last > selection->count)
		last = selection->count;
	rows = (size_t) (last - first);
	writer = reply_begin(reply, listing_status(settings, rows, per_page, last < selection->count),
						 "listed");
	jw_begin(&writer, '[');
	for (uint64_t i = first; i < last; i++)
		collection_write(collection, selection_at(selection, (size_t) i), &writer);
	jw_end(&writer, ']');
	reply_end(&writer);
	reply->rows = (int64_t) rows;
}

void
listing_answer(ListingCache *cache, const Settings *settings, const Collection *collection,
			   const ListRequest *request, const char *query, Reply *reply)
{
	Buffer	  key = {0};
	Selection selection;
	uint32_t *shuffled = NULL;

	buffer_printf(&key, "%llu %s", (unsigned long long) settings->version, query);
	selection = listing_select(cache, collection, request, key.data);
	if (request->shuffled)
	{
		shuffled = shuffle(cache, collection, &selection);
		selection = (Selection){shuffled, selection.count, false};
	}
	listing_reply(reply, settings, collection, &selection, request->page, request->per_page);
	free(shuffled);
	buffer_free(&key);
}

void
reply_rows(Reply *reply, const Settings *settings, Buffer *rows, uint64_t total, uint64_t page,
		   uint32_t per_page)
{
	uint64_t   before = (page - 1) * per_page;
	uint64_t   left = total > before ? total - before : 0;
	uint64_t   shown = left < per_page ? left : per_page;
	JsonWriter writer;

	if (refuse_page(reply, settings, page, before, total))
	{
		buffer_free(rows);
		return;
	}
	writer = reply_begin(reply, listing_status(settings, (size_t) shown, per_page, left > per_page),
						 "listed");
	jw_raw(&writer, rows->data, rows->len);
	reply_end(&writer);
	reply->rows = (int64_t) shown;
	buffer_free(rows);
}

void
listing_read_bounds(const Request *request, const Settings *settings, ListRequest *list,
					const char **error)
{
	bool has_start = false;
	bool has_end = false;

	list->start = INT64_MIN;
	list->end = INT64_MAX;
	parameter_date(request, "filter_date_start", &list->start, &has_start, error);
	parameter_date(request, "filter_date_end", &list->end, &has_end, error);
	list->has_bounds = (has_start || has_end) && settings_have_dates(settings);
	if (has_start && list->start < INT64_MAX &&
		(settings->date_bounds == BOUNDS_EXCLUSIVE || settings->date_bounds == BOUNDS_END))
		list->start++;
	if (has_end && list->end > INT64_MIN &&
		(settings->date_bounds == BOUNDS_EXCLUSIVE || settings->date_bounds == BOUNDS_START))
		list->end--;
}

bool
listing_read_operator(const Request *request, const char **error)
{
	const char *operator= request_parameter(request, "search_operator");

	if (operator!= NULL && strcmp(operator, "and") != 0 && strcmp(operator, "or") != 0)
		*error = "search_operator must be and, or or";
	return operator!= NULL && strcmp(operator, "or") == 0;
}
