/*-------------------------------------------------------------------------
 *
 * quota.h
 *		Count requests by token, server and day, across sessions and restarts.
 *
 * Crisp gives a token so many requests a day [doc].  The counts lie in a file in the data directory
 * (crisp_fdw.quota) that all sessions have mapped: to count takes no lock, writes no row, and needs
 * nothing preloaded.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_QUOTA_H
#define CRISP_QUOTA_H

#include "options/options.h"

/* Days that are kept of each server and token. */
#define QUOTA_DAYS 32

/* What was spent by a token through a server, as quota_visit() tells it. */
typedef struct QuotaUse
{
	Oid	   database;
	Oid	   server;
	uint64 token;		   /* a digest of base_url and identifier */
	int64  documented;	   /* what Crisp gives such a token a day; 0: it doesn't say */
	int	   day;			   /* UTC, days since 1970-01-01 */
	int64  requests;	   /* through this server */
	int64  token_requests; /* through all servers of the cluster */
} QuotaUse;

typedef void (*QuotaVisitor)(const QuotaUse *use, void *arg);

/* Return the day of Crisp's quota that it is: UTC, days since 1970-01-01. */
extern int quota_today(void);

/*
 * Count a request of these options' token, which have credentials.  Raises nothing: where the file
 * can't be had, a line in the server's log says so, once a session, and what this session alone has
 * made is counted.
 */
extern void quota_count(const CrispOptions *options);

/*
 * Return how many requests a day the options' server allows its token in this session: those that
 * are reserved among them only while it runs a sync or a push.  0 where it sets no limit, or
 * reserves all.  Raises nothing.
 */
extern int quota_allowed(const CrispOptions *options);

/*
 * Return how many of these are left today; INT64_MAX where the server sets no limit.  Raises
 * nothing.
 */
extern int64 quota_left(const CrispOptions *options);

/* Visit what is kept of the days since first_day, of all databases, in no order. */
extern void quota_visit(int first_day, QuotaVisitor visit, void *arg);

#endif /* CRISP_QUOTA_H */
