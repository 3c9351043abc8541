/*-------------------------------------------------------------------------
 *
 * sync_lock.c
 *		Take and release the lock of a job of crisp_sync().
 *
 * It is held across transactions, and by nobody who didn't mean to: no
 * statement of SQL takes or gives back a lock of this kind.  So neither
 * DISCARD ALL nor a trigger that gives back all advisory locks lets a second
 * session in.  PostgreSQL gives it back where a transaction fails, and where
 * the session ends.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(crisp_sync_lock);
PG_FUNCTION_INFO_V1(crisp_sync_lock_briefly);
PG_FUNCTION_INFO_V1(crisp_sync_unlock);

/*
 * It is the lock of an object whose catalog has the OID of the source, which no catalog has.
 * pg_locks shows source and target as classid and objid, and this number as objsubid.
 */
#define SYNC_LOCK_KIND 17235

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
 * Make the tag of a job's lock, for who may write to its target.
 */
static LOCKTAG
make_tag(Oid source, Oid target)
{
	const AclMode needed[] = {ACL_SELECT, ACL_INSERT, ACL_UPDATE, ACL_DELETE};
	LOCKTAG		  tag;

	for (int i = 0; i < (int) lengthof(needed); i++)
	{
		AclResult access = pg_class_aclcheck(target, GetUserId(), needed[i]);

		if (access != ACLCHECK_OK)
			aclcheck_error(access, OBJECT_TABLE, get_rel_name(target));
	}
	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, source, target, SYNC_LOCK_KIND);
	return tag;
}

/*
 * Take the lock of a job, until crisp_sync_unlock(), a transaction that fails, or the end of the
 * session.  Returns false when another session has it, or this one runs a job already.
 *
 * SQL: crisp_sync_lock(source, target).
 */
Datum
crisp_sync_lock(PG_FUNCTION_ARGS)
{
	static bool registered = false;
	LOCKTAG		tag = make_tag(PG_GETARG_OID(0), PG_GETARG_OID(1));

	if (!registered)
		RegisterXactCallback(release_at_abort, NULL);
	registered = true;
	if (locked || LockAcquire(&tag, ExclusiveLock, true, true) == LOCKACQUIRE_NOT_AVAIL)
		PG_RETURN_BOOL(false);
	lock_tag = tag;
	locked = true;
	PG_RETURN_BOOL(true);
}

/*
 * Take the lock of a job until the transaction ends.  Returns false when any session has it for a
 * run, also this one.
 *
 * SQL: crisp_sync_lock_briefly(source, target).
 */
Datum
crisp_sync_lock_briefly(PG_FUNCTION_ARGS)
{
	LOCKTAG tag = make_tag(PG_GETARG_OID(0), PG_GETARG_OID(1));

	if (locked && memcmp(&tag, &lock_tag, sizeof(tag)) == 0)
		PG_RETURN_BOOL(false);
	PG_RETURN_BOOL(LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL);
}

/*
 * Give back what crisp_sync_lock() took, if it's that of this job.
 *
 * SQL: crisp_sync_unlock(source, target).
 */
Datum
crisp_sync_unlock(PG_FUNCTION_ARGS)
{
	LOCKTAG tag;

	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, PG_GETARG_OID(0), PG_GETARG_OID(1), SYNC_LOCK_KIND);
	if (locked && memcmp(&tag, &lock_tag, sizeof(tag)) == 0)
	{
		(void) LockRelease(&lock_tag, ExclusiveLock, true);
		locked = false;
	}
	PG_RETURN_VOID();
}
