/*
 * control.c
 *		The sandbox's own interface, outside /v1: look and steer.
 */
#include "control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json_path.h"

static void
control_error(Reply *reply, unsigned status, const char *message)
{
	JsonWriter writer = {&reply->body, false, false};

	reply->status = status;
	reply->body.len = 0;
	jw_begin(&writer, '{');
	jw_put_string(&writer, "error", message);
	jw_end(&writer, '}');
}

static void
write_token(const Token *token, const char *tier, JsonWriter *writer)
{
	jw_put_string(writer, "tier", tier);
	jw_put_string(writer, "identifier", token->identifier);
	jw_put_string(writer, "key", token->key);
}

static void
write_website(Website *website, JsonWriter *writer)
{
	const RowIndex *filled = collection_index(&website->lists[RESOURCE_CONVERSATIONS], SORT_STORED,
											  false);

	jw_begin(writer, '{');
	jw_put_string(writer, "website_id", website->id);
	jw_put_string(writer, "name", website->name);
	jw_put_string(writer, "domain", website->domain);
	jw_put_bool(writer, "has_plugin", website->has_plugin);
	jw_key(writer, "token");
	jw_begin(writer, '{');
	write_token(&website->token, "website", writer);
	jw_end(writer, '}');
	jw_key(writer, "counts");
	jw_begin(writer, '{');
	for (int i = 0; i < RESOURCE_COUNT; i++)
		jw_put_int(writer, website->lists[i].type->name,
				   (int64_t) collection_index(&website->lists[i], SORT_STORED, true)->count);
	jw_put_int(writer, "conversations_with_messages", (int64_t) filled->count);
	jw_end(writer, '}');
	jw_end(writer, '}');
}

static void
get_info(Sandbox *sandbox, const Request *request, Reply *reply)
{
	JsonWriter writer = {&reply->body, false, false};
	Dataset	  *dataset = &sandbox->dataset;
	char	   url[64];

	(void) request;
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/v1", (unsigned) sandbox->port);
	jw_begin(&writer, '{');
	jw_put_string(&writer, "base_url", url);
	jw_key(&writer, "seed");
	buffer_printf(&reply->body, "%llu", (unsigned long long) sandbox->options.seed);
	writer.need_comma = true;
	jw_put_int(&writer, "now", sandbox->options.now);
	jw_key(&writer, "websites");
	jw_begin(&writer, '[');
	for (size_t i = 0; i < dataset->website_count; i++)
		write_website(&dataset->websites[i], &writer);
	jw_end(&writer, ']');
	jw_key(&writer, "plugin");
	jw_begin(&writer, '{');
	jw_put_string(&writer, "plugin_id", dataset->plugin_id);
	write_token(&dataset->plugin_token, "plugin", &writer);
	jw_end(&writer, '}');
	jw_key(&writer, "user");
	jw_begin(&writer, '{');
	jw_put_string(&writer, "user_id", dataset->user_id);
	write_token(&dataset->user_token, "user", &writer);
	jw_end(&writer, '}');
	jw_end(&writer, '}');
}

static void
get_log(Sandbox *sandbox, const Request *request, Reply *reply)
{
	const char *since = request_parameter(request, "since");
	char	   *end = NULL;
	uint64_t	number = since != NULL ? strtoull(since, &end, 10) : 0;

	if (since != NULL && (end == since || *end != '\0'))
		control_error(reply, 400, "since must be the seq of a request");
	else
		request_log_write(&sandbox->log, number, &reply->body);
}

