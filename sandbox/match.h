/*
 * match.h
 *		Match the requests that a fault or a change is meant for.
 */
#ifndef SANDBOX_MATCH_H
#define SANDBOX_MATCH_H

#include <json-c/json.h>

#include "request.h"

typedef struct Match
{
	char	*method; /* NULL: any */
	char	*path;	 /* fnmatch pattern on what follows /v1/; NULL: any */
	char	*query;	 /* a part of the query; NULL: any */
	uint64_t nth;	 /* the k-th request that matches, from 1; 0: each */
	uint64_t seen;	 /* matching requests so far */
} Match;

/*
 * Read {"method", "path", "query", "nth"}.  Returns what is wrong, or NULL.  "also" names one more
 * member that is allowed and left to the caller.
 */
extern const char *match_parse(Match *match, json_object *object, const char *also);
extern void		   match_free(Match *match);

/* Say whether method, path and query fit; count the request if so. */
extern bool match_request(Match *match, const Request *request);

#endif /* SANDBOX_MATCH_H */
