/*-------------------------------------------------------------------------
 *
 * option.c
 *		The options of server, user mapping, table and column: one table of
 *		them, their validation, and what is in force.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <limits.h>
#include <math.h>

#include "access/reloptions.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_foreign_table.h"
#include "catalog/pg_user_mapping.h"
#include "commands/defrem.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "compat.h"
#include "jsonpath.h"
#include "option.h"
#include "url.h"

#define DEFAULT_BASE_URL "https://api.crisp.chat/v1"
#define DEFAULT_TIER "website"
#define DEFAULT_REQUEST_TIMEOUT_MS 30000
#define DEFAULT_CONNECT_TIMEOUT_MS 10000

/*
 * A request is dear beside anything that PostgreSQL does meanwhile, but a scan
 * of some hundred of them should not look worth compiling (jit_above_cost).
 */
#define DEFAULT_STARTUP_COST 100.0
#define DEFAULT_TUPLE_COST 0.05

/* Some thousand rows of a list of any length. */
#define DEFAULT_ANALYZE_PAGES 20
#define MAX_ANALYZE_PAGES 10000

/* The longest timeout: a day. */
#define MAX_TIMEOUT_MS (24 * 60 * 60 * 1000)

PG_FUNCTION_INFO_V1(crisp_fdw_validator);

/*
 * One option in one place.  check raises when the value can't be; set puts a
 * checked value into force.  Either may be NULL.
 */
typedef struct OptionDef
{
	const char *name;
	Oid			catalog;
	void (*check)(const char *name, const char *value);
	void (*set)(CrispOptions *options, const char *value);
} OptionDef;

/*----------
 * Values: their checks
 *----------
 */

pg_noreturn static void
invalid_value(const char *name, const char *value, const char *detail)
{
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("invalid value for option \"%s\": \"%s\"", name, value),
					errdetail("%s", detail)));
}

static void
check_base_url(const char *name, const char *value)
{
	bool		plain_remote;
	const char *problem = url_check_base(value, &plain_remote);

	/* The value is not repeated: a URL with credentials in it would show them. */
	if (problem != NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("invalid value for option \"%s\"", name), errdetail("%s", problem)));
}

static void
check_bool(const char *name, const char *value)
{
	bool result;

	if (!parse_bool(value, &result))
		invalid_value(name, value, "A Boolean value is expected: true or false.");
}

static void
check_allow_http(const char *name, const char *value)
{
	check_bool(name, value);
	if (!superuser())
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						errmsg("only a superuser may set option \"%s\"", name),
						errdetail("It lets credentials cross a network unencrypted.")));
}

static void
check_uuid(const char *name, const char *value)
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
 * Check an integer from first to last.
 */
static void
check_integer(const char *name, const char *value, int first, int last)
{
	int result;

	if (!parse_int(value, &result, 0, NULL) || result < first || result > last)
		invalid_value(name, value, psprintf("An integer from %d to %d is expected.", first, last));
}

static void
check_per_page(const char *name, const char *value)
{
	check_integer(name, value, CRISP_MIN_PER_PAGE, CRISP_MAX_PER_PAGE);
}

static void
check_analyze_pages(const char *name, const char *value)
{
	check_integer(name, value, 1, MAX_ANALYZE_PAGES);
}

static void
check_cost(const char *name, const char *value)
{
	double cost;

	if (!parse_real(value, &cost, 0, NULL) || cost < 0 || isinf(cost) || isnan(cost))
		invalid_value(name, value, "A number that is not negative is expected.");
}

static void
check_timeout(const char *name, const char *value)
{
	int			result;
	const char *hint = NULL;

	if (!parse_int(value, &result, GUC_UNIT_MS, &hint))
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid value for option \"%s\": \"%s\"", name, value),
			 errdetail(
				 "A duration is expected, such as 500ms, 30s or 2min; a bare number is milliseconds."),
			 hint ? errhint("%s", _(hint)) : 0));
	if (result < 1 || result > MAX_TIMEOUT_MS)
		invalid_value(name, value, "A duration from 1ms to 1d is expected.");
}

