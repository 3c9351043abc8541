/*-------------------------------------------------------------------------
 *
 * join_prefetch.h
 *		Let joins look up several keys at a time.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_JOIN_PREFETCH_H
#define CRISP_JOIN_PREFETCH_H

#include "nodes/execnodes.h"

/*
 * Set the hooks through which joins are planned, and which tell how many rows a statement needs; to
 * be called once, when the library is loaded.
 */
extern void join_prefetch_init(void);

#endif /* CRISP_JOIN_PREFETCH_H */
