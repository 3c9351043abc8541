/*-------------------------------------------------------------------------
 *
 * server_text.h
 *		Bring text from the network into a form that the database can keep.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_SERVER_TEXT_H
#define CRISP_SERVER_TEXT_H

/* What becomes of text that the database can't keep. */
typedef enum InvalidText
{
	INVALID_TEXT_ERROR,	 /* an error */
	INVALID_TEXT_REPLACE /* each such character is replaced by server_text_replacement() */
} InvalidText;

/*
 * Check text that should be UTF-8, and bring it into the database's encoding.  *length is that of
 * utf8 in bytes, and gets that of the result, which holds no NUL and is either palloc'd, with a NUL
 * behind it, or utf8 itself.
 *
 * With INVALID_TEXT_ERROR, raises 22P05 (untranslatable_character) for text that holds a NUL or
 * that the database's encoding doesn't have, and 22021 (character_not_in_repertoire) for text that
 * isn't UTF-8.  With INVALID_TEXT_REPLACE it raises nothing.
 */
extern const char *server_text(const char *utf8, size_t *length, InvalidText invalid);

/*
 * Return what stands for a character that the database can't keep, in its encoding: U+FFFD, or a
 * question mark where the encoding is not UTF-8.
 */
extern const char *server_text_replacement(void);

#endif /* CRISP_SERVER_TEXT_H */
