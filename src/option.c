/*-------------------------------------------------------------------------
 *
 * option.c
 *		The options of server, user mapping, table and column: one table of
 *		them, and what is in force.
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
#include "common/hashfn.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/formatting.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#include "compat.h"
#include "credential.h"
#include "jsonpath.h"
#include "option.h"
#include "option_check.h"
#include "url.h"

#define DEFAULT_BASE_URL "https://api.crisp.chat/v1"
#define DEFAULT_TIER "website"

/* Requests a day that Crisp's guides name for each kind of token; they are silent about a user's. */
#define WEBSITE_DAILY_QUOTA 10000
#define PLUGIN_DAILY_QUOTA 5000

#define DEFAULT_REQUEST_TIMEOUT_MS 30000
#define DEFAULT_CONNECT_TIMEOUT_MS 10000

/* A server that sends next to nothing for as long as a request should take has most likely gone. */
#define DEFAULT_LOW_SPEED_LIMIT 100
#define DEFAULT_LOW_SPEED_TIME_MS DEFAULT_REQUEST_TIMEOUT_MS

/* A page of 50 rows is some 100 kB. */
#define DEFAULT_MAX_RESPONSE_BYTES (64 * 1024 * 1024)

#define DEFAULT_MAX_RETRIES 5
#define DEFAULT_RETRY_DELAY_MS 1000
#define DEFAULT_RETRY_BUDGET_MS 60000

/*
 * A request is dear beside anything that PostgreSQL does meanwhile, but a scan
 * of some hundred of them should not look worth compiling (jit_above_cost).
 */
#define DEFAULT_STARTUP_COST 100.0
#define DEFAULT_TUPLE_COST 0.05

#define DEFAULT_PREFETCH 4

/* Some thousand rows of a list of any length. */
#define DEFAULT_ANALYZE_PAGES 20

PG_FUNCTION_INFO_V1(crisp_fdw_validator);

int option_scan_mode = SCAN_MODE_DEFAULT;

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

/*
 * In lower case, as Crisp writes it, so that it equals what Crisp sends.
 */
