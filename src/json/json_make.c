/*-------------------------------------------------------------------------
 *
 * json_make.c
 *		Make JSON values of others, without their text.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "json/json_make.h"
#include "json/json_node.h"

/* Nodes that are filled in one after the other; there is room for all. */
typedef struct Maker
{
	MemoryContext owner;
	JsonNode	 *nodes;
	uint32		  n_nodes;
} Maker;

/*
 * Copy bytes, with room for the NUL that may be put behind them, or is there.
 */
static char *
copy_bytes(MemoryContext owner, const char *bytes, size_t length)
{
	char *copy = MemoryContextAllocHuge(owner, length + 1);

	memcpy(copy, bytes, length);
	copy[length] = '\0';
	return copy;
}

/*
 * Make a scalar of its text.  It may need escapes, should somebody want its JSON text.
 */
static const JsonNode *
make_scalar(MemoryContext owner, JsonNodeKind kind, const char *text)
{
	JsonNode *node = MemoryContextAllocZero(owner, sizeof(JsonNode));

	node->length = (uint32) strlen(text);
	node->value.text = copy_bytes(owner, text, node->length);
	node->size = 1;
	node->kind = kind;
	node->flags = JSON_VALUE_READY | JSON_VALUE_ESCAPED;
	return node;
}

const JsonNode *
json_make_string(MemoryContext owner, const char *text)
{
	return make_scalar(owner, JSON_NODE_STRING, text);
}

const JsonNode *
json_make_boolean(MemoryContext owner, bool value)
{
	return make_scalar(owner, JSON_NODE_BOOLEAN, value ? "true" : "false");
}

const JsonNode *
json_make_number(MemoryContext owner, const char *digits)
{
	return make_scalar(owner, JSON_NODE_NUMBER, digits);
}

/*
 * Return how many nodes a value takes.
 */
static uint32
count_nodes(const JsonNode *value)
{
	return value != NULL ? value->size : 1;
}

/*
 * Add a copy of a value, with all that is inside of it.
 */
static JsonNode *
add_value(Maker *maker, const JsonNode *value)
{
	JsonNode *first = &maker->nodes[maker->n_nodes];

	if (value == NULL)
	{
		*first = (JsonNode){.value.text = copy_bytes(maker->owner, "null", strlen("null")),
							.length = strlen("null"),
							.size = 1,
							.kind = JSON_NODE_NULL,
							.flags = JSON_VALUE_READY};
		maker->n_nodes++;
		return first;
	}
	for (uint32 i = 0; i < value->size; i++)
	{
		JsonNode *node = &maker->nodes[maker->n_nodes++];

		*node = value[i];
		if (node->key != NULL)
			node->key = copy_bytes(maker->owner, node->key, node->key_length);
		if (node->kind < JSON_NODE_ARRAY)
			node->value.text = copy_bytes(maker->owner, node->value.text, node->length);
	}
	first->key = NULL;
	first->key_length = 0;
	return first;
}

/*
 * Add an array or object with nothing inside yet.
 */
static JsonNode *
open_container(Maker *maker, JsonNodeKind kind)
{
	JsonNode *container = &maker->nodes[maker->n_nodes++];

	*container = (JsonNode){.kind = kind};
	return container;
}

static void
close_container(const Maker *maker, JsonNode *container)
{
	container->size = (uint32) (&maker->nodes[maker->n_nodes] - container);
}

const JsonNode *
json_copy(MemoryContext owner, const JsonNode *node)
{
	Maker maker = {.owner = owner};

	if (node == NULL)
		return NULL;
	maker.nodes = MemoryContextAllocHuge(owner, node->size * sizeof(JsonNode));
	return add_value(&maker, node);
}

const JsonNode *
json_make_array(MemoryContext owner, const JsonNode *const *elements, int nelements)
{
	size_t	  room = 1;
	Maker	  maker = {.owner = owner};
	JsonNode *array;

	for (int i = 0; i < nelements; i++)
		room += count_nodes(elements[i]);
	maker.nodes = MemoryContextAllocHuge(owner, room * sizeof(JsonNode));
	array = open_container(&maker, JSON_NODE_ARRAY);
	for (int i = 0; i < nelements; i++)
		(void) add_value(&maker, elements[i]);
	array->length = nelements;
	close_container(&maker, array);
	return array;
}

/*
 * Say whether two members are in the same object, which takes depth bytes of their paths, and have
 * the same key in it, of length bytes.
 */
static bool
same_key(const JsonMember *a, const JsonMember *b, size_t depth, size_t length)
{
	return strncmp(a->path, b->path, depth + length) == 0 &&
		   (b->path[depth + length] == '.' || b->path[depth + length] == '\0');
}

/*
 * Add the object that the members from first on have in common: the first depth bytes of their
 * paths lead to it.
 */
static JsonNode *
add_object(Maker *maker, const JsonMember *members, int nmembers, int first, size_t depth)
{
	JsonNode *object = open_container(maker, JSON_NODE_OBJECT);

	for (int i = first; i < nmembers; i++)
	{
		const char *key;
		size_t		length;
		bool		added = false;
		JsonNode   *member;

		/* A path that isn't of this object may be shorter than what leads to it. */
		if (strncmp(members[i].path, members[first].path, depth) != 0)
			continue;
		key = members[i].path + depth;
		length = strcspn(key, ".");
		for (int earlier = first; earlier < i && !added; earlier++)
			added = same_key(&members[i], &members[earlier], depth, length);
		if (added)
			continue;

		member = key[length] == '.' ? add_object(maker, members, nmembers, i, depth + length + 1)
									: add_value(maker, members[i].value);
		member->key = copy_bytes(maker->owner, key, length);
		member->key_length = (uint32) length;
		member->flags |= JSON_KEY_READY;
		object->length++;
	}
	close_container(maker, object);
	return object;
}

const JsonNode *
json_make_object(MemoryContext owner, const JsonMember *members, int nmembers)
{
	size_t room = 1;
	Maker  maker = {.owner = owner};

	for (int i = 0; i < nmembers; i++)
	{
		room += count_nodes(members[i].value);
		for (const char *c = members[i].path; *c != '\0'; c++)
			room += (*c == '.');
	}
	maker.nodes = MemoryContextAllocHuge(owner, room * sizeof(JsonNode));
	return add_object(&maker, members, nmembers, 0, 0);
}
