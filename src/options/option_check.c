/*-------------------------------------------------------------------------
 *
 * option_check.c
 *		Check options' values when they are set.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <ctype.h>
#include <math.h>

#include "datatype/timestamp.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#include "base/compat.h"
#include "options/credentials_file.h"
#include "json/json_path.h"
#include "options/option_values.h"
#include "options/option_check.h"
#include "http/url.h"

/* The longest identifier of an inbox; Crisp's have some 40 bytes. */
#define MAX_INBOX_BYTES 255

pg_noreturn static void
invalid_value(const char *name, const char *value, const char *detail)
{
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("invalid value for option \"%s\": \"%s\"", name, value),
					errdetail("%s", detail)));
}

void
option_check_base_url(const char *name, const char *value)
{
	bool		plain_remote;
	const char *problem = url_check_base(value, &plain_remote);

	/* The value is not repeated: a URL with credentials in it would show them. */
	if (problem != NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("invalid value for option \"%s\"", name), errdetail("%s", problem)));
}

void
option_check_bool(const char *name, const char *value)
{
	bool result;

	if (!parse_bool(value, &result))
		invalid_value(name, value, "A Boolean value is expected: true or false.");
}

/*
 * Raise an error unless the user is a superuser.  The validator sees all options of an object, so
 * nobody else can change any other option while this one is set, either.
 */
static void
check_superuser(const char *name, const char *detail)
{
	if (!superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("only a superuser may set option \"%s\"", name), errdetail("%s", detail)));
}

/*
 * Check the path of a file on the database server's machine.
 */
void
option_check_file(const char *name, const char *value)
{
	check_superuser(name, "The server reads the file with rights of its own.");
	if (!is_absolute_path(value))
		invalid_value(name, value, "An absolute path is expected.");
}

void
option_check_allow_http(const char *name, const char *value)
{
	option_check_bool(name, value);
	check_superuser(name, "It lets credentials cross a network unencrypted.");
}

void
option_check_uuid(const char *name, const char *value)
{
	/* The form that Crisp writes: lower or upper case, hyphens where they belong. */
	static const char form[] = "hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh";
	bool			  valid = strlen(value) == strlen(form);

	for (size_t i = 0; valid && i < strlen(form); i++)
		valid = form[i] == '-' ? value[i] == '-' : isxdigit((unsigned char) value[i]) != 0;
	if (!valid)
		invalid_value(name, value,
					  "A UUID is expected, as in the address of the website's settings at Crisp.");
}

/*
 * Take decimal digits alone: parse_int() would round 4.5, and take 010 for 8.
 */
void
option_check_integer(const char *name, const char *value, int first, int last)
{
	int	 result;
	bool decimal = strspn(value, "0123456789") == strlen(value) &&
				   (value[0] != '0' || value[1] == '\0');

	if (!decimal || !parse_int(value, &result, 0, NULL) || result < first || result > last)
		invalid_value(name, value, psprintf("An integer from %d to %d is expected.", first, last));
}

void
option_check_scan_mode(const char *name, const char *value)
{
	if (strcmp(value, "fast") != 0 && strcmp(value, "exact") != 0)
		invalid_value(name, value, "Scan modes are: fast, exact.");
}

void
option_check_inbox(const char *name, const char *value)
{
	bool valid = value[0] != '\0' && strlen(value) <= MAX_INBOX_BYTES;

	for (const char *c = value; *c != '\0'; c++)
		valid = valid && (unsigned char) *c > ' ' && *c != 0x7F;
	if (!valid)
		invalid_value(name, value, "The identifier of an inbox is expected, or all.");
	if (pg_strcasecmp(value, "all") == 0 && strcmp(value, "all") != 0)
		invalid_value(name, value, "For all inboxes, write it in lower case: all.");
}

void
option_check_column_name(const char *name, const char *value)
{
	if (value[0] == '\0')
		invalid_value(name, value, "A name is expected.");
}

void
option_check_invalid_text(const char *name, const char *value)
{
	if (strcmp(value, "error") != 0 && strcmp(value, "replace") != 0)
		invalid_value(name, value, "Values are: error, replace.");
}

void
option_check_cost(const char *name, const char *value)
{
	double cost;

	if (!parse_real(value, &cost, 0, NULL) || cost < 0 || isinf(cost) || isnan(cost))
		invalid_value(name, value, "A number that is not negative is expected.");
}

void
option_check_duration(const char *name, const char *value, int first_ms, int last_ms)
{
	int			result;
	const char *hint = NULL;

	if (!parse_int(value, &result, GUC_UNIT_MS, &hint))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value for option \"%s\": \"%s\"", name, value),
				 errdetail("A duration is expected, such as 500ms, 30s or 2min; a bare number is "
						   "milliseconds."),
				 hint ? errhint("%s", _(hint)) : 0));
	if (result < first_ms || result > last_ms)
		invalid_value(name, value,
					  psprintf("A duration from %dms to %dd is expected.", first_ms,
							   last_ms / (SECS_PER_DAY * 1000)));
}

void
option_check_size(const char *name, const char *value, int first, int last)
{
	int			result;
	const char *hint = NULL;

	if (!parse_int(value, &result, GUC_UNIT_BYTE, &hint) || result < first || result > last)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("invalid value for option \"%s\": \"%s\"", name, value),
						errdetail("A size from %d to %d bytes is expected, such as 500kB or 64MB.",
								  first, last),
						hint ? errhint("%s", _(hint)) : 0));
}

void
option_check_tier(const char *name, const char *value)
{
	if (strcmp(value, "website") != 0 && strcmp(value, "plugin") != 0 && strcmp(value, "user") != 0)
		invalid_value(name, value, "Crisp's tiers are: website, plugin, user.");
}

/*
 * Check a credential without repeating it in a message.  It could not be checked further without a
 * request.
 */
void
option_check_credential(const char *name, const char *value)
{
	const char *problem = credentials_file_problem(name, value);

	if (problem != NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("invalid value for option \"%s\"", name), errdetail("%s", problem)));
}

void
option_check_resource(const char *name, const char *value)
{
	if (crisp_resource_find(value) == NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("invalid value for option \"%s\": \"%s\"", name, value),
						errdetail("Crisp has no resource of that name."),
						errhint("Valid resources are: %s", crisp_resource_names())));
}

void
option_check_json_path(const char *name, const char *value)
{
	const char *error = NULL;

	if (json_path_parse(value, &error) == NULL)
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid value for option \"%s\": \"%s\"", name, value), errdetail("%s", error),
			 errhint(
				 "Keys are joined by dots; one that holds a dot or a quote is written in double "
				 "quotes.")));
}
