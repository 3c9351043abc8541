/*-------------------------------------------------------------------------
 *
 * json_parse.h
 *		Parse JSON text into nodes.
 *
 * Nobody but json_parse.c knows what parses it.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_JSON_PARSE_H
#define CRISP_JSON_PARSE_H

#include "json/json.h"

/* Deepest nesting of arrays and objects that is parsed. */
#define JSON_MAX_DEPTH 256

/* Longest text that is parsed, in bytes. */
#define JSON_MAX_LENGTH (MaxAllocSize / 4)

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
 * Parse text (length bytes, UTF-8, need not end in NUL) as one JSON value.  White space may
 * surround it; anything else after it is an error, and so is all that RFC 8259 doesn't allow.
 *
 * Numbers keep the text that they came with, whatever their size.  Invalid UTF-8 in strings passes,
 * so that it spoils no more than its own value.  A lone surrogate escape becomes U+FFFD; a NUL
 * escape becomes a NUL byte.  Of a key that comes twice the last one counts.
 *
 * The nodes belong to owner and go when that context is reset or deleted.  The JSON literal null
 * gives a NULL *node and true.
 *
 * Returns false for text that isn't JSON, with *error set to a sentence fragment (in
 * CurrentMemoryContext) that says what is wrong and at which byte, fit for an errdetail.  Raises
 * for memory, and what CHECK_FOR_INTERRUPTS() raises.
 */
extern bool json_parse(MemoryContext owner, const char *text, size_t length, const JsonNode **node,
					   char **error);

/*
 * Parse a text as json_parse() does, but without copying it: the nodes point into it, so it must
 * live as long as owner.  It is left as it is unless the result is JSON_PARSED.  From then on it
 * belongs to the nodes, which change it when they are asked for their values; text[length] must be
 * writable, too.
 *
 * The nodes take no more than max_bytes of memory; no node is left of what is refused.  *node and
 * *error are NULL where there is none.
 */
extern JsonOutcome json_parse_in_place(MemoryContext owner, char *text, size_t length,
									   size_t max_bytes, const JsonNode **node, char **error);

#endif /* CRISP_JSON_PARSE_H */
