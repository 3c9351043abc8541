/*-------------------------------------------------------------------------
 *
 * options.c
 *		Read the options that are in force for a table, or for a server.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_foreign_table.h"
#include "catalog/pg_user_mapping.h"
#include "commands/defrem.h"
#include "common/hashfn.h"
#include "foreign/foreign.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#include "options/credentials_file.h"
#include "options/options.h"
#include "options/option_defs.h"

#define DEFAULT_TIER "website"

/*
 * Requests a day that Crisp's guides name for each kind of token; they are silent about a user's.
 */
#define WEBSITE_DAILY_QUOTA 10000
#define PLUGIN_DAILY_QUOTA 5000

int option_scan_mode = SCAN_MODE_DEFAULT;

CrispOptions *
options_of_server(Oid server_id)
{
	CrispOptions  *options = palloc0(sizeof(CrispOptions));
	ForeignServer *server = GetForeignServer(server_id);

	options->server_id = server_id;
	options->server_name = server->servername;
	option_defs_set_defaults(options);
	options->counts = palloc0(sizeof(ApiCounts));
	option_defs_set(options, server->options, ForeignServerRelationId);
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
options_of_resource(Oid server_id, const CrispResource *resource)
{
	CrispOptions *options = options_of_server(server_id);

	options->resource = resource;
	options->table_name = resource->name;
	return options;
}

/*
 * Return the options of a table and its server, whatever is missing.
 */
static CrispOptions *
read_table_options(Oid relid)
{
	ForeignTable *table = GetForeignTable(relid);
	CrispOptions *options = options_of_server(table->serverid);

	option_defs_set(options, table->options, ForeignTableRelationId);
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
	CrispOptions *options = read_table_options(relid);

	return options->updatable && options->resource != NULL ? options->resource->changes : NULL;
}

/*
 * Say whether a table is as option_table_beside() wants it.
 */
static bool
is_beside(Oid relid, Oid schema, const char *resource, const char *website_id)
{
	const CrispOptions *options;

	if (get_rel_namespace(relid) != schema ||
		pg_class_aclcheck(relid, GetUserId(), ACL_SELECT) != ACLCHECK_OK)
		return false;
	options = read_table_options(relid);
	return options->resource != NULL && strcmp(options->resource->name, resource) == 0 &&
		   options->website_id != NULL && website_id != NULL &&
		   strcmp(options->website_id, website_id) == 0;
}

Oid
option_table_beside(Oid relid, const char *resource)
{
	const CrispOptions *options = read_table_options(relid);
	Oid					schema = get_rel_namespace(relid);
	Relation			catalog = table_open(ForeignTableRelationId, AccessShareLock);
	TableScanDesc		scan = table_beginscan_catalog(catalog, 0, NULL);
	Oid					found = InvalidOid;
	HeapTuple			tuple;

	while (!OidIsValid(found) && (tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		const FormData_pg_foreign_table *form = (Form_pg_foreign_table) GETSTRUCT(tuple);

		if (form->ftserver == options->server_id &&
			is_beside(form->ftrelid, schema, resource, options->website_id))
			found = form->ftrelid;
	}
	table_endscan(scan);
	table_close(catalog, AccessShareLock);
	return found;
}

/*
 * Keep a foreign table from being dropped, and see that it hasn't been: functions get it as an OID,
 * which they had from SQL.
 */
static void
lock_table(Oid relid)
{
	LockRelationOid(relid, AccessShareLock);
	if (!SearchSysCacheExists1(FOREIGNTABLEREL, ObjectIdGetDatum(relid)))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
						errmsg("relation with OID %u does not exist", relid)));
}

CrispOptions *
options_of_table(Oid relid)
{
	CrispOptions *options;

	lock_table(relid);
	options = read_table_options(relid);
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
 * Find the user mapping that user_id has for the options' server.
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
			 errhint("Use CREATE USER MAPPING with the options tier, identifier and key of a Crisp "
					 "token.")));

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
 * Read the credentials file of a user mapping.  A superuser has named it, for this server as it
 * was.  Who owns the server can change its base_url, and have the file's content sent elsewhere: so
 * that has to be a superuser, too.
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
			 errhint("Have a superuser own the server, or put identifier and key into the user "
					 "mapping.")));
	credentials_file_read(options->credentials_file, &options->identifier, &options->key);
}

/*
 * Return a number that tells credentials apart.
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
	option_defs_set(options, mapping->options, UserMappingRelationId);
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
			 errhint("Use ALTER USER MAPPING to add it: identifier and key are the two halves of a "
					 "Crisp token.")));
	options->credentials_hash = hash_credentials(options);
}

Oid
option_mapping_user(Oid check_as_user)
{
	return OidIsValid(check_as_user) ? check_as_user : GetUserId();
}

int
option_daily_quota(const CrispOptions *options)
{
	if (strcmp(options->tier, "website") == 0)
		return WEBSITE_DAILY_QUOTA;
	return strcmp(options->tier, "plugin") == 0 ? PLUGIN_DAILY_QUOTA : 0;
}
