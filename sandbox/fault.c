/*
 * fault.c
 *		Give answers that differ from the normal one.
 *
 * What can be done to an answer is one entry each of the table "actions".
 */
#include "fault.h"

#include <stdlib.h>
#include <string.h>

#define MAX_DELAY_MS 3600000
#define MAX_BYTES INT64_C(1000000000000)

struct Fault
{
	Match		 match;
	uint64_t	 times; /* UINT64_MAX: for ever */
	uint64_t	 used;
	json_object *answer; /* the whole entry, checked */
	Fault		*next;
};

/* One thing that can be done: how its value is checked, and how it is carried out. */
typedef struct Action
{
	const char *name;
	json_type	type;
	int64_t		low; /* of integers */
	int64_t		high;
	const char *(*check)(json_object *value);			   /* or NULL */
	void (*apply)(json_object *value, Delivery *delivery); /* or NULL */
} Action;

static int
base64_value(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char		 *found = c != '\0' ? strchr(digits, c) : NULL;

	return found != NULL ? (int) (found - digits) : -1;
}

char *
base64_decode(const char *text, size_t *len)
{
	Buffer	 bytes = {0};
	uint32_t bits = 0;
	int		 bit_count = 0;

	for (; *text != '\0' && *text != '='; text++)
	{
		int value = base64_value(*text);

		if (value < 0)
		{
			buffer_free(&bytes);
			return NULL;
		}
		bits = (bits << 6) | (uint32_t) value;
		bit_count += 6;
		if (bit_count >= 8)
		{
			bit_count -= 8;
			buffer_putc(&bytes, (char) ((bits >> bit_count) & 0xFF));
		}
	}
	*len = bytes.len;
	return buffer_take(&bytes);
}

static void
set_body(Delivery *delivery, const char *text, size_t len)
{
	delivery->body.len = 0;
	buffer_append(&delivery->body, text, len);
}

static const char *
usual_reason(unsigned status)
{
	switch (status)
	{
		case 400:
			return "invalid_data";
		case 401:
			return "invalid_session";
		case 402:
			return "subscription_upgrade_required";
		case 403:
			return "not_allowed";
		case 404:
			return "not_found";
		case 420:
		case 429:
			return "rate_limited";
		default:
			return status >= 500 ? "server_error" : "bad_request";
	}
}

/* Set the status.  A failure has Crisp's envelope, unless the fault brings a body of its own. */
static void
apply_status(json_object *value, Delivery *delivery)
{
	delivery->status = (unsigned) json_object_get_int(value);
	if (delivery->status >= 400)
	{
		Reply failure = {.body = delivery->body};

		reply_error(&failure, delivery->status, usual_reason(delivery->status), NULL);
		delivery->body = failure.body;
	}
}

static const char *
check_headers(json_object *value)
{
	json_object_object_foreach(value, name, text)
	{
		(void) name;
		if (!json_object_is_type(text, json_type_string))
			return "each of headers must be a string";
	}
	return NULL;
}

static void
apply_headers(json_object *value, Delivery *delivery)
{
	delivery->headers = json_object_get(value);
}

static void
apply_body(json_object *value, Delivery *delivery)
{
	set_body(delivery, json_object_get_string(value), (size_t) json_object_get_string_len(value));
}

static const char *
check_base64(json_object *value)
{
	size_t len;
	char  *bytes = base64_decode(json_object_get_string(value), &len);

	if (bytes == NULL)
		return "body_base64 is no base64";
	free(bytes);
	return NULL;
}

static void
apply_body_base64(json_object *value, Delivery *delivery)
{
	size_t len = 0;
	char  *bytes = base64_decode(json_object_get_string(value), &len);

	set_body(delivery, bytes, len);
	free(bytes);
}

static const char *
check_pair(json_object *value, const char *first, json_type first_type, const char *second,
		   json_type second_type)
{
	json_object *a;
	json_object *b;

	if (json_object_object_length(value) != 2 || !json_object_object_get_ex(value, first, &a) ||
		!json_object_object_get_ex(value, second, &b))
		return "an answer's body_repeat is {text, times}, its drip {bytes, every_ms}";
	if (!json_object_is_type(a, first_type) || !json_object_is_type(b, second_type) ||
		(first_type == json_type_int && json_object_get_int64(a) < 1) ||
		(second_type == json_type_int && json_object_get_int64(b) < 1))
		return "body_repeat and drip take numbers of 1 or more";
	return NULL;
}

