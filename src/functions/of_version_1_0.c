/*-------------------------------------------------------------------------
 *
 * of_version_1_0.c
 *		Refuse functions of the script of 1.0 whose arguments or results have changed since.
 *
 * Their successors have other names in C, so that a library of either version finds none of the
 * other's: to call one would crash.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"

#include "base/extension_version.h"

PG_FUNCTION_INFO_V1(crisp_fdw_resources);
PG_FUNCTION_INFO_V1(crisp_sync_source);
PG_FUNCTION_INFO_V1(crisp_sync_unlock);

/*
 * SQL of 1.0: crisp_fdw_resources().
 */
Datum
crisp_fdw_resources(PG_FUNCTION_ARGS)
{
	extension_version_refuse();
	PG_RETURN_NULL();
}

/*
 * SQL of 1.0: crisp_sync_source(source).
 */
Datum
crisp_sync_source(PG_FUNCTION_ARGS)
{
	extension_version_refuse();
	PG_RETURN_NULL();
}

/*
 * SQL of 1.0: crisp_sync_unlock().
 */
Datum
crisp_sync_unlock(PG_FUNCTION_ARGS)
{
	extension_version_refuse();
	PG_RETURN_NULL();
}
