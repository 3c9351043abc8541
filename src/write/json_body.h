/*-------------------------------------------------------------------------
 *
 * json_body.h
 *		JSON objects that are sent.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_JSON_BODY_H
#define CRISP_JSON_BODY_H

/* A value and where it goes: keys joined by dots, none of which holds a dot. */
typedef struct BodyMember
{
	const char *path;
	const char *json; /* in the database's encoding */
} BodyMember;

/*
 * The JSON text of an object with these members, in UTF-8, with a NUL that *length doesn't
 * count; palloc'd.  Paths that begin alike share objects; members keep their order.
 * Raises 22P05 (untranslatable_character) for what UTF-8 doesn't have.
 */
extern char *body_create(const BodyMember *members, int nmembers, size_t *length);

#endif /* CRISP_JSON_BODY_H */
