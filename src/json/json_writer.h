/*-------------------------------------------------------------------------
 *
 * json_writer.h
 *		Build JSON that is sent, with json-c.
 *
 * A document belongs to the memory context that is current when it is begun: it goes when that
 * context is reset or deleted, also after an error.  Texts are UTF-8.  All functions raise HV001
 * for lack of memory, and nothing else.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_JSON_WRITER_H
#define CRISP_JSON_WRITER_H

#include "json/json.h"

/* An object or array in the making. */
typedef struct JsonWriter JsonWriter;

extern JsonWriter *json_writer_object(void);
extern JsonWriter *json_writer_array(void);

/*
 * Put a value where a path leads in an object: keys joined by dots, none of which holds a dot.
 * Objects on the way are made; no path may lead through another's value.  value is a scalar (NULL
 * is null) or an array of such, and numbers keep their digits.
 */
extern void json_writer_set(JsonWriter *object, const char *path, const JsonNode *value);

/*
 * Put a value that is JSON already where a path leads, as json_writer_set() does: its text is sent
 * as it stands.
 */
extern void json_writer_set_json(JsonWriter *object, const char *path, const char *json);

/* Put a value that is JSON already at a key of an object, which may hold dots, likewise. */
extern void json_writer_set_member(JsonWriter *object, const char *key, const char *json);

/* Append an object to an array, whose it is from then on. */
extern void json_writer_append(JsonWriter *array, JsonWriter *object);

/* Return how many bytes the JSON text has so far. */
extern size_t json_writer_length(const JsonWriter *writer);

/*
 * Finish a document, which is gone then.  Returns its JSON text without white space, palloc'd in
 * CurrentMemoryContext, with a NUL that *length doesn't count.
 */
extern char *json_writer_finish(JsonWriter *writer, size_t *length);

#endif /* CRISP_JSON_WRITER_H */
