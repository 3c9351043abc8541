/*-------------------------------------------------------------------------
 *
 * option_values.h
 *		Hold the options that are in force, once they were read.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_OPTION_VALUES_H
#define CRISP_OPTION_VALUES_H

#include "base/server_text.h"
#include "resource/resource.h"

/* Crisp gives 20 to 50 rows a page. */
#define CRISP_MIN_PER_PAGE 20
#define CRISP_MAX_PER_PAGE 50

/* The option analyze_pages where it's set nowhere. */
#define CRISP_ANALYZE_PAGES_UNSET (-1)

/* Requests that ANALYZE makes there for a list: some thousand rows of one of any length. */
#define CRISP_DEFAULT_ANALYZE_PAGES 20

/* Most requests that may be under way together. */
#define CRISP_MAX_PREFETCH 32

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
	int			daily_requests;		/* of a token, through this server; 0 for any number */
	int			reserved_requests;	/* of these, for syncs and pushes alone */
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

#endif /* CRISP_OPTION_VALUES_H */
