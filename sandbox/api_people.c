/*
 * api_people.c
 *		Routes of people profiles.
 */
#include <string.h>

#include "json_path.h"
#include "parameters.h"
#include "people.h"
#include "route.h"

#define LIST_PAGE_SIZE 20 /* of lists whose page size the API page does not tell */

static void
read_sort(const Request *request, const Settings *settings, ListRequest *list, const char **error)
{
	static const struct
	{
		const char *name;
		SortKey		sort;
	} fields[] = {
		{"updated_at", SORT_UPDATED},
		{"created_at", SORT_CREATED},
		{"active", SORT_ACTIVE},
	};
	const char *field = request_parameter(request, "sort_field");
	const char *order = request_parameter(request, "sort_order");

	if (order != NULL && strcmp(order, "ascending") != 0 && strcmp(order, "descending") != 0)
		*error = "sort_order must be ascending or descending";
	if (!settings->honour_sort)
		return;
	list->ascending = order != NULL && strcmp(order, "ascending") == 0;
	if (field == NULL || *field == '\0')
		return;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (strcmp(fields[i].name, field) == 0)
		{
			list->sort = fields[i].sort;
			return;
		}
	list->sort_path = field;
}

static void
read_search(const Request *request, ListRequest *list, const char **error)
{
	const char *filter = request_parameter(request, "search_filter");
	const char *text = request_parameter(request, "search_text");
	bool		any = listing_read_operator(request, error);
	const char *wrong = NULL;

	if (filter != NULL && *filter != '\0')
		list->search = search_for_filter(filter, any, &wrong);
	if (wrong != NULL)
		*error = wrong;
	else if (text != NULL && *text != '\0')
		list->search = search_and(list->search, search_for_text(text));
}

void
list_people(Call *call)
{
	const Settings *settings = &call->sandbox->settings;
	Collection	   *people = &call->website->lists[RESOURCE_PEOPLE];
	ListRequest		list = {
			.per_page = DEFAULT_PER_PAGE, .bounded = SORT_CREATED, .include_empty = true};
	const char *error = NULL;

	list.sort = listing_default_order(settings, people);
	parameter_page(call->arguments[0], &list.page, &error);
	parameter_per_page(call->request, &list.per_page, &error);
	read_sort(call->request, settings, &list, &error);
	listing_read_bounds(call->request, settings, &list, &error);
	read_search(call->request, &list, &error);
	if (error != NULL)
		reply_error(call->reply, 400, "invalid_data", error);
	else
		listing_answer(&call->sandbox->cache, settings, people, &list, call->request->query,
					   call->reply);
	search_free(list.search);
}

/* The profile that the path names by id or e-mail; NO_ROW when the reply is an error already. */
static uint32_t
find_profile(Call *call)
{
	const Collection *people = &call->website->lists[RESOURCE_PEOPLE];
	uint32_t		  id = collection_find(people, call->arguments[0]);

	if (id == NO_ROW)
		id = people_find_email(people, call->arguments[0]);
	if (id == NO_ROW)
		reply_error(call->reply, 404, "not_found", "This profile does not exist");
	return id;
}

void
get_people(Call *call)
{
	uint32_t   id = find_profile(call);
	JsonWriter writer;

	if (id == NO_ROW)
		return;
	writer = reply_begin(call->reply, 200, "resolved");
	collection_write(&call->website->lists[RESOURCE_PEOPLE], id, &writer);
	reply_end(&writer);
}

void
get_people_stats(Call *call)
{
	const Collection *people = &call->website->lists[RESOURCE_PEOPLE];
	JsonWriter		  writer = reply_begin(call->reply, 200, "resolved");

	jw_begin(&writer, '{');
	jw_put_int(&writer, "total", (int64_t) collection_index(people, SORT_STORED, true)->count);
	jw_end(&writer, '}');
	reply_end(&writer);
}

void
get_people_data(Call *call)
{
	uint32_t   id = find_profile(call);
	JsonWriter writer;

	if (id == NO_ROW)
		return;
	writer = reply_begin(call->reply, 200, "resolved");
	jw_begin(&writer, '{');
	jw_key(&writer, "data");
	people_write_data(call->website, id, &writer);
	jw_end(&writer, '}');
	reply_end(&writer);
}

/* Whether a conversation is the profile's; rows with own text say so themselves. */
static bool
is_conversation_of(const Row *conversation, uint32_t profile, const char *people_id)
{
	if (conversation->own != NULL)
		return conversation->own->people_id != NULL &&
			   strcmp(conversation->own->people_id, people_id) == 0;
	return conversation->person == profile;
}

void
list_people_conversations(Call *call)
{
	const Collection *conversations = &call->website->lists[RESOURCE_CONVERSATIONS];
	const RowIndex	 *index = collection_index(conversations, SORT_UPDATED, true);
	uint32_t		  profile = find_profile(call);
	Buffer			  key = {0};
	Buffer			  rows = {0};
	JsonWriter		  writer = {&rows, false, false};
	const char		 *error = NULL;
	uint64_t		  page;
	uint64_t		  found = 0;

	if (profile == NO_ROW)
		return;
	parameter_page(call->arguments[1], &page, &error);
	if (error != NULL)
	{
		reply_error(call->reply, 400, "invalid_data", error);
		return;
	}
	buffer_reserve(&key, KEY_SIZE);
	key.data[0] = '\0';
	collection_key(&call->website->lists[RESOURCE_PEOPLE], profile, &key);
	jw_begin(&writer, '[');
	for (size_t i = 0; i < index->count; i++)
	{
		Buffer session = {0};

		if (!is_conversation_of(&conversations->rows[index->ids[i]], profile, key.data))
			continue;
		if (found++ / LIST_PAGE_SIZE != page - 1)
			continue;
		if (collection_key(conversations, index->ids[i], &session))
			jw_string(&writer, session.data);
		buffer_free(&session);
	}
	jw_end(&writer, ']');
	reply_rows(call->reply, &call->sandbox->settings, &rows, found, page, LIST_PAGE_SIZE);
	buffer_free(&key);
}

void
list_people_events(Call *call)
{
	uint32_t	profile = find_profile(call);
	Buffer		rows = {0};
	JsonWriter	writer = {&rows, false, false};
	const char *error = NULL;
	uint64_t	page;
	uint32_t	count;

	if (profile == NO_ROW)
		return;
	parameter_page(call->arguments[1], &page, &error);
	if (error != NULL)
	{
		reply_error(call->reply, 400, "invalid_data", error);
		return;
	}
	count = people_event_count(call->website, profile);
	jw_begin(&writer, '[');
	for (uint32_t i = 0; i < count; i++)
		if (i / LIST_PAGE_SIZE == page - 1)
			people_write_event(call->website, profile, i, &writer);
	jw_end(&writer, ']');
	reply_rows(call->reply, &call->sandbox->settings, &rows, count, page, LIST_PAGE_SIZE);
}
