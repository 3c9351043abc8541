/*-------------------------------------------------------------------------
 *
 * faults.c
 *		Commit faults of memory that the sanitizers must report (see prove.sh).
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/memutils.h"

PG_MODULE_MAGIC;
PG_FUNCTION_INFO_V1(commit_fault);

/*
 * Commit the fault with that number; none for 0.  Returns what was read.
 */
Datum
commit_fault(PG_FUNCTION_ARGS)
{
	int			   fault = PG_GETARG_INT32(0);
	MemoryContext  context = AllocSetContextCreate(CurrentMemoryContext, "faults",
												   ALLOCSET_DEFAULT_SIZES);
	volatile char *chunk = MemoryContextAllocZero(context, 5);
	volatile int   place = 4;
	char		  *moved;

	switch (fault)
	{
		case 1: /* one byte beyond */
			place = 5;
			break;
		case 2: /* before it */
			place = -12;
			break;
		case 3:
			pfree((char *) chunk);
			break;
		case 4:
			moved = repalloc((char *) chunk, 6);
			PG_RETURN_INT32(moved[place] + chunk[place]);
		case 5:
			MemoryContextReset(context);
			break;
		case 6:
			MemoryContextDelete(context);
			break;
		case 7: /* undefined behaviour */
			PG_RETURN_INT32(1 << (place + 28));
	}
	PG_RETURN_INT32(chunk[place]);
}