static void
check_tier(const char *name, const char *value)
{
	if (strcmp(value, "website") != 0 && strcmp(value, "plugin") != 0 && strcmp(value, "user") != 0)
		invalid_value(name, value, "Crisp's tiers are: website, plugin, user.");
}

/*
 * The value is not repeated, nor could it be checked further without a request.
 */
static void
check_credential(const char *name, const char *value)
{
	const char *detail = NULL;

	if (value[0] == '\0')
		detail = "It must not be empty.";
	for (const char *c = value; *c != '\0'; c++)
		if ((unsigned char) *c <= ' ' || (unsigned char) *c >= 127)
			detail = "It must not hold blanks, control characters or non-ASCII characters.";
	/* Basic authentication ends the user name at the first colon. */
	if (strcmp(name, "identifier") == 0 && strchr(value, ':') != NULL)
		detail = "It must not hold a colon.";

	if (detail != NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("invalid value for option \"%s\"", name), errdetail("%s", detail)));
}

static void
check_resource(const char *name, const char *value)
{
	if (crisp_resource_find(value) == NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("invalid value for option \"%s\": \"%s\"", name, value),
						errdetail("Crisp has no resource of that name."),
						errhint("Valid resources are: %s", crisp_resource_names())));
}

static void
check_json_path(const char *name, const char *value)
{
	const char *error = NULL;

	if (json_path_parse(value, &error) == NULL)
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid value for option \"%s\": \"%s\"", name, value), errdetail("%s", error),
			 errhint(
				 "Keys are joined by dots; one that holds a dot or a quote is written in double quotes.")));
}

/*----------
 * Values: how they come into force, after they were checked
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

static void
set_website_id(CrispOptions *options, const char *value)
{
	options->website_id = value;
}

static void
set_per_page(CrispOptions *options, const char *value)
{
	(void) parse_int(value, &options->per_page, 0, NULL);
}

static void
set_request_timeout(CrispOptions *options, const char *value)
{
	(void) parse_int(value, &options->request_timeout_ms, GUC_UNIT_MS, NULL);
}

static void
set_connect_timeout(CrispOptions *options, const char *value)
{
	(void) parse_int(value, &options->connect_timeout_ms, GUC_UNIT_MS, NULL);
}

static void
set_startup_cost(CrispOptions *options, const char *value)
{
	(void) parse_real(value, &options->startup_cost, 0, NULL);
}

static void
set_tuple_cost(CrispOptions *options, const char *value)
{
	(void) parse_real(value, &options->tuple_cost, 0, NULL);
}

static void
set_analyze_pages(CrispOptions *options, const char *value)
{
	(void) parse_int(value, &options->analyze_pages, 0, NULL);
}

static void
set_include_empty(CrispOptions *options, const char *value)
{
	(void) parse_bool(value, &options->include_empty);
}

static void
set_resource(CrispOptions *options, const char *value)
{
	options->resource = crisp_resource_find(value);
}

static void
set_tier(CrispOptions *options, const char *value)
{
	options->tier = value;
}

static void
set_identifier(CrispOptions *options, const char *value)
{
	options->identifier = value;
}

static void
set_key(CrispOptions *options, const char *value)
{
	options->key = value;
}

static const OptionDef option_defs[] = {
	{"base_url", ForeignServerRelationId, check_base_url, set_base_url},
	{"allow_http", ForeignServerRelationId, check_allow_http, NULL},
	{"website_id", ForeignServerRelationId, check_uuid, set_website_id},
	{"per_page", ForeignServerRelationId, check_per_page, set_per_page},
	{"request_timeout", ForeignServerRelationId, check_timeout, set_request_timeout},
	{"connect_timeout", ForeignServerRelationId, check_timeout, set_connect_timeout},
	{"include_empty", ForeignServerRelationId, check_bool, set_include_empty},
	{"startup_cost", ForeignServerRelationId, check_cost, set_startup_cost},
	{"tuple_cost", ForeignServerRelationId, check_cost, set_tuple_cost},
	{"analyze_pages", ForeignServerRelationId, check_analyze_pages, set_analyze_pages},

	{"identifier", UserMappingRelationId, check_credential, set_identifier},
	{"key", UserMappingRelationId, check_credential, set_key},
	{"tier", UserMappingRelationId, check_tier, set_tier},

	{"resource", ForeignTableRelationId, check_resource, set_resource},
	{"website_id", ForeignTableRelationId, check_uuid, set_website_id},
	{"per_page", ForeignTableRelationId, check_per_page, set_per_page},
	{"include_empty", ForeignTableRelationId, check_bool, set_include_empty},
	{"startup_cost", ForeignTableRelationId, check_cost, set_startup_cost},
	{"tuple_cost", ForeignTableRelationId, check_cost, set_tuple_cost},
	{"analyze_pages", ForeignTableRelationId, check_analyze_pages, set_analyze_pages},

	{"json_path", AttributeRelationId, check_json_path, NULL},
};

/*
 * Find an option of a catalog's objects; NULL when there is none of that name.
 */
