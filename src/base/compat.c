/*-------------------------------------------------------------------------
 *
 * compat.c
 *		Give what differs between the versions of PostgreSQL one name.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "access/sysattr.h"
#include "catalog/pg_foreign_server.h"
#include "optimizer/clauses.h"
#include "optimizer/pathnode.h"
#include "optimizer/paths.h"
#include "pgstat.h"
#include "utils/acl.h"
#include "utils/date.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

#include "base/compat.h"

/*----------
 * Planning
 *----------
 */

bool
compat_makes_outer_unique(PlannerInfo *root, RelOptInfo *outerrel, JoinType jointype,
						  SpecialJoinInfo *sjinfo, Path **path)
{
#if PG_VERSION_NUM >= 190000
	return false;
#else
	if (jointype != JOIN_UNIQUE_OUTER)
		return false;
	*path = outerrel->cheapest_total_path;
	if ((*path)->param_info == NULL)
		*path = (Path *) create_unique_path(root, outerrel, *path, sjinfo);
	else
		*path = NULL;
	return true;
#endif
}

JoinType
compat_type_of_join(JoinType jointype)
{
#if PG_VERSION_NUM >= 190000
	if (jointype == JOIN_UNIQUE_OUTER)
		return JOIN_INNER;
#endif
	return jointype;
}

List *
compat_eclass_members(EquivalenceClass *class, Relids relids)
{
#if PG_VERSION_NUM >= 180000
	EquivalenceMemberIterator iterator;
	EquivalenceMember		 *member;
	List					 *members = NIL;

	setup_eclass_member_iterator(&iterator, class, relids);
	while ((member = eclass_member_iterator_next(&iterator)) != NULL)
		members = lappend(members, member);
	return members;
#else
	return class->ec_members;
#endif
}

bool
compat_pathkey_is_descending(const PathKey *pathkey)
{
#if PG_VERSION_NUM >= 180000
	return pathkey->pk_cmptype == COMPARE_GT;
#else
	return pathkey->pk_strategy == BTGreaterStrategyNumber;
#endif
}

bool
compat_eclass_below_outer_join(const EquivalenceClass *class)
{
#if PG_VERSION_NUM >= 160000
	/* Its members know what may make a NULL of them: compat_var_is_nullable(). */
	return false;
#else
	return class->ec_below_outer_join;
#endif
}

bool
compat_var_is_nullable(const Var *var)
{
#if PG_VERSION_NUM >= 160000
	return !bms_is_empty(var->varnullingrels);
#else
	return false;
#endif
}

bool
compat_excludes_null(Node *clause, Index varno, AttrNumber attnum)
{
	List *vars = find_nonnullable_vars(clause);
#if PG_VERSION_NUM >= 160000
	return mbms_is_member((int) varno, attnum - FirstLowInvalidHeapAttributeNumber, vars);
#else
	ListCell *lc;

	foreach(lc, vars)
		if ((Index) lfirst_node(Var, lc)->varno == varno &&
			lfirst_node(Var, lc)->varattno == attnum)
			return true;
	return false;
#endif
}

bool
compat_count_rows(Oid relid, double *live, double *dead)
{
	const PgStat_StatTabEntry *entry = pgstat_fetch_stat_tabentry(relid);

	if (entry == NULL)
		return false;
#if PG_VERSION_NUM >= 160000
	*live = (double) entry->live_tuples;
	*dead = (double) entry->dead_tuples;
	return entry->last_vacuum_time != 0 || entry->last_autovacuum_time != 0 ||
		   entry->last_analyze_time != 0 || entry->last_autoanalyze_time != 0;
#else
	*live = (double) entry->n_live_tuples;
	*dead = (double) entry->n_dead_tuples;
	return entry->vacuum_timestamp != 0 || entry->autovac_vacuum_timestamp != 0 ||
		   entry->analyze_timestamp != 0 || entry->autovac_analyze_timestamp != 0;
#endif
}

/*----------
 * Execution
 *----------
 */

Oid
compat_scan_user(ForeignScanState *node, Index rti)
{
#if PG_VERSION_NUM >= 160000
	return ((ForeignScan *) node->ss.ps.plan)->checkAsUser;
#else
	return exec_rt_fetch(rti, node->ss.ps.state)->checkAsUser;
#endif
}

Oid
compat_modify_user(ResultRelInfo *rinfo, EState *estate)
{
#if PG_VERSION_NUM >= 160000
	return ExecGetResultRelCheckAsUser(rinfo, estate);
#else
	Index rti = rinfo->ri_RangeTableIndex;

	/* A partition that rows are routed to has no entry of its own. */
	if (rti == 0)
		rti = rinfo->ri_RootResultRelInfo->ri_RangeTableIndex;
	return exec_rt_fetch(rti, estate)->checkAsUser;
#endif
}

bool
compat_statement_writes(const EState *estate)
{
#if PG_VERSION_NUM >= 190000
	return !bms_is_empty(estate->es_plannedstmt->resultRelationRelids);
#else
	return estate->es_plannedstmt->resultRelations != NIL;
#endif
}

/*----------
 * Everything else
 *----------
 */

#if PG_VERSION_NUM >= 190000

/*
 * With this context a value that doesn't fit becomes an infinity, as it did in older versions,
 * which is where a bound that nothing reaches lies.
 */
TimestampTz
compat_timestamp_to_timestamptz(Timestamp value)
{
	ErrorSaveContext errors = {T_ErrorSaveContext};

	return timestamp2timestamptz_safe(value, (Node *) &errors);
}

TimestampTz
compat_date_to_timestamptz(DateADT value)
{
	ErrorSaveContext errors = {T_ErrorSaveContext};

	return date2timestamptz_safe(value, (Node *) &errors);
}

Timestamp
compat_date_to_timestamp(DateADT value)
{
	ErrorSaveContext errors = {T_ErrorSaveContext};

	return date2timestamp_safe(value, (Node *) &errors);
}

#else

TimestampTz
compat_timestamp_to_timestamptz(Timestamp value)
{
	int overflow;

	return timestamp2timestamptz_opt_overflow(value, &overflow);
}

TimestampTz
compat_date_to_timestamptz(DateADT value)
{
	int overflow;

	return date2timestamptz_opt_overflow(value, &overflow);
}

Timestamp
compat_date_to_timestamp(DateADT value)
{
	int overflow;

	return date2timestamp_opt_overflow(value, &overflow);
}

#endif

bool
compat_can_become(Oid member, Oid role)
{
#if PG_VERSION_NUM >= 160000
	return member_can_set_role(member, role);
#else
	return is_member_of_role(member, role);
#endif
}

AclResult
compat_server_usage(Oid server, Oid role)
{
#if PG_VERSION_NUM >= 160000
	return object_aclcheck(ForeignServerRelationId, server, role, ACL_USAGE);
#else
	return pg_foreign_server_aclcheck(server, role, ACL_USAGE);
#endif
}

uint32
compat_wait_event(bool idle)
{
#if PG_VERSION_NUM >= 170000
	static uint32 http_event = 0;
	static uint32 retry_event = 0;

	if (http_event == 0)
	{
		http_event = WaitEventExtensionNew("CrispHttp");
		retry_event = WaitEventExtensionNew("CrispRetry");
	}
	return idle ? retry_event : http_event;
#else
	return PG_WAIT_EXTENSION;
#endif
}
