/*-------------------------------------------------------------------------
 *
 * json_make.c
 *		JSON values that are made of others, without their text.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "json/json_make.h"
#include "json/json_node.h"

/*
 * Copy bytes, with room for the NUL that may be put behind them, or is there.
 */
static char *
copy_text(MemoryContext owner, const char *text, uint32 length)
{
	char *copy = MemoryContextAlloc(owner, (Size) length + 1);

	memcpy(copy, text, length);
	copy[length] = '\0';
	return copy;
}

/*
 * Copy a value, with all that is inside, to where there is room for its nodes.
 */
static void
copy_nodes(MemoryContext owner, JsonNode *to, const JsonNode *from)
{
	memcpy(to, from, sizeof(JsonNode) * from->size);
	for (uint32 i = 0; i < from->size; i++)
	{
		JsonNode *node = &to[i];

		if (node->key != NULL)
			node->key = copy_text(owner, node->key, node->key_length);
		if (node->kind < JSON_NODE_ARRAY && node->value.text != NULL)
			node->value.text = copy_text(owner, node->value.text, node->length);
	}
}

const JsonNode *
json_copy(MemoryContext owner, const JsonNode *node)
{
	JsonNode *copy;

	if (node == NULL)
		return NULL;
	copy = MemoryContextAllocHuge(owner, sizeof(JsonNode) * node->size);
	copy_nodes(owner, copy, node);
	copy->key = NULL;
	copy->key_length = 0;
	return copy;
}

const JsonNode *
json_make_string(MemoryContext owner, const char *text)
{
	JsonNode *node = MemoryContextAllocZero(owner, sizeof(JsonNode));

	node->kind = JSON_NODE_STRING;
	node->length = (uint32) strlen(text);
	node->value.text = copy_text(owner, text, node->length);
	node->size = 1;

	/* What it holds may need escapes, should somebody want its JSON text. */
	node->flags = JSON_VALUE_READY | JSON_VALUE_ESCAPED;
	return node;
}

const JsonNode *
json_make_object(MemoryContext owner, const JsonMember *members, int nmembers)
{
	Size	  size = 1;
	JsonNode *object;
	JsonNode *next;

	for (int i = 0; i < nmembers; i++)
		if (members[i].value != NULL)
			size += members[i].value->size;
	object = MemoryContextAllocHuge(owner, sizeof(JsonNode) * size);
	memset(object, 0, sizeof(JsonNode));
	object->kind = JSON_NODE_OBJECT;
	object->size = (uint32) size;

	next = object + 1;
	for (int i = 0; i < nmembers; i++)
	{
		if (members[i].value == NULL)
			continue;
		copy_nodes(owner, next, members[i].value);
		next->key_length = (uint32) strlen(members[i].key);
		next->key = copy_text(owner, members[i].key, next->key_length);
		next->flags |= JSON_KEY_READY;
		object->length++;
		next += next->size;
	}
	return object;
}
