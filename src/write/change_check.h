/*-------------------------------------------------------------------------
 *
 * change_check.h
 *		Refuse rows with values that can't be written.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_CHANGE_CHECK_H
#define CRISP_CHANGE_CHECK_H

#include "base/compat.h"
#include "write/change_table.h"

/* Raise 23502 (not_null_violation) for a column, by its name in the catalog; detail says why. */
pg_noreturn extern void change_value_missing(const ChangeTable *table, const char *catalog_name,
											 const char *detail);

/* Raise 22023 (invalid_parameter_value) for a column's value; hint says what it may be. */
pg_noreturn extern void change_value_wrong(const ChangeTable *table, const char *catalog_name,
										   const char *value, const char *hint);

/* Raise 0A000 or 22023 for a row with a value that can't be sent by an INSERT. */
extern void change_check_inserted(const ChangeRow *row);

/*
 * Raise 0A000 unless each of these attributes can be changed by an UPDATE, or holds what PostgreSQL
 * generates.
 */
extern void change_check_updated(const ChangeTable *table, const Bitmapset *columns);

#endif /* CRISP_CHANGE_CHECK_H */
