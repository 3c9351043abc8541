/*-------------------------------------------------------------------------
 *
 * convert.h
 *		Convert a JSON value to a Datum of one type.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_CONVERT_H
#define CRISP_CONVERT_H

#include "json/json.h"
#include "base/server_text.h"

typedef struct Conversion Conversion;

/*
 * The value that is being converted, kept up to date for the error context of
 * whoever converts: of an array, each element in turn.
 */
typedef struct ConversionProgress
{
	const JsonNode *value;
	int64			element; /* index in the array, or -1 */
} ConversionProgress;

/*
 * Decide how values become a type, which may be a domain, and look up what that takes.
 * invalid_text says what becomes of text that the database can't keep.  The result, and what the
 * type's functions keep between calls, is palloc'd in CurrentMemoryContext, which must outlive its
 * use.  Raises what looking up types raises.
 */
extern Conversion *conversion_create(Oid type, int32 typmod, InvalidText invalid_text);

/*
 * Convert a value; NULL stands for a missing one and for JSON null, and gives NULL.  The result is
 * palloc'd in CurrentMemoryContext and holds no pointer into the value.  *isnull is set when there
 * is a result, and not where an error is raised.
 *
 * Raises the type's own error when the value doesn't fit, and the domain's, also for NULL; 22008
 * (datetime_field_overflow) for epoch milliseconds that are no timestamp; what server_text() raises
 * for text that the database can't keep.
 */
extern Datum conversion_run(Conversion *conversion, const JsonNode *value,
							ConversionProgress *progress, bool *isnull);

#endif /* CRISP_CONVERT_H */
