/*-------------------------------------------------------------------------
 *
 * compat.h
 *		Give what differs between the versions of PostgreSQL one name.
 *
 * No other file asks for a version.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_COMPAT_H
#define CRISP_COMPAT_H

#include "executor/executor.h"
#include "nodes/pathnodes.h"
#include "storage/lwlock.h"
#include "utils/acl.h"
#include "utils/date.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"

/*----------
 * Headers
 *----------
 */

#if PG_VERSION_NUM >= 160000
#include "nodes/multibitmapset.h"
#include "varatt.h"
#endif
#if PG_VERSION_NUM >= 180000
#include "commands/explain_format.h"
#include "commands/explain_state.h"
#include "storage/waiteventset.h"
#endif
#if PG_VERSION_NUM >= 170000
#include "storage/dsm_registry.h"
#endif
#if PG_VERSION_NUM >= 190000
#include "access/htup_details.h"
#include "executor/instrument.h"
#include "executor/tuptable.h"
#else
#include "commands/dbcommands.h"
#endif

/*----------
 * Declarations
 *----------
 */

/* 18 puts it before the declaration; older versions have an attribute of another form. */
#ifndef pg_noreturn
#define pg_noreturn __attribute__((noreturn))
#endif

/* 19 has its own name for it. */
#ifndef pg_fallthrough
#if defined(__GNUC__)
#define pg_fallthrough __attribute__((fallthrough))
#else
#define pg_fallthrough ((void) 0)
#endif
#endif

/* The parameters of an ExecutorRun_hook, and what it passes on. */
#if PG_VERSION_NUM >= 180000
#define EXECUTOR_RUN_PARAMETERS QueryDesc *query, ScanDirection direction, uint64 count
#define EXECUTOR_RUN_ARGUMENTS query, direction, count
#else
#define EXECUTOR_RUN_PARAMETERS \
	QueryDesc *query, ScanDirection direction, uint64 count, bool execute_once
#define EXECUTOR_RUN_ARGUMENTS query, direction, count, execute_once
#endif

/*----------
 * JSON
 *----------
 */

/* A lexer of common/jsonapi.h for text in UTF-8, which leaves escapes as they are; palloc'd. */
#if PG_VERSION_NUM >= 170000
#define json_lexer_create(text, length) \
	makeJsonLexContextCstringLen(NULL, text, length, PG_UTF8, false)
#else
#define json_lexer_create(text, length) \
	makeJsonLexContextCstringLen(text, (int) (length), PG_UTF8, false)
#endif

/* What jsonb is built in, initialized with zeros; and its value, once all was pushed. */
#if PG_VERSION_NUM >= 190000
typedef JsonbInState JsonbBuilder;
#define jsonb_builder_push(builder, token, value) pushJsonbValue(builder, token, value)
#define jsonb_builder_result(builder) ((builder)->result)
#else
typedef struct JsonbBuilder
{
	JsonbParseState *state;
	JsonbValue		*result;
} JsonbBuilder;
#define jsonb_builder_push(builder, token, value) \
	((void) ((builder)->result = pushJsonbValue(&(builder)->state, token, value)))
#define jsonb_builder_result(builder) ((builder)->result)
#endif

/*----------
 * Planning
 *----------
 */

#if PG_VERSION_NUM >= 180000
#define COMPAT_DISABLED_NODES 0,
#else
#define COMPAT_DISABLED_NODES
#endif
#if PG_VERSION_NUM >= 170000
#define COMPAT_RESTRICTINFO NIL,
#define compat_array_length(root, value) estimate_array_length(root, value)
#else
#define COMPAT_RESTRICTINFO
#define compat_array_length(root, value) estimate_array_length(value)
#endif

/* create_foreignscan_path() and create_foreign_upper_path() for a scan without an outer path. */
#define compat_foreignscan_path(root, rel, rows, startup_cost, total_cost, pathkeys,               \
								required_outer, fdw_private)                                       \
	create_foreignscan_path(root, rel, NULL, rows, COMPAT_DISABLED_NODES startup_cost, total_cost, \
							pathkeys, required_outer, NULL, COMPAT_RESTRICTINFO fdw_private)
#define compat_foreign_upper_path(root, rel, target, rows, startup_cost, total_cost, fdw_private) \
	create_foreign_upper_path(root, rel, target, rows, COMPAT_DISABLED_NODES startup_cost,        \
							  total_cost, NIL, NULL, COMPAT_RESTRICTINFO fdw_private)

