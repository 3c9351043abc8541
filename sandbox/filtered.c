/*
 * filtered.c
 *		Answer with the rows of a list that a handler's own filters leave, page by page.
 */
#include "filtered.h"

#include "parameters.h"

/* Write the page's rows; return how many there are on all pages. */
static uint64_t
write_passing(const Collection *collection, SortKey sort, uint64_t page, uint32_t per_page,
			  RowTest passes, const void *filter, JsonWriter *writer)
{
	const RowIndex *index = collection_index(collection, sort, true);
	uint64_t		found = 0;

	for (size_t i = 0; i < index->count; i++)
	{
		const Row	*row = &collection->rows[index->ids[i]];
		json_object *tree = collection_tree(collection, index->ids[i]);
		bool		 belongs = passes(collection, row, tree, filter);

		json_object_put(tree);
		if (belongs && found++ / per_page == page - 1)
			collection_write(collection, index->ids[i], writer);
	}
	return found;
}

void
answer_filtered(Call *call, Resource resource, const char *page, const char *error, RowTest passes,
				const void *filter)
{
	const Settings	 *settings = &call->sandbox->settings;
	const Collection *collection = &call->website->lists[resource];
	ListRequest		  list = {0};
	Buffer			  rows = {0};
	JsonWriter		  writer = {&rows, false, false};
	uint64_t		  found;

	parameter_page(page, &list.page, &error);
	if (error != NULL)
	{
		reply_error(call->reply, 400, "invalid_data", error);
		return;
	}
	listing_default_order(settings, collection, &list);
	jw_begin(&writer, '[');
	found = write_passing(collection, list.sort, list.page, settings->list_per_page, passes, filter,
						  &writer);
	jw_end(&writer, ']');
	reply_rows(call->reply, settings, &rows, found, list.page, settings->list_per_page);
}

void
answer_plainly(Call *call, Resource resource, uint32_t per_page)
{
	const Settings	 *settings = &call->sandbox->settings;
	const Collection *collection = &call->website->lists[resource];
	ListRequest		  list = {.per_page = per_page, .include_empty = true};
	const char		 *error = NULL;

	listing_default_order(settings, collection, &list);
	list.shuffled = false;
	parameter_page(call->arguments[0], &list.page, &error);
	if (error != NULL)
		reply_error(call->reply, 400, "invalid_data", error);
	else
		listing_answer(&call->sandbox->cache, settings, collection, &list, "", call->reply);
}

void
answer_whole(Call *call, Resource resource)
{
	const Collection *collection = &call->website->lists[resource];
	const RowIndex	 *index = collection_index(collection, SORT_STORED, true);
	JsonWriter		  writer = reply_begin(call->reply, 200, "listed");

	jw_begin(&writer, '[');
	for (size_t i = 0; i < index->count; i++)
		collection_write(collection, index->ids[i], &writer);
	jw_end(&writer, ']');
	reply_end(&writer);
	call->reply->rows = (int64_t) index->count;
}

void
answer_row(Call *call, Resource resource, const char *key, const char *missing)
{
	const Collection *collection = &call->website->lists[resource];
	uint32_t		  id = collection_find(collection, key);
	JsonWriter		  writer;

	if (id == NO_ROW)
	{
		reply_error(call->reply, 404, "not_found", missing);
		return;
	}
	writer = reply_begin(call->reply, 200, "resolved");
	collection_write(collection, id, &writer);
	reply_end(&writer);
}
