/*-------------------------------------------------------------------------
 *
 * sync_sql.c
 *		Write pieces of the statements that write to a target.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#include "sync/sync_sql.h"

/*
 * Return the time that rows are written at, as $1.
 */
SyncParameters
sync_sql_now(void)
{
	static Oid	 type = TIMESTAMPTZOID;
	static Datum value;

	value = TimestampTzGetDatum(GetCurrentTimestamp());
	return (SyncParameters){1, &type, &value, NULL};
}

/*
 * Run a statement that writes, wrapped so that it tells of how many rows.
 */
int64
sync_sql_counted(const char *statement)
{
	SyncParameters now = sync_sql_now();

	return sync_rows_number(
		psprintf("WITH w AS (%s RETURNING 1) SELECT count(*) FROM w", statement), &now);
}

/*
 * Append the condition that a row of the target lies below the parents.
 */
void
sync_sql_below_parents(StringInfo sql, const SyncTarget *target)
{
	sync_target_equals(sql, target, target->argument, "ARRAY(SELECT p.c1 FROM parents p)", true);
}

/*
 * Append a row of what the format says of each copied column.
 */
void
sync_sql_row(StringInfo sql, const SyncTarget *target, const char *format)
{
	appendStringInfoString(sql, "ROW(");
	sync_target_list(sql, target, format);
	appendStringInfoChar(sql, ')');
}

/*
 * Append the key of a row as a text that two rows share if they have the same.
 */
void
sync_sql_key(StringInfo sql, const SyncTarget *target, bool fetched)
{
	appendStringInfoString(sql, "ROW(");
	for (int i = 0; i < target->nkeys; i++)
	{
		Form_pg_attribute column = TupleDescAttr(RelationGetDescr(target->table),
												 target->attnums[target->keys[i]] - 1);

		if (fetched)
			appendStringInfo(sql, "%sf.c%d", i > 0 ? ", " : "", target->keys[i] + 1);
		else
			appendStringInfo(sql, "%st.%s", i > 0 ? ", " : "",
							 quote_identifier(NameStr(column->attname)));
	}
	appendStringInfoString(sql, ")::text");
}

/*
 * Append an INSERT of rows that were fetched, with the time of writing, and without a mark.
 */
void
sync_sql_insert(StringInfo sql, const SyncTarget *target)
{
	appendStringInfo(sql, "INSERT INTO %s AS t (", target->name);
	sync_target_list(sql, target, "%t");
	appendStringInfo(sql, "%s%s) SELECT ", target->has_synced ? ", _synced_at" : "",
					 target->has_deleted ? ", _deleted_at" : "");
	sync_target_list(sql, target, "f.%c");
	appendStringInfo(sql, "%s%s FROM fetched f", target->has_synced ? ", $1" : "",
					 target->has_deleted ? ", NULL" : "");
}

/*
 * Append the start of a statement that deletes rows, or marks them.
 */
void
sync_sql_gone(StringInfo sql, const SyncTarget *target, const char *from, bool mark)
{
	if (mark)
		appendStringInfo(sql,
						 "UPDATE ONLY %s t SET _deleted_at = $1%s WHERE t._deleted_at IS NULL AND ",
						 target->name, from);
	else
		appendStringInfo(sql, "DELETE FROM ONLY %s t%s WHERE ", target->name, from);
}
