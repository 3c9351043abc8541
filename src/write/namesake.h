/*-------------------------------------------------------------------------
 *
 * namesake.h
 *		Check that a row that is to be changed is the only one with its name.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_NAMESAKE_H
#define CRISP_NAMESAKE_H

#include "write/change.h"
#include "fetch/names.h"

/*
 * Raise 21000 (cardinality_violation) unless the row that keys name, which is to be changed or
 * removed, is the only one that they name.  Asks Crisp where names don't know of its list yet: for
 * the list's pages, once a statement.  To be called in short-lived memory.  Raises what
 * child_take() raises.
 */
extern void namesake_check(const ChangeTable *table, Names *names, const ChangeKeys *keys,
						   CmdType operation);

#endif /* CRISP_NAMESAKE_H */
