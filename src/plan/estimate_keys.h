/*-------------------------------------------------------------------------
 *
 * estimate_keys.h
 *		Tell the planner which columns are keys, where no statistics do.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_ESTIMATE_KEYS_H
#define CRISP_ESTIMATE_KEYS_H

/* Tell it from now on, when the library is loaded. */
extern void estimate_keys_init(void);

#endif /* CRISP_ESTIMATE_KEYS_H */
