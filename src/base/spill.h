/*-------------------------------------------------------------------------
 *
 * spill.h
 *		Keep bytes, beyond a limit in a temporary file.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_SPILL_H
#define CRISP_SPILL_H

#include "utils/resowner.h"

/* Bytes that are appended, and read or replaced where they stand. */
typedef struct Spill Spill;

/*
 * Make a spill without bytes, in a child of parent.  It takes about limit bytes of memory at most,
 * and for what is more a temporary file, which will belong to owner.
 */
extern Spill *spill_create(MemoryContext parent, Size limit, ResourceOwner owner);

/* Return how many bytes there are. */
extern int64 spill_size(const Spill *spill);

/* Add length bytes at the end.  Raises for memory, and what writing a temporary file raises. */
extern void spill_append(Spill *spill, const void *data, Size length);

/*
 * Get, and replace, length bytes that begin at offset; all of them must be there.  Raises what
 * spill_append() raises.
 */
extern void spill_read(Spill *spill, int64 offset, void *data, Size length);
extern void spill_replace(Spill *spill, int64 offset, const void *data, Size length);

/* Release everything. */
extern void spill_end(Spill *spill);

#endif /* CRISP_SPILL_H */
