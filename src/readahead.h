/*-------------------------------------------------------------------------
 *
 * readahead.h
 *		Joins that look up several keys at a time.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_READAHEAD_H
#define CRISP_READAHEAD_H

/* Set the hook through which joins are planned; to be called once, when the library is loaded. */
extern void read_ahead_init(void);

#endif /* CRISP_READAHEAD_H */
