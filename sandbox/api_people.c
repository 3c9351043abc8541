/*
 * api_people.c
 *		Answer routes of people profiles.
 */
#include <string.h>

#include "json_path.h"
#include "parameters.h"
#include "people.h"
#include "route.h"

/* Say whether profiles can be searched by this: what Crisp's own search offers, and no date. */
static bool
is_search_field(const char *name)
{
	static const char *const fields[] = {
		"email",	"nickname", "gender",	  "phone",	   "address", "website",
		"timezone", "locales",	"segments",	  "notepad",   "score",	  "employment.name",
		"name",		"domain",	"legal_name", "people_id",
	};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (strcmp(fields[i], name) == 0)
			return true;
	return false;
}

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
	if (settings->honour_sort == IGNORED)
		return;
	list->ascending = order != NULL && strcmp(order, "ascending") == 0;
	if (field == NULL || *field == '\0')
		return;
	if (settings->honour_sort == REFUSED && !is_search_field(field))
		*error = "sort_field must be a search field";
	list->shuffled = false;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (strcmp(fields[i].name, field) == 0)
		{
			list->sort = fields[i].sort;
			return;
		}
	list->sort_path = field;
}

static void
read_search(const Request *request, const Settings *settings, ListRequest *list, const char **error)
{
	static const char *const models[] = {"people", NULL};
	const char				*filter = request_parameter(request, "search_filter");
	const char				*text = request_parameter(request, "search_text");
	bool					 any = listing_read_operator(request, error);
	const char				*wrong = NULL;

	if (!settings->honour_search)
		return;
	if (filter != NULL && *filter != '\0')
		list->search = search_for_filter(filter, any, models, settings->filter_values, &wrong);
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

	listing_default_order(settings, people, &list);
	parameter_page(call->arguments[0], &list.page, &error);
	parameter_per_page(call->request, &list.per_page, &error);
	read_sort(call->request, settings, &list, &error);
	listing_read_bounds(call->request, settings, &list, &error);
	read_search(call->request, settings, &list, &error);
	if (error != NULL)
		reply_error(call->reply, 400, "invalid_data", error);
	else
		listing_answer(&call->sandbox->cache, settings, people, &list, call->request->query,
					   call->reply);
	search_free(list.search);
}

uint32_t
call_profile(Call *call)
{
	const Collection *people = &call->website->lists[RESOURCE_PEOPLE];
	uint32_t		  id = collection_find(people, call->arguments[0]);

	if (id == NO_ROW)
		id = people_find_email(people, call->arguments[0], call->sandbox->settings.email_case);
	if (id == NO_ROW)
		reply_error(call->reply, 404, "not_found", "This profile does not exist");
	return id;
}

void
get_people(Call *call)
{
	uint32_t   id = call_profile(call);
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
	uint32_t   id = call_profile(call);
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

void
get_people_subscription(Call *call)
{
	uint32_t   id = call_profile(call);
	JsonWriter writer;

	if (id == NO_ROW)
		return;
	writer = reply_begin(call->reply, 200, "resolved");
	people_write_subscription(call->website, id, &writer);
	reply_end(&writer);
}

/* Say whether a conversation is the profile's; rows with a text of their own say so themselves. */
static bool
is_conversation_of(const Row *conversation, uint32_t profile, const char *people_id)
{
	if (conversation->own != NULL)
		return conversation->own->people_id != NULL &&
			   strcmp(conversation->own->people_id, people_id) == 0;
	return conversation->person == profile;
}

/* Read which of a profile's conversations are asked for. */
static void
read_conversation_filters(const Call *call, ListRequest *list, const char **error)
{
	ListRequest asked = *list;

	parameter_flag(call->request, "filter_unread", &asked.unread, error);
	parameter_flag(call->request, "filter_resolved", &asked.resolved, error);
	parameter_flag(call->request, "filter_not_resolved", &asked.not_resolved, error);
	if (settings_have_filters(&call->sandbox->settings))
		*list = asked;
}

void
list_people_conversations(Call *call)
{
	const Settings	 *settings = &call->sandbox->settings;
	const Collection *conversations = &call->website->lists[RESOURCE_CONVERSATIONS];
	const RowIndex	 *index = collection_index(conversations, SORT_UPDATED, true);
	uint32_t		  profile = call_profile(call);
	uint32_t		  per_page = settings->list_per_page;
	ListRequest		  list = {0};
	Buffer			  key = {0};
	Buffer			  rows = {0};
	JsonWriter		  writer = {&rows, false, false};
	const char		 *error = NULL;
	uint64_t		  found = 0;

	if (profile == NO_ROW)
		return;
	parameter_page(call->arguments[1], &list.page, &error);
	read_conversation_filters(call, &list, &error);
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

		if (!is_conversation_of(&conversations->rows[index->ids[i]], profile, key.data) ||
			!listing_passes(conversations, &list, index->ids[i]))
			continue;
		if (found++ / per_page != list.page - 1)
			continue;
		if (collection_key(conversations, index->ids[i], &session))
			jw_string(&writer, session.data);
		buffer_free(&session);
	}
	jw_end(&writer, ']');
	reply_rows(call->reply, settings, &rows, found, list.page, per_page);
	buffer_free(&key);
}

void
list_people_events(Call *call)
{
	uint32_t	profile = call_profile(call);
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
		if (i / call->sandbox->settings.list_per_page == page - 1)
			people_write_event(call->website, profile, i, &writer);
	jw_end(&writer, ']');
	reply_rows(call->reply, &call->sandbox->settings, &rows, count, page,
			   call->sandbox->settings.list_per_page);
}
