/*-------------------------------------------------------------------------
 *
 * job_lock.c
 *		Take and release the lock of a job that runs over several transactions.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/lock.h"

#include "base/job_lock.h"

/* The lock of the job that this session runs. */
static bool	   locked = false;
static LOCKTAG lock_tag;

/*
 * Note that PostgreSQL gives the lock back.
 */
static void
release_at_abort(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_ABORT)
		locked = false;
}

/*
 * Give the lock back when the session ends.  PostgreSQL does so for locks of this kind only where
 * that aborts a transaction.
 */
static void
release_at_exit(int code, Datum arg)
{
	if (locked)
		(void) LockRelease(&lock_tag, ExclusiveLock, true);
	locked = false;
}

static LOCKTAG
make_tag(JobKind kind, Oid source, Oid target)
{
	LOCKTAG tag;

	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, source, target, kind);
	return tag;
}

/*
 * Say whether a tag is that of the job that this session runs.
 */
static bool
is_locked(const LOCKTAG *tag)
{
	return locked && memcmp(tag, &lock_tag, sizeof(*tag)) == 0;
}

bool
job_lock(JobKind kind, Oid source, Oid target)
{
	static bool registered = false;
	LOCKTAG		tag = make_tag(kind, source, target);

	if (!registered)
	{
		RegisterXactCallback(release_at_abort, NULL);
		before_shmem_exit(release_at_exit, (Datum) 0);
	}
	registered = true;
	if (locked || LockAcquire(&tag, ExclusiveLock, true, true) == LOCKACQUIRE_NOT_AVAIL)
		return false;
	lock_tag = tag;
	locked = true;
	return true;
}

bool
job_lock_briefly(JobKind kind, Oid source, Oid target)
{
	LOCKTAG tag = make_tag(kind, source, target);

	return !is_locked(&tag) &&
		   LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

void
job_unlock(JobKind kind, Oid source, Oid target)
{
	LOCKTAG tag = make_tag(kind, source, target);

	if (!is_locked(&tag))
		return;
	(void) LockRelease(&lock_tag, ExclusiveLock, true);
	locked = false;
}

bool
job_is_running(void)
{
	return locked;
}
