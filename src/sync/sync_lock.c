/*-------------------------------------------------------------------------
 *
 * sync_lock.c
 *		Take and release the lock of a job of crisp_sync().
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"

#include "base/extension_version.h"
#include "base/job_lock.h"

PG_FUNCTION_INFO_V1(crisp_sync_lock);
PG_FUNCTION_INFO_V1(crisp_sync_lock_briefly);
PG_FUNCTION_INFO_V1(crisp_sync_unlock_1_1);

/*
 * Raise an error unless the current user may write to a target.
 */
static void
check_rights(Oid target)
{
	const AclMode needed[] = {ACL_SELECT, ACL_INSERT, ACL_UPDATE, ACL_DELETE};

	for (int i = 0; i < (int) lengthof(needed); i++)
	{
		AclResult access = pg_class_aclcheck(target, GetUserId(), needed[i]);

		if (access != ACLCHECK_OK)
			aclcheck_error(access, OBJECT_TABLE, get_rel_name(target));
	}
}

/*
 * Take the lock of a job, for who may write to its target (see job_lock.h).
 *
 * SQL: crisp_sync_lock(source, target).
 */
Datum
crisp_sync_lock(PG_FUNCTION_ARGS)
{
	extension_version_check();
	check_rights(PG_GETARG_OID(1));
	PG_RETURN_BOOL(job_lock(JOB_SYNC, PG_GETARG_OID(0), PG_GETARG_OID(1)));
}

/*
 * Take it until the transaction ends.
 *
 * SQL: crisp_sync_lock_briefly(source, target).
 */
Datum
crisp_sync_lock_briefly(PG_FUNCTION_ARGS)
{
	extension_version_check();
	check_rights(PG_GETARG_OID(1));
	PG_RETURN_BOOL(job_lock_briefly(JOB_SYNC, PG_GETARG_OID(0), PG_GETARG_OID(1)));
}

/*
 * Give it back.
 *
 * SQL: crisp_sync_unlock(source, target).
 */
Datum
crisp_sync_unlock_1_1(PG_FUNCTION_ARGS)
{
	extension_version_check();
	job_unlock(JOB_SYNC, PG_GETARG_OID(0), PG_GETARG_OID(1));
	PG_RETURN_VOID();
}