/* The collection that the parameters of GET /_rows name. */
static const char *
find_rows(Sandbox *sandbox, const Request *request, Collection **list, Collection *scratch)
{
	const char *resource = request_parameter(request, "resource");
	const char *website_id = request_parameter(request, "website_id");
	const char *session_id = request_parameter(request, "session_id");
	Website	   *website = &sandbox->dataset.websites[0];
	uint32_t	conversation = NO_ROW;

	if (website_id != NULL && (website = dataset_website(&sandbox->dataset, website_id)) == NULL)
		return "there is no such website";
	if (resource == NULL)
		return "resource must name a list";
	if (strcmp(resource, "messages") != 0)
	{
		*list = website_list(website, resource);
		return *list == NULL ? "there is no such resource" : NULL;
	}
	if (session_id != NULL)
		conversation = collection_find(&website->lists[RESOURCE_CONVERSATIONS], session_id);
	if (conversation == NO_ROW)
		return "session_id must name a conversation";
	*list = website_messages(website, conversation, scratch);
	return NULL;
}

static void
get_rows(Sandbox *sandbox, const Request *request, Reply *reply)
{
	const char	   *empty = request_parameter(request, "include_empty");
	Collection		scratch = {0};
	Collection	   *list;
	const char	   *error = find_rows(sandbox, request, &list, &scratch);
	const RowIndex *index;

	if (error != NULL)
	{
		control_error(reply, 400, error);
		return;
	}
	index = collection_index(list, listing_default_order(&sandbox->settings, list),
							 empty != NULL && strcmp(empty, "1") == 0);
	for (size_t i = 0; i < index->count; i++)
	{
		JsonWriter writer = {&reply->body, false, false};

		collection_write(list, index->ids[i], &writer);
		buffer_putc(&reply->body, '\n');
	}
	collection_free(&scratch);
}

static void
post_reset(Sandbox *sandbox, const Request *request, Reply *reply)
{
	(void) request;
	sandbox_reset(sandbox);
	buffer_puts(&reply->body, "{}");
}

/* One setting: its name in JSON, and how its value is checked and kept. */
typedef struct Setting
{
	const char *name;
	const char *(*set)(Sandbox *sandbox, json_object *value);
	void (*get)(const Sandbox *sandbox, JsonWriter *writer);
} Setting;

static const char *
set_number(json_object *value, int64_t low, int64_t high, uint32_t *target, const char *error)
{
	if (!json_object_is_type(value, json_type_int) || json_object_get_int64(value) < low ||
		json_object_get_int64(value) > high)
		return error;
	*target = (uint32_t) json_object_get_int64(value);
	return NULL;
}

static const char *
set_flag(json_object *value, bool *target, const char *error)
{
	if (!json_object_is_type(value, json_type_boolean))
		return error;
	*target = json_object_get_boolean(value);
	return NULL;
}

/* The place of a string among "names", which ends with NULL; -1 if it is none of them. */
static int
word_place(json_object *value, const char *const *names)
{
	if (!json_object_is_type(value, json_type_string))
		return -1;
	for (int i = 0; names[i] != NULL; i++)
		if (strcmp(json_object_get_string(value), names[i]) == 0)
			return i;
	return -1;
}

static const char *const bound_names[] = {"inclusive", "exclusive", NULL};
static const char *const order_names[] = {"updated", "created", "none", NULL};

static const char *
set_latency(Sandbox *sandbox, json_object *value)
{
	return set_number(value, 0, 3600000, &sandbox->settings.latency_ms,
					  "latency_ms must be from 0 to 3600000");
}

static const char *
set_date_bounds(Sandbox *sandbox, json_object *value)
{
	int place = word_place(value, bound_names);

	if (place < 0)
		return "date_bounds must be inclusive or exclusive";
	sandbox->settings.bounds_exclusive = place == 1;
	return NULL;
}

static const char *
set_honour_order(Sandbox *sandbox, json_object *value)
{
	return set_flag(value, &sandbox->settings.honour_order, "honour_order must be true or false");
}

static const char *
set_honour_sort(Sandbox *sandbox, json_object *value)
{
	return set_flag(value, &sandbox->settings.honour_sort, "honour_sort must be true or false");
}

static const char *
set_honour_filters(Sandbox *sandbox, json_object *value)
{
	return set_flag(value, &sandbox->settings.honour_filters,
					"honour_filters must be true or false");
}

