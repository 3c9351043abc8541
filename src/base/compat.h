/*-------------------------------------------------------------------------
 *
 * compat.h
 *		Give what differs between the versions of PostgreSQL one name.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_COMPAT_H
#define CRISP_COMPAT_H

/* 18 puts it before the declaration; older versions have an attribute of another form. */
#ifndef pg_noreturn
#define pg_noreturn __attribute__((noreturn))
#endif

/* A lexer of common/jsonapi.h for text in UTF-8, which leaves escapes as they are; palloc'd. */
#if PG_VERSION_NUM >= 170000
#define json_lexer_create(text, length) \
	makeJsonLexContextCstringLen(NULL, text, length, PG_UTF8, false)
#else
#define json_lexer_create(text, length) \
	makeJsonLexContextCstringLen(text, (int) (length), PG_UTF8, false)
#endif

#endif /* CRISP_COMPAT_H */
