/*-------------------------------------------------------------------------
 *
 * server_text.c
 *		Bring text from the network into a form that the database can keep.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"

#include "base/server_text.h"

/* So much of a text is converted at a time when what can't be is replaced. */
#define PIECE_BYTES 256

/* The longest character of UTF-8. */
#define MAX_UTF8_BYTES 4

static bool		   is_plain_ascii(const char *text, size_t length);
static const char *replace_invalid(const char *utf8, size_t *length);

/*
 * Say what to do about text that the database can't keep.
 */
static int
hint_at_option(void)
{
	return errhint(
		"Set option invalid_text of the server or of the foreign table to \"replace\" to "
		"have such characters replaced, or leave the column out of the query.");
}

/*
 * An ErrorContextCallback for the conversion of such text.
 */
static void
add_hint(void *arg)
{
	int code = geterrcode();

	if (code == ERRCODE_UNTRANSLATABLE_CHARACTER || code == ERRCODE_CHARACTER_NOT_IN_REPERTOIRE)
		hint_at_option();
}

/*
 * Convert text to the database's encoding.
 */
static const char *
convert(const char *utf8, size_t length)
{
	ErrorContextCallback callback;
	const char			*text;

	callback.callback = add_hint;
	callback.arg = NULL;
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	text = pg_any_to_server(utf8, (int) length, PG_UTF8);
	error_context_stack = callback.previous;
	return text;
}

/*
 * Check text, and bring it into the database's encoding.
 */
const char *
server_text(const char *utf8, size_t *length, InvalidText invalid)
{
	const char *text;

	/* Plain ASCII is valid, and the same, in every server encoding. */
	if (is_plain_ascii(utf8, *length))
		return utf8;
	if (invalid == INVALID_TEXT_REPLACE)
		return replace_invalid(utf8, length);

	if (memchr(utf8, '\0', *length) != NULL)
		ereport(ERROR, (errcode(ERRCODE_UNTRANSLATABLE_CHARACTER),
						errmsg("unsupported Unicode escape sequence"),
						errdetail("\\u0000 cannot be converted to text."), hint_at_option()));

	text = convert(utf8, *length);
	if (text != utf8)
		*length = strlen(text);
	return text;
}

/*
 * Return what stands for a character that the database can't keep.
 */
const char *
server_text_replacement(void)
{
	return GetDatabaseEncoding() == PG_UTF8 ? "\xEF\xBF\xBD" : "?";
}

/*
 * Return how many of the first bytes are whole, valid characters of UTF-8, and no NUL.
 */
static size_t
valid_length(const char *utf8, size_t length)
{
	const unsigned char *text = (const unsigned char *) utf8;
	size_t				 valid = 0;

	while (valid < length && text[valid] != '\0')
	{
		size_t width = (size_t) pg_utf_mblen(text + valid);

		if (width > length - valid || !pg_utf8_islegal(text + valid, (int) width))
			break;
		valid += width;
	}
	return valid;
}

/*
 * Append the beginning of a text in the database's encoding, as far as everything is valid and has
 * an equivalent.  Return how many bytes of utf8 that is.
 */
static size_t
append_convertible(StringInfo result, const char *utf8, size_t length)
{
	int	   encoding = GetDatabaseEncoding();
	size_t valid = valid_length(utf8, length);
	char   piece[PIECE_BYTES * MAX_CONVERSION_GROWTH + 1];
	Oid	   conversion;

	if (encoding == PG_UTF8 || encoding == PG_SQL_ASCII)
	{
		appendBinaryStringInfo(result, utf8, (int) valid);
		return valid;
	}
	conversion = FindDefaultConversionProc(PG_UTF8, encoding);
	if (!OidIsValid(conversion))
		return 0;
	valid = (size_t) pg_do_encoding_conversion_buf(
		conversion, PG_UTF8, encoding, (unsigned char *) unconstify(char *, utf8), (int) valid,
		(unsigned char *) piece, (int) sizeof(piece), true);
	appendStringInfoString(result, piece);
	return valid;
}

/*
 * Bring text into the database's encoding, with replacements for what it lacks.  Work in pieces,
 * since each replacement looks at the rest of its piece again.
 */
static const char *
replace_invalid(const char *utf8, size_t *length)
{
	StringInfoData result;
	size_t		   at = 0;

	initStringInfo(&result);
	while (at < *length)
	{
		size_t rest = *length - at;
		size_t piece = rest <= PIECE_BYTES ? rest : valid_length(utf8 + at, PIECE_BYTES);
		size_t taken = append_convertible(&result, utf8 + at, piece);
		size_t width = 1;

		CHECK_FOR_INTERRUPTS();
		at += taken;
		rest -= taken;
		if (rest == 0 || (taken > 0 && taken == piece))
			continue;
		appendStringInfoString(&result, server_text_replacement());
		if (valid_length(utf8 + at, Min(rest, MAX_UTF8_BYTES)) > 0)
			width = (size_t) pg_utf_mblen((const unsigned char *) utf8 + at);
		at += width;
	}
	*length = (size_t) result.len;
	return result.data;
}

/*
 * Say whether there are only bytes from 0x01 to 0x7f.
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
