/*-------------------------------------------------------------------------
 *
 * wait_descriptor.c
 *		Give a scan the descriptor by which an Append waits for it.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <unistd.h>

#include "scan/wait_descriptor.h"

struct WaitDescriptor
{
	int					  fd; /* -1 for none */
	MemoryContextCallback callback;
};

/*
 * Close what is open, as the memory goes; a reset callback.
 */
static void
forget(void *descriptor)
{
	wait_descriptor_close(descriptor);
}

WaitDescriptor *
wait_descriptor_create(MemoryContext context)
{
	WaitDescriptor *descriptor = MemoryContextAllocZero(context, sizeof(WaitDescriptor));

	descriptor->fd = -1;
	descriptor->callback.func = forget;
	descriptor->callback.arg = descriptor;
	MemoryContextRegisterResetCallback(context, &descriptor->callback);
	return descriptor;
}

pgsocket
wait_descriptor_set(WaitDescriptor *descriptor, pgsocket original)
{
	wait_descriptor_close(descriptor);
	descriptor->fd = fcntl(original, F_DUPFD_CLOEXEC, 0);
	if (descriptor->fd < 0)
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_RESOURCES),
						errmsg("could not open a descriptor to wait for: %m")));
	return descriptor->fd;
}

void
wait_descriptor_close(WaitDescriptor *descriptor)
{
	if (descriptor->fd >= 0)
		(void) close(descriptor->fd);
	descriptor->fd = -1;
}