static const char *
check_repeat(json_object *value)
{
	return check_pair(value, "text", json_type_string, "times", json_type_int);
}

static void
apply_repeat(json_object *value, Delivery *delivery)
{
	apply_body(json_object_object_get(value, "text"), delivery);
	delivery->repeat = (uint64_t) json_object_get_int64(json_object_object_get(value, "times"));
}

static void
apply_delay(json_object *value, Delivery *delivery)
{
	delivery->delay_ms = (uint32_t) json_object_get_int(value);
}

static void
apply_hang(json_object *value, Delivery *delivery)
{
	delivery->hang = json_object_get_boolean(value);
}

static void
apply_reset(json_object *value, Delivery *delivery)
{
	delivery->reset = json_object_get_boolean(value);
}

static void
apply_close(json_object *value, Delivery *delivery)
{
	delivery->close = json_object_get_boolean(value);
}

static void
apply_cut(json_object *value, Delivery *delivery)
{
	delivery->cut_after = json_object_get_int64(value);
}

static const char *
check_replace(json_object *value)
{
	for (size_t i = 0; i < json_object_array_length(value); i++)
	{
		json_object *item = json_object_array_get_idx(value, i);
		json_object *from;
		json_object *to;

		if (!json_object_is_type(item, json_type_object) || json_object_object_length(item) != 2 ||
			!json_object_object_get_ex(item, "from", &from) ||
			!json_object_object_get_ex(item, "to", &to) ||
			!json_object_is_type(from, json_type_string) || json_object_get_string_len(from) == 0 ||
			!json_object_is_type(to, json_type_string))
			return "replace is an array of {from, to}, both strings, from not empty";
	}
	return NULL;
}

static void
replace_text(Buffer *body, const char *from, size_t from_len, const char *to, size_t to_len)
{
	Buffer		replaced = {0};
	const char *at = body->data;
	const char *end = body->data + body->len;
	const char *found;

	while ((found = memmem(at, (size_t) (end - at), from, from_len)) != NULL)
	{
		buffer_append(&replaced, at, (size_t) (found - at));
		buffer_append(&replaced, to, to_len);
		at = found + from_len;
	}
	buffer_append(&replaced, at, (size_t) (end - at));
	buffer_free(body);
	*body = replaced;
}

static void
apply_replace(json_object *value, Delivery *delivery)
{
	if (delivery->body.len == 0)
		return;
	for (size_t i = 0; i < json_object_array_length(value); i++)
	{
		json_object *item = json_object_array_get_idx(value, i);
		json_object *from = json_object_object_get(item, "from");
		json_object *to = json_object_object_get(item, "to");

		replace_text(&delivery->body, json_object_get_string(from),
					 (size_t) json_object_get_string_len(from), json_object_get_string(to),
					 (size_t) json_object_get_string_len(to));
	}
}

static const char *
check_drip(json_object *value)
{
	return check_pair(value, "bytes", json_type_int, "every_ms", json_type_int);
}

static void
apply_drip(json_object *value, Delivery *delivery)
{
	delivery->drip_bytes = (uint32_t) json_object_get_int(json_object_object_get(value, "bytes"));
	delivery->drip_ms = (uint32_t) json_object_get_int(json_object_object_get(value, "every_ms"));
}

/* Carried out in this order: bodies come before what changes them. */
static const Action actions[] = {
	{"act", json_type_boolean, 0, 0, NULL, NULL}, /* see fault_acts() */
	{"status", json_type_int, 200, 999, NULL, apply_status},
	{"headers", json_type_object, 0, 0, check_headers, apply_headers},
	{"body", json_type_string, 0, 0, NULL, apply_body},
	{"body_base64", json_type_string, 0, 0, check_base64, apply_body_base64},
	{"body_repeat", json_type_object, 0, 0, check_repeat, apply_repeat},
	{"replace", json_type_array, 0, 0, check_replace, apply_replace},
	{"delay_ms", json_type_int, 0, MAX_DELAY_MS, NULL, apply_delay},
	{"hang", json_type_boolean, 0, 0, NULL, apply_hang},
	{"reset", json_type_boolean, 0, 0, NULL, apply_reset},
	{"close", json_type_boolean, 0, 0, NULL, apply_close},
	{"cut_after", json_type_int, 0, MAX_BYTES, NULL, apply_cut},
	{"drip", json_type_object, 0, 0, check_drip, apply_drip},
};

#define ACTION_COUNT (sizeof(actions) / sizeof(actions[0]))

