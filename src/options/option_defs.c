/*-------------------------------------------------------------------------
 *
 * option_defs.c
 *		List all options in one table: where each may be set, what its values can be, and what it is
 *		when it's set nowhere.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/reloptions.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_foreign_table.h"
#include "catalog/pg_user_mapping.h"
#include "commands/defrem.h"
#include "datatype/timestamp.h"
#include "utils/builtins.h"
#include "utils/formatting.h"
#include "utils/guc.h"

#include "base/compat.h"
#include "options/option_check.h"
#include "options/option_defs.h"
#include "http/url.h"

/* The longest duration: a day. */
#define MAX_DURATION_MS (SECS_PER_DAY * 1000)

#define MAX_ANALYZE_PAGES 10000
#define MAX_MAX_RETRIES 100

#define MIN_RESPONSE_BYTES 1024
#define MAX_RESPONSE_BYTES (255 * 1024 * 1024) /* what json_parse() takes */

PG_FUNCTION_INFO_V1(crisp_fdw_validator);

/* What an option may be set on. */
#define ON_SERVER 0x01
#define ON_MAPPING 0x02
#define ON_TABLE 0x04
#define ON_COLUMN 0x08

typedef struct OptionPlace
{
	Oid			catalog;
	int			place;
	const char *what; /* for messages */
} OptionPlace;

static const OptionPlace option_places[] = {
	{ForeignServerRelationId, ON_SERVER, "server"},
	{UserMappingRelationId, ON_MAPPING, "user mapping"},
	{ForeignTableRelationId, ON_TABLE, "foreign table"},
	{AttributeRelationId, ON_COLUMN, "column of a foreign table"},
	{InvalidOid, 0, "foreign data wrapper"}, /* and whatever else there may be */
};

/* What its values are, and which member of CrispOptions they go to. */
typedef enum OptionKind
{
	OPTION_INTEGER,	 /* int */
	OPTION_DURATION, /* int, in milliseconds */
	OPTION_SIZE,	 /* int, in bytes */
	OPTION_COST,	 /* double */
	OPTION_BOOLEAN,	 /* bool */
	OPTION_TEXT		 /* const char *, unless there is a function to set it */
} OptionKind;

/*
 * An option, wherever it may be set.
 */
typedef struct OptionDef
{
	const char *name;
	int			places;
	OptionKind	kind;
	size_t		offset; /* of the member of CrispOptions, 0 for none */
	int			first;	/* of integers, durations and sizes: the range */
	int			last;
	const char *preset; /* in force when it's set nowhere; NULL for what zero stands for */
	void (*check)(const char *name, const char *value);	   /* of a text: raises when it can't be */
	void (*set)(CrispOptions *options, const char *value); /* of a text: when offset won't do */
} OptionDef;

/*----------
 * Texts that come into force as something else
 *----------
 */

static void
set_base_url(CrispOptions *options, const char *value)
{
	char *url = pstrdup(value);

	for (size_t length = strlen(url); length > 0 && url[length - 1] == '/'; length--)
		url[length - 1] = '\0';
	options->base_url = url;
}

/*
 * Set the website in lower case, as Crisp writes it, so that it equals what Crisp sends.
 */
static void
set_website_id(CrispOptions *options, const char *value)
{
	options->website_id = asc_tolower(value, strlen(value));
}

static void
set_scan_mode(CrispOptions *options, const char *value)
{
	options->exact_scan = strcmp(value, "exact") == 0;
}

static void
set_invalid_text(CrispOptions *options, const char *value)
{
	options->invalid_text = strcmp(value, "replace") == 0 ? INVALID_TEXT_REPLACE
														  : INVALID_TEXT_ERROR;
}

static void
set_resource(CrispOptions *options, const char *value)
{
	options->resource = crisp_resource_find(value);
}

/*----------
 * The table
 *----------
 */

#define AT(member) offsetof(CrispOptions, member)

