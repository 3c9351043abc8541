/*-------------------------------------------------------------------------
 *
 * push_lock.c
 *		Take and release the lock of a job of crisp_push().
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"

#include "base/extension_version.h"
#include "base/job_lock.h"
#include "push/push_rights.h"

PG_FUNCTION_INFO_V1(crisp_push_lock);
PG_FUNCTION_INFO_V1(crisp_push_lock_briefly);
PG_FUNCTION_INFO_V1(crisp_push_unlock);

/*
 * Take the lock of a job, for who may write to its target (see job_lock.h).
 *
 * SQL: crisp_push_lock(source, target).
 */
Datum
crisp_push_lock(PG_FUNCTION_ARGS)
{
	extension_version_check();
	push_rights_check(PG_GETARG_OID(1));
	PG_RETURN_BOOL(job_lock(JOB_PUSH, PG_GETARG_OID(0), PG_GETARG_OID(1)));
}

/*
 * Take it until the transaction ends.
 *
 * SQL: crisp_push_lock_briefly(source, target).
 */
Datum
crisp_push_lock_briefly(PG_FUNCTION_ARGS)
{
	extension_version_check();
	push_rights_check(PG_GETARG_OID(1));
	PG_RETURN_BOOL(job_lock_briefly(JOB_PUSH, PG_GETARG_OID(0), PG_GETARG_OID(1)));
}

/*
 * Give it back.
 *
 * SQL: crisp_push_unlock(source, target).
 */
Datum
crisp_push_unlock(PG_FUNCTION_ARGS)
{
	extension_version_check();
	job_unlock(JOB_PUSH, PG_GETARG_OID(0), PG_GETARG_OID(1));
	PG_RETURN_VOID();
}
