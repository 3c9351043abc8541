/*-------------------------------------------------------------------------
 *
 * time_range.c
 *		Narrow ranges of time by conditions, and write them as the API takes them.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "catalog/pg_type.h"
#include "pgtime.h"
#include "utils/date.h"
#include "utils/timestamp.h"

#include "request/time_range.h"
#include "base/compat.h"

/* What ISO 8601 can say with a year of four digits; later times mean nothing to Crisp. */
#define ISO_MIN_MS INT64CONST(-62135596800000) /* 0001-01-01T00:00:00.000Z */
#define ISO_MAX_MS INT64CONST(253402300799999) /* 9999-12-31T23:59:59.999Z */

/*
 * Get the instants that a value stands for when it is compared with a column: all of a day for a
 * column of type date, otherwise a single one.
 */
static TimeRange
value_instants(Oid column_type, Oid value_type, Datum value)
{
	TimeRange instants;

	switch (value_type)
	{
		case INT2OID:
			instants.lower = time_from_unix_ms(DatumGetInt16(value));
			break;
		case INT4OID:
			instants.lower = time_from_unix_ms(DatumGetInt32(value));
			break;
		case INT8OID:
			instants.lower = time_from_unix_ms(DatumGetInt64(value));
			break;
		case TIMESTAMPTZOID:
			instants.lower = DatumGetTimestampTz(value);
			break;
		case TIMESTAMPOID:
			/* A timestamp column is in UTC, so its values are, too. */
			instants.lower = column_type == TIMESTAMPOID
								 ? DatumGetTimestamp(value)
								 : compat_timestamp_to_timestamptz(DatumGetTimestamp(value));
			break;
		case DATEOID:
			instants.lower = column_type == TIMESTAMPTZOID
								 ? compat_date_to_timestamptz(DatumGetDateADT(value))
								 : compat_date_to_timestamp(DatumGetDateADT(value));
			break;
		default:
			elog(ERROR, "unexpected type %u of a pushed-down value", value_type);
	}

	instants.upper = instants.lower;
	if (column_type == DATEOID)
		instants.upper = time_shift(instants.lower, USECS_PER_DAY - 1);
	return instants;
}

/*
 * Tell by how much a time that a column shows may be away from the one that was rounded to it,
 * microseconds: half a unit of its last digit.
 */
static int64
rounding(Oid column_type, int32 column_typmod)
{
	int64 unit = 1;

	if ((column_type != TIMESTAMPTZOID && column_type != TIMESTAMPOID) || column_typmod < 0)
		return 0;
	for (int32 digits = column_typmod; digits < MAX_TIMESTAMP_PRECISION; digits++)
		unit *= 10;
	return unit / 2;
}

void
time_range_narrow(TimeRange *range, int strategy, Oid column_type, int32 column_typmod,
				  Oid value_type, Datum value)
{
	TimeRange instants = value_instants(column_type, value_type, value);
	int64	  by = rounding(column_type, column_typmod);

	/* The finest step of the column's type, between a value and the next one that differs. */
	int64 step = column_type == INT8OID ? 1000 : 1;

	switch (strategy)
	{
		case BTLessStrategyNumber:
			range->upper = Min(range->upper, time_shift(instants.lower, by - step));
			break;
		case BTLessEqualStrategyNumber:
			range->upper = Min(range->upper, time_shift(instants.upper, by));
			break;
		case BTEqualStrategyNumber:
			range->lower = Max(range->lower, time_shift(instants.lower, -by));
			range->upper = Min(range->upper, time_shift(instants.upper, by));
			break;
		case BTGreaterEqualStrategyNumber:
			range->lower = Max(range->lower, time_shift(instants.lower, -by));
			break;
		case BTGreaterStrategyNumber:
			range->lower = Max(range->lower, time_shift(instants.upper, step - by));
			break;
		default:
			elog(ERROR, "unexpected strategy %d of a pushed-down condition", strategy);
	}
}

bool
time_range_is_empty(TimeRange range)
{
	return range.lower > range.upper;
}

bool
time_range_lower(TimeRange range, int64 *unix_ms)
{
	*unix_ms = time_to_unix_ms(range.lower);
	return range.lower != PG_INT64_MIN;
}

bool
time_range_upper(TimeRange range, int64 *unix_ms)
{
	*unix_ms = time_to_unix_ms_up(range.upper);
	return *unix_ms <= ISO_MAX_MS;
}

/*
 * Write Unix milliseconds as ISO 8601 with milliseconds, in UTC.
 */
static char *
iso_time(int64 unix_ms)
{
	int64		  ms = unix_ms % 1000;
	pg_time_t	  seconds;
	struct pg_tm *tm;

	if (ms < 0)
		ms += 1000;
	seconds = (unix_ms - ms) / 1000;
	tm = pg_gmtime(&seconds);
	return psprintf("%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm->tm_year + 1900, tm->tm_mon + 1,
					tm->tm_mday, tm->tm_hour, tm->tm_min, tm->tm_sec, (int) ms);
}

char *
time_range_lower_iso(TimeRange range)
{
	int64 ms = time_to_unix_ms(range.lower) - 1;

	return ms < ISO_MIN_MS ? NULL : iso_time(Min(ms, ISO_MAX_MS));
}

char *
time_range_upper_iso(TimeRange range)
{
	int64 ms = time_to_unix_ms_up(range.upper) + 1;

	return ms > ISO_MAX_MS ? NULL : iso_time(Max(ms, ISO_MIN_MS));
}
