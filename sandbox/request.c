/*
 * request.c
 *		Hold a request as it was received, and the answer to it.
 */
#include "request.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char) tolower((unsigned char) c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

char *
percent_decode(const char *text, size_t len, bool plus)
{
	char  *decoded = xmalloc(len + 1);
	size_t used = 0;

	for (size_t i = 0; i < len; i++)
	{
		char c = text[i];

		if (c == '%' && i + 2 < len && hex_value(text[i + 1]) >= 0 && hex_value(text[i + 2]) >= 0)
		{
			c = (char) (hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
			i += 2;
		}
		else if (c == '+' && plus)
			c = ' ';
		decoded[used++] = c;
	}
	decoded[used] = '\0';
	return decoded;
}

static void
add_parameter(Request *request, const char *text, size_t len)
{
	const char *equals = memchr(text, '=', len);
	size_t		name_len = equals != NULL ? (size_t) (equals - text) : len;
	Parameter  *parameter;

	if (len == 0)
		return;
	request->parameters = xrealloc(request->parameters,
								   (request->parameter_count + 1) * sizeof(Parameter));
	parameter = &request->parameters[request->parameter_count++];
	parameter->name = percent_decode(text, name_len, true);
	parameter->value = equals != NULL ? percent_decode(equals + 1, len - name_len - 1, true)
									  : xstrdup("");
}

void
request_set_target(Request *request, const char *target)
{
	const char *mark = strchr(target, '?');
	const char *at;

	request->path = mark != NULL ? xstrndup(target, (size_t) (mark - target)) : xstrdup(target);
	request->query = xstrdup(mark != NULL ? mark + 1 : "");
	at = request->query;
	for (;;)
	{
		size_t len = strcspn(at, "&");

		add_parameter(request, at, len);
		if (at[len] == '\0')
			break;
		at += len + 1;
	}
}

void
request_free(Request *request)
{
	for (size_t i = 0; i < request->parameter_count; i++)
	{
		free(request->parameters[i].name);
		free(request->parameters[i].value);
	}
	free(request->parameters);
	free(request->method);
	free(request->path);
	free(request->query);
	free(request->authorization);
	free(request->tier);
	buffer_free(&request->body);
	memset(request, 0, sizeof(*request));
}

const char *
request_parameter(const Request *request, const char *name)
{
	for (size_t i = 0; i < request->parameter_count; i++)
		if (strcmp(request->parameters[i].name, name) == 0)
			return request->parameters[i].value;
	return NULL;
}

static JsonWriter
begin_envelope(Reply *reply, unsigned status, bool error, const char *reason)
{
	JsonWriter writer = {&reply->body, false, false};

	reply->status = status;
	reply->rows = -1;
	reply->body.len = 0;
	jw_begin(&writer, '{');
	jw_put_bool(&writer, "error", error);
	jw_put_string(&writer, "reason", reason);
	jw_key(&writer, "data");
	return writer;
}

JsonWriter
reply_begin(Reply *reply, unsigned status, const char *reason)
{
	return begin_envelope(reply, status, false, reason);
}

void
reply_end(JsonWriter *writer)
{
	jw_end(writer, '}');
}

void
reply_done(Reply *reply, const char *reason)
{
	JsonWriter writer = reply_begin(reply, 200, reason);

	jw_begin(&writer, '{');
	jw_end(&writer, '}');
	reply_end(&writer);
}

void
reply_error(Reply *reply, unsigned status, const char *reason, const char *message)
{
	JsonWriter writer = begin_envelope(reply, status, true, reason);

	jw_begin(&writer, '{');
	if (message != NULL)
		jw_put_string(&writer, "message", message);
	jw_end(&writer, '}');
	reply_end(&writer);
}
