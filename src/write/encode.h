/*-------------------------------------------------------------------------
 *
 * encode.h
 *		Encode a Datum of one type as the JSON that the API takes.
 *
 * The opposite of convert.h.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_ENCODE_H
#define CRISP_ENCODE_H

#include "json/json.h"
#include "resource/resource.h"

typedef struct Encoder Encoder;

/*
 * A value as the API takes it.  What a column holds as JSON is sent as it stands, also where it is
 * more than json_parse() takes.
 */
typedef struct EncodedValue
{
	const JsonNode *node; /* NULL is a JSON null, unless there is ... */
	const char	   *json; /* ... the text of any JSON instead, in UTF-8; else NULL */
} EncodedValue;

/*
 * Prepare to write values of a type, which may be a domain, as what the API calls as.  The result
 * is palloc'd in CurrentMemoryContext, which must outlive its use.  Raises what looking up types
 * raises.
 */
extern Encoder *encoder_create(Oid type, CrispType as);

/*
 * Say whether values of a type can be sent where the API takes any scalar, and in *as, as what.
 * Times can't: they may be numbers or texts at Crisp, and nobody tells which.
 */
extern bool encoder_scalar_type(Oid type, CrispType *as);

/*
 * Encode a value that is not NULL as the API takes it; palloc'd in CurrentMemoryContext.
 *
 * Raises 22023 (invalid_parameter_value) for a value that the API's type doesn't have, 22008
 * (datetime_field_overflow) for an infinite time, 22P02 (invalid_text_representation) for text that
 * should be JSON and isn't, 22P05 (untranslatable_character) for text that UTF-8 doesn't have.
 */
extern EncodedValue encoder_run(const Encoder *encoder, Datum value);

/*
 * Return the text of a value that is not NULL, as its type's output function has it; of a JSON
 * string, what it says.  Likewise palloc'd.
 */
extern char *encoder_text(const Encoder *encoder, Datum value);

/* Encode a text in the database's encoding as a JSON string; palloc'd.  Raises 22P05. */
extern EncodedValue encode_string(const char *text);

/*
 * Return the node of a value, for who reads it.  Returns NULL with *problem set to a sentence
 * fragment where JSON that a column holds can't be read; else *problem is NULL.
 */
extern const JsonNode *encoded_node(const EncodedValue *value, char **problem);

/*
 * Return a value's text for a message: only its beginning, if it's long.  Palloc'd, or text itself.
 */
extern const char *encode_excerpt(const char *text);

#endif /* CRISP_ENCODE_H */