static const OptionDef option_defs[] = {
	{"resource", ON_TABLE, OPTION_TEXT, .check = option_check_resource, .set = set_resource},
	{"base_url", ON_SERVER, OPTION_TEXT, .preset = "https://api.crisp.chat/v1",
	 .check = option_check_base_url, .set = set_base_url},
	{"allow_http", ON_SERVER, OPTION_TEXT, .check = option_check_allow_http},
	{"sslrootcert", ON_SERVER, OPTION_TEXT, AT(sslrootcert), .check = option_check_file},
	{"website_id", ON_SERVER | ON_TABLE, OPTION_TEXT, .check = option_check_uuid,
	 .set = set_website_id},
	{"per_page", ON_SERVER | ON_TABLE, OPTION_INTEGER, AT(per_page), CRISP_MIN_PER_PAGE,
	 CRISP_MAX_PER_PAGE, CppAsString2(CRISP_MAX_PER_PAGE)},

	/*
	 * A server that sends next to nothing for as long as a request should take has most likely
	 * gone.
	 */
	{"request_timeout", ON_SERVER, OPTION_DURATION, AT(request_timeout_ms), 1, MAX_DURATION_MS,
	 "30s"},
	{"connect_timeout", ON_SERVER, OPTION_DURATION, AT(connect_timeout_ms), 1, MAX_DURATION_MS,
	 "10s"},
	{"low_speed_limit", ON_SERVER, OPTION_SIZE, AT(low_speed_limit), 0, MAX_RESPONSE_BYTES, "100"},
	{"low_speed_time", ON_SERVER, OPTION_DURATION, AT(low_speed_time_ms), 1, MAX_DURATION_MS,
	 "30s"},

	/* A page of 50 rows is some 100 kB. */
	{"max_response_size", ON_SERVER, OPTION_SIZE, AT(max_response_bytes), MIN_RESPONSE_BYTES,
	 MAX_RESPONSE_BYTES, "64MB"},

	{"daily_requests", ON_SERVER, OPTION_INTEGER, AT(daily_requests), 0, INT_MAX, "0"},
	{"reserved_requests", ON_SERVER, OPTION_INTEGER, AT(reserved_requests), 0, INT_MAX, "0"},

	{"max_retries", ON_SERVER | ON_TABLE, OPTION_INTEGER, AT(max_retries), 0, MAX_MAX_RETRIES, "5"},
	{"retry_delay", ON_SERVER | ON_TABLE, OPTION_DURATION, AT(retry_delay_ms), 1, MAX_DURATION_MS,
	 "1s"},
	{"retry_budget", ON_SERVER | ON_TABLE, OPTION_DURATION, AT(retry_budget_ms), 0, MAX_DURATION_MS,
	 "60s"},

	{"include_empty", ON_SERVER | ON_TABLE, OPTION_BOOLEAN, AT(include_empty)},
	{"inbox", ON_SERVER | ON_TABLE, OPTION_TEXT, AT(inbox), .check = option_check_inbox},
	{"prefetch", ON_SERVER | ON_TABLE, OPTION_INTEGER, AT(prefetch), 1, CRISP_MAX_PREFETCH, "4"},
	{"scan_mode", ON_SERVER | ON_TABLE, OPTION_TEXT, .check = option_check_scan_mode,
	 .set = set_scan_mode},
	{"invalid_text", ON_SERVER | ON_TABLE, OPTION_TEXT, .check = option_check_invalid_text,
	 .set = set_invalid_text},
	{"updatable", ON_SERVER | ON_TABLE, OPTION_BOOLEAN, AT(updatable)},

	/*
	 * A request is dear beside anything that PostgreSQL does meanwhile, but a scan
	 * of some hundred of them should not look worth compiling (jit_above_cost).
	 */
	{"startup_cost", ON_SERVER | ON_TABLE, OPTION_COST, AT(startup_cost), .preset = "100"},
	{"tuple_cost", ON_SERVER | ON_TABLE, OPTION_COST, AT(tuple_cost), .preset = "0.05"},

	/* CRISP_ANALYZE_PAGES_UNSET: the default is analyze.c's, since it depends on the table. */
	{"analyze_pages", ON_SERVER | ON_TABLE, OPTION_INTEGER, AT(analyze_pages), 0, MAX_ANALYZE_PAGES,
	 "-1"},

	{"identifier", ON_MAPPING, OPTION_TEXT, AT(identifier), .check = option_check_credential},
	{"key", ON_MAPPING, OPTION_TEXT, AT(key), .check = option_check_credential},
	{"credentials_file", ON_MAPPING, OPTION_TEXT, AT(credentials_file), .check = option_check_file},
	{"tier", ON_MAPPING, OPTION_TEXT, AT(tier), .check = option_check_tier},

	{"column_name", ON_COLUMN, OPTION_TEXT, .check = option_check_column_name},
	{"json_path", ON_COLUMN, OPTION_TEXT, .check = option_check_json_path},
};

