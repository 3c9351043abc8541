/*-------------------------------------------------------------------------
 *
 * row_age.h
 *		Tell rows that were there when a scan began from those that were made since.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_ROW_AGE_H
#define CRISP_ROW_AGE_H

#include "json/json_path.h"

typedef struct RowAge
{
	const JsonPath *created; /* of the time when a row was made; NULL where that isn't told */
	int64			began;	 /* Unix milliseconds; PG_INT64_MIN before it is known */
} RowAge;

/* Say whether a row may have been there when the scan began. */
extern bool row_is_old(const RowAge *age, const JsonNode *row);

#endif /* CRISP_ROW_AGE_H */
