/*-------------------------------------------------------------------------
 *
 * import.c
 *		Write the tables of IMPORT FOREIGN SCHEMA from the catalog.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "commands/defrem.h"
#include "foreign/fdwapi.h"
#include "foreign/foreign.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "base/extension_version.h"
#include "functions/custom_data.h"
#include "functions/import.h"

/* The one schema that Crisp has. */
#define REMOTE_SCHEMA "crisp"

const char *
import_type_name(CrispType type, ImportTypes types)
{
	switch (type)
	{
		case CRISP_TEXT:
			return "text";
		case CRISP_INTEGER:
			return "bigint";
		case CRISP_NUMBER:
			return "double precision";
		case CRISP_BOOLEAN:
			return "boolean";
		case CRISP_TIME:
			return types.time_as_bigint ? "bigint" : "timestamp with time zone";
		case CRISP_TEXT_ARRAY:
			return types.array_as_text ? "text" : "text[]";
		case CRISP_JSON:
			return types.array_as_text ? "text" : "jsonb";
	}
	elog(ERROR, "unexpected catalog type %d", (int) type);
}

/*
 * Say whether the value of an option that takes one of two words is the second.
 */
static bool
is_second_word(DefElem *def, const char *first, const char *second)
{
	const char *value = defGetString(def);

	if (strcmp(value, first) != 0 && strcmp(value, second) != 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("invalid value for option \"%s\": \"%s\"", def->defname, value),
						errhint("Valid values are: %s, %s", first, second)));
	return strcmp(value, second) == 0;
}

/*
 * Read the options of an IMPORT statement; *custom_columns tells whether custom data becomes
 * columns.
 */
static ImportTypes
import_options(List *options, bool *custom_columns)
{
	ImportTypes types = {false, false};
	ListCell   *lc;

	*custom_columns = false;
	foreach(lc, options)
	{
		DefElem *def = lfirst_node(DefElem, lc);

		if (strcmp(def->defname, "timestamp_type") == 0)
			types.time_as_bigint = is_second_word(def, "timestamptz", "bigint");
		else if (strcmp(def->defname, "array_type") == 0)
			types.array_as_text = is_second_word(def, "native", "text");
		else if (strcmp(def->defname, "custom_data") == 0)
			*custom_columns = is_second_word(def, "jsonb", "columns");
		else
			ereport(ERROR,
					(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
					 errmsg("invalid option \"%s\" for IMPORT FOREIGN SCHEMA", def->defname),
					 errhint("Valid options in this context are: timestamp_type, array_type, "
							 "custom_data")));
	}
	return types;
}

/*
 * Ask Crisp for the columns that a resource's custom data has: a List of CustomColumn.
 */
static List *
ask_custom_columns(const CrispResource *resource, Oid server_id)
{
	CrispOptions *options;

	if (resource->custom_data == NULL)
		return NIL;
	options = options_of_resource(server_id, resource);
	option_add_credentials(options, GetUserId());
	return custom_data_columns(options);
}

/*
 * Write the CREATE FOREIGN TABLE command for a resource, with columns for its custom data.  The
 * server adds the local schema by itself.
 */
static char *
create_table_command(const CrispResource *resource, const char *server_name, ImportTypes types,
					 List *custom_columns)
{
	StringInfoData command;
	ListCell	  *lc;

	initStringInfo(&command);
	appendStringInfo(&command, "CREATE FOREIGN TABLE %s (", quote_identifier(resource->name));
	for (int i = 0; i < resource->ncolumns; i++)
	{
		const CrispColumn *column = &resource->columns[i];

		const char *name = crisp_column_name(resource, column);

		/* The option keeps the column what it is when somebody renames it. */
		appendStringInfo(&command, "%s\n  %s %s OPTIONS (column_name %s)%s", i > 0 ? "," : "",
						 quote_identifier(name), import_type_name(column->type, types),
						 quote_literal_cstr(name),
						 (column->flags & CRISP_REQUIRED) ? " NOT NULL" : "");
	}
	foreach(lc, custom_columns)
	{
		const CustomColumn *column = lfirst(lc);

		appendStringInfo(&command, ",\n  %s %s OPTIONS (json_path %s)",
						 quote_identifier(column->name), column->type,
						 quote_literal_cstr(column->path));
	}
	appendStringInfo(&command, "\n) SERVER %s OPTIONS (resource %s)", quote_identifier(server_name),
					 quote_literal_cstr(resource->name));
	return command.data;
}

/*
 * Warn of tables that LIMIT TO or EXCEPT names, and Crisp doesn't have.
 */
static void
warn_of_unknown(const ImportForeignSchemaStmt *stmt)
{
	ListCell *lc;

	foreach(lc, stmt->table_list)
	{
		const char *name = lfirst_node(RangeVar, lc)->relname;

		if (crisp_resource_find(name) == NULL)
			ereport(WARNING, (errcode(ERRCODE_FDW_TABLE_NOT_FOUND),
							  errmsg("there is no Crisp resource \"%s\" to import", name),
							  errhint("Crisp's resources are: %s", crisp_resource_names())));
	}
}

List *
crispImportForeignSchema(ImportForeignSchemaStmt *stmt, Oid server_id)
{
	bool		   with_custom_columns;
	ImportTypes	   types = import_options(stmt->options, &with_custom_columns);
	ForeignServer *server = GetForeignServer(server_id);
	List		  *commands = NIL;

	extension_version_check();
	if (strcmp(stmt->remote_schema, REMOTE_SCHEMA) != 0)
		ereport(ERROR, (errcode(ERRCODE_FDW_SCHEMA_NOT_FOUND),
						errmsg("schema \"%s\" is not present on foreign server \"%s\"",
							   stmt->remote_schema, server->servername),
						errhint("The only schema of a Crisp server is \"%s\".", REMOTE_SCHEMA)));

	warn_of_unknown(stmt);

	/* The server leaves out what LIMIT TO and EXCEPT exclude; this saves it the parsing. */
	for (int i = 0; i < crisp_nresources; i++)
	{
		const CrispResource *resource = crisp_resources[i];

		if (IsImportableForeignTable(resource->name, stmt))
			commands = lappend(
				commands, create_table_command(
							  resource, server->servername, types,
							  with_custom_columns ? ask_custom_columns(resource, server_id) : NIL));
	}
	return commands;
}
