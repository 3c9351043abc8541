/*-------------------------------------------------------------------------
 *
 * spill.c
 *		Keep bytes, beyond a limit in a temporary file.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "storage/buffile.h"
#include "utils/memutils.h"

#include "base/spill.h"

/* What memory there is to begin with. */
#define FIRST_CAPACITY ((Size) 8192)

struct Spill
{
	MemoryContext context;
	ResourceOwner owner; /* of the file */
	Size		  limit;
	Size		  capacity;
	char		 *bytes; /* all of them; NULL before the first, and once there is a file, */
	BufFile		 *file;	 /* which then has all of them */
	int64		  size;
};

Spill *
spill_create(MemoryContext parent, Size limit, ResourceOwner owner)
{
	MemoryContext context = AllocSetContextCreate(parent, "crisp_fdw spill", ALLOCSET_SMALL_SIZES);
	Spill		 *spill = MemoryContextAllocZero(context, sizeof(Spill));

	spill->context = context;
	spill->owner = owner;
	spill->limit = limit;
	return spill;
}

int64
spill_size(const Spill *spill)
{
	return spill->size;
}

static void
seek(Spill *spill, int64 offset)
{
	if (BufFileSeek(spill->file, 0, (off_t) offset, SEEK_SET) != 0)
		ereport(ERROR, (errcode_for_file_access(),
						errmsg("could not seek in temporary file of crisp_fdw")));
}

/*
 * Write to the file, from where it stands.
 */
static void
write_file(Spill *spill, const void *data, Size length)
{
	ResourceOwner old_owner = CurrentResourceOwner;
	MemoryContext old_context = MemoryContextSwitchTo(spill->context);

	/* A file that has become too large goes on in another one. */
	CurrentResourceOwner = spill->owner;
	BufFileWrite(spill->file, unconstify(void *, data), length);
	CurrentResourceOwner = old_owner;
	MemoryContextSwitchTo(old_context);
}

/*
 * Move all bytes to a file.
 */
static void
make_file(Spill *spill)
{
	ResourceOwner old_owner = CurrentResourceOwner;
	MemoryContext old_context = MemoryContextSwitchTo(spill->context);

	CurrentResourceOwner = spill->owner;
	spill->file = BufFileCreateTemp(false);
	CurrentResourceOwner = old_owner;
	MemoryContextSwitchTo(old_context);
	if (spill->bytes == NULL)
		return;
	write_file(spill, spill->bytes, (Size) spill->size);
	pfree(spill->bytes);
	spill->bytes = NULL;
}

static void
grow(Spill *spill, Size capacity)
{
	if (spill->bytes == NULL)
		spill->bytes = MemoryContextAllocHuge(spill->context, capacity);
	else
		spill->bytes = repalloc_huge(spill->bytes, capacity);
	spill->capacity = capacity;
}

void
spill_append(Spill *spill, const void *data, Size length)
{
	Size needed = (Size) spill->size + length;

	if (spill->file == NULL && needed > spill->limit)
		make_file(spill);
	if (spill->file != NULL)
	{
		seek(spill, spill->size);
		write_file(spill, data, length);
	}
	else
	{
		if (spill->bytes == NULL || needed > spill->capacity)
			grow(spill, Max(needed, Max(FIRST_CAPACITY, spill->capacity * 2)));
		memcpy(spill->bytes + spill->size, data, length);
	}
	spill->size += (int64) length;
}

void
spill_read(Spill *spill, int64 offset, void *data, Size length)
{
	Assert(offset >= 0 && offset + (int64) length <= spill->size);
	if (spill->file == NULL)
	{
		memcpy(data, spill->bytes + offset, length);
		return;
	}
	seek(spill, offset);
	if (BufFileRead(spill->file, data, length) != length)
		ereport(ERROR, (errcode_for_file_access(),
						errmsg("could not read from temporary file of crisp_fdw")));
}

void
spill_replace(Spill *spill, int64 offset, const void *data, Size length)
{
	Assert(offset >= 0 && offset + (int64) length <= spill->size);
	if (spill->file == NULL)
	{
		memcpy(spill->bytes + offset, data, length);
		return;
	}
	seek(spill, offset);
	write_file(spill, data, length);
}

void
spill_end(Spill *spill)
{
	if (spill->file != NULL)
		BufFileClose(spill->file);
	MemoryContextDelete(spill->context);
}
