/*-------------------------------------------------------------------------
 *
 * json.h
 *		JSON: parsing, values, text.
 *
 * Nobody but json_parse.c knows what parses it, and nobody but it and json.c how
 * it is kept.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_JSON_H
#define CRISP_JSON_H

/* Deepest nesting of arrays and objects that is parsed. */
#define JSON_MAX_DEPTH 256

/* Longest text that is parsed, in bytes. */
#define JSON_MAX_LENGTH (MaxAllocSize / 4)

/*
 * A value that was parsed.  It belongs to the memory context that its text was
 * parsed into.  NULL stands for JSON null and for a value that is missing, and
 * every function here takes it.
 */
typedef struct JsonNode JsonNode;

typedef enum JsonNodeKind
{
	JSON_NODE_NULL, /* or missing */
	JSON_NODE_BOOLEAN,
	JSON_NODE_NUMBER,
	JSON_NODE_STRING,
	JSON_NODE_ARRAY,
	JSON_NODE_OBJECT
} JsonNodeKind;

/* What came of parsing. */
typedef enum JsonOutcome
{
	JSON_PARSED,
	JSON_INVALID,
	JSON_CUT,	   /* more bytes might have made it JSON: it was cut, or nothing at all */
	JSON_TOO_LARGE /* it has more values than it may have, or is too long as a text */
} JsonOutcome;

/*
 * How much memory nodes may take, in bytes, where the text they are of comes from a server that may
 * send so many bytes.  Crisp's own answers take some one and a half times as much as their text;
 * one that is all brackets and commas would take sixteen times as much.
 */
#define JSON_NODE_BYTES(text_bytes) Max(2 * (size_t) (text_bytes), (size_t) 256 * 1024)

/*
 * Parse text (length bytes, UTF-8, need not end in NUL) as one JSON value.
 * White space may surround it; anything else after it is an error, and so is
 * all that RFC 8259 doesn't allow.
 *
 * Numbers keep the text that they came with, whatever their size.  Invalid UTF-8
 * in strings passes, so that it spoils no more than its own value.  A lone
 * surrogate escape becomes U+FFFD; a NUL escape becomes a NUL byte.  Of a
 * key that comes twice the last one counts.
 *
 * The nodes belong to owner and go when that context is reset or deleted.  The
 * JSON literal null gives a NULL *node and true.
 *
 * Returns false for text that isn't JSON, with *error set to a sentence
 * fragment (in CurrentMemoryContext) that says what is wrong and at which
 * byte, fit for an errdetail.  Raises for memory, and what CHECK_FOR_INTERRUPTS()
 * raises.
 */
extern bool json_parse(MemoryContext owner, const char *text, size_t length, const JsonNode **node,
					   char **error);

/*
 * The same without copying the text: the nodes point into it, so it must live as long as owner.  It
 * is left as it is unless the result is JSON_PARSED.  From then on it belongs to the nodes, which
 * change it when they are asked for their values; text[length] must be writable, too.
 *
 * The nodes take no more than max_bytes of memory; no node is left of what is refused. *node and
 * *error are NULL where there is none.
 */
extern JsonOutcome json_parse_in_place(MemoryContext owner, char *text, size_t length,
									   size_t max_bytes, const JsonNode **node, char **error);

extern JsonNodeKind json_node_kind(const JsonNode *node);

/* How many elements an array has; 0 for anything else. */
extern size_t json_node_length(const JsonNode *array);

/* An element of an array, index from 0, fast in that order; NULL when it has no such. */
extern const JsonNode *json_node_element(const JsonNode *array, size_t index);

/*
 * The value of a key (UTF-8) of an object; NULL when it has none, when that is
 * JSON null, or when object is no object.
 */
extern const JsonNode *json_node_member(const JsonNode *object, const char *key);

/* Whether an object has a key at all, be its value JSON null. */
extern bool json_node_has_member(const JsonNode *object, const char *key);

/*
 * Walk over the elements of an array or the members of an object: the first, and
 * the next one inside of it; NULL when there is none.  Here, one that is JSON
 * null is a node of the kind JSON_NODE_NULL.
 */
extern const JsonNode *json_node_first(const JsonNode *container);
extern const JsonNode *json_node_next(const JsonNode *container, const JsonNode *inside);

/* The key of a member that was walked to: *length bytes, of which NUL may be one. */
extern const char *json_node_key(const JsonNode *member, size_t *length);

/*
 * The bytes of a string, in UTF-8 unless they came as something else, with a
 * NUL behind them that *length (may be NULL) doesn't count.  They live as long as the node.
 * NULL for what is no string.
 */
extern const char *json_node_string(const JsonNode *string, size_t *length);

/*
 * The value of a number that is written as an integer and fits; false for
 * anything else.
 */
extern bool json_node_int64(const JsonNode *number, int64 *value);

/*
 * The value of a number as strtod() gives it: infinite if it's too large, 0 if
 * it's too small or no number.
 */
extern double json_node_double(const JsonNode *number);

/* Whether a value is true; false for what is no boolean. */
extern bool json_node_boolean(const JsonNode *boolean);

/*
 * The JSON text of a value (NULL is "null"): without white space, with no more escapes than it
 * needs, numbers with the digits that they came with, and members as they came, even when two have
 * the same key.  In UTF-8 unless it came as something else, with a NUL behind it; *length gets its
 * length in bytes.  It is owned by the node or palloc'd in CurrentMemoryContext.  Raises only for
 * memory.
 */
extern const char *json_text(const JsonNode *node, size_t *length);

/*
 * Write the beginning of a value's JSON text into buffer, size bytes at most
 * and no NUL.  Returns how many.  Raises nothing.
 */
extern size_t json_text_beginning(const JsonNode *node, char *buffer, size_t size);

#endif /* CRISP_JSON_H */
