/*-------------------------------------------------------------------------
 *
 * job_lock.h
 *		Take and release the lock of a job that runs over several transactions.
 *
 * It is held across transactions, and by nobody who didn't mean to: no statement of SQL takes or
 * gives back a lock of this kind.  So neither DISCARD ALL nor a trigger that gives back all
 * advisory locks lets a second session in.  PostgreSQL gives it back where a transaction fails, and
 * where the session ends.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_JOB_LOCK_H
#define CRISP_JOB_LOCK_H

/*
 * Kinds of jobs.  The lock is that of an object whose catalog has the OID of the source, which no
 * catalog has: pg_locks shows source and target as classid and objid, and the kind as objsubid.
 */
typedef enum JobKind
{
	JOB_SYNC = 17235,
	JOB_PUSH = 17236
} JobKind;

/*
 * Take the lock of a job, until job_unlock(), a transaction that fails, or the end of the session.
 * Return false when another session has it, or this one runs a job already.  Raises only for lack
 * of memory.
 */
extern bool job_lock(JobKind kind, Oid source, Oid target);

/*
 * Take the lock of a job until the transaction ends.  Return false when any session has it for a
 * run, also this one.  Raises the same.
 */
extern bool job_lock_briefly(JobKind kind, Oid source, Oid target);

/* Give back what job_lock() took, if it's that of this job. */
extern void job_unlock(JobKind kind, Oid source, Oid target);

/* Say whether this session runs a job. */
extern bool job_is_running(void);

#endif /* CRISP_JOB_LOCK_H */