/* initial_cost_nestloop() for two paths that aren't partial, the inner one as it is. */
#if PG_VERSION_NUM >= 190000
#define compat_cost_nestloop(root, workspace, jointype, outer, inner, extra)                       \
	initial_cost_nestloop(root, workspace, jointype, PGS_NESTLOOP_PLAIN | PGS_CONSIDER_NONPARTIAL, \
						  outer, inner, extra)
#else
#define compat_cost_nestloop(root, workspace, jointype, outer, inner, extra) \
	initial_cost_nestloop(root, workspace, jointype, outer, inner, extra)
#endif

/*
 * Say whether a join is an inner one of an outer side that is yet to be made unique, as it may be
 * before 19: then *path becomes that, or NULL where it can't be.
 */
extern bool compat_makes_outer_unique(PlannerInfo *root, RelOptInfo *outerrel, JoinType jointype,
									  SpecialJoinInfo *sjinfo, Path **path);

/*
 * Return which type of join hooks are told of.  From 19 on, an outer side that was made unique is a
 * relation of that name, and what is told to be for it is an inner join.
 */
extern JoinType compat_type_of_join(JoinType jointype);

/* List the members of an equivalence class, those of child relations among them. */
extern List *compat_eclass_members(EquivalenceClass *class, Relids relids);

/* Say whether a pathkey wants the largest values first. */
extern bool compat_pathkey_is_descending(const PathKey *pathkey);

/* Say whether members of this class may be NULL above an outer join though they're equal below. */
extern bool compat_eclass_below_outer_join(const EquivalenceClass *class);

/* Say whether an outer join may make a NULL of a column's value. */
extern bool compat_var_is_nullable(const Var *var);

/* Say whether a condition can't be true where a column is NULL. */
extern bool compat_excludes_null(Node *clause, Index varno, AttrNumber attnum);

/*
 * Get how many rows a table has, and how many dead ones, by the cumulative statistics, which count
 * what is committed.  Returns false where these don't reach back to when it was vacuumed or
 * analyzed.
 */
extern bool compat_count_rows(Oid relid, double *live, double *dead);

/*----------
 * Execution
 *----------
 */

#if PG_VERSION_NUM >= 180000
#define compat_vacuum_delay_point() vacuum_delay_point(true)
#else
#define compat_vacuum_delay_point() vacuum_delay_point()
#endif

/* Have a description of rows that was made here ready for use, once all its columns are there. */
#if PG_VERSION_NUM >= 190000
#define compat_finalize_tupdesc(tupdesc) TupleDescFinalize(tupdesc)
#else
#define compat_finalize_tupdesc(tupdesc) ((void) 0)
#endif

/* Return the role whose user mapping counts for a scan of a table, or for writing to it. */
extern Oid compat_scan_user(ForeignScanState *node, Index rti);
extern Oid compat_modify_user(ResultRelInfo *rinfo, EState *estate);

/* Say whether a statement writes to tables. */
extern bool compat_statement_writes(const EState *estate);

/*----------
 * Everything else
 *----------
 */

/* Convert times; what doesn't fit becomes an infinity. */
extern TimestampTz compat_timestamp_to_timestamptz(Timestamp value);
extern TimestampTz compat_date_to_timestamptz(DateADT value);
extern Timestamp   compat_date_to_timestamp(DateADT value);

/*
 * Shared memory that any session may be the first to ask for; before 17, only what was preloaded
 * may ask for any.  A tranche of locks is known by its name in all sessions from 19 on, else in
 * those that have registered it.
 */
#if PG_VERSION_NUM >= 170000
#define COMPAT_HAS_DSM_REGISTRY 1
#else
#define COMPAT_HAS_DSM_REGISTRY 0
#endif
#if PG_VERSION_NUM >= 190000
#define compat_lock_tranche(name) LWLockNewTrancheId(name)
#define compat_register_tranche(tranche, name) ((void) 0)
#define compat_named_segment(name, size, initialize, found) \
	GetNamedDSMSegment(name, size, initialize, found, NULL)
#define COMPAT_INITIALIZE_PARAMETERS void *memory, void *arg
#else
#define compat_lock_tranche(name) LWLockNewTrancheId()
#define compat_register_tranche(tranche, name) LWLockRegisterTranche(tranche, name)
#define compat_named_segment(name, size, initialize, found) \
	GetNamedDSMSegment(name, size, initialize, found)
#define COMPAT_INITIALIZE_PARAMETERS void *memory
#endif

/* Say whether a role may take the place of another one. */
extern bool compat_can_become(Oid member, Oid role);

/* Tell whether a role may use a foreign server. */
extern AclResult compat_server_usage(Oid server, Oid role);

/* Return what pg_stat_activity shows while a backend waits for Crisp; idle: to try again. */
extern uint32 compat_wait_event(bool idle);

#endif /* CRISP_COMPAT_H */
