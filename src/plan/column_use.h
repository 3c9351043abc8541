/*-------------------------------------------------------------------------
 *
 * column_use.h
 *		Find what a query does with the columns of a relation.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_COLUMN_USE_H
#define CRISP_COLUMN_USE_H

#include "nodes/pathnodes.h"

/*
 * List the attribute numbers that a scan must fill: those that leave it, those that scan_clauses
 * look at, and sort_column, unless that is 0.  A whole-row reference means all.  An integer List,
 * in the order of the table's columns.
 */
extern List *column_use_list(RelOptInfo *baserel, Oid relid, List *scan_clauses,
							 AttrNumber sort_column);

/*
 * Say whether a column leaves a scan, or scan_clauses look at it, other than as one of a whole row.
 */
extern bool column_use_names(RelOptInfo *baserel, List *scan_clauses, AttrNumber attnum);

/*
 * Say whether a whole row leaves a scan for an UPDATE alone, to which PostgreSQL hands each row as
 * it was, and nobody looks at columns of that which the statement doesn't name.
 */
extern bool column_use_is_old_row(PlannerInfo *root, RelOptInfo *baserel, Oid relid,
								  List *scan_clauses);

/*
 * Return the column of the relation with that range table index that an expression is, whatever
 * binary-compatible type it takes it for; NULL where it's something else, or a system column.
 */
extern const Var *column_use_var(const Expr *expr, Index varno);

/* Return the attribute number of the relation's own column that a pathkey sorts by, or 0. */
extern AttrNumber column_use_pathkey(RelOptInfo *baserel, PathKey *pathkey);

/*
 * Say whether a pathkey that sorts by a column that shows times sorts by these, the latest or the
 * earliest first: *ascending tells which.
 */
extern bool column_use_is_by_time(Oid relid, AttrNumber attnum, PathKey *pathkey, bool *ascending);

/*
 * Say whether a column holds no NULL in the rows that are wanted: it's declared so, or a condition
 * demands it.
 */
extern bool column_use_excludes_null(RelOptInfo *baserel, Oid relid, AttrNumber attnum);

/*
 * List those of a relation's conditions that no row satisfies in which a column is NULL;
 * RestrictInfos.
 */
extern List *column_use_strict_conditions(RelOptInfo *baserel, AttrNumber attnum);

#endif /* CRISP_COLUMN_USE_H */