static const char *
set_default_order(Sandbox *sandbox, json_object *value)
{
	int place = word_place(value, order_names);

	if (place < 0)
		return "default_order must be updated, created or none";
	sandbox->settings.default_order = (DefaultOrder) place;
	return NULL;
}

static const char *
set_message_bounds(Sandbox *sandbox, json_object *value)
{
	int place = word_place(value, bound_names);

	if (place < 0)
		return "message_bounds must be inclusive or exclusive";
	sandbox->settings.messages_inclusive = place == 0;
	return NULL;
}

static const char *
set_full_last_page(Sandbox *sandbox, json_object *value)
{
	static const char error[] = "full_last_page must be 200 or 206";

	if (json_object_get_int64(value) != 200 && json_object_get_int64(value) != 206)
		return error;
	return set_number(value, 200, 206, &sandbox->settings.full_last_page, error);
}

static const char *
set_visitors_limited(Sandbox *sandbox, json_object *value)
{
	return set_flag(value, &sandbox->settings.visitors_limited,
					"visitors_limited must be true or false");
}

static const char *
set_gzip(Sandbox *sandbox, json_object *value)
{
	return set_flag(value, &sandbox->settings.gzip, "gzip must be true or false");
}

static const char *
set_visitors_per_page(Sandbox *sandbox, json_object *value)
{
	return set_number(value, 1, 10000, &sandbox->settings.visitors_per_page,
					  "visitors_per_page must be from 1 to 10000");
}

static const char *
set_answers(Sandbox *sandbox, json_object *value)
{
	return faults_set(&sandbox->faults, value);
}

static void
show_latency(const Sandbox *sandbox, JsonWriter *writer)
{
	jw_int(writer, sandbox->settings.latency_ms);
}

static void
show_date_bounds(const Sandbox *sandbox, JsonWriter *writer)
{
	jw_string(writer, bound_names[sandbox->settings.bounds_exclusive]);
}

static void
show_honour_order(const Sandbox *sandbox, JsonWriter *writer)
{
	jw_bool(writer, sandbox->settings.honour_order);
}

static void
show_honour_sort(const Sandbox *sandbox, JsonWriter *writer)
{
	jw_bool(writer, sandbox->settings.honour_sort);
}

static void
show_honour_filters(const Sandbox *sandbox, JsonWriter *writer)
{
	jw_bool(writer, sandbox->settings.honour_filters);
}

static void
show_default_order(const Sandbox *sandbox, JsonWriter *writer)
{
	jw_string(writer, order_names[sandbox->settings.default_order]);
}

static void
show_message_bounds(const Sandbox *sandbox, JsonWriter *writer)
{
	jw_string(writer, bound_names[!sandbox->settings.messages_inclusive]);
}

static void
show_full_last_page(const Sandbox *sandbox, JsonWriter *writer)
{
	jw_int(writer, sandbox->settings.full_last_page);
}

static void
show_visitors_limited(const Sandbox *sandbox, JsonWriter *writer)
{
	jw_bool(writer, sandbox->settings.visitors_limited);
}

static void
show_gzip(const Sandbox *sandbox, JsonWriter *writer)
{
	jw_bool(writer, sandbox->settings.gzip);
}

static void
show_visitors_per_page(const Sandbox *sandbox, JsonWriter *writer)
{
	jw_int(writer, sandbox->settings.visitors_per_page);
}

static void
show_answers(const Sandbox *sandbox, JsonWriter *writer)
{
	faults_write(&sandbox->faults, writer);
}

static const Setting settings[] = {
	{"latency_ms", set_latency, show_latency},
	{"date_bounds", set_date_bounds, show_date_bounds},
	{"honour_order", set_honour_order, show_honour_order},
	{"honour_sort", set_honour_sort, show_honour_sort},
	{"honour_filters", set_honour_filters, show_honour_filters},
	{"default_order", set_default_order, show_default_order},
	{"message_bounds", set_message_bounds, show_message_bounds},
	{"full_last_page", set_full_last_page, show_full_last_page},
	{"visitors_limited", set_visitors_limited, show_visitors_limited},
	{"visitors_per_page", set_visitors_per_page, show_visitors_per_page},
	{"gzip", set_gzip, show_gzip},
	{"answers", set_answers, show_answers},
};

