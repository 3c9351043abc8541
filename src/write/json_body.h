/*-------------------------------------------------------------------------
 *
 * json_body.h
 *		Write the bodies of requests: JSON objects.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_JSON_BODY_H
#define CRISP_JSON_BODY_H

#include "write/encode.h"

/* A value and where it goes: keys joined by dots, none of which holds a dot. */
typedef struct BodyMember
{
	const char	*path;
	EncodedValue value;
} BodyMember;

/*
 * Write an object with these members as JSON text in UTF-8, with a NUL that *length doesn't count.
 * Paths that begin alike share objects; members keep their order.  Palloc'd.  Raises HV001 for lack
 * of memory.
 */
extern char *body_create(const BodyMember *members, int nmembers, size_t *length);

#endif /* CRISP_JSON_BODY_H */
