/*-------------------------------------------------------------------------
 *
 * text_key.c
 *		Find things by texts of any length, in tables of PostgreSQL's.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#include "base/compat.h"
#include "base/text_key.h"

TextKey
text_key(const char *text)
{
	bytea  *input = (bytea *) cstring_to_text(text);
	bytea  *digest = DatumGetByteaPP(DirectFunctionCall1(sha256_bytea, PointerGetDatum(input)));
	TextKey key;

	memcpy(key.bytes, VARDATA_ANY(digest), sizeof(key.bytes));
	pfree(digest);
	pfree(input);
	return key;
}

HTAB *
text_key_table(const char *name, MemoryContext context, Size entry_size)
{
	HASHCTL control = {.keysize = sizeof(TextKey), .entrysize = entry_size, .hcxt = context};

	return hash_create(name, 16, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}
