/*-------------------------------------------------------------------------
 *
 * time_range.h
 *		Narrow ranges of time by conditions, and write them as the API takes them.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_TIME_RANGE_H
#define CRISP_TIME_RANGE_H

#include "base/epoch.h"

/*
 * A closed interval of times, in PostgreSQL's microseconds since 2000-01-01
 * UTC.  The extremes of int64 stand for no bound, as they do for timestamptz.
 */
typedef struct TimeRange
{
	int64 lower;
	int64 upper;
} TimeRange;

#define TIME_RANGE_ALL             \
	{                              \
		PG_INT64_MIN, PG_INT64_MAX \
	}

/*
 * Narrow a range by "column OP value": strategy is that of the operator in a btree family, and the
 * types are those between which match.c finds a comparison: timestamptz, timestamp and date (in UTC
 * where the column has that type), or Unix milliseconds.  The range is of times as Crisp has them,
 * of which a column with a modifier (column_typmod, -1 for none) shows rounded ones.
 */
extern void time_range_narrow(TimeRange *range, int strategy, Oid column_type, int32 column_typmod,
							  Oid value_type, Datum value);

/* Say whether a range holds no time at all. */
extern bool time_range_is_empty(TimeRange range);

/*
 * Say whether a range has a lower bound, and an upper one before the end of the year 9999; if so,
 * *unix_ms gets it, rounded down, or up.
 */
extern bool time_range_lower(TimeRange range, int64 *unix_ms);
extern bool time_range_upper(TimeRange range, int64 *unix_ms);

/*
 * Write a bound as a date for the API: ISO 8601 in UTC with milliseconds, a millisecond further out
 * than it is, since whether the API takes bounds as inclusive isn't known.  NULL where there is no
 * bound, or none that ISO 8601 can say.  Palloc'd.
 */
extern char *time_range_lower_iso(TimeRange range);
extern char *time_range_upper_iso(TimeRange range);

#endif /* CRISP_TIME_RANGE_H */
