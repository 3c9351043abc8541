/*-------------------------------------------------------------------------
 *
 * push_fold.c
 *		Find which keys of a push Crisp may take for the same.
 *
 * What is known of rows is found by folded keys, so these must never change:
 * not with a collation of the operating system, nor with a version of Unicode.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/string.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include "base/extension_version.h"

PG_FUNCTION_INFO_V1(crisp_push_fold);

/* Capital letters, each so many after the one before, and how far their small letters are. */
typedef struct Capitals
{
	pg_wchar first;
	pg_wchar last;
	int		 step;
	int		 distance;
} Capitals;

/* Latin, Greek, Cyrillic and Armenian letters; those of ASCII come from elsewhere. */
static const Capitals capitals[] = {
	{0x00C0, 0x00D6, 1, 32},   {0x00D8, 0x00DE, 1, 32}, {0x0100, 0x012E, 2, 1},
	{0x0132, 0x0136, 2, 1},	   {0x0139, 0x0147, 2, 1},	{0x014A, 0x0176, 2, 1},
	{0x0178, 0x0178, 1, -121}, {0x0179, 0x017D, 2, 1},	{0x0386, 0x0386, 1, 38},
	{0x0388, 0x038A, 1, 37},   {0x038C, 0x038C, 1, 64}, {0x038E, 0x038F, 1, 63},
	{0x0391, 0x03A1, 1, 32},   {0x03A3, 0x03AB, 1, 32}, {0x03C2, 0x03C2, 1, 1},
	{0x0400, 0x040F, 1, 80},   {0x0410, 0x042F, 1, 32}, {0x0460, 0x0480, 2, 1},
	{0x048A, 0x04BE, 2, 1},	   {0x04C1, 0x04CD, 2, 1},	{0x04D0, 0x052E, 2, 1},
	{0x0531, 0x0556, 1, 48},   {0x1E00, 0x1E94, 2, 1},	{0x1E9E, 0x1E9E, 1, -7615},
	{0x1EA0, 0x1EFE, 2, 1},	   {0xFF21, 0xFF3A, 1, 32}};

/*
 * Return the small letter of a character beyond ASCII, or the character itself.
 */
static pg_wchar
small_letter(pg_wchar c)
{
	for (int i = 0; i < (int) lengthof(capitals) && c >= capitals[i].first; i++)
		if (c <= capitals[i].last && (c - capitals[i].first) % capitals[i].step == 0)
			return c + capitals[i].distance;
	return c;
}

/*
 * Return a text in UTF-8 in small letters.
 */
static char *
fold_utf8(const char *text)
{
	StringInfoData folded;

	initStringInfo(&folded);
	while (*text != '\0')
	{
		unsigned char character[8] = {0};
		int			  length = pg_utf_mblen((const unsigned char *) text);

		if (length == 1)
			character[0] = pg_ascii_tolower((unsigned char) *text);
		else
			(void) unicode_to_utf8(small_letter(utf8_to_unicode((const unsigned char *) text)),
								   character);
		appendStringInfoString(&folded, (const char *) character);
		text += length;
	}
	return folded.data;
}

/*
 * Return a key without what Crisp may not tell apart: in small letters, and without spaces around
 * it.
 *
 * SQL: crisp_push_fold(key).
 */
Datum
crisp_push_fold(PG_FUNCTION_ARGS)
{
	static const char *const spaces = " \t\r\n";
	char					*key = text_to_cstring(PG_GETARG_TEXT_PP(0));
	size_t					 length;

	extension_version_check();
	key += strspn(key, spaces);
	length = strlen(key);
	while (length > 0 && strchr(spaces, key[length - 1]) != NULL)
		length--;
	key[length] = '\0';
	/* What isn't in a known encoding has no letters beyond ASCII. */
	if (pg_is_ascii(key) || GetDatabaseEncoding() == PG_SQL_ASCII)
		for (char *c = key; *c != '\0'; c++)
			*c = (char) pg_ascii_tolower((unsigned char) *c);
	else
	{
		key = fold_utf8(pg_server_to_any(key, (int) length, PG_UTF8));
		key = pg_any_to_server(key, (int) strlen(key), PG_UTF8);
	}
	PG_RETURN_TEXT_P(cstring_to_text(key));
}