/*
 * Find the place of options that the objects of a catalog are.
 */
static const OptionPlace *
find_place(Oid catalog)
{
	const OptionPlace *place = option_places;

	while (place->place != 0 && place->catalog != catalog)
		place++;
	return place;
}

/*
 * Find an option of a place; NULL when there is none of that name.
 */
static const OptionDef *
find_option(const char *name, const OptionPlace *place)
{
	for (size_t i = 0; i < lengthof(option_defs); i++)
		if ((option_defs[i].places & place->place) != 0 && strcmp(option_defs[i].name, name) == 0)
			return &option_defs[i];
	return NULL;
}

/*----------
 * What comes into force
 *----------
 */

/*
 * Put a value that was checked into force.
 */
static void
set_value(CrispOptions *options, const OptionDef *option, const char *value)
{
	void *member = (char *) options + option->offset;
	bool  is_valid = true;

	if (option->set != NULL)
	{
		option->set(options, value);
		return;
	}
	if (option->offset == 0)
		return;

	switch (option->kind)
	{
		case OPTION_INTEGER:
			is_valid = parse_int(value, member, 0, NULL);
			break;
		case OPTION_DURATION:
			is_valid = parse_int(value, member, GUC_UNIT_MS, NULL);
			break;
		case OPTION_SIZE:
			is_valid = parse_int(value, member, GUC_UNIT_BYTE, NULL);
			break;
		case OPTION_COST:
			is_valid = parse_real(value, member, 0, NULL);
			break;
		case OPTION_BOOLEAN:
			is_valid = parse_bool(value, member);
			break;
		case OPTION_TEXT:
			*(const char **) member = value;
			break;
	}
	if (!is_valid)
		elog(ERROR, "invalid value for option \"%s\": \"%s\"", option->name, value);
}

void
option_defs_set_defaults(CrispOptions *options)
{
	for (size_t i = 0; i < lengthof(option_defs); i++)
		if (option_defs[i].preset != NULL)
			set_value(options, &option_defs[i], option_defs[i].preset);
}

void
option_defs_set(CrispOptions *options, List *defs, Oid catalog)
{
	const OptionPlace *place = find_place(catalog);
	ListCell		  *lc;

	foreach(lc, defs)
	{
		DefElem			*def = lfirst_node(DefElem, lc);
		const OptionDef *option = find_option(def->defname, place);

		if (option != NULL)
			set_value(options, option, defGetString(def));
	}
}

/*----------
 * What can be set
 *----------
 */

/*
 * Raise an error when a value can't be.
 */
static void
check_value(const OptionDef *option, const char *value)
{
	switch (option->kind)
	{
		case OPTION_INTEGER:
			option_check_integer(option->name, value, option->first, option->last);
			break;
		case OPTION_DURATION:
			option_check_duration(option->name, value, option->first, option->last);
			break;
		case OPTION_SIZE:
			option_check_size(option->name, value, option->first, option->last);
			break;
		case OPTION_COST:
			option_check_cost(option->name, value);
			break;
		case OPTION_BOOLEAN:
			option_check_bool(option->name, value);
			break;
		case OPTION_TEXT:
			option->check(option->name, value);
			break;
	}
}

pg_noreturn static void
invalid_option(const char *name, const OptionPlace *place)
{
	StringInfoData valid;

	initStringInfo(&valid);
	for (size_t i = 0; i < lengthof(option_defs); i++)
		if ((option_defs[i].places & place->place) != 0)
			appendStringInfo(&valid, "%s%s", valid.len > 0 ? ", " : "", option_defs[i].name);

	ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
					errmsg("invalid option \"%s\" for a %s", name, place->what),
					valid.len > 0 ? errhint("Valid options in this context are: %s", valid.data)
								  : errhint("There are no valid options in this context.")));
}

/*
 * Refuse plain http, which would show the credentials to everyone on the way.  That needs a look at
 * two options together.
 */
