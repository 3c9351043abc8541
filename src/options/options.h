/*-------------------------------------------------------------------------
 *
 * options.h
 *		The options of server, user mapping, table and column.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_OPTIONS_H
#define CRISP_OPTIONS_H

#include "access/attnum.h"

#include "resource/resource.h"
#include "base/server_text.h"

/* Crisp gives 20 to 50 rows a page. */
#define CRISP_MIN_PER_PAGE 20
#define CRISP_MAX_PER_PAGE 50

/* The option analyze_pages where it's set nowhere. */
#define CRISP_ANALYZE_PAGES_UNSET (-1)

/* Most requests that may be under way together. */
#define CRISP_MAX_PREFETCH 32

/* The setting crisp_fdw.scan_mode: how lists are read, whatever the option scan_mode says. */
typedef enum ScanModeSetting
{
	SCAN_MODE_DEFAULT, /* as the option says */
	SCAN_MODE_FAST,
	SCAN_MODE_EXACT
} ScanModeSetting;

extern int option_scan_mode; /* a ScanModeSetting, as the setting needs an int */

/* What the requests made with some options have cost. */
typedef struct ApiCounts
{
	int64  requests; /* retries among them */
	int64  retries;
	int64  bytes;	/* received, headers included */
	double wait_ms; /* spent waiting for answers, and until asking again */
} ApiCounts;

/* What is in force for a table, or for a server. */
typedef struct CrispOptions
{
	Oid			server_id;
	const char *server_name;
	const char *base_url;	 /* without a slash at its end */
	const char *sslrootcert; /* file of trusted certificate authorities; NULL for the machine's */
	const char *website_id;	 /* in lower case; NULL when it is set nowhere */
	int			per_page;
	int			request_timeout_ms;
	int			connect_timeout_ms;
	int			low_speed_limit;	/* bytes a second; slower than that ... */
	int			low_speed_time_ms;	/* ... for so long is given up */
	int			max_response_bytes; /* largest body that is read of any answer */
	int			max_retries;		/* of one request, besides the first attempt */
	int			retry_delay_ms;		/* longest wait before the first retry; then it doubles */
	int			retry_budget_ms;	/* longest wait before all retries of a request together */
	bool		include_empty;
	const char *inbox;					/* whose rows are listed; NULL for the plain list */
	int			prefetch;				/* requests under way together, at most */
	bool		exact_scan;				/* scan_mode exact, by option or setting */
	InvalidText invalid_text;			/* what becomes of text that the database can't keep */
	bool		updatable;				/* rows may be written, if the resource can be */
	const CrispResource *resource;		/* NULL for a server */
	const char			*table_name;	/* likewise */
	double				 startup_cost;	/* of a request, in the planner's units */
	double				 tuple_cost;	/* of a row received, likewise */
	int					 analyze_pages; /* most requests that ANALYZE makes for a table */
	ApiCounts			*counts;		/* never NULL; filled by api_call.c */

	/* From the user mapping, once option_add_credentials() was called. */
	Oid			user_mapping_id;
	const char *tier;			  /* or option_add_tier(); NULL before */
	const char *credentials_file; /* that the next two come from; NULL for the mapping itself */
	const char *identifier;
	const char *key;
	uint64		credentials_hash; /* of these three */
} CrispOptions;

/*
 * The options in force for a server as a whole, without a table.  No credentials.
 * Everything is palloc'd in CurrentMemoryContext.
 */
extern CrispOptions *options_of_server(Oid server_id);

/*
 * The options in force for a foreign table: what a setting of the session says, then its own,
 * then its server's, then the defaults.  No credentials.  Everything is palloc'd in
 * CurrentMemoryContext.
 * Raises HV00R when the table stands for no resource, HV002 when its resource
 * needs a website and there is none.
 */
extern CrispOptions *options_of_table(Oid relid);

/*
 * The options in force for a resource of a server that no table stands for yet.  Otherwise as
 * options_of_table(); that a website is needed shows when credentials are added.
 */
extern CrispOptions *options_of_resource(Oid server_id, const CrispResource *resource);

/*
 * Where the table's list depends on the tier of the token, add the tier that user_id has for
 * the options' server, which is no secret.  Raises what option_add_credentials() raises.
 */
extern void option_add_tier(CrispOptions *options, Oid user_id);

/*
 * What can be written to a foreign table; NULL when that is nothing, be it because of option
 * updatable or of its resource.  Unlike options_of_table() it raises nothing for options that are
 * missing.
 */
extern const CrispChanges *option_writable(Oid relid);

/*
 * Add the credentials that user_id has for the options' server.  Raises 42704 when there is no user
 * mapping, HV002 when it is incomplete, or when the table's resource needs a website with a token
 * of its tier and there is none, 42501 when the mapping names a credentials file and no superuser
 * owns the server, and what credentials_file_read() raises.
 */
extern void option_add_credentials(CrispOptions *options, Oid user_id);

/* How many requests a day Crisp allows the credentials, 0 where it doesn't say. */
extern int option_daily_quota(const CrispOptions *options);

/*
 * The name that a column has at Crisp, by the flattening rule: its column_name option, else its
 * name in the table, attname.  Palloc'd, or attname itself.
 */
extern const char *option_column_name(Oid relid, AttrNumber attnum, const char *attname);

/*
 * The JSON path (text) that fills a column: its json_path option, else the
 * catalog's for the name that it has at Crisp.  NULL when it has neither, and the flattening rule
 * finds it.  Palloc'd, or static.
 */
extern const char *option_json_path(const CrispOptions *options, Oid relid, AttrNumber attnum,
									const char *attname);

/*
 * The catalog's column that a column stands for by its name; NULL where there is none of the
 * name, and where its json_path option says what it shows.
 */
extern const CrispColumn *option_named_column(const CrispOptions *options, Oid relid,
											  AttrNumber attnum, const char *attname);

#endif /* CRISP_OPTIONS_H */
