/*-------------------------------------------------------------------------
 *
 * json_node.h
 *		Define how a document is kept, for those who make and read it.
 *
 * A document is one array of nodes, each value followed by what is inside of
 * it.  Nodes point into the text that was parsed, which is looked at again
 * when a value is asked for, and only then.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_JSON_NODE_H
#define CRISP_JSON_NODE_H

/* The key has been unescaped, in its place. */
#define JSON_KEY_READY 0x01

/* The value of a scalar has been unescaped, in its place, and ends in a NUL. */
#define JSON_VALUE_READY 0x02

/* It is a string that may need escapes in JSON. */
#define JSON_VALUE_ESCAPED 0x04

/* The element of an array that was asked for last. */
typedef struct JsonLastElement
{
	uint32 index;
	uint32 offset; /* of its node from the array's, 0 before the first was asked for */
} JsonLastElement;

struct JsonNode
{
	char *key; /* of a member, what is between its quotes; else NULL */
	union
	{
		char		   *text; /* of a scalar: of a string what is between its quotes */
		JsonLastElement last; /* of an array */
	} value;
	uint32 key_length;
	uint32 length; /* of a scalar: bytes of text; else how many values are directly inside */
	uint32 size;   /* how many nodes the value takes, this one and all inside */
	uint8  kind;   /* a JsonNodeKind */
	uint8  flags;
};

#endif /* CRISP_JSON_NODE_H */
