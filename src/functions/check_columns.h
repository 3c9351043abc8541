/*-------------------------------------------------------------------------
 *
 * check_columns.h
 *		Look for columns of foreign tables that show nothing, as where their path is misspelt.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_CHECK_COLUMNS_H
#define CRISP_CHECK_COLUMNS_H

#include "nodes/pg_list.h"

#include "options/options.h"

/*
 * Return the foreign tables of a server (a List of Oids, palloc'd) that the current user may read.
 */
extern List *check_columns_tables(Oid server_id);

/*
 * Tell, by a NOTICE each, of the columns of a foreign table that aren't in the catalog, and for
 * which no row of the list's first page has a value.  Makes one request, counted for server, if
 * there are such columns; none for a list that lies below rows of another, or whose rows have
 * details, which would take more.  Raises what options_of_table(), option_add_credentials() and
 * pager_go_to() raise.
 */
extern void check_columns(Oid relid, const CrispOptions *server);

#endif /* CRISP_CHECK_COLUMNS_H */