static void
set_website_id(CrispOptions *options, const char *value)
{
	options->website_id = asc_tolower(value, strlen(value));
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
set_sslrootcert(CrispOptions *options, const char *value)
{
	options->sslrootcert = value;
}

static void
set_prefetch(CrispOptions *options, const char *value)
{
	(void) parse_int(value, &options->prefetch, 0, NULL);
}

static void
set_scan_mode(CrispOptions *options, const char *value)
{
	options->exact_scan = strcmp(value, "exact") == 0;
}

static void
set_updatable(CrispOptions *options, const char *value)
{
	(void) parse_bool(value, &options->updatable);
}

static void
set_low_speed_limit(CrispOptions *options, const char *value)
{
	(void) parse_int(value, &options->low_speed_limit, GUC_UNIT_BYTE, NULL);
}

static void
set_low_speed_time(CrispOptions *options, const char *value)
{
	(void) parse_int(value, &options->low_speed_time_ms, GUC_UNIT_MS, NULL);
}

static void
set_max_response_size(CrispOptions *options, const char *value)
{
	(void) parse_int(value, &options->max_response_bytes, GUC_UNIT_BYTE, NULL);
}

static void
set_max_retries(CrispOptions *options, const char *value)
{
	(void) parse_int(value, &options->max_retries, 0, NULL);
}

static void
set_retry_delay(CrispOptions *options, const char *value)
{
	(void) parse_int(value, &options->retry_delay_ms, GUC_UNIT_MS, NULL);
}

static void
set_retry_budget(CrispOptions *options, const char *value)
{
	(void) parse_int(value, &options->retry_budget_ms, GUC_UNIT_MS, NULL);
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

static void
set_credentials_file(CrispOptions *options, const char *value)
{
	options->credentials_file = value;
}

static const OptionDef option_defs[] = {
	{"base_url", ForeignServerRelationId, option_check_base_url, set_base_url},
	{"allow_http", ForeignServerRelationId, option_check_allow_http, NULL},
	{"sslrootcert", ForeignServerRelationId, option_check_file, set_sslrootcert},
	{"website_id", ForeignServerRelationId, option_check_uuid, set_website_id},
	{"per_page", ForeignServerRelationId, option_check_per_page, set_per_page},
	{"request_timeout", ForeignServerRelationId, option_check_timeout, set_request_timeout},
	{"connect_timeout", ForeignServerRelationId, option_check_timeout, set_connect_timeout},
	{"low_speed_limit", ForeignServerRelationId, option_check_speed, set_low_speed_limit},
	{"low_speed_time", ForeignServerRelationId, option_check_timeout, set_low_speed_time},
	{"max_response_size", ForeignServerRelationId, option_check_response_size,
	 set_max_response_size},
	{"max_retries", ForeignServerRelationId, option_check_retries, set_max_retries},
	{"retry_delay", ForeignServerRelationId, option_check_timeout, set_retry_delay},
	{"retry_budget", ForeignServerRelationId, option_check_budget, set_retry_budget},
	{"include_empty", ForeignServerRelationId, option_check_bool, set_include_empty},
	{"prefetch", ForeignServerRelationId, option_check_prefetch, set_prefetch},
	{"scan_mode", ForeignServerRelationId, option_check_scan_mode, set_scan_mode},
	{"updatable", ForeignServerRelationId, option_check_bool, set_updatable},
	{"startup_cost", ForeignServerRelationId, option_check_cost, set_startup_cost},
	{"tuple_cost", ForeignServerRelationId, option_check_cost, set_tuple_cost},
	{"analyze_pages", ForeignServerRelationId, option_check_analyze_pages, set_analyze_pages},

	{"identifier", UserMappingRelationId, option_check_credential, set_identifier},
	{"key", UserMappingRelationId, option_check_credential, set_key},
	{"credentials_file", UserMappingRelationId, option_check_file, set_credentials_file},
	{"tier", UserMappingRelationId, option_check_tier, set_tier},

	{"resource", ForeignTableRelationId, option_check_resource, set_resource},
	{"website_id", ForeignTableRelationId, option_check_uuid, set_website_id},
	{"per_page", ForeignTableRelationId, option_check_per_page, set_per_page},
	{"max_retries", ForeignTableRelationId, option_check_retries, set_max_retries},
	{"retry_delay", ForeignTableRelationId, option_check_timeout, set_retry_delay},
	{"retry_budget", ForeignTableRelationId, option_check_budget, set_retry_budget},
	{"include_empty", ForeignTableRelationId, option_check_bool, set_include_empty},
	{"prefetch", ForeignTableRelationId, option_check_prefetch, set_prefetch},
	{"scan_mode", ForeignTableRelationId, option_check_scan_mode, set_scan_mode},
	{"updatable", ForeignTableRelationId, option_check_bool, set_updatable},
	{"startup_cost", ForeignTableRelationId, option_check_cost, set_startup_cost},
	{"tuple_cost", ForeignTableRelationId, option_check_cost, set_tuple_cost},
	{"analyze_pages", ForeignTableRelationId, option_check_analyze_pages, set_analyze_pages},

	{"json_path", AttributeRelationId, option_check_json_path, NULL},
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
 * Credentials come from the user mapping or from a file.
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
	else if (catalog == UserMappingRelationId)
		check_mapping_options(options);
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

CrispOptions *
option_of_server(Oid server_id)
{
	CrispOptions  *options = palloc0(sizeof(CrispOptions));
	ForeignServer *server = GetForeignServer(server_id);

	options->server_id = server_id;
	options->server_name = server->servername;
	options->base_url = DEFAULT_BASE_URL;
	options->per_page = CRISP_MAX_PER_PAGE;
	options->request_timeout_ms = DEFAULT_REQUEST_TIMEOUT_MS;
	options->connect_timeout_ms = DEFAULT_CONNECT_TIMEOUT_MS;
	options->low_speed_limit = DEFAULT_LOW_SPEED_LIMIT;
	options->low_speed_time_ms = DEFAULT_LOW_SPEED_TIME_MS;
	options->max_response_bytes = DEFAULT_MAX_RESPONSE_BYTES;
	options->max_retries = DEFAULT_MAX_RETRIES;
	options->retry_delay_ms = DEFAULT_RETRY_DELAY_MS;
	options->retry_budget_ms = DEFAULT_RETRY_BUDGET_MS;
	options->prefetch = DEFAULT_PREFETCH;
	options->startup_cost = DEFAULT_STARTUP_COST;
	options->tuple_cost = DEFAULT_TUPLE_COST;
	options->analyze_pages = DEFAULT_ANALYZE_PAGES;
	options->counts = palloc0(sizeof(ApiCounts));
	set_options(options, server->options, ForeignServerRelationId);
	return options;
}

/*
 * Raise an error when the list can't be asked for without a website, and none is set.
 */
static void
check_website(const CrispOptions *options)
{
	if (options->website_id == NULL &&
		crisp_resource_needs_website(options->resource, options->tier))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_DYNAMIC_PARAMETER_VALUE_NEEDED),
				 errmsg("option \"website_id\" is required for foreign table \"%s\"",
						options->table_name),
				 errhint("Set it on server \"%s\", or on the table.", options->server_name)));
}

CrispOptions *
option_of_resource(Oid server_id, const CrispResource *resource)
{
	CrispOptions *options = option_of_server(server_id);

	options->resource = resource;
	options->table_name = resource->name;
	return options;
}

/*
 * The options of a table and its server, whatever is missing.
 */
static CrispOptions *
options_of_table(Oid relid)
{
	ForeignTable *table = GetForeignTable(relid);
	CrispOptions *options = option_of_server(table->serverid);

	set_options(options, table->options, ForeignTableRelationId);
	if (option_scan_mode != SCAN_MODE_DEFAULT)
		options->exact_scan = option_scan_mode == SCAN_MODE_EXACT;

	/* Without the option, the table's name says it, as in postgres_fdw. */
	if (options->resource == NULL)
		options->resource = crisp_resource_find(get_rel_name(relid));
	return options;
}

