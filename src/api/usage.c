/*-------------------------------------------------------------------------
 *
 * usage.c
 *		Count what this session has spent, by server.
 *
 * Counting must not fail, and not wait: it also happens while a failed
 * statement is cleaned up.  So all counts go to this process's own memory
 * first.  What has been added since the last time is then carried over to
 * shared memory, at moments where that's harmless.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "api/usage.h"
#include "api/usage_shmem.h"

/* The session's usage of a server, and what of it was published. */
typedef struct SessionUsage
{
	Oid			server; /* the hash key */
	bool		used;	/* since the session's counts were reset */
	bool		has_new_error;
	Usage		usage;
	UsageCounts published;
} SessionUsage;

static HTAB *servers = NULL;

/* Whether the counts of the session are published at the end of each transaction. */
static bool publishes_at_end = false;

/* Publish at the end of a transaction, however it ends; nothing may fail any more then. */
static void
publish_at_end(XactEvent event, void *arg)
{
	if ((event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT) && usage_shmem_attached())
		usage_publish();
}

/* Publish what came of the last transaction, while locks can still be taken. */
static void
publish_at_exit(int code, Datum arg)
{
	if (usage_shmem_attached())
		usage_publish();
}

static void
create_table(void)
{
	HASHCTL control = {
		.keysize = sizeof(Oid),
		.entrysize = sizeof(SessionUsage),
		.hcxt = TopMemoryContext,
	};

	/* The table is there once all else is. */
	if (!publishes_at_end)
		RegisterXactCallback(publish_at_end, NULL);
	publishes_at_end = true;
	before_shmem_exit(publish_at_exit, (Datum) 0);
	servers = hash_create("crisp_fdw usage", 8, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

Usage *
usage_of_server(Oid server_id, const char *server_name)
{
	SessionUsage *session;
	bool		  found;

	if (servers == NULL)
		create_table();

	session = hash_search(servers, &server_id, HASH_ENTER, &found);
	if (!found)
	{
		memset(session, 0, sizeof(*session));
		session->server = server_id;
		session->usage.server = server_id;
	}
	if (!session->used)
	{
		session->used = true;
		session->usage.database = MyDatabaseId;
		session->usage.since = GetCurrentTimestamp();
	}
	namestrcpy(&session->usage.server_name, server_name);
	return &session->usage;
}

void
usage_set_error(Usage *usage, const char *text)
{
	SessionUsage *session = (SessionUsage *) ((char *) usage - offsetof(SessionUsage, usage));
	int			  length = (int) strlen(text);

	length = pg_mbcliplen(text, length, USAGE_ERROR_SIZE - 1);
	memcpy(usage->error.text, text, length);
	usage->error.text[length] = '\0';
	usage->error.at = GetCurrentTimestamp();
	usage->error.role = GetUserId();
	session->has_new_error = true;
}

/* Return a - b, member by member. */
static UsageCounts
difference(const UsageCounts *a, const UsageCounts *b)
{
	UsageCounts result = *a;

	result.requests -= b->requests;
	result.retries -= b->retries;
	for (int i = 0; i < USAGE_OUTCOMES; i++)
		result.outcomes[i] -= b->outcomes[i];
	result.rows -= b->rows;
	result.bytes -= b->bytes;
	result.wait_ms -= b->wait_ms;
	return result;
}

/* Say whether a request has begun or ended since; nothing else is counted without that. */
static bool
has_new_requests(const UsageCounts *counts, const UsageCounts *published)
{
	return counts->requests != published->requests ||
		   memcmp(counts->outcomes, published->outcomes, sizeof(counts->outcomes)) != 0;
}

void
usage_publish(void)
{
	HASH_SEQ_STATUS status;
	SessionUsage   *session;

	if (servers == NULL || !usage_shmem_get())
		return;

	hash_seq_init(&status, servers);
	while ((session = hash_seq_search(&status)) != NULL)
	{
		UsageCounts *counts = &session->usage.counts;

		if (!has_new_requests(counts, &session->published) && !session->has_new_error)
			continue;
		usage_shmem_add(&session->usage, difference(counts, &session->published),
						session->has_new_error ? &session->usage.error : NULL);
		session->published = *counts;
		session->has_new_error = false;
	}
}

void
usage_visit_session(UsageVisitor visit, void *arg)
{
	HASH_SEQ_STATUS status;
	SessionUsage   *session;

	if (servers == NULL)
		return;
	hash_seq_init(&status, servers);
	while ((session = hash_seq_search(&status)) != NULL)
	{
		if (session->used)
			visit(&session->usage, arg);
	}
}

/* Leave entries where they are: calls that are under way go on counting. */
void
usage_reset_session(void)
{
	HASH_SEQ_STATUS status;
	SessionUsage   *session;

	usage_publish();
	if (servers == NULL)
		return;
	hash_seq_init(&status, servers);
	while ((session = hash_seq_search(&status)) != NULL)
	{
		memset(&session->usage.counts, 0, sizeof(session->usage.counts));
		memset(&session->usage.error, 0, sizeof(session->usage.error));
		session->published = session->usage.counts;
		session->used = false;
	}
}
