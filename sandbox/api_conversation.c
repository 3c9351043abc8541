/*
 * api_conversation.c
 *		Answer routes of conversations.
 */
#include <string.h>

#include "json_path.h"
#include "operator.h"
#include "parameters.h"
#include "patch.h"
#include "route.h"
#include "written.h"

static void
read_order(const Request *request, const Settings *settings, ListRequest *list, const char **error)
{
	static const struct
	{
		const char *name;
		SortKey		sort;
	} orders[] = {
		{"order_date_updated", SORT_UPDATED},
		{"order_date_created", SORT_CREATED},
		{"order_date_waiting", SORT_WAITING},
	};

	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++)
	{
		bool wanted = false;

		parameter_flag(request, orders[i].name, &wanted, error);
		if (!wanted || !settings->honour_order)
			continue;
		list->shuffled = false;
		list->sort = orders[i].sort;
		if (list->sort == SORT_WAITING)
		{
			list->ascending = settings->waiting_order == WAITING_LONGEST_FIRST;
			list->waiting = settings->waiting_order_filters;
		}
	}
}

/* Read which inbox, or inboxes, the list is of. */
static void
read_inbox(const Request *request, const Settings *settings, ListRequest *list, const char **error)
{
	const char *inbox = NULL;

	if (settings_have_filters(settings))
		parameter_text(request, "filter_inbox_id", &inbox);
	if (inbox != NULL && strcmp(inbox, "all") == 0)
	{
		if (settings->inbox_all == INBOX_ALL_KNOWN)
			return;
		if (settings->inbox_all == INBOX_ALL_REFUSED)
			*error = "there is no such inbox";
		if (settings->inbox_all == INBOX_ALL_IGNORED)
			inbox = NULL;
	}
	list->inbox = inbox;
	list->main_inbox = inbox == NULL && settings->main_inbox_alone;
}

static void
read_filters(const Request *request, const Settings *settings, ListRequest *list,
			 const char **error)
{
	ListRequest filters = *list;

	parameter_flag(request, "filter_unread", &filters.unread, error);
	parameter_flag(request, "filter_resolved", &filters.resolved, error);
	parameter_flag(request, "filter_not_resolved", &filters.not_resolved, error);
	parameter_flag(request, "filter_mention", &filters.mention, error);
	parameter_flag(request, "filter_unassigned", &filters.unassigned, error);
	parameter_text(request, "filter_assigned", &filters.assigned);
	if (settings_have_filters(settings))
		*list = filters;
	read_inbox(request, settings, list, error);
}

/* Heed what the settings say of segments in a filter. */
static void
read_segments_filter(const Settings *settings, Search *search, const char **error)
{
	if (search == NULL || !search_has_segments(search))
		return;
	if (settings->segments_filter == SEGMENTS_REFUSED)
		*error = "segments cannot be filtered by";
	if (settings->segments_filter == SEGMENTS_IGNORED)
		search_ignore_segments(search);
}

static void
read_search(const Request *request, const Settings *settings, ListRequest *list, const char **error)
{
	static const char *const models[] = {"conversation", "session", NULL};
	const char				*query = request_parameter(request, "search_query");
	const char				*type = request_parameter(request, "search_type");
	bool					 any = listing_read_operator(request, error);
	const char				*wrong = NULL;

	if (type == NULL)
		type = "text";
	if (strcmp(type, "text") != 0 && strcmp(type, "segment") != 0 && strcmp(type, "filter") != 0)
		*error = "search_type must be text, segment or filter";
	if (query == NULL || *query == '\0' || *error != NULL || !settings->honour_search)
		return;
	if (strcmp(type, "text") == 0)
		list->search = search_for_text(query);
	else if (strcmp(type, "segment") == 0)
		list->search = search_for_segment(query);
	else
		list->search = search_for_filter(query, any, models, settings->filter_values, &wrong);
	if (wrong != NULL)
		*error = wrong;
	read_segments_filter(settings, list->search, error);
}

