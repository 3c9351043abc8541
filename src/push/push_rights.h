/*-------------------------------------------------------------------------
 *
 * push_rights.h
 *		Check what the current user may write by crisp_push().
 *
 * Rows are sent without a statement of SQL, which would check it.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_PUSH_RIGHTS_H
#define CRISP_PUSH_RIGHTS_H

#include "nodes/bitmapset.h"
#include "nodes/nodes.h"
#include "utils/rel.h"

/* Raise 42501 unless the current user may write to a table, be it to some of its columns. */
extern void push_rights_check(Oid target);

/*
 * Raise 42501 unless the current user may insert or update these columns (attribute numbers), or
 * delete rows.
 */
extern void push_rights_check_columns(Relation target, CmdType operation, const Bitmapset *columns);

#endif /* CRISP_PUSH_RIGHTS_H */