static void
check_transport(List *options)
{
	const char *base_url = NULL;
	bool		allow_http = false;
	bool		plain_remote;
	ListCell   *lc;

	foreach(lc, options)
	{
		DefElem *def = lfirst_node(DefElem, lc);

		if (strcmp(def->defname, "base_url") == 0)
			base_url = defGetString(def);
		else if (strcmp(def->defname, "allow_http") == 0)
			(void) parse_bool(defGetString(def), &allow_http);
	}
	if (base_url == NULL || allow_http)
		return;

	(void) url_check_base(base_url, &plain_remote);
	if (plain_remote)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"base_url\" must use https: \"%s\"", base_url),
				 errdetail("Credentials would cross the network unencrypted."),
				 errhint("Plain http is for loopback addresses, unless a superuser sets allow_http "
						 "'true'.")));
}

/*
 * Refuse to reserve all requests of a day for syncs and pushes, which would leave queries none.
 */
static void
check_quota(List *options)
{
	int		  daily = 0;
	int		  reserved = 0;
	ListCell *lc;

	foreach(lc, options)
	{
		DefElem *def = lfirst_node(DefElem, lc);

		if (strcmp(def->defname, "daily_requests") == 0)
			(void) parse_int(defGetString(def), &daily, 0, NULL);
		else if (strcmp(def->defname, "reserved_requests") == 0)
			(void) parse_int(defGetString(def), &reserved, 0, NULL);
	}
	if (daily > 0 && reserved >= daily)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("option \"reserved_requests\" must be less than \"daily_requests\""),
						errdetail("With %d requests a day and %d reserved, none would be left for "
								  "queries.",
								  daily, reserved),
						errhint("One ALTER SERVER can set both.")));
}

/*
 * Check that credentials come either from the user mapping or from a file.
 */
static void
check_mapping_options(List *options)
{
	bool	  has_file = false;
	bool	  has_credential = false;
	ListCell *lc;

	foreach(lc, options)
	{
		const char *name = lfirst_node(DefElem, lc)->defname;

		has_file |= strcmp(name, "credentials_file") == 0;
		has_credential |= strcmp(name, "identifier") == 0 || strcmp(name, "key") == 0;
	}
	if (has_file && has_credential)
		ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
						errmsg("option \"credentials_file\" excludes \"identifier\" and \"key\"")));
}

/*
 * Refuse a table option that its resource can't honour, which would be ignored in silence.
 */
static void
check_table_options(List *options)
{
	const CrispResource *resource = NULL;
	ListCell			*lc;

	foreach(lc, options)
	{
		DefElem *def = lfirst_node(DefElem, lc);

		if (strcmp(def->defname, "resource") == 0)
			resource = crisp_resource_find(defGetString(def));
	}
	if (resource == NULL)
		return;

	foreach(lc, options)
	{
		const char *name = lfirst_node(DefElem, lc)->defname;

		if ((strcmp(name, "include_empty") == 0 && resource->include_empty_param == NULL &&
			 (resource->parent == NULL || resource->parent->none_in_empty ||
			  resource->parent->resource->include_empty_param == NULL)) ||
			(strcmp(name, "inbox") == 0 && resource->inbox == NULL &&
			 (resource->parent == NULL || resource->parent->resource->inbox == NULL)) ||
			(strcmp(name, "per_page") == 0 && resource->per_page_param == NULL) ||
			(strcmp(name, "updatable") == 0 && resource->changes == NULL))
			ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
							errmsg("option \"%s\" has no meaning for resource \"%s\"", name,
								   resource->name)));
	}
}

/*
 * Check the options of one object when they are set.
 */
Datum
crisp_fdw_validator(PG_FUNCTION_ARGS)
{
	List			  *options = untransformRelOptions(PG_GETARG_DATUM(0));
	const OptionPlace *place = find_place(PG_GETARG_OID(1));
	ListCell		  *lc;

	foreach(lc, options)
	{
		DefElem			*def = lfirst_node(DefElem, lc);
		const OptionDef *option = find_option(def->defname, place);

		if (option == NULL)
			invalid_option(def->defname, place);
		check_value(option, defGetString(def));
	}

	if (place->place == ON_SERVER)
	{
		check_transport(options);
		check_quota(options);
	}
	else if (place->place == ON_MAPPING)
		check_mapping_options(options);
	else if (place->place == ON_TABLE)
		check_table_options(options);

	PG_RETURN_VOID();
}
