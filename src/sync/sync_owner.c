/*-------------------------------------------------------------------------
 *
 * sync_owner.c
 *		Decide as whom crisp_sync() writes.
 *
 * Whoever owns a table decides what runs when it's written to.  A run that
 * a superuser has scheduled must not lend that owner its rights.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"

#include "sync/sync_owner.h"
#include "base/compat.h"

/*
 * Have deferred triggers fire at once, those that wait and those to come.
 */
void
sync_owner_fire_deferred(void)
{
	ConstraintsSetStmt *statement = makeNode(ConstraintsSetStmt);

	AfterTriggerSetState(statement);
}

/*
 * Begin settings by which nothing but what is PostgreSQL's own is found by its name, until they are
 * undone.
 */
static void
begin_settings(SyncOwner *saved)
{
	saved->nest_level = NewGUCNestLevel();
	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

/*
 * Run what follows as the owner of a target.
 */
void
sync_owner_become(Oid owner, SyncOwner *saved)
{
	GetUserIdAndSecContext(&saved->userid, &saved->sec_context);
	saved->is_trusted = false;
	saved->is_restricted = !compat_can_become(owner, saved->userid);
	if (saved->is_restricted)
	{
		/* Nothing may be deferred in there, to run as somebody else later. */
		sync_owner_fire_deferred();
		SetUserIdAndSecContext(owner, saved->sec_context | SECURITY_RESTRICTED_OPERATION);
	}
	begin_settings(saved);
}

/*
 * Run what follows as the owner of the extension's tables.
 */
void
sync_owner_become_trusted(Oid owner, SyncOwner *saved)
{
	GetUserIdAndSecContext(&saved->userid, &saved->sec_context);
	saved->is_trusted = true;
	saved->is_restricted = false;
	SetUserIdAndSecContext(owner, saved->sec_context | SECURITY_LOCAL_USERID_CHANGE);
	begin_settings(saved);
}

/*
 * Become again who one was before.
 */
void
sync_owner_leave(const SyncOwner *saved)
{
	if (!saved->is_trusted)
		sync_owner_fire_deferred();
	AtEOXact_GUC(false, saved->nest_level);
	SetUserIdAndSecContext(saved->userid, saved->sec_context);
}

/*
 * Raise an error unless the current user may sync into a table.
 */
void
sync_owner_check_rights(Oid target)
{
	static const AclMode needed[] = {ACL_SELECT, ACL_INSERT, ACL_UPDATE, ACL_DELETE};
	const char			*name = get_rel_name(target);

	if (name == NULL || get_rel_relkind(target) != RELKIND_RELATION)
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
						errmsg("cannot sync into what is not an ordinary table")));
	for (int i = 0; i < (int) lengthof(needed); i++)
	{
		AclResult access = pg_class_aclcheck(target, GetUserId(), needed[i]);

		if (access != ACLCHECK_OK)
			aclcheck_error(access, OBJECT_TABLE, name);
	}
}
