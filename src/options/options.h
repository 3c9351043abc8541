/*-------------------------------------------------------------------------
 *
 * options.h
 *		Read the options of server, user mapping, table and column.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_OPTIONS_H
#define CRISP_OPTIONS_H

#include "access/attnum.h"

#include "options/option_values.h"

/* The setting crisp_fdw.scan_mode: how lists are read, whatever the option scan_mode says. */
typedef enum ScanModeSetting
{
	SCAN_MODE_DEFAULT, /* as the option says */
	SCAN_MODE_FAST,
	SCAN_MODE_EXACT
} ScanModeSetting;

extern int option_scan_mode; /* a ScanModeSetting, as the setting needs an int */

/*
 * Return the options in force for a server as a whole, without a table.  No credentials.
 * Everything is palloc'd in CurrentMemoryContext.
 */
extern CrispOptions *options_of_server(Oid server_id);

/*
 * Return the options in force for a foreign table: what a setting of the session says, then its
 * own, then its server's, then the defaults.  No credentials.  Everything is palloc'd in
 * CurrentMemoryContext.  The table is locked (ACCESS SHARE) until the transaction ends.  Raises
 * 42P01 when there is no such foreign table, HV00R when it stands for no resource, HV002 when its
 * resource needs a website and there is none.
 */
extern CrispOptions *options_of_table(Oid relid);

/*
 * Return the options in force for a resource of a server that no table stands for yet.  The rest is
 * as in options_of_table(); that a website is needed shows when credentials are added.
 */
extern CrispOptions *options_of_resource(Oid server_id, const CrispResource *resource);

/*
 * Add the tier that user_id has for the options' server, which is no secret, where the table's list
 * depends on the tier of the token.  Raises what option_add_credentials() raises.
 */
extern void option_add_tier(CrispOptions *options, Oid user_id);

/*
 * Return what can be written to a foreign table; NULL when that is nothing, be it because of option
 * updatable or of its resource.  Unlike options_of_table() it raises nothing for options that are
 * missing.
 */
extern const CrispChanges *option_writable(Oid relid);

/*
 * Return a foreign table of a resource, by name, that stands in the schema of another one, and is
 * of its server and its website; one that the current role may read.  InvalidOid where there is
 * none.
 */
extern Oid option_table_beside(Oid relid, const char *resource);

/*
 * Add the credentials that user_id has for the options' server.  Raises 42704 when there is no user
 * mapping, HV002 when it is incomplete, or when the table's resource needs a website with a token
 * of its tier and there is none, 42501 when the mapping names a credentials file and no superuser
 * owns the server, and what credentials_file_read() raises.
 */
extern void option_add_credentials(CrispOptions *options, Oid user_id);

/*
 * Return the role whose user mapping counts for a table: the one that permissions are checked as,
 * which for a view is its owner; the current one where the executor names none (InvalidOid).
 */
extern Oid option_mapping_user(Oid check_as_user);

/* Return how many requests a day Crisp allows the credentials, 0 where it doesn't say. */
extern int option_daily_quota(const CrispOptions *options);

#endif /* CRISP_OPTIONS_H */
