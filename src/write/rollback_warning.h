/*-------------------------------------------------------------------------
 *
 * rollback_warning.h
 *		Warn of what Crisp keeps of transactions that are rolled back.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_ROLLBACK_WARNING_H
#define CRISP_ROLLBACK_WARNING_H

/*
 * Get ready to count, before a row is sent, and where another transaction may have begun since,
 * before its answer is taken: once it is, nothing may fail.  Raises only for memory.
 */
extern void rollback_warning_prepare(void);

/*
 * Count rows that were written to Crisp in the current (sub)transaction, for which all is ready:
 * should that be rolled back, a warning says that Crisp keeps them, and it can't be prepared.
 * Raises nothing.
 */
extern void rollback_warning_count(int64 rows);

#endif /* CRISP_ROLLBACK_WARNING_H */
