/*-------------------------------------------------------------------------
 *
 * extension_version.c
 *		Make sure that this library and the extension's SQL objects are of one version.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_extension.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "base/extension_version.h"

/* Whether the versions were found to be the same, and no function has changed since. */
static bool is_same = false;

/*
 * Forget what was found: functions have changed.
 */
static void
forget(Datum argument, int cache, uint32 hash)
{
	is_same = false;
}

/*
 * Return the version of the extension in this database; NULL where it isn't there.
 */
static char *
installed_version(void)
{
	Relation	relation = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	char	   *version = NULL;

	ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ,
				CStringGetDatum("crisp_fdw"));
	scan = systable_beginscan(relation, ExtensionNameIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		bool  isnull;
		Datum value = heap_getattr(tuple, Anum_pg_extension_extversion, RelationGetDescr(relation),
								   &isnull);

		if (!isnull)
			version = TextDatumGetCString(value);
	}
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return version;
}

/*
 * Raise the error.
 */
static void
refuse(const char *version)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("library and extension crisp_fdw are of different versions"),
			 errdetail("The library is of version %s, the extension in this database of %s.",
					   CRISP_FDW_VERSION, version ? version : "none"),
			 errhint("ALTER EXTENSION crisp_fdw UPDATE; where that was done, begin a new session, "
					 "or restart PostgreSQL if shared_preload_libraries names crisp_fdw.")));
}

void
extension_version_check(void)
{
	static bool is_registered = false;
	char	   *version;

	if (likely(is_same))
		return;
	if (!is_registered)
	{
		CacheRegisterSyscacheCallback(PROCOID, forget, (Datum) 0);
		is_registered = true;
	}
	/* What changes while it is looked up is not to be missed. */
	is_same = true;
	version = installed_version();
	if (version != NULL && strcmp(version, CRISP_FDW_VERSION) != 0)
	{
		is_same = false;
		refuse(version);
	}
}

void
extension_version_refuse(void)
{
	extension_version_check();
	refuse(installed_version());
}
