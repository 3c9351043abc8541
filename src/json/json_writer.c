/*-------------------------------------------------------------------------
 *
 * json_writer.c
 *		Build JSON that is sent, with json-c.
 *
 * Between making a value of json-c and handing it to its document nothing raises an error, so that
 * none is lost.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <json-c/json_object.h>

#include "base/compat.h"
#include "json/json_writer.h"

struct JsonWriter
{
	MemoryContextCallback callback;
	struct json_object	 *root;
};

pg_noreturn static void
raise_out_of_memory(void)
{
	ereport(ERROR, (errcode(ERRCODE_FDW_OUT_OF_MEMORY), errmsg("out of memory")));
}

/*
 * Release what json-c has of a document; the reset callback of its context.
 */
static void
release_document(void *arg)
{
	JsonWriter *writer = arg;

	(void) json_object_put(writer->root);
	writer->root = NULL;
}

static JsonWriter *
begin_document(struct json_object *(*make_root)(void) )
{
	JsonWriter *writer = palloc0(sizeof(JsonWriter));

	writer->callback.func = release_document;
	writer->callback.arg = writer;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &writer->callback);
	writer->root = make_root();
	if (writer->root == NULL)
		raise_out_of_memory();
	return writer;
}

JsonWriter *
json_writer_object(void)
{
	return begin_document(json_object_new_object);
}

JsonWriter *
json_writer_array(void)
{
	return begin_document(json_object_new_array);
}

/*
 * Make a value whose text is given; NULL for lack of memory.
 */
static struct json_object *
make_verbatim(const char *json)
{
	struct json_object *value = json_object_new_object();
	char			   *copy = strdup(json);

	if (value == NULL || copy == NULL)
	{
		free(copy);
		(void) json_object_put(value);
		return NULL;
	}
	json_object_set_serializer(value, json_object_userdata_to_json_string, copy,
							   json_object_free_userdata);
	return value;
}

static struct json_object *make_value(const JsonNode *node);

/*
 * Make an array; NULL for lack of memory.
 */
static struct json_object *
make_array(const JsonNode *node)
{
	struct json_object *array = json_object_new_array();

	for (size_t i = 0; array != NULL && i < json_node_length(node); i++)
	{
		struct json_object *element = make_value(json_node_element(node, i));

		if (element == NULL || json_object_array_add(array, element) != 0)
		{
			(void) json_object_put(element);
			(void) json_object_put(array);
			array = NULL;
		}
	}
	return array;
}

/*
 * Make json-c's value of a node; NULL for lack of memory.
 */
static struct json_object *
make_value(const JsonNode *node)
{
	size_t		length;
	const char *text;

	switch (json_node_kind(node))
	{
		case JSON_NODE_STRING:
			text = json_node_string(node, &length);
			return json_object_new_string_len(text, (int) length);
		case JSON_NODE_ARRAY:
			return make_array(node);
		default:
			Assert(json_node_kind(node) != JSON_NODE_OBJECT);
			return make_verbatim(json_text(node, &length));
	}
}

/*
 * Hand a value over to an object; NULL stands for lack of memory.
 */
static void
add_member(struct json_object *object, const char *key, struct json_object *value)
{
	if (value == NULL || json_object_object_add(object, key, value) != 0)
	{
		(void) json_object_put(value);
		raise_out_of_memory();
	}
}

/*
 * Find the object that a path leads into, making those on the way, and its last key.
 */
static struct json_object *
find_place(struct json_object *object, const char *path, const char **key)
{
	size_t length;

	while (path[length = strcspn(path, ".")] == '.')
	{
		char			   *outer = pnstrdup(path, length);
		struct json_object *inner;

		if (!json_object_object_get_ex(object, outer, &inner))
		{
			inner = json_object_new_object();
			add_member(object, outer, inner);
		}
		Assert(json_object_is_type(inner, json_type_object));
		pfree(outer);
		object = inner;
		path += length + 1;
	}
	*key = path;
	return object;
}

void
json_writer_set(JsonWriter *object, const char *path, const JsonNode *value)
{
	const char		   *key;
	struct json_object *place = find_place(object->root, path, &key);

	add_member(place, key, make_value(value));
}

void
json_writer_set_json(JsonWriter *object, const char *path, const char *json)
{
	const char		   *key;
	struct json_object *place = find_place(object->root, path, &key);

	add_member(place, key, make_verbatim(json));
}

void
json_writer_set_member(JsonWriter *object, const char *key, const char *json)
{
	add_member(object->root, key, make_verbatim(json));
}

void
json_writer_append(JsonWriter *array, JsonWriter *object)
{
	if (json_object_array_add(array->root, object->root) != 0)
		raise_out_of_memory();
	object->root = NULL;
}

/*
 * Return the text of a document, which json-c keeps with it until it is changed.
 */
static const char *
document_text(const JsonWriter *writer, size_t *length)
{
	const char *text = json_object_to_json_string_length(
		writer->root, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, length);

	if (text == NULL)
		raise_out_of_memory();
	return text;
}

size_t
json_writer_length(const JsonWriter *writer)
{
	size_t length;

	(void) document_text(writer, &length);
	return length;
}

char *
json_writer_finish(JsonWriter *writer, size_t *length)
{
	const char *text = document_text(writer, length);
	char	   *copy = MemoryContextAllocHuge(CurrentMemoryContext, *length + 1);

	memcpy(copy, text, *length + 1);
	release_document(writer);
	return copy;
}
