/*
 * api_suggest.c
 *		Tell which custom-data keys and segments are in use, and how often.
 */
#include <stdlib.h>
#include <string.h>

#include "conversation.h"
#include "json_path.h"
#include "lexicon.h"
#include "parameters.h"
#include "people.h"
#include "people_extra.h"
#include "route.h"
#include "search.h"

typedef struct Tally
{
	char	*name;
	uint64_t count;
} Tally;

typedef struct TallyList
{
	Tally *items;
	size_t count;
} TallyList;

static void
tally(TallyList *list, const char *name, uint64_t count)
{
	for (size_t i = 0; i < list->count; i++)
		if (strcmp(list->items[i].name, name) == 0)
		{
			list->items[i].count += count;
			return;
		}
	list->items = xrealloc(list->items, (list->count + 1) * sizeof(Tally));
	list->items[list->count++] = (Tally){xstrdup(name), count};
}

/* Put the most frequent first, then order by name. */
static int
compare_tallies(const void *a, const void *b)
{
	const Tally *tally_a = a;
	const Tally *tally_b = b;

	if (tally_a->count != tally_b->count)
		return tally_a->count > tally_b->count ? -1 : 1;
	return strcmp(tally_a->name, tally_b->name);
}

static uint32_t
data_mask(const Collection *collection, uint32_t number)
{
	return collection->type == &people_type ? people_data_mask(collection->website, number)
											: conversation_data_mask(collection, number);
}

static void
tally_own_row(TallyList *list, const Collection *collection, uint32_t id, bool segments)
{
	json_object *tree = collection_tree(collection, id);
	bool		 apart = !segments && collection->type == &people_type;
	json_object *value = apart ? people_extra_written(collection->website, id, "data")
							   : search_value(tree, segments ? "segments" : "data");

	if (segments && json_object_is_type(value, json_type_array))
	{
		for (size_t i = 0; i < json_object_array_length(value); i++)
		{
			json_object *name = json_object_array_get_idx(value, i);

			if (json_object_is_type(name, json_type_string))
				tally(list, json_object_get_string(name), 1);
		}
	}
	else if (!segments && json_object_is_type(value, json_type_object))
	{
		json_object_object_foreach(value, name, unused)
		{
			(void) unused;
			tally(list, name, 1);
		}
	}
	json_object_put(tree);
}

/*
 * Say whether a row's data is as it was generated.  Custom data of people is apart from their rows:
 * a changed profile keeps it, unless it was written.
 */
static bool
is_generated(const Collection *collection, uint32_t id, bool segments)
{
	if (!segments && collection->type == &people_type)
		return people_extra_written(collection->website, id, "data") == NULL;
	return collection->rows[id].own == NULL;
}

static void
tally_collection(TallyList *list, const Collection *collection, bool segments)
{
	const RowIndex *index = collection_index(collection, SORT_STORED, true);
	uint64_t		counts[32] = {0};
	uint32_t		names = segments ? lexicon_segment_count : lexicon_custom_key_count;

	for (size_t i = 0; i < index->count; i++)
	{
		const Row *row = &collection->rows[index->ids[i]];
		uint32_t   mask;

		if (!is_generated(collection, index->ids[i], segments))
		{
			tally_own_row(list, collection, index->ids[i], segments);
			continue;
		}
		mask = segments ? row->segments : data_mask(collection, row->number);
		for (uint32_t bit = 0; bit < names; bit++)
			counts[bit] += (mask >> bit) & 1;
	}
	for (uint32_t bit = 0; bit < names; bit++)
		if (counts[bit] > 0)
			tally(list, segments ? lexicon_segments[bit] : lexicon_custom_keys[bit].key,
				  counts[bit]);
}

/* Count the events of all profiles by their texts. */
static void
tally_events(TallyList *list, const Website *website)
{
	const RowIndex *people = collection_index(&website->lists[RESOURCE_PEOPLE], SORT_STORED, true);

	for (size_t i = 0; i < people->count; i++)
		for (uint32_t event = people_event_count(website, people->ids[i]); event-- > 0;)
			tally(list, people_event_text(website, people->ids[i], event), 1);
}

/* Answer with a page of what was counted, which is freed; "name" is that of the text's member. */
static void
answer_tallies(Call *call, TallyList list, const char *name)
{
	Buffer		rows = {0};
	JsonWriter	writer = {&rows, false, false};
	const char *error = NULL;
	uint64_t	page = 1;

	parameter_page(call->arguments[0], &page, &error);
	if (list.count > 0)
		qsort(list.items, list.count, sizeof(Tally), compare_tallies);
	jw_begin(&writer, '[');
	for (size_t i = 0; i < list.count; i++)
	{
		if (i / call->sandbox->settings.list_per_page == page - 1)
		{
			jw_begin(&writer, '{');
			jw_put_string(&writer, name, list.items[i].name);
			jw_put_int(&writer, "count", (int64_t) list.items[i].count);
			jw_end(&writer, '}');
		}
		free(list.items[i].name);
	}
	jw_end(&writer, ']');
	free(list.items);
	if (error != NULL)
	{
		buffer_free(&rows);
		reply_error(call->reply, 400, "invalid_data", error);
		return;
	}
	reply_rows(call->reply, &call->sandbox->settings, &rows, list.count, page,
			   call->sandbox->settings.list_per_page);
}

static void
suggest(Call *call, Resource resource, bool segments)
{
	TallyList list = {0};

	tally_collection(&list, &call->website->lists[resource], segments);
	answer_tallies(call, list, segments ? "segment" : "key");
}

void
suggest_people_events(Call *call)
{
	TallyList list = {0};

	tally_events(&list, call->website);
	answer_tallies(call, list, "text");
}

void
suggest_conversation_data(Call *call)
{
	suggest(call, RESOURCE_CONVERSATIONS, false);
}

void
suggest_conversation_segments(Call *call)
{
	suggest(call, RESOURCE_CONVERSATIONS, true);
}

void
suggest_people_data(Call *call)
{
	suggest(call, RESOURCE_PEOPLE, false);
}

void
suggest_people_segments(Call *call)
{
	suggest(call, RESOURCE_PEOPLE, true);
}