static const char *
check_action(const char *name, json_object *value)
{
	for (size_t i = 0; i < ACTION_COUNT; i++)
	{
		const Action *action = &actions[i];

		if (strcmp(action->name, name) != 0)
			continue;
		if (!json_object_is_type(value, action->type))
			return "a member of an answer has the wrong type";
		if (action->type == json_type_int && (json_object_get_int64(value) < action->low ||
											  json_object_get_int64(value) > action->high))
			return "a number of an answer is out of its range";
		return action->check != NULL ? action->check(value) : NULL;
	}
	return "an answer has an unknown member";
}

static const char *
check_answer(Fault *fault, json_object *answer)
{
	json_object *times;

	if (!json_object_is_type(answer, json_type_object))
		return "each answer must be an object";
	json_object_object_foreach(answer, name, value)
	{
		const char *error = NULL;

		if (strcmp(name, "match") == 0)
			error = match_parse(&fault->match, value, NULL);
		else if (strcmp(name, "times") != 0)
			error = check_action(name, value);
		if (error != NULL)
			return error;
	}
	fault->times = fault->match.nth > 0 ? 1 : UINT64_MAX;
	if (json_object_object_get_ex(answer, "times", &times))
	{
		if (!json_object_is_type(times, json_type_int) || json_object_get_int64(times) < 1)
			return "times must be 1 or more";
		fault->times = (uint64_t) json_object_get_int64(times);
	}
	return NULL;
}

static void
free_faults(Fault *fault)
{
	while (fault != NULL)
	{
		Fault *next = fault->next;

		match_free(&fault->match);
		json_object_put(fault->answer);
		free(fault);
		fault = next;
	}
}

const char *
faults_set(FaultList *list, json_object *answers)
{
	FaultList fresh = {NULL};
	Fault	**tail = &fresh.first;

	if (!json_object_is_type(answers, json_type_array))
		return "answers must be an array";
	for (size_t i = 0; i < json_object_array_length(answers); i++)
	{
		Fault	   *fault = xcalloc(1, sizeof(*fault));
		const char *error;

		*tail = fault;
		tail = &fault->next;
		fault->answer = json_object_get(json_object_array_get_idx(answers, i));
		error = check_answer(fault, fault->answer);
		if (error != NULL)
		{
			free_faults(fresh.first);
			return error;
		}
	}
	faults_clear(list);
	*list = fresh;
	return NULL;
}

void
faults_write(const FaultList *list, JsonWriter *writer)
{
	jw_begin(writer, '[');
	for (const Fault *fault = list->first; fault != NULL; fault = fault->next)
	{
		size_t		len;
		const char *text = json_object_to_json_string_length(fault->answer, JSON_C_TO_STRING_PLAIN,
															 &len);

		jw_raw(writer, text, len);
	}
	jw_end(writer, ']');
}

void
faults_clear(FaultList *list)
{
	free_faults(list->first);
	list->first = NULL;
}

/* Say whether it is this fault's turn; every matching request is counted. */
static bool
is_due(Fault *fault, const Request *request)
{
	if (!match_request(&fault->match, request) || fault->used >= fault->times ||
		fault->match.seen < fault->match.nth)
		return false;
	return true;
}

Fault *
faults_choose(FaultList *list, const Request *request)
{
	Fault *chosen = NULL;

	for (Fault *fault = list->first; fault != NULL; fault = fault->next)
		if (is_due(fault, request) && chosen == NULL)
			chosen = fault;
	if (chosen != NULL)
		chosen->used++;
	return chosen;
}

bool
fault_acts(const Fault *fault)
{
	json_object *act;

	return fault == NULL || !json_object_object_get_ex(fault->answer, "act", &act) ||
		   json_object_get_boolean(act);
}

void
fault_apply(const Fault *fault, Reply *reply, Delivery *delivery)
{
	memset(delivery, 0, sizeof(*delivery));
	delivery->status = reply->status;
	delivery->body = reply->body;
	delivery->cut_after = -1;
	memset(&reply->body, 0, sizeof(reply->body));
	for (size_t i = 0; fault != NULL && i < ACTION_COUNT; i++)
	{
		json_object *value;

		if (actions[i].apply != NULL &&
			json_object_object_get_ex(fault->answer, actions[i].name, &value))
			actions[i].apply(value, delivery);
	}
}

void
delivery_free(Delivery *delivery)
{
	buffer_free(&delivery->body);
	json_object_put(delivery->headers);
	memset(delivery, 0, sizeof(*delivery));
}