#define SETTING_COUNT (sizeof(settings) / sizeof(settings[0]))

static void
get_control(Sandbox *sandbox, const Request *request, Reply *reply)
{
	JsonWriter writer = {&reply->body, false, false};

	(void) request;
	jw_begin(&writer, '{');
	for (size_t i = 0; i < SETTING_COUNT; i++)
	{
		jw_key(&writer, settings[i].name);
		settings[i].get(sandbox, &writer);
	}
	jw_end(&writer, '}');
}

static const char *
apply_setting(Sandbox *sandbox, const char *name, json_object *value)
{
	for (size_t i = 0; i < SETTING_COUNT; i++)
		if (strcmp(settings[i].name, name) == 0)
			return settings[i].set(sandbox, value);
	return "unknown member";
}

static void
post_control(Sandbox *sandbox, const Request *request, Reply *reply)
{
	json_object *body = json_parse(request->body.data, request->body.len);
	const char	*error = NULL;
	Buffer		 message = {0};

	if (!json_object_is_type(body, json_type_object))
		buffer_puts(&message, "the body must be a JSON object");
	else
	{
		json_object_object_foreach(body, name, value)
		{
			if (error == NULL && (error = apply_setting(sandbox, name, value)) != NULL)
				buffer_printf(&message, "%s: %s", name, error);
		}
	}
	sandbox->settings.version++;
	json_object_put(body);
	if (message.len > 0)
		control_error(reply, 400, message.data);
	else
		get_control(sandbox, request, reply);
	buffer_free(&message);
}

static void
post_data(Sandbox *sandbox, const Request *request, Reply *reply)
{
	json_object *body = json_parse(request->body.data, request->body.len);
	Buffer		 keys = {0};
	Buffer		 message = {0};
	size_t		 place;
	const char	*error = changes_request(sandbox, body, &keys, &place);

	if (error != NULL)
	{
		buffer_printf(&message, "operation %zu: %s", place, error);
		control_error(reply, 400, message.data);
	}
	else
		buffer_printf(&reply->body, "{\"keys\":[%s]}", keys.len > 0 ? keys.data : "");
	buffer_free(&keys);
	buffer_free(&message);
	json_object_put(body);
}

static const struct
{
	const char *method;
	const char *path;
	void (*handler)(Sandbox *sandbox, const Request *request, Reply *reply);
} doors[] = {
	{"GET", "/_info", get_info},		 {"GET", "/_log", get_log},
	{"GET", "/_rows", get_rows},		 {"GET", "/_control", get_control},
	{"POST", "/_control", post_control}, {"POST", "/_data", post_data},
	{"POST", "/_reset", post_reset},
};

ControlResult
control_request(Sandbox *sandbox, const Request *request, Reply *reply)
{
	bool path_known = false;

	reply->status = 200;
	reply->rows = -1;
	for (size_t i = 0; i < sizeof(doors) / sizeof(doors[0]); i++)
	{
		if (strcmp(doors[i].path, request->path) != 0)
			continue;
		path_known = true;
		if (strcmp(doors[i].method, request->method) != 0)
			continue;
		doors[i].handler(sandbox, request, reply);
		return doors[i].handler == post_reset ? CONTROL_RESET : CONTROL_ANSWERED;
	}
	if (path_known)
		control_error(reply, 405, "this method is not for this path");
	else
		control_error(reply, 404,
					  "the API is below /v1/, the sandbox's own interface is "
					  "/_info, /_log, /_rows, /_reset, /_control and /_data");
	return CONTROL_ANSWERED;
}
