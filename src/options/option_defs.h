/*-------------------------------------------------------------------------
 *
 * option_defs.h
 *		List all options in one table.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_OPTION_DEFS_H
#define CRISP_OPTION_DEFS_H

#include "nodes/pg_list.h"

#include "options/option_values.h"

/* Put the defaults of all options of servers into force. */
extern void option_defs_set_defaults(CrispOptions *options);

/*
 * Put the options of an object of that catalog (DefElems, checked when they were set) into force.
 * Texts belong to defs, or are palloc'd in CurrentMemoryContext.
 */
extern void option_defs_set(CrispOptions *options, List *defs, Oid catalog);

#endif /* CRISP_OPTION_DEFS_H */
