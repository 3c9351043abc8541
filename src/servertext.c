/*-------------------------------------------------------------------------
 *
 * servertext.c
 *		Text from the network as the database can keep it.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"

#include "servertext.h"

static bool is_plain_ascii(const char *text, size_t length);

/*
 * server_text -- check text, and bring it into the database's encoding
 */
const char *
server_text(const char *utf8, size_t *length)
{
	const char *text;

	/* Plain ASCII is valid, and the same, in every server encoding. */
	if (is_plain_ascii(utf8, *length))
		return utf8;

	if (memchr(utf8, '\0', *length) != NULL)
		ereport(ERROR, (errcode(ERRCODE_UNTRANSLATABLE_CHARACTER),
						errmsg("unsupported Unicode escape sequence"),
						errdetail("\\u0000 cannot be converted to text.")));

	text = pg_any_to_server(utf8, (int) *length, PG_UTF8);
	if (text != utf8)
		*length = strlen(text);
	return text;
}

/*
 * is_plain_ascii -- are there only bytes from 0x01 to 0x7f?
 */
static bool
is_plain_ascii(const char *text, size_t length)
{
	const uint64 ones = UINT64CONST(0x0101010101010101);
	uint64		 high = 0;
	size_t		 i = 0;

	/* Subtracting one sets the high bit of a byte that is NUL, and of none if all are 1 to 0x80. */
	for (; i + sizeof(uint64) <= length; i += sizeof(uint64))
	{
		uint64 chunk;

		memcpy(&chunk, text + i, sizeof(chunk));
		high |= chunk | (chunk - ones);
	}
	for (; i < length; i++)
		high |= (unsigned char) text[i] | ((unsigned char) text[i] - UINT64CONST(1));
	return (high & (ones << 7)) == 0;
}
