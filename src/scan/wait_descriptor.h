/*-------------------------------------------------------------------------
 *
 * wait_descriptor.h
 *		Give a scan the descriptor by which an Append waits for it.
 *
 * Scans of one server share a pool of connections, whose descriptor can be waited for once only: so
 * each has a duplicate of it.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_WAIT_DESCRIPTOR_H
#define CRISP_WAIT_DESCRIPTOR_H

typedef struct WaitDescriptor WaitDescriptor;

/* Create it without a descriptor; one that is open is closed when the memory of context goes. */
extern WaitDescriptor *wait_descriptor_create(MemoryContext context);

/*
 * Duplicate a descriptor, in place of the duplicate that there was; valid until the next call.
 * Raises 53000 when there is none to be had.
 */
extern pgsocket wait_descriptor_set(WaitDescriptor *descriptor, pgsocket original);

/* Close what is open. */
extern void wait_descriptor_close(WaitDescriptor *descriptor);

#endif /* CRISP_WAIT_DESCRIPTOR_H */
