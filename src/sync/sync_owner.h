/*-------------------------------------------------------------------------
 *
 * sync_owner.h
 *		Decide as whom crisp_sync() writes.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_SYNC_OWNER_H
#define CRISP_SYNC_OWNER_H

/* Who the session was before, and what it has to undo; filled by the functions below. */
typedef struct SyncOwner
{
	Oid	 userid;
	int	 sec_context;
	int	 nest_level;	/* of settings */
	bool is_trusted;	/* that is the owner of the extension's own tables */
	bool is_restricted; /* nothing that outlives the operation may be done */
} SyncOwner;

/*
 * Run what follows as the owner of a table, whose triggers, defaults and the like are run by it,
 * unless that owner could become the current user anyway.  Settings, deferred triggers and cursors
 * can't outlive it then.  Names are looked up in pg_catalog alone.  An error restores user and
 * settings with the (sub)transaction.
 */
extern void sync_owner_become(Oid owner, SyncOwner *saved);

/*
 * Fire what triggers have deferred, and what they will defer in this transaction.  Raises what they
 * raise.
 */
extern void sync_owner_fire_deferred(void);

/* Run what follows as the owner of a table of the extension, to look into what users can't see. */
extern void sync_owner_become_trusted(Oid owner, SyncOwner *saved);

/*
 * Fire what triggers of a target have deferred, and become again who one was before.  Raises what
 * they raise.
 */
extern void sync_owner_leave(const SyncOwner *saved);

/*
 * Raise an error unless the current user may sync into a table: it must be an ordinary one, to
 * which the user may write.  Whether it has row security is seen when it's opened.
 */
extern void sync_owner_check_rights(Oid target);

#endif /* CRISP_SYNC_OWNER_H */
