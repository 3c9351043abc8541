/*-------------------------------------------------------------------------
 *
 * convert_jsonb.h
 *		Convert a JSON value to jsonb.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_CONVERT_JSONB_H
#define CRISP_CONVERT_JSONB_H

#include "json/json.h"
#include "base/server_text.h"

/*
 * Convert a value (not NULL) to jsonb, palloc'd in CurrentMemoryContext.  The result is the same as
 * what the type's input function makes of its text, without the detour.
 *
 * Strings and keys become text as server_text() makes it, with invalid.
 *
 * Raises what that raises, 22003 (numeric_value_out_of_range) for numbers beyond numeric, and 54000
 * (program_limit_exceeded) for what is larger than a jsonb may be.
 */
extern Datum convert_jsonb(const JsonNode *value, InvalidText invalid);

#endif /* CRISP_CONVERT_JSONB_H */
