/*
 * api_lists.c
 *		Answer routes of a website's short lists: teams, spam, templates, blocked visitors, who of
 *		the operators is there, and subscriptions of plugins.
 */
#include <string.h>

#include "filtered.h"
#include "json_path.h"
#include "operator.h"
#include "parameters.h"
#include "template.h"

void
list_teams(Call *call)
{
	answer_plainly(call, RESOURCE_TEAMS, call->sandbox->settings.list_per_page);
}

void
get_team(Call *call)
{
	answer_row(call, RESOURCE_TEAMS, call->arguments[0], "This team does not exist");
}

void
list_blocked(Call *call)
{
	const Collection *blocked = &call->website->lists[RESOURCE_BLOCKED];
	const RowIndex	 *index = collection_index(blocked, SORT_STORED, true);
	JsonWriter		  writer;

	if (!call->sandbox->settings.one_blocked || index->count == 0)
	{
		answer_whole(call, RESOURCE_BLOCKED);
		return;
	}
	writer = reply_begin(call->reply, 200, "resolved");
	collection_write(blocked, index->ids[0], &writer);
	reply_end(&writer);
}

/* Spam */

static bool
spam_passes(const Collection *collection, const Row *row, json_object *spam, const void *filter)
{
	const char *type = json_path_string(spam, "type");

	(void) collection;
	(void) row;
	return filter == NULL || (type != NULL && strcmp(type, filter) == 0);
}

void
list_spams(Call *call)
{
	const char *type = NULL;

	parameter_text(call->request, "filter_type", &type);
	if (!settings_have_filters(&call->sandbox->settings))
		type = NULL;
	answer_filtered(call, RESOURCE_SPAMS, call->arguments[0], NULL, spam_passes, type);
}

/* Templates */

/* What the list of templates was asked for. */
typedef struct TemplateFilter
{
	const char *name;
	bool		is_static;
	bool		custom;
} TemplateFilter;

static bool
template_passes(const Collection *collection, const Row *row, json_object *template,
				const void *filter)
{
	const TemplateFilter *wanted = filter;
	const char			 *name = json_path_string(template, "name");
	const char			 *type = json_path_string(template, "type");

	(void) collection;
	(void) row;
	if (wanted->name != NULL && (name == NULL || strcasestr(name, wanted->name) == NULL))
		return false;
	if (wanted->is_static == wanted->custom)
		return true;
	return type != NULL && strcmp(type, wanted->custom ? "custom" : "static") == 0;
}

void
list_templates(Call *call)
{
	TemplateFilter filter = {0};
	const char	  *error = NULL;

	parameter_text(call->request, "search_name", &filter.name);
	parameter_flag(call->request, "filter_type_static", &filter.is_static, &error);
	parameter_flag(call->request, "filter_type_custom", &filter.custom, &error);
	if (!settings_have_filters(&call->sandbox->settings))
		filter = (TemplateFilter){0};
	answer_filtered(call, RESOURCE_TEMPLATES, call->arguments[0], error, template_passes, &filter);
}

void
get_template(Call *call)
{
	const Collection *templates = &call->website->lists[RESOURCE_TEMPLATES];
	uint32_t		  id = collection_find(templates, call->arguments[0]);
	JsonWriter		  writer;

	if (id == NO_ROW)
	{
		reply_error(call->reply, 404, "not_found", "This template does not exist");
		return;
	}
	writer = reply_begin(call->reply, 200, "resolved");
	template_write_content(templates, id, &writer);
	reply_end(&writer);
}

/* Who is there */

/* Write what a list tells of an operator, inside an object that the caller began. */
typedef void (*OperatorWriter)(const Call *call, uint32_t number, json_object *person,
							   JsonWriter *writer);

/* Answer with a list of the operators who have a user_id. */
static void
answer_operators(Call *call, OperatorWriter write)
{
	const Collection *operators = &call->website->lists[RESOURCE_OPERATORS];
	const RowIndex	 *index = collection_index(operators, SORT_STORED, true);
	JsonWriter		  writer = reply_begin(call->reply, 200, "listed");
	int64_t			  count = 0;

	jw_begin(&writer, '[');
	for (size_t i = 0; i < index->count; i++)
	{
		json_object *person = collection_tree(operators, index->ids[i]);
		const char	*user_id = json_path_string(person, "details.user_id");

		if (user_id != NULL)
		{
			jw_begin(&writer, '{');
			jw_put_string(&writer, "user_id", user_id);
			write(call, operators->rows[index->ids[i]].number, person, &writer);
			jw_end(&writer, '}');
			count++;
		}
		json_object_put(person);
	}
	jw_end(&writer, ']');
	reply_end(&writer);
	call->reply->rows = count;
}

