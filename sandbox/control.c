/*
 * control.c
 *		Answer the sandbox's own interface, outside /v1: look and steer.
 */
#include "control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "below.h"
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

/* Find the collection that the parameters of GET /_rows name. */
static const char *
find_rows(Sandbox *sandbox, const Request *request, Collection **list, Collection *scratch)
{
	const char *resource = request_parameter(request, "resource");
	const char *website_id = request_parameter(request, "website_id");
	Website	   *website = &sandbox->dataset.websites[0];
	const char *parent_member;

	if (website_id != NULL && (website = dataset_website(&sandbox->dataset, website_id)) == NULL)
		return "there is no such website";
	if (resource == NULL)
		return "resource must name a list";
	parent_member = below_parent_member(resource);
	if (parent_member == NULL)
	{
		*list = website_list(website, resource);
		return *list == NULL ? "there is no such resource" : NULL;
	}
	return below_named(website, resource, request_parameter(request, "type"),
					   request_parameter(request, parent_member), true, scratch, list);
}

static bool
wants(const Request *request, const char *name)
{
	const char *value = request_parameter(request, name);

	return value != NULL && strcmp(value, "1") == 0;
}

/*
 * Write an object of these members of a row alone: their names stand one after the other, with
 * commas between.  Returns false when the row's own text is no JSON.
 */
static bool
write_fields(Collection *list, uint32_t row, const char *fields, Buffer *body)
{
	Buffer		 text = {0};
	JsonWriter	 whole = {&text, false, false};
	JsonWriter	 writer = {body, false, false};
	json_object *tree;

	collection_write(list, row, &whole);
	tree = json_parse(text.data, text.len);
	buffer_free(&text);
	if (tree == NULL)
		return false;
	jw_begin(&writer, '{');
	while (*fields != '\0')
	{
		size_t		 len = strcspn(fields, ",");
		char		*name = xstrndup(fields, len);
		json_object *value;

		if (json_object_object_get_ex(tree, name, &value))
		{
			size_t		value_len;
			const char *value_text = json_text(value, &value_len);

			jw_key(&writer, name);
			jw_raw(&writer, value_text, value_len);
		}
		free(name);
		fields += len + (fields[len] == ',');
	}
	jw_end(&writer, '}');
	json_object_put(tree);
	return true;
}

static void
get_rows(Sandbox *sandbox, const Request *request, Reply *reply)
{
	const char	   *fields = request_parameter(request, "fields");
	bool			plain = wants(request, "plain");
	ListRequest		asked = {0};
	Collection		scratch = {0};
	Collection	   *list;
	const char	   *error = find_rows(sandbox, request, &list, &scratch);
	const RowIndex *index;

	if (error != NULL)
	{
		control_error(reply, 400, error);
		return;
	}
	asked.sort = listing_true_order(list);
	if (plain)
	{
		listing_default_order(&sandbox->settings, list, &asked);
		asked.main_inbox = list->type == &conversation_type && sandbox->settings.main_inbox_alone;
	}
	index = collection_index(list, asked.sort, wants(request, "include_empty"));
	for (size_t i = 0; i < index->count; i++)
	{
		JsonWriter writer = {&reply->body, false, false};

		if (!listing_passes(list, &asked, index->ids[i]))
			continue;
		if (fields == NULL)
			collection_write(list, index->ids[i], &writer);
		else if (!write_fields(list, index->ids[i], fields, &reply->body))
		{
			control_error(reply, 400, "fields: a row's own text is no JSON");
			break;
		}
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

static void
get_control(Sandbox *sandbox, const Request *request, Reply *reply)
{
	JsonWriter writer = {&reply->body, false, false};

	(void) request;
	jw_begin(&writer, '{');
	settings_write(&sandbox->settings, &writer);
	jw_key(&writer, "answers");
	faults_write(&sandbox->faults, &writer);
	jw_end(&writer, '}');
}

/* Apply a member of POST /_control; append what is wrong, if anything. */
static void
apply_member(Sandbox *sandbox, const char *name, json_object *value, Buffer *message)
{
	Buffer error = {0};

	if (strcmp(name, "answers") == 0)
	{
		const char *wrong = faults_set(&sandbox->faults, value);

		if (wrong != NULL)
			buffer_puts(&error, wrong);
	}
	else
		settings_set(&sandbox->settings, name, value, &error);
	if (error.len > 0)
		buffer_printf(message, "%s: %s", name, error.data);
	buffer_free(&error);
}

static void
post_control(Sandbox *sandbox, const Request *request, Reply *reply)
{
	json_object *body = json_parse(request->body.data, request->body.len);
	Buffer		 message = {0};

	if (!json_object_is_type(body, json_type_object))
		buffer_puts(&message, "the body must be a JSON object");
	else
	{
		json_object_object_foreach(body, name, value)
		{
			if (message.len == 0)
				apply_member(sandbox, name, value, &message);
		}
	}
	sandbox_follow_settings(sandbox);
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
