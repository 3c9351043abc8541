/*-------------------------------------------------------------------------
 *
 * extension_version.h
 *		Make sure that this library and the extension's SQL objects are of one version.
 *
 * They are not between the installation of another library and ALTER EXTENSION ... UPDATE, and in
 * sessions that have loaded a library before it was replaced.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_EXTENSION_VERSION_H
#define CRISP_EXTENSION_VERSION_H

/*
 * Raise an error where the SQL objects of the extension are of another version than this library
 * (55000).  Each function that SQL calls begins with this, as a call with other arguments than it
 * expects would crash; but not the validator, which dumps of other versions need.  What was found
 * is kept until functions change in the database, as they do by each update, of any session.
 */
extern void extension_version_check(void);

/* Raise that error: for functions that only another version has. */
extern void extension_version_refuse(void);

#endif /* CRISP_EXTENSION_VERSION_H */