static const OptionDef *
find_option(const char *name, Oid catalog)
{
	for (size_t i = 0; i < lengthof(option_defs); i++)
		if (option_defs[i].catalog == catalog && strcmp(option_defs[i].name, name) == 0)
			return &option_defs[i];
	return NULL;
}

/*
 * What kind of object a catalog's options belong to, for messages.
 */
static const char *
object_kind(Oid catalog)
{
	switch (catalog)
	{
		case ForeignServerRelationId:
			return "server";
		case UserMappingRelationId:
			return "user mapping";
		case ForeignTableRelationId:
			return "foreign table";
		case AttributeRelationId:
			return "column of a foreign table";
		default:
			return "foreign data wrapper";
	}
}

pg_noreturn static void
invalid_option(const char *name, Oid catalog)
{
	StringInfoData valid;

	initStringInfo(&valid);
	for (size_t i = 0; i < lengthof(option_defs); i++)
		if (option_defs[i].catalog == catalog)
			appendStringInfo(&valid, "%s%s", valid.len > 0 ? ", " : "", option_defs[i].name);

	ereport(ERROR, (errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
					errmsg("invalid option \"%s\" for a %s", name, object_kind(catalog)),
					valid.len > 0 ? errhint("Valid options in this context are: %s", valid.data)
								  : errhint("There are no valid options in this context.")));
}

/*
 * Plain http would show the credentials to everyone on the way.  It needs a
 * look at two options together.
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
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("option \"base_url\" must use https: \"%s\"", base_url),
			 errdetail("Credentials would cross the network unencrypted."),
			 errhint(
				 "Plain http is for loopback addresses, unless a superuser sets allow_http 'true'.")));
}

/*
 * A table option that its resource can't honour would be ignored in silence.
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

		if ((strcmp(name, "include_empty") == 0 && resource->include_empty_param == NULL) ||
			(strcmp(name, "per_page") == 0 && resource->per_page_param == NULL))
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
	List	 *options = untransformRelOptions(PG_GETARG_DATUM(0));
	Oid		  catalog = PG_GETARG_OID(1);
	ListCell *lc;

	foreach(lc, options)
	{
		DefElem			*def = lfirst_node(DefElem, lc);
		const OptionDef *option = find_option(def->defname, catalog);

		if (option == NULL)
			invalid_option(def->defname, catalog);
		option->check(def->defname, defGetString(def));
	}

	if (catalog == ForeignServerRelationId)
		check_transport(options);
	else if (catalog == ForeignTableRelationId)
		check_table_options(options);

	PG_RETURN_VOID();
}

/*
 * Put an object's options into force.
 */
static void
set_options(CrispOptions *options, List *defs, Oid catalog)
{
	ListCell *lc;

	foreach(lc, defs)
	{
		DefElem			*def = lfirst_node(DefElem, lc);
		const OptionDef *option = find_option(def->defname, catalog);

		if (option != NULL && option->set != NULL)
			option->set(options, defGetString(def));
	}
}

