/*-------------------------------------------------------------------------
 *
 * push_rights.c
 *		Check what the current user may write by crisp_push().
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/objectaddress.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"

#include "base/compat.h"
#include "push/push_rights.h"

/*
 * Raise 42501 for a table.
 */
pg_noreturn static void
refuse(Oid target)
{
	aclcheck_error(ACLCHECK_NO_PRIV, get_relkind_objtype(get_rel_relkind(target)),
				   get_rel_name(target));
	pg_unreachable();
}

void
push_rights_check(Oid target)
{
	AclMode any = ACL_INSERT | ACL_UPDATE | ACL_DELETE;

	if (get_rel_name(target) == NULL)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
						errmsg("relation with OID %u does not exist", target)));
	if (pg_class_aclmask(target, GetUserId(), any, ACLMASK_ANY) == 0 &&
		pg_attribute_aclcheck_all(target, GetUserId(), ACL_INSERT, ACLMASK_ANY) != ACLCHECK_OK &&
		pg_attribute_aclcheck_all(target, GetUserId(), ACL_UPDATE, ACLMASK_ANY) != ACLCHECK_OK)
		refuse(target);
}

void
push_rights_check_columns(Relation target, CmdType operation, const Bitmapset *columns)
{
	Oid		relid = RelationGetRelid(target);
	AclMode mode = operation == CMD_INSERT	 ? ACL_INSERT
				   : operation == CMD_UPDATE ? ACL_UPDATE
											 : ACL_DELETE;
	int		attnum = -1;

	if (pg_class_aclcheck(relid, GetUserId(), mode) == ACLCHECK_OK)
		return;
	if (operation == CMD_DELETE)
		refuse(relid);
	while ((attnum = bms_next_member(columns, attnum)) >= 0)
		if (pg_attribute_aclcheck(relid, (AttrNumber) attnum, GetUserId(), mode) != ACLCHECK_OK)
			refuse(relid);
}
