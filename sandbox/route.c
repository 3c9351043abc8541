/*
 * route.c
 *		Route what follows /v1/ to who answers it.
 */
#include "route.h"

#include <stdlib.h>
#include <string.h>

#include "auth.h"

#define MAX_SEGMENTS 10

typedef struct Route
{
	const char *method;
	const char *pattern; /* "*" takes any one part of the path */
	Tier		tier;	 /* that it is for; TIER_NONE: any */
	void (*handler)(Call *call);
} Route;

static const Route routes[] = {
	{"GET", "website/*/conversations/*", TIER_NONE, list_conversations},
	{"GET", "website/*/conversations/suggest/data/*", TIER_NONE, suggest_conversation_data},
	{"GET", "website/*/conversations/suggest/segments/*", TIER_NONE, suggest_conversation_segments},
	{"GET", "website/*/conversation/*", TIER_NONE, get_conversation},
	{"POST", "website/*/conversation", TIER_NONE, post_conversation},
	{"DELETE", "website/*/conversation/*", TIER_NONE, delete_conversation},
	{"PATCH", "website/*/conversation/*/meta", TIER_NONE, patch_meta},
	{"PATCH", "website/*/conversation/*/inbox", TIER_NONE, patch_inbox},
	{"PATCH", "website/*/conversation/*/block", TIER_NONE, patch_block},
	{"PATCH", "website/*/conversation/*/verify", TIER_NONE, patch_verify},
	{"PUT", "website/*/conversation/*/participants", TIER_NONE, put_participants},
	{"PATCH", "website/*/conversation/*/state", TIER_NONE, patch_state},
	{"PATCH", "website/*/conversation/*/routing", TIER_NONE, patch_routing},
	{"PATCH", "website/*/batch/*", TIER_NONE, patch_batch},
	{"GET", "website/*/conversation/*/messages", TIER_NONE, list_messages},
	{"POST", "website/*/conversation/*/message", TIER_NONE, post_message},
	{"GET", "website/*/conversation/*/message/*", TIER_NONE, get_message},
	{"PATCH", "website/*/conversation/*/message/*", TIER_NONE, patch_message},
	{"DELETE", "website/*/conversation/*/message/*", TIER_NONE, delete_message},
	{"GET", "website/*/conversation/*/events/*", TIER_NONE, list_conversation_events},
	{"GET", "website/*/conversation/*/pages/*", TIER_NONE, list_conversation_pages},
	{"GET", "website/*/conversation/*/files/*", TIER_NONE, list_conversation_files},
	{"GET", "website/*/people/profiles/*", TIER_NONE, list_people},
	{"GET", "website/*/people/profile/*", TIER_NONE, get_people},
	{"POST", "website/*/people/profile", TIER_NONE, post_profile},
	{"PATCH", "website/*/people/profile/*", TIER_NONE, patch_profile},
	{"PUT", "website/*/people/profile/*", TIER_NONE, put_profile},
	{"DELETE", "website/*/people/profile/*", TIER_NONE, delete_profile},
	{"GET", "website/*/people/stats", TIER_NONE, get_people_stats},
	{"GET", "website/*/people/data/*", TIER_NONE, get_people_data},
	{"PATCH", "website/*/people/data/*", TIER_NONE, patch_people_data},
	{"PUT", "website/*/people/data/*", TIER_NONE, put_people_data},
	{"POST", "website/*/people/events/*", TIER_NONE, post_people_event},
	{"GET", "website/*/people/conversations/*/list/*", TIER_NONE, list_people_conversations},
	{"GET", "website/*/people/events/*/list/*", TIER_NONE, list_people_events},
	{"GET", "website/*/people/campaigns/*/list/*", TIER_NONE, list_people_campaigns},
	{"GET", "website/*/people/subscription/*", TIER_NONE, get_people_subscription},
	{"PATCH", "website/*/people/subscription/*", TIER_NONE, patch_people_subscription},
	{"GET", "website/*/people/suggest/data/*", TIER_NONE, suggest_people_data},
	{"GET", "website/*/people/suggest/segments/*", TIER_NONE, suggest_people_segments},
	{"GET", "website/*/visitors/list/*", TIER_NONE, list_visitors},
	{"GET", "website/*/visitors/count", TIER_NONE, count_visitors},
	{"GET", "website/*/operators/list", TIER_NONE, list_operators},
	{"GET", "website/*/campaigns/list/*", TIER_NONE, list_campaigns},
	{"GET", "website/*/campaign/*", TIER_NONE, get_campaign},
	{"GET", "website/*/campaign/*/recipients/*", TIER_NONE, list_campaign_recipients},
	{"GET", "website/*/campaign/*/statistics/*/*", TIER_NONE, list_campaign_statistics},
	{"GET", "website/*/inboxes/list/*", TIER_NONE, list_inboxes},
	{"GET", "website/*/conversations/spams/*", TIER_NONE, list_spams},
	{"GET", "website/*/operators/active", TIER_NONE, list_active_operators},
	{"GET", "website/*/availability/operators", TIER_NONE, list_availabilities},
	{"GET", "website/*/availability/status", TIER_NONE, get_availability},
	{"GET", "website/*/teams/list/*", TIER_NONE, list_teams},
	{"GET", "website/*/team/*", TIER_NONE, get_team},
	{"GET", "website/*/campaigns/templates/*", TIER_NONE, list_templates},
	{"GET", "website/*/campaigns/template/*", TIER_NONE, get_template},
	{"GET", "website/*/people/suggest/events/*", TIER_NONE, suggest_people_events},
	{"GET", "website/*/helpdesk/locales/*", TIER_NONE, list_locales},
	{"GET", "website/*/helpdesk/locale/*", TIER_NONE, get_locale},
	{"GET", "website/*/helpdesk/page/list/*/*/*", TIER_NONE, list_pages},
	{"GET", "website/*/helpdesk/feedback/list/*/*/*", TIER_NONE, list_feedback},
	{"GET", "website/*/helpdesk/redirections/*", TIER_NONE, list_redirections},
	{"GET", "website/*/visitors/blocked", TIER_NONE, list_blocked},
	{"GET", "website/*", TIER_NONE, get_website},
	{"GET", "plugin/connect/account", TIER_PLUGIN, get_plugin_account},
	{"GET", "plugin/connect/websites/all/*", TIER_PLUGIN, list_plugin_websites},
	{"GET", "plugins/subscription", TIER_PLUGIN, list_all_subscriptions},
	{"GET", "plugins/subscription/*", TIER_PLUGIN, list_subscriptions},
	{"GET", "user/account", TIER_USER, get_user_account},
};

