/*-------------------------------------------------------------------------
 *
 * retry_notice.c
 *		Tell the client that a statement waits for a request to be made again.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"

#include "api/retry_notice.h"

/* What comes within this time of the first attempt isn't worth a word. */
#define WORTH_TELLING_MS 5000

/* The statement that has told, by its start. */
static TimestampTz told_by = 0;

void
retry_notice(const CrispOptions *options, int64 waited_ms, int64 left_ms, const char *last_failure)
{
	if (waited_ms + left_ms < WORTH_TELLING_MS || left_ms <= 0 ||
		told_by == GetCurrentStatementStartTimestamp())
		return;
	told_by = GetCurrentStatementStartTimestamp();
	ereport(NOTICE, (errmsg("a request to server \"%s\" is made again in %lld s",
							options->server_name, (long long) ((left_ms + 999) / 1000)),
					 *last_failure ? errdetail("%s", last_failure) : 0,
					 errhint("Cancel the statement to give up. Options max_retries and "
							 "retry_budget of the server limit how long it is tried.")));
}
