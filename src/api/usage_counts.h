/*-------------------------------------------------------------------------
 *
 * usage_counts.h
 *		Define how what was spent on a server is counted.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_USAGE_COUNTS_H
#define CRISP_USAGE_COUNTS_H

#include "datatype/timestamp.h"

/* How a request ended.  Each that has ended counts once. */
typedef enum UsageOutcome
{
	USAGE_ANSWERED,		/* with what was asked for, or that there is none */
	USAGE_RATE_LIMITED, /* 420, 422, 423, 429 */
	USAGE_REFUSED,		/* any other answer but 5xx: credentials, plan, redirect, ... */
	USAGE_SERVER_ERROR, /* 5xx */
	USAGE_UNREACHABLE,	/* no connection, or none that is secure */
	USAGE_TIMED_OUT,
	USAGE_BROKEN,	 /* the connection broke off */
	USAGE_UNUSABLE,	 /* too large, or not what the API sends */
	USAGE_ABANDONED, /* nobody waited for its end: cancelled, or not needed after all */
	USAGE_OUTCOMES
} UsageOutcome;

typedef struct UsageCounts
{
	int64  requests; /* retries among them */
	int64  retries;
	int64  outcomes[USAGE_OUTCOMES];
	int64  rows;	/* received */
	int64  bytes;	/* received, headers included, before decompression */
	double wait_ms; /* spent waiting for answers, and until asking again */
} UsageCounts;

/* Longest text of an error that is kept, bytes. */
#define USAGE_ERROR_SIZE 512

typedef struct UsageError
{
	TimestampTz at;	  /* 0 when there was none */
	Oid			role; /* whose statement it was */
	char		text[USAGE_ERROR_SIZE];
} UsageError;

/* What was spent on a server. */
typedef struct Usage
{
	Oid			database;
	Oid			server;
	NameData	server_name; /* as it was when first used */
	TimestampTz since;
	UsageCounts counts;
	UsageError	error;
} Usage;

/* Look at one usage; called for each that there is.  It's valid during the call only. */
typedef void (*UsageVisitor)(const Usage *usage, void *arg);

#endif /* CRISP_USAGE_COUNTS_H */