/* Decode the parts of a path between slashes; return how many, MAX_SEGMENTS + 1 for too many. */
static size_t
split_path(const char *path, char **parts)
{
	size_t count = 0;

	while (*path != '\0')
	{
		size_t len = strcspn(path, "/");

		if (count == MAX_SEGMENTS)
			return MAX_SEGMENTS + 1;
		parts[count++] = percent_decode(path, len, false);
		path += len;
		if (*path == '/')
			path++;
	}
	return count;
}

static bool
pattern_matches(const char *pattern, char *const *parts, size_t count)
{
	for (size_t i = 0; i < count; i++)
	{
		size_t len = strcspn(pattern, "/");

		if (len == 0)
			return false;
		if (!(len == 1 && *pattern == '*' && *parts[i] != '\0') &&
			(strlen(parts[i]) != len || strncmp(pattern, parts[i], len) != 0))
			return false;
		pattern += len;
		if (*pattern == '/')
			pattern++;
	}
	return *pattern == '\0';
}

/* Find the route, or return NULL with "path_known" telling whether another method would do. */
static const Route *
find_route(const char *method, char *const *parts, size_t count, bool *path_known)
{
	*path_known = false;

	/* HEAD is answered as GET; the body is left out where the answer is sent. */
	if (strcmp(method, "HEAD") == 0)
		method = "GET";
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
	{
		if (!pattern_matches(routes[i].pattern, parts, count))
			continue;
		*path_known = true;
		if (strcmp(routes[i].method, method) == 0)
			return &routes[i];
	}
	return NULL;
}

/* Find the website and check the right to it; false when the reply is an error already. */
static bool
open_website(Call *call, const Access *access, const char *id)
{
	call->website = dataset_website(&call->sandbox->dataset, id);
	if (call->website == NULL)
		reply_error(call->reply, 404, "website_not_found", "This website does not exist");
	else if (!auth_allows(access, call->website))
		reply_error(call->reply, 403, "not_allowed", "The token does not open this website");
	else
		return true;
	return false;
}

static void
collect_arguments(Call *call, const char *pattern, char *const *parts)
{
	size_t count = 0;
	size_t first = call->website != NULL ? 2 : 0;

	for (size_t i = 0; *pattern != '\0'; i++)
	{
		if (*pattern == '*' && i >= first)
			call->arguments[count++] = parts[i];
		pattern += strcspn(pattern, "/");
		if (*pattern == '/')
			pattern++;
	}
}

static void
dispatch(Call *call, char *const *parts, size_t count)
{
	bool		 path_known;
	const Route *route = find_route(call->request->method, parts, count, &path_known);
	Access		 access = auth_check(&call->sandbox->dataset, call->request);

	if (!path_known)
		reply_error(call->reply, 404, "route_not_found", "There is no such route");
	else if (route == NULL)
		reply_error(call->reply, 405, "method_not_allowed", "The route lacks this method");
	else if (access.tier == TIER_NONE)
		reply_error(call->reply, 401, "invalid_session", "Wrong or missing credentials");
	else if (route->tier != TIER_NONE && route->tier != access.tier)
		reply_error(call->reply, 403, "not_allowed", "The route is for tokens of another tier");
	else if (strncmp(route->pattern, "website/", 8) != 0 || open_website(call, &access, parts[1]))
	{
		collect_arguments(call, route->pattern, parts);
		route->handler(call);
	}
}

void
route_request(Sandbox *sandbox, const Request *request, Reply *reply)
{
	char  *parts[MAX_SEGMENTS] = {NULL};
	size_t count = split_path(request->path + strlen("/v1/"), parts);
	Call   call = {.sandbox = sandbox, .request = request, .reply = reply};

	if (count > MAX_SEGMENTS)
		reply_error(reply, 404, "route_not_found", "There is no such route");
	else
		dispatch(&call, parts, count);
	for (size_t i = 0; i < MAX_SEGMENTS; i++)
		free(parts[i]);
}