/*
 * The options in force for a server as a whole.
 */
static CrispOptions *
options_of_server(Oid server_id)
{
	CrispOptions  *options = palloc0(sizeof(CrispOptions));
	ForeignServer *server = GetForeignServer(server_id);

	options->server_id = server_id;
	options->server_name = server->servername;
	options->base_url = DEFAULT_BASE_URL;
	options->per_page = CRISP_MAX_PER_PAGE;
	options->request_timeout_ms = DEFAULT_REQUEST_TIMEOUT_MS;
	options->connect_timeout_ms = DEFAULT_CONNECT_TIMEOUT_MS;
	options->startup_cost = DEFAULT_STARTUP_COST;
	options->tuple_cost = DEFAULT_TUPLE_COST;
	options->analyze_pages = DEFAULT_ANALYZE_PAGES;
	options->counts = palloc0(sizeof(ApiCounts));
	set_options(options, server->options, ForeignServerRelationId);
	return options;
}

CrispOptions *
option_of_table(Oid relid)
{
	ForeignTable *table = GetForeignTable(relid);
	CrispOptions *options = options_of_server(table->serverid);

	set_options(options, table->options, ForeignTableRelationId);

	/* Without the option, the table's name says it, as in postgres_fdw. */
	if (options->resource == NULL)
		options->resource = crisp_resource_find(get_rel_name(relid));
	if (options->resource == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_TABLE_NOT_FOUND),
				 errmsg("foreign table \"%s\" does not say which Crisp resource it stands for",
						get_rel_name(relid)),
				 errhint("Set its option resource to one of: %s", crisp_resource_names())));

	if (crisp_resource_needs_website(options->resource) && options->website_id == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_DYNAMIC_PARAMETER_VALUE_NEEDED),
				 errmsg("option \"website_id\" is required for foreign table \"%s\"",
						get_rel_name(relid)),
				 errhint("Set it on server \"%s\", or on the table.", options->server_name)));
	return options;
}

void
option_add_credentials(CrispOptions *options, Oid user_id)
{
	UserMapping *mapping;

	if (!SearchSysCacheExists2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(user_id),
							   ObjectIdGetDatum(options->server_id)) &&
		!SearchSysCacheExists2(USERMAPPINGUSERSERVER, ObjectIdGetDatum(InvalidOid),
							   ObjectIdGetDatum(options->server_id)))
		ereport(
			ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("user mapping not found for user \"%s\", server \"%s\"",
					GetUserNameFromId(user_id, false), options->server_name),
			 errhint(
				 "Use CREATE USER MAPPING with the options tier, identifier and key of a Crisp token.")));

	mapping = GetUserMapping(user_id, options->server_id);
	options->user_mapping_id = mapping->umid;
	options->tier = DEFAULT_TIER;
	set_options(options, mapping->options, UserMappingRelationId);

	if (options->identifier == NULL || options->key == NULL)
		ereport(
			ERROR,
			(errcode(ERRCODE_FDW_DYNAMIC_PARAMETER_VALUE_NEEDED),
			 errmsg("option \"%s\" is required in the user mapping for server \"%s\"",
					options->identifier == NULL ? "identifier" : "key", options->server_name),
			 errhint(
				 "Use ALTER USER MAPPING to add it: identifier and key are the two halves of a Crisp token.")));
}

const char *
option_json_path(const CrispOptions *options, Oid relid, AttrNumber attnum, const char *column_name)
{
	const CrispColumn *column;
	ListCell		  *lc;

	foreach(lc, GetForeignColumnOptions(relid, attnum))
	{
		DefElem *def = lfirst_node(DefElem, lc);

		if (strcmp(def->defname, "json_path") == 0)
			return defGetString(def);
	}

	column = crisp_column_by_name(options->resource, column_name);
	return column ? column->path : NULL;
}
