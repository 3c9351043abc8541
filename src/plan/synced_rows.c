/*-------------------------------------------------------------------------
 *
 * synced_rows.c
 *		Find how many rows a list has, by what jobs of crisp_sync() know.
 *
 * A job has copied all rows, or has found out how many there are.  Its table is read as
 * the planner reads statistics: whoever plans, no matter what the extension's schemas are called.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/pg_class.h"
#include "catalog/pg_depend.h"
#include "catalog/pg_extension.h"
#include "commands/extension.h"
#include "storage/lmgr.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "plan/synced_rows.h"

#define JOB_TABLE "crisp_sync_job"

/* The table of jobs, as it was found last; it may have gone since. */
static Oid last_table = InvalidOid;

/*
 * Say whether a relation is the table of jobs, as far as its name tells.
 */
static bool
is_named_so(Oid relid)
{
	const char *name = get_rel_name(relid);

	return name != NULL && strcmp(name, JOB_TABLE) == 0 &&
		   get_rel_relkind(relid) == RELKIND_RELATION;
}

/*
 * Find the table of jobs among what belongs to the extension; InvalidOid where it isn't there.
 */
static Oid
find_job_table(Oid extension)
{
	Relation	depend = table_open(DependRelationId, AccessShareLock);
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple	tuple;
	Oid			result = InvalidOid;

	ScanKeyInit(&keys[0], Anum_pg_depend_refclassid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(ExtensionRelationId));
	ScanKeyInit(&keys[1], Anum_pg_depend_refobjid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(extension));
	scan = systable_beginscan(depend, DependReferenceIndexId, true, NULL, 2, keys);
	while (!OidIsValid(result) && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_depend member = (Form_pg_depend) GETSTRUCT(tuple);

		if (member->classid == RelationRelationId && member->objsubid == 0 &&
			is_named_so(member->objid))
			result = member->objid;
	}
	systable_endscan(scan);
	table_close(depend, AccessShareLock);
	return result;
}

/*
 * Return the table of jobs; InvalidOid where there is none.
 */
static Oid
job_table(void)
{
	Oid extension = get_extension_oid("crisp_fdw", true);

	if (!OidIsValid(extension))
		return InvalidOid;
	if (!OidIsValid(last_table) || !is_named_so(last_table) ||
		getExtensionOfObject(RelationRelationId, last_table) != extension)
		last_table = find_job_table(extension);
	return last_table;
}

/*
 * Return a column of a job, found by its name; *isnull is set where it has no value.
 */
static Datum
job_value(Relation table, HeapTuple job, const char *column, bool *isnull)
{
	AttrNumber attnum = get_attnum(RelationGetRelid(table), column);

	*isnull = true;
	if (attnum <= 0)
		return (Datum) 0;
	return heap_getattr(job, attnum, RelationGetDescr(table), isnull);
}

/*
 * Return a number of a job, or -1.
 */
static double
job_number(Relation table, HeapTuple job, const char *column)
{
	bool  isnull;
	Datum value = job_value(table, job, column, &isnull);

	return isnull ? -1 : (double) DatumGetInt64(value);
}

/*
 * Return how many rows a table has by its statistics; -1 where it was never analyzed.
 */
static double
analyzed_rows(Oid relid)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	double	  result = -1;

	if (!HeapTupleIsValid(tuple))
		return -1;
	result = ((Form_pg_class) GETSTRUCT(tuple))->reltuples;
	ReleaseSysCache(tuple);
	return result;
}

/*
 * Say whether a job's copy has all rows: it was made without a bound of the date, and nothing that
 * was wanted is left.
 */
static bool
is_whole(Relation table, HeapTuple job)
{
	bool  lacks_selected;
	bool  lacks_wanted;
	bool  lacks_covered;
	bool  never_ended;
	Datum selected = job_value(table, job, "selected", &lacks_selected);
	Datum wanted = job_value(table, job, "wanted", &lacks_wanted);
	Datum covered = job_value(table, job, "covered", &lacks_covered);

	(void) job_value(table, job, "last_success", &never_ended);
	return !lacks_selected && !lacks_wanted && !lacks_covered && !never_ended &&
		   DatumGetBool(OidFunctionCall1(F_LOWER_INF_ANYMULTIRANGE, selected)) &&
		   DatumGetBool(OidFunctionCall2(F_MULTIRANGE_CONTAINED_BY_MULTIRANGE, wanted, covered));
}

/*
 * Return how many rows a job's copy has, if it has all; -1 otherwise.
 */
static double
copied_rows(Relation table, HeapTuple job)
{
	bool   isnull;
	Datum  target;
	double rows;

	if (!is_whole(table, job))
		return -1;
	target = job_value(table, job, "target", &isnull);
	rows = isnull ? -1 : analyzed_rows(DatumGetObjectId(target));
	return rows >= 0
			   ? rows
			   : job_number(table, job, "rows_inserted") - job_number(table, job, "rows_deleted");
}

/*
 * Return the most that a job of a foreign table knows of, in the table of jobs.
 */
static double
rows_of_jobs(Relation table, Oid relid)
{
	AttrNumber	attnum = get_attnum(RelationGetRelid(table), "source");
	double		result = -1;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	job;

	if (attnum <= 0)
		return -1;
	ScanKeyInit(&key, attnum, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(table, InvalidOid, false, NULL, 1, &key);
	while (HeapTupleIsValid(job = systable_getnext(scan)))
	{
		double copied = copied_rows(table, job);

		result = Max(result, copied >= 0 ? copied : job_number(table, job, "expected_rows"));
	}
	systable_endscan(scan);
	return result;
}

double
synced_rows(Oid relid)
{
	Oid		 relation = job_table();
	Relation table;
	double	 rows;

	/* Somebody may be changing the table, or dropping it. */
	if (!OidIsValid(relation) || !ConditionalLockRelationOid(relation, AccessShareLock))
		return -1;
	if (!is_named_so(relation))
	{
		UnlockRelationOid(relation, AccessShareLock);
		return -1;
	}
	table = table_open(relation, NoLock);
	rows = rows_of_jobs(table, relid);
	table_close(table, AccessShareLock);
	return rows;
}
