/*-------------------------------------------------------------------------
 *
 * compat.h
 *		What differs between the versions of PostgreSQL, under one name.
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

#endif /* CRISP_COMPAT_H */
