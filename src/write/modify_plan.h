/*-------------------------------------------------------------------------
 *
 * modify_plan.h
 *		Plan INSERT, UPDATE and DELETE.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_MODIFY_PLAN_H
#define CRISP_MODIFY_PLAN_H

#include "foreign/fdwapi.h"

#include "write/change.h"

/* What the plan of a modification holds: fdw_private by this index. */
typedef enum ModifyPrivate
{
	MODIFY_PRIVATE_UPDATED /* attribute numbers that an UPDATE sets, as integers */
} ModifyPrivate;

/* Plan a modification (callbacks of the FdwRoutine). */
extern int	 crispIsForeignRelUpdatable(Relation relation);
extern List *crispPlanForeignModify(PlannerInfo *root, ModifyTable *plan, Index result_relation,
									int subplan_index);
extern void	 crispAddForeignUpdateTargets(PlannerInfo *root, Index rtindex,
										  RangeTblEntry *target_rte, Relation target_relation);

/*
 * Return the name under which a column of the row's identity is in the plan's target list;
 * palloc'd.  Columns of the same number and type share it, whatever their table.
 */
extern char *modify_key_name(Form_pg_attribute attribute);

/*
 * List the attribute numbers of the columns that name a row to Crisp, when it's to be changed or
 * removed: integers, without those that the table doesn't have.
 */
extern List *modify_key_attributes(const CrispChanges *changes, const ChangeTable *table);

/*
 * Return the attribute number of the column with custom data, if an UPDATE can write that; 0 when
 * there is none.
 */
extern AttrNumber modify_data_attribute(const ChangeTable *table);
/* Say whether a request has any of these attributes in its body. */
extern bool modify_has_any(const ChangeTable *table, const CrispChange *change,
						   const List *updated);

/*
 * Say, in a few words, why rows are changed or removed one by one, when they are reached; NULL
 * where they are kept, and sent together.  updated are the attribute numbers that an UPDATE sets.
 */
extern const char *modify_why_one_by_one(const ModifyTable *plan, const ResultRelInfo *rinfo,
										 const ChangeTable *table, const List *updated);

/* Raise 55000 (object_not_in_prerequisite_state) unless the table can be written in this way. */
extern void modify_check_allowed(const CrispOptions *options, Relation relation, CmdType operation);

/*
 * Raise 0A000 for INSERT ... ON CONFLICT, but for DO NOTHING where Crisp knows conflicts.  The
 * resource must be one that can be written.
 */
extern void modify_check_conflict(const CrispOptions *options, const ModifyTable *plan,
								  Relation relation);

#endif /* CRISP_MODIFY_PLAN_H */
