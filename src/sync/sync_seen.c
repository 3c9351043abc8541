/*-------------------------------------------------------------------------
 *
 * sync_seen.c
 *		Keep the keys that a full load of crisp_sync() has seen.
 *
 * They decide what is gone from Crisp.  What a column of the target says is
 * no good for that: a type may round it, a trigger may set it.
 *
 * They lie in a table that nobody but its owner sees, since they are what
 * rows of the copy are known by.  A row with an empty key says that a load
 * has begun: where it's missing, as after a restore, nothing is known.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/relation.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "base/extension_version.h"
#include "sync/sync_owner.h"
#include "sync/sync_seen.h"

PG_FUNCTION_INFO_V1(crisp_sync_begin_full);
PG_FUNCTION_INFO_V1(crisp_sync_end_full);
PG_FUNCTION_INFO_V1(crisp_sync_is_full);

/*
 * Find the full load of a job, with the rights of the current user.
 */
SyncSeen
sync_seen_of_job(Oid function, Oid source, Oid target)
{
	Oid			schema = get_func_namespace(function);
	Oid			types[] = {OIDOID, OIDOID};
	Datum		values[] = {ObjectIdGetDatum(source), ObjectIdGetDatum(target)};
	SyncSeen	seen;
	bool		isnull;
	const char *statement = psprintf(
		"SELECT j.job_id FROM %s j "
		"WHERE j.source::pg_catalog.oid OPERATOR(pg_catalog.=) $1 "
		"AND j.target::pg_catalog.oid OPERATOR(pg_catalog.=) $2",
		quote_qualified_identifier(get_namespace_name(schema), "crisp_sync_my_job"));

	seen.table = get_relname_relid("crisp_sync_seen", schema);
	if (SPI_execute_with_args(statement, 2, types, values, NULL, false, 1) != SPI_OK_SELECT ||
		SPI_processed != 1)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
						errmsg("there is no sync of \"%s\" into \"%s\"", get_rel_name(source),
							   get_rel_name(target))));
	seen.job = DatumGetInt64(
		SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	return seen;
}

/*
 * Run a statement about crisp_sync_seen as its owner.
 *
 * The format takes the table's name; $1 is the job.
 */
static SyncRows *
run_trusted(const SyncSeen *seen, const char *format)
{
	Relation	table = relation_open(seen->table, AccessShareLock);
	const char *name = quote_qualified_identifier(get_namespace_name(RelationGetNamespace(table)),
												  RelationGetRelationName(table));
	Oid			type = INT8OID;
	Datum		value = Int64GetDatum(seen->job);
	SyncParameters parameters = {1, &type, &value, NULL};
	StringInfoData statement;
	SyncOwner	   saved;
	SyncRows	  *rows;

	initStringInfo(&statement);
	for (const char *c = format; *c != '\0'; c++)
		if (*c == '%')
			appendStringInfoString(&statement, name);
		else
			appendStringInfoChar(&statement, *c);
	sync_owner_become_trusted(table->rd_rel->relowner, &saved);
	rows = sync_rows_run(statement.data, &parameters);
	sync_owner_leave(&saved);
	relation_close(table, NoLock);
	return rows;
}

/*
 * Say whether a load has begun, and what it has seen is known.
 */
bool
sync_seen_is_known(const SyncSeen *seen)
{
	SyncRows *rows = run_trusted(seen, "SELECT 1 FROM % WHERE job_id = $1 AND key = '{}'");
	bool	  known = tuplestore_tuple_count(rows->store) > 0;

	sync_rows_free(rows);
	return known;
}

/*
 * Begin a load, or end it.
 */
void
sync_seen_clear(const SyncSeen *seen, bool begin)
{
	sync_rows_free(run_trusted(
		seen, "WITH d AS (DELETE FROM % WHERE job_id = $1 RETURNING 1) SELECT count(*) FROM d"));
	if (begin)
		sync_rows_free(run_trusted(seen, "WITH i AS (INSERT INTO % (job_id, key) VALUES ($1, '{}') "
										 "RETURNING 1) SELECT count(*) FROM i"));
}

/*
 * Keep keys.
 */
void
sync_seen_add(const SyncSeen *seen, SyncRows *keys)
{
	sync_rows_show(keys, "seen");
	sync_rows_free(run_trusted(seen, "WITH i AS (INSERT INTO % (job_id, key) "
									 "SELECT $1, s.key FROM seen s "
									 "ON CONFLICT DO NOTHING RETURNING 1) SELECT count(*) FROM i"));
	sync_rows_hide("seen");
}

/*
 * Return all keys that were kept.
 */
SyncRows *
sync_seen_rows(const SyncSeen *seen)
{
	if (!sync_seen_is_known(seen))
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("what the full load has seen is not known")));
	return run_trusted(seen, "SELECT key FROM % WHERE job_id = $1 AND key <> '{}'");
}

/*
 * Find the full load that a function of SQL is about: its arguments are source and target.
 */
static SyncSeen
job_of_call(FunctionCallInfo fcinfo)
{
	extension_version_check();
	SPI_connect();
	sync_owner_check_rights(PG_GETARG_OID(1));
	return sync_seen_of_job(fcinfo->flinfo->fn_oid, PG_GETARG_OID(0), PG_GETARG_OID(1));
}

/*
 * Begin a full load, which has seen nothing yet.
 *
 * SQL: crisp_sync_begin_full(source, target).
 */
Datum
crisp_sync_begin_full(PG_FUNCTION_ARGS)
{
	SyncSeen seen = job_of_call(fcinfo);

	sync_seen_clear(&seen, true);
	SPI_finish();
	PG_RETURN_VOID();
}

/*
 * Forget what a full load has seen.
 *
 * SQL: crisp_sync_end_full(source, target).
 */
Datum
crisp_sync_end_full(PG_FUNCTION_ARGS)
{
	SyncSeen seen = job_of_call(fcinfo);

	sync_seen_clear(&seen, false);
	SPI_finish();
	PG_RETURN_VOID();
}

/*
 * Say whether a full load has begun, and what it has seen is known.
 *
 * SQL: crisp_sync_is_full(source, target).
 */
Datum
crisp_sync_is_full(PG_FUNCTION_ARGS)
{
	SyncSeen seen = job_of_call(fcinfo);
	bool	 known = sync_seen_is_known(&seen);

	SPI_finish();
	PG_RETURN_BOOL(known);
}
