/*-------------------------------------------------------------------------
 *
 * credentials_file.c
 *		Read credentials from a file outside of the database.
 *
 * A line of the file is "identifier = ...", "key = ...", a comment that begins
 * with #, or empty.  It's read whenever a scan begins, so that what
 * changes in it counts from the next statement on.  Only what nobody else on the machine can
 * read is taken, by the same rule as PostgreSQL's own for its private key.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/fd.h"

#include "base/compat.h"
#include "options/credentials_file.h"

/* More than any such file needs, bytes. */
#define MAX_FILE_BYTES 4096

static const char blanks[] = " \t\r\f\v";

/* A file that is being read. */
typedef struct CredentialFile
{
	const char *path;
	int			line; /* number of the one at hand */
	const char *identifier;
	const char *key;
} CredentialFile;

const char *
credentials_file_problem(const char *name, const char *value)
{
	if (value[0] == '\0')
		return "It must not be empty.";
	for (const char *c = value; *c != '\0'; c++)
		if ((unsigned char) *c <= ' ' || (unsigned char) *c >= 127)
			return "It must not hold blanks, control characters or non-ASCII characters.";

	/* Basic authentication ends the user name at the first colon. */
	if (strcmp(name, "identifier") == 0 && strchr(value, ':') != NULL)
		return "It must not hold a colon.";
	return NULL;
}

/*----------
 * The file
 *----------
 */

/*
 * Check that a path leads to a regular file, which nobody else can read or write.
 */
static void
check_file(const char *path, const struct stat *file)
{
	mode_t others = file->st_uid == 0 ? S_IWGRP | S_IXGRP | S_IRWXO : S_IRWXG | S_IRWXO;

	if (!S_ISREG(file->st_mode))
		ereport(ERROR, (errcode(ERRCODE_CONFIG_FILE_ERROR),
						errmsg("credentials file \"%s\" is not a regular file", path)));
	if (file->st_uid != geteuid() && file->st_uid != 0)
		ereport(
			ERROR,
			(errcode(ERRCODE_CONFIG_FILE_ERROR),
			 errmsg("credentials file \"%s\" belongs to another user", path),
			 errdetail("Its owner must be the user that the database server runs as, or root.")));
	if (file->st_mode & others)
		ereport(
			ERROR,
			(errcode(ERRCODE_CONFIG_FILE_ERROR),
			 errmsg("others have access to credentials file \"%s\"", path),
			 errdetail("Its mode must be 0600 or less, or, if it belongs to root, 0640 or less.")));
	if (file->st_size > MAX_FILE_BYTES)
		ereport(ERROR, (errcode(ERRCODE_CONFIG_FILE_ERROR),
						errmsg("credentials file \"%s\" is too large", path),
						errdetail("It may have %d bytes.", MAX_FILE_BYTES)));
}

/*
 * Read a file into buffer, which ends in a NUL then; its size is MAX_FILE_BYTES + 2, so that a file
 * that grows meanwhile is noticed.
 */
static void
read_file(const char *path, char *buffer)
{
	/* Should there be a pipe in place of a file, opening it doesn't wait for its other end. */
	int			fd = OpenTransientFile(path, O_RDONLY | O_NONBLOCK);
	struct stat file;
	size_t		length = 0;
	ssize_t		got;

	if (fd < 0 || fstat(fd, &file) < 0)
		ereport(ERROR, (errcode_for_file_access(),
						errmsg("could not open credentials file \"%s\": %m", path)));
	check_file(path, &file);

	while ((got = read(fd, buffer + length, MAX_FILE_BYTES + 1 - length)) > 0)
		length += got;
	if (got < 0)
		ereport(ERROR, (errcode_for_file_access(),
						errmsg("could not read credentials file \"%s\": %m", path)));
	(void) CloseTransientFile(fd);

	buffer[length] = '\0';
	if (length > MAX_FILE_BYTES || strlen(buffer) < length)
		ereport(ERROR, (errcode(ERRCODE_CONFIG_FILE_ERROR),
						errmsg("credentials file \"%s\" is not a text of at most %d bytes", path,
							   MAX_FILE_BYTES)));
}

/*----------
 * Its content
 *----------
 */

pg_noreturn static void
invalid_line(const CredentialFile *file, const char *detail)
{
	ereport(ERROR, (errcode(ERRCODE_CONFIG_FILE_ERROR),
					errmsg("invalid line %d in credentials file \"%s\"", file->line, file->path),
					errdetail("%s", detail)));
}

/*
 * Cut the blanks off both ends of a text, in place.
 */
static char *
trim(char *text)
{
	size_t length;

	text += strspn(text, blanks);
	for (length = strlen(text); length > 0 && strchr(blanks, text[length - 1]) != NULL; length--)
		text[length - 1] = '\0';
	return text;
}

/*
 * Take a line in, and change it meanwhile.
 */
static void
read_line(CredentialFile *file, char *line)
{
	char		*equals = strchr(line, '=');
	const char	*value;
	const char	*problem;
	const char **field;

	line = trim(line);
	if (line[0] == '\0' || line[0] == '#')
		return;
	if (equals == NULL)
		invalid_line(file, "It is neither a setting nor a comment.");

	*equals = '\0';
	line = trim(line);
	value = trim(equals + 1);
	if (strcmp(line, "identifier") == 0)
		field = &file->identifier;
	else if (strcmp(line, "key") == 0)
		field = &file->key;
	else
		invalid_line(file, "It sets neither identifier nor key.");

	if (*field != NULL)
		invalid_line(file, "It sets again what an earlier line has set.");
	problem = credentials_file_problem(line, value);
	if (problem != NULL)
		invalid_line(file, problem);
	*field = pstrdup(value);
}

void
credentials_file_read(const char *path, const char **identifier, const char **key)
{
	CredentialFile file = {.path = path};
	char		   buffer[MAX_FILE_BYTES + 2];
	char		  *line = buffer;

	read_file(path, buffer);
	while (line != NULL)
	{
		char *end = strchr(line, '\n');

		if (end != NULL)
			*end++ = '\0';
		file.line++;
		read_line(&file, line);
		line = end;
	}
	explicit_bzero(buffer, sizeof(buffer));

	if (file.identifier == NULL || file.key == NULL)
		ereport(ERROR, (errcode(ERRCODE_CONFIG_FILE_ERROR),
						errmsg("credentials file \"%s\" has no %s", path,
							   file.identifier == NULL ? "identifier" : "key")));
	*identifier = file.identifier;
	*key = file.key;
}
