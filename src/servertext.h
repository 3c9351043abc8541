/*-------------------------------------------------------------------------
 *
 * servertext.h
 *		Text from the network as the database can keep it.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_SERVERTEXT_H
#define CRISP_SERVERTEXT_H

/*
 * Check text that should be UTF-8, and bring it into the database's encoding.
 * *length is that of utf8 in bytes, and gets that of the result, which holds no NUL
 * and is either palloc'd, with a NUL behind it, or utf8 itself.
 *
 * Raises 22P05 (untranslatable_character) for text that holds a NUL or that the
 * database's encoding doesn't have, and 22021 (character_not_in_repertoire) for text that
 * isn't UTF-8.
 */
extern const char *server_text(const char *utf8, size_t *length);

#endif /* CRISP_SERVERTEXT_H */
