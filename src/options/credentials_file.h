/*-------------------------------------------------------------------------
 *
 * credentials_file.h
 *		Read credentials from a file outside of the database.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_CREDENTIALS_FILE_H
#define CRISP_CREDENTIALS_FILE_H

/*
 * Say what is wrong with the value of identifier or key (name says which), as a sentence for an
 * errdetail that doesn't repeat it; NULL for nothing.  The text is static.
 */
extern const char *credentials_file_problem(const char *name, const char *value);

/*
 * Read identifier and key from the file at path, which must be absolute.  Both are palloc'd in
 * CurrentMemoryContext.
 *
 * Raises what opening and reading a file does (58P01, 42501, ...), and F0000 (config_file_error)
 * for a file that others can read or write, that is no regular file, too large, or not of the form
 * that docs/reference.md describes.  No message shows anything of its content.
 */
extern void credentials_file_read(const char *path, const char **identifier, const char **key);

#endif /* CRISP_CREDENTIALS_FILE_H */