const CrispChanges *
option_writable(Oid relid)
{
	CrispOptions *options = options_of_table(relid);

	return options->updatable && options->resource != NULL ? options->resource->changes : NULL;
}

CrispOptions *
option_of_table(Oid relid)
{
	CrispOptions *options = options_of_table(relid);

	if (options->resource == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_TABLE_NOT_FOUND),
				 errmsg("foreign table \"%s\" does not say which Crisp resource it stands for",
						get_rel_name(relid)),
				 errhint("Set its option resource to one of: %s", crisp_resource_names())));

	options->table_name = get_rel_name(relid);
	if (options->resource->plugin_route == NULL)
		check_website(options);
	return options;
}

/*
 * The user mapping that user_id has for the options' server.
 */
static UserMapping *
find_user_mapping(const CrispOptions *options, Oid user_id)
{
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

	return GetUserMapping(user_id, options->server_id);
}

void
option_add_tier(CrispOptions *options, Oid user_id)
{
	ListCell *lc;

	if (options->resource->plugin_route == NULL)
		return;

	options->tier = DEFAULT_TIER;
	foreach(lc, find_user_mapping(options, user_id)->options)
		if (strcmp(lfirst_node(DefElem, lc)->defname, "tier") == 0)
			options->tier = defGetString(lfirst_node(DefElem, lc));
	check_website(options);
}

/*
 * Read the credentials file of a user mapping.  A superuser has named it, for this
 * server as it was.  Who owns the server can change its base_url, and have the file's content sent
 * elsewhere: so that has to be a superuser, too.
 */
static void
add_file_credentials(CrispOptions *options)
{
	if (!superuser_arg(GetForeignServer(options->server_id)->owner))
		ereport(
			ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("credentials file cannot be used for server \"%s\"", options->server_name),
			 errdetail("The server's owner is not a superuser, and decides where credentials go."),
			 errhint(
				 "Have a superuser own the server, or put identifier and key into the user mapping.")));
	credential_read_file(options->credentials_file, &options->identifier, &options->key);
}

/*
 * A number that tells credentials apart.
 */
static uint64
hash_credentials(const CrispOptions *options)
{
	const char *texts[] = {options->tier, options->identifier, options->key};
	uint64		hash = 0;

	for (size_t i = 0; i < lengthof(texts); i++)
		hash = hash_bytes_extended((const unsigned char *) texts[i], (int) strlen(texts[i]), hash);
	return hash;
}

void
option_add_credentials(CrispOptions *options, Oid user_id)
{
	UserMapping *mapping = find_user_mapping(options, user_id);

	options->user_mapping_id = mapping->umid;
	options->tier = DEFAULT_TIER;
	set_options(options, mapping->options, UserMappingRelationId);
	if (options->resource != NULL)
		check_website(options);

	if (options->credentials_file != NULL)
		add_file_credentials(options);
	if (options->identifier == NULL || options->key == NULL)
		ereport(
			ERROR,
			(errcode(ERRCODE_FDW_DYNAMIC_PARAMETER_VALUE_NEEDED),
			 errmsg("option \"%s\" is required in the user mapping for server \"%s\"",
					options->identifier == NULL ? "identifier" : "key", options->server_name),
			 errhint(
				 "Use ALTER USER MAPPING to add it: identifier and key are the two halves of a Crisp token.")));
	options->credentials_hash = hash_credentials(options);
}

int
option_daily_quota(const CrispOptions *options)
{
	if (strcmp(options->tier, "website") == 0)
		return WEBSITE_DAILY_QUOTA;
	return strcmp(options->tier, "plugin") == 0 ? PLUGIN_DAILY_QUOTA : 0;
}

/*
 * A column's json_path option, normalized, or NULL.
 */
static const char *
json_path_of_column(Oid relid, AttrNumber attnum)
{
	ListCell *lc;

	foreach(lc, GetForeignColumnOptions(relid, attnum))
	{
		DefElem *def = lfirst_node(DefElem, lc);

		if (strcmp(def->defname, "json_path") == 0)
			return json_path_normalize(defGetString(def));
	}
	return NULL;
}

const CrispColumn *
option_named_column(const CrispOptions *options, Oid relid, AttrNumber attnum,
					const char *column_name)
{
	if (json_path_of_column(relid, attnum) != NULL)
		return NULL;
	return crisp_column_by_name(options->resource, column_name);
}

const char *
option_json_path(const CrispOptions *options, Oid relid, AttrNumber attnum, const char *column_name)
{
	const char		  *path = json_path_of_column(relid, attnum);
	const CrispColumn *column;

	if (path != NULL)
		return path;
	column = crisp_column_by_name(options->resource, column_name);
	return column ? column->path : NULL;
}
