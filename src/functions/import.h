/*-------------------------------------------------------------------------
 *
 * import.h
 *		Run IMPORT FOREIGN SCHEMA.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_IMPORT_H
#define CRISP_IMPORT_H

#include "nodes/parsenodes.h"

#include "resource/resource.h"

/* How catalog types become SQL types: the options of IMPORT. */
typedef struct ImportTypes
{
	bool time_as_bigint; /* timestamp_type 'bigint' */
	bool array_as_text;	 /* array_type 'text' */
} ImportTypes;

/* Return the SQL type that a catalog type is imported as; static. */
extern const char *import_type_name(CrispType type, ImportTypes types);

/*
 * Return a List of CREATE FOREIGN TABLE commands, written from the catalog (FdwRoutine callback);
 * without a request, but for option custom_data.  Raises what such requests raise, and HV00Q for
 * another remote schema than crisp, HV00D and 22023 for bad options.
 */
extern List *crispImportForeignSchema(ImportForeignSchemaStmt *stmt, Oid server_id);

#endif /* CRISP_IMPORT_H */
