/*-------------------------------------------------------------------------
 *
 * writes.c
 *		Whether a statement writes to Crisp while it reads.
 *
 * What is written moves the lists that are read: a conversation whose state changes goes to the
 * front, or out of the list.  Rows behind it would be passed over.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "executor/executor.h"
#include "foreign/fdwapi.h"
#include "foreign/foreign.h"
#include "storage/lockdefs.h"
#include "utils/lsyscache.h"

#include "writes.h"

/*
 * The foreign data wrapper of a foreign table.
 */
static Oid
wrapper_of(Oid relid)
{
	return GetForeignServer(GetForeignServerIdByRelId(relid))->fdwid;
}

/*
 * Whether a relation, or a partition of it, is a foreign table of a wrapper.
 */
static bool
leads_to(Oid relid, Oid wrapper)
{
	ListCell *lc;

	if (get_rel_relkind(relid) == RELKIND_FOREIGN_TABLE)
		return wrapper_of(relid) == wrapper;
	if (get_rel_relkind(relid) != RELKIND_PARTITIONED_TABLE)
		return false;

	foreach(lc, find_all_inheritors(relid, NoLock, NULL))
		if (get_rel_relkind(lfirst_oid(lc)) == RELKIND_FOREIGN_TABLE &&
			wrapper_of(lfirst_oid(lc)) == wrapper)
			return true;
	return false;
}

bool
statement_writes(EState *estate, Oid relid)
{
	Oid		  wrapper = wrapper_of(relid);
	ListCell *lc;

	foreach(lc, estate->es_plannedstmt->resultRelations)
		if (leads_to(exec_rt_fetch(lfirst_int(lc), estate)->relid, wrapper))
			return true;
	return false;
}