void
list_conversations(Call *call)
{
	const Settings *settings = &call->sandbox->settings;
	Collection	   *conversations = &call->website->lists[RESOURCE_CONVERSATIONS];
	ListRequest		list = {.per_page = DEFAULT_PER_PAGE, .bounded = SORT_UPDATED};
	const char	   *error = NULL;

	listing_default_order(settings, conversations, &list);
	parameter_page(call->arguments[0], &list.page, &error);
	parameter_per_page(call->request, &list.per_page, &error);
	parameter_flag(call->request, "include_empty", &list.include_empty, &error);
	read_order(call->request, settings, &list, &error);
	read_filters(call->request, settings, &list, &error);
	listing_read_bounds(call->request, settings, &list, &error);
	read_search(call->request, settings, &list, &error);
	if (error != NULL)
		reply_error(call->reply, 400, "invalid_data", error);
	else
		listing_answer(&call->sandbox->cache, settings, conversations, &list, call->request->query,
					   call->reply);
	search_free(list.search);
}

uint32_t
call_conversation(Call *call)
{
	uint32_t id = collection_find(&call->website->lists[RESOURCE_CONVERSATIONS],
								  call->arguments[0]);

	if (id == NO_ROW)
		reply_error(call->reply, 404, "not_found", "This conversation does not exist");
	return id;
}

void
get_conversation(Call *call)
{
	uint32_t   id = call_conversation(call);
	JsonWriter writer;

	if (id == NO_ROW)
		return;
	writer = reply_begin(call->reply, 200, "resolved");
	collection_write(&call->website->lists[RESOURCE_CONVERSATIONS], id, &writer);
	reply_end(&writer);
}

void
update_conversation(Call *call, uint32_t id, json_object *set)
{
	Collection *conversations = &call->website->lists[RESOURCE_CONVERSATIONS];
	const char *error;

	json_object_object_add(set, "updated_at", json_object_new_int64(next_moment(conversations)));
	error = patch_row(conversations, id, set, NULL);
	json_object_put(set);
	call->sandbox->dataset.dirty = true;
	if (!written_refuses(call, error))
		written_done(call, "updated");
}

void
patch_state(Call *call)
{
	static const char *const states[] = {"pending", "unresolved", "resolved"};
	json_object				*body = json_parse(call->request->body.data, call->request->body.len);
	const char				*state = json_path_string(body, "state");
	uint32_t				 id = call_conversation(call);
	int						 status = -1;

	for (int i = 0; i < 3 && state != NULL; i++)
		if (strcmp(states[i], state) == 0)
			status = i;
	if (id != NO_ROW && status < 0)
		written_error(call, 400, "invalid_data", "state must be pending, unresolved or resolved");
	else if (id != NO_ROW)
	{
		json_object *set = json_object_new_object();

		json_object_object_add(set, "state", json_object_new_string(state));
		json_object_object_add(set, "status", json_object_new_int(status));
		update_conversation(call, id, set);
	}
	json_object_put(body);
}

/* Say whether a body that assigns nobody is one that unassigns. */
static bool
may_unassign(const Settings *settings, json_object *assigned)
{
	bool has_user_id = json_object_object_get_ex(assigned, "user_id", NULL);

	switch ((UnassignBody) settings->unassign_body)
	{
		case UNASSIGN_EITHER:
			return true;
		case UNASSIGN_USER_ID:
			return has_user_id;
		case UNASSIGN_ASSIGNED:
			return assigned == NULL;
		case UNASSIGN_NEITHER:
			break;
	}
	return false;
}

/* Say whether the body of a change of routing is one that Crisp takes. */
static bool
is_routing(const Call *call, json_object *body)
{
	const char	*user_id = json_path_string(body, "assigned.user_id");
	json_object *assigned;

	if (!json_object_object_get_ex(body, "assigned", &assigned))
		return false;
	if (user_id != NULL)
		return operator_exists(call->website, user_id);
	return may_unassign(&call->sandbox->settings, assigned);
}

void
patch_routing(Call *call)
{
	json_object *body = json_parse(call->request->body.data, call->request->body.len);
	const char	*user_id = json_path_string(body, "assigned.user_id");
	uint32_t	 id = call_conversation(call);

	if (id != NO_ROW && !is_routing(call, body))
		written_error(call, 400, "invalid_data",
					  "assigned must hold the user_id of an operator, or null");
	else if (id != NO_ROW)
	{
		json_object *set = json_object_new_object();
		json_object *assigned = NULL;

		if (user_id != NULL)
		{
			assigned = json_object_new_object();
			json_object_object_add(assigned, "user_id", json_object_new_string(user_id));
		}
		json_object_object_add(set, "assigned", assigned);
		update_conversation(call, id, set);
	}
	json_object_put(body);
}
