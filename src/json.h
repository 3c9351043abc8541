/*-------------------------------------------------------------------------
 *
 * json.h
 *		JSON behind one door: parsing, ownership, values, text.
 *
 * What parses it is json.c's own business: nobody else names a JSON library.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_JSON_H
#define CRISP_JSON_H

/* Deepest nesting that is parsed. */
#define JSON_MAX_DEPTH 256

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

/*
 * A place among the members of an object; all zero is the first.  It serves
 * json_node_next_member(), for one object.
 */
typedef struct JsonCursor
{
	const void *next;
} JsonCursor;

/*
 * Parse text (length bytes, UTF-8, need not end in NUL) as one JSON value.
 * White space may surround it; anything else after it is an error.
 *
 * Numbers keep all their digits, whatever their size; doubles keep the text
 * that they came with.  Invalid UTF-8 in strings passes, so that it spoils no
 * more than its own value.  A lone surrogate escape becomes U+FFFD; a NUL
 * escape in a key stays as the six characters that it was written with.  Of a
 * key that comes twice the last one counts.  Numbers with a leading zero, or with
 * no digit on one side of the point, pass as json-c lets them; any other text
 * that isn't JSON is refused.
 *
 * The nodes belong to owner and go when that context is reset or deleted.  The
 * JSON literal null gives a NULL *node and true.
 *
 * Returns false for text that isn't JSON, with *error set to a sentence
 * fragment (in CurrentMemoryContext) that says what is wrong and at which
 * byte, fit for an errdetail.  Raises only for memory.
 */
extern bool json_parse(MemoryContext owner, const char *text, size_t length, const JsonNode **node,
					   char **error);

/*
 * Whether a text that json_parse() refused may be the beginning of one that it
 * takes: JSON that was cut, or nothing at all.  Raises only for memory.
 */
extern bool json_is_beginning(const char *text, size_t length);

extern JsonNodeKind json_node_kind(const JsonNode *node);

/* How many elements an array has; 0 for anything else. */
extern size_t json_node_length(const JsonNode *array);

/* An element of an array, index from 0 to below json_node_length(). */
extern const JsonNode *json_node_element(const JsonNode *array, size_t index);

/*
 * The value of a key (UTF-8) of an object; NULL when it has none, when that is
 * JSON null, or when object is no object.
 */
extern const JsonNode *json_node_member(const JsonNode *object, const char *key);

/*
 * The same, fast where keys are asked for in the order in which they come:
 * tries the member at the cursor first, and sets that behind the one it finds.
 */
extern const JsonNode *json_node_next_member(const JsonNode *object, const char *key,
											 JsonCursor *cursor);

/* Whether an object has a key at all, be its value JSON null. */
extern bool json_node_has_member(const JsonNode *object, const char *key);

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
 * The JSON text of a value (NULL is "null"), as short as it gets, numbers with
 * the digits that they came with, in UTF-8 as it came, with a NUL behind it.  *length gets its
 * length in bytes.  The text lives as long as the node, unless the same or one
 * around it is printed again.  Raises only for memory.
 */
extern const char *json_text(const JsonNode *node, size_t *length);

/*
 * Write the beginning of a value's JSON text into buffer, size bytes at most
 * and no NUL.  Returns how many.  Raises nothing.
 */
extern size_t json_text_beginning(const JsonNode *node, char *buffer, size_t size);

#endif /* CRISP_JSON_H */
