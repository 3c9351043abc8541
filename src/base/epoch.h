/*-------------------------------------------------------------------------
 *
 * epoch.h
 *		Convert times between Crisp's and PostgreSQL's.
 *
 * Crisp counts milliseconds since 1970, as Unix does; PostgreSQL counts microseconds since 2000.
 * Both count in UTC: so does a timestamp without time zone, or a date, that shows one of Crisp's
 * times.
 *
 * Times come from servers and from users, so they may be anything that an int64 holds.  Its
 * extremes stand for no bound, as they stand for infinity in timestamptz.  What overflows becomes
 * one of them; nothing here raises an error.  Whether PostgreSQL has a timestamp for a result is
 * for the caller to see (IS_VALID_TIMESTAMP).
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_EPOCH_H
#define CRISP_EPOCH_H

#include "common/int.h"
#include "datatype/timestamp.h"

/* The milliseconds between the two epochs. */
#define EPOCH_SHIFT_MS ((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY * 1000)

/*
 * Move a time, whatever its unit, by so much; negative is towards the past.  Stop at the extremes
 * of int64.  Whoever adds to a time, or subtracts from it, does so by this.
 */
static inline int64
time_shift(int64 time, int64 by)
{
	int64 sum;

	if (pg_add_s64_overflow(time, by, &sum))
		return by > 0 ? PG_INT64_MAX : PG_INT64_MIN;
	return sum;
}

/* Convert Unix milliseconds to microseconds since 2000. */
static inline int64
time_from_unix_ms(int64 unix_ms)
{
	int64 result;

	if (pg_sub_s64_overflow(unix_ms, EPOCH_SHIFT_MS, &result) ||
		pg_mul_s64_overflow(result, 1000, &result))
		return unix_ms > 0 ? PG_INT64_MAX : PG_INT64_MIN;
	return result;
}

/* Convert microseconds since 2000 to Unix milliseconds, rounded towards the past. */
static inline int64
time_to_unix_ms(int64 time)
{
	return time / 1000 - (time % 1000 < 0) + EPOCH_SHIFT_MS;
}

/* Convert the same, rounded towards the future. */
static inline int64
time_to_unix_ms_up(int64 time)
{
	return time / 1000 + (time % 1000 > 0) + EPOCH_SHIFT_MS;
}

#endif /* CRISP_EPOCH_H */
