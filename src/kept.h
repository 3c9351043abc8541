/*-------------------------------------------------------------------------
 *
 * kept.h
 *		What Crisp keeps of transactions that are rolled back.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_KEPT_H
#define CRISP_KEPT_H

/*
 * Count a row that was written to Crisp in the current (sub)transaction: should that be rolled
 * back, a warning says that Crisp keeps it.  Raises only for memory.
 */
extern void kept_count(void);

#endif /* CRISP_KEPT_H */
