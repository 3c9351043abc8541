/*-------------------------------------------------------------------------
 *
 * json.h
 *		Read the values of a JSON document that was parsed, and write their text.
 *
 * Nobody but those who include json_node.h knows how a document is kept.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_JSON_H
#define CRISP_JSON_H

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

extern JsonNodeKind json_node_kind(const JsonNode *node);

/* Return how many elements an array has; 0 for anything else. */
extern size_t json_node_length(const JsonNode *array);

/* Return an element of an array, index from 0, fast in that order; NULL when it has no such. */
extern const JsonNode *json_node_element(const JsonNode *array, size_t index);

/*
 * Return the value of a key (UTF-8) of an object; NULL when it has none, when that is JSON null, or
 * when object is no object.
 */
extern const JsonNode *json_node_member(const JsonNode *object, const char *key);

/* Say whether an object has a key at all, be its value JSON null. */
extern bool json_node_has_member(const JsonNode *object, const char *key);

/*
 * Walk over the elements of an array or the members of an object: return the first, or the next one
 * inside of it; NULL when there is none.  Here, one that is JSON null is a node of the kind
 * JSON_NODE_NULL.
 */
extern const JsonNode *json_node_first(const JsonNode *container);
extern const JsonNode *json_node_next(const JsonNode *container, const JsonNode *inside);

/* Return the key of a member that was walked to: *length bytes, of which NUL may be one. */
extern const char *json_node_key(const JsonNode *member, size_t *length);

/*
 * Return the bytes of a string, in UTF-8 unless they came as something else, with a NUL behind them
 * that *length (may be NULL) doesn't count.  They live as long as the node.  NULL for what is no
 * string.
 */
extern const char *json_node_string(const JsonNode *string, size_t *length);

/* Return the value of a number that is written as an integer and fits; false for anything else. */
extern bool json_node_int64(const JsonNode *number, int64 *value);

/*
 * Return the value of a number as strtod() gives it: infinite if it's too large, 0 if it's too
 * small or no number.
 */
extern double json_node_double(const JsonNode *number);

/* Say whether a value is true; false for what is no boolean. */
extern bool json_node_boolean(const JsonNode *boolean);

/*
 * Return the JSON text of a value (NULL is "null"): without white space, with no more escapes than
 * it needs, numbers with the digits that they came with, and members as they came, even when two
 * have the same key.  In UTF-8 unless it came as something else, with a NUL behind it; *length gets
 * its length in bytes.  It is owned by the node or palloc'd in CurrentMemoryContext.  Raises only
 * for memory.
 */
extern const char *json_text(const JsonNode *node, size_t *length);

/* Return the bytes of a string as json_node_string() does, and the JSON text of anything else. */
extern const char *json_plain_text(const JsonNode *node, size_t *length);

/*
 * Write the beginning of a value's JSON text into buffer, size bytes at most and no NUL.  Returns
 * how many.  Raises nothing.
 */
extern size_t json_text_beginning(const JsonNode *node, char *buffer, size_t size);

#endif /* CRISP_JSON_H */