static void
write_last_active(const Call *call, uint32_t number, json_object *person, JsonWriter *writer)
{
	const char *avatar = json_path_string(person, "details.avatar");

	if (avatar != NULL)
		jw_put_string(writer, "avatar", avatar);
	if (number % 3 == 2)
		jw_put_null(writer, "nickname");
	else
		jw_put_string(writer, "nickname", operator_nickname(number));
	if (number % 5 != 4)
		jw_put_int(writer, "timestamp", call->sandbox->options.now - (int64_t) number * 61000);
}

void
list_active_operators(Call *call)
{
	answer_operators(call, write_last_active);
}

static void
write_availability(const Call *call, uint32_t number, json_object *person, JsonWriter *writer)
{
	static const char *const types[] = {"online", "away", "offline"};
	int64_t					 seconds = (int64_t) number * 90;

	(void) person;
	jw_put_string(writer, "type", types[number % 3]);
	if (number % 5 == 4)
		return;
	jw_key(writer, "time");
	jw_begin(writer, '{');
	if (number % 4 != 3)
		jw_put_int(writer, "for", seconds);
	jw_put_int(writer, "since", call->sandbox->options.now - seconds * 1000);
	jw_end(writer, '}');
}

void
list_availabilities(Call *call)
{
	answer_operators(call, write_availability);
}

void
get_availability(Call *call)
{
	JsonWriter writer = reply_begin(call->reply, 200, "resolved");

	jw_begin(&writer, '{');
	jw_put_string(&writer, "status", call->website->number % 2 == 0 ? "online" : "offline");
	jw_put_int(&writer, "since", call->sandbox->options.now - INT64_C(3600000));
	jw_end(&writer, '}');
	reply_end(&writer);
}

/* Subscriptions */

/* Write the subscriptions of a website that the plugin sees; return how many. */
static int64_t
write_subscriptions(const Call *call, const Website *website, JsonWriter *writer)
{
	const Collection *subscriptions = &website->lists[RESOURCE_SUBSCRIPTIONS];
	const RowIndex	 *index = collection_index(subscriptions, SORT_STORED, true);
	int64_t			  count = 0;

	for (size_t i = 0; i < index->count; i++)
	{
		json_object *tree = collection_tree(subscriptions, index->ids[i]);
		const char	*id = json_path_string(tree, "id");
		bool		 own = id != NULL && strcmp(id, call->sandbox->dataset.plugin_id) == 0;

		json_object_put(tree);
		if (call->sandbox->settings.own_subscriptions && !own)
			continue;
		collection_write(subscriptions, index->ids[i], writer);
		count++;
	}
	return count;
}

/* Answer with the subscriptions of one website, or with "only" NULL of all that have the plugin. */
static void
answer_subscriptions(Call *call, const Website *only)
{
	const Dataset *dataset = &call->sandbox->dataset;
	JsonWriter	   writer = reply_begin(call->reply, 200, "listed");
	int64_t		   count = 0;

	jw_begin(&writer, '[');
	for (size_t i = 0; i < dataset->website_count; i++)
	{
		const Website *website = &dataset->websites[i];

		if (only == NULL ? website->has_plugin : website == only)
			count += write_subscriptions(call, website, &writer);
	}
	jw_end(&writer, ']');
	reply_end(&writer);
	call->reply->rows = count;
}

void
list_all_subscriptions(Call *call)
{
	answer_subscriptions(call, NULL);
}

void
list_subscriptions(Call *call)
{
	const Website *website = dataset_website(&call->sandbox->dataset, call->arguments[0]);

	if (website == NULL)
		reply_error(call->reply, 404, "website_not_found", "This website does not exist");
	else if (!website->has_plugin)
		reply_error(call->reply, 403, "not_allowed", "The token does not open this website");
	else
		answer_subscriptions(call, website);
}
