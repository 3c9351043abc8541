/*-------------------------------------------------------------------------
 *
 * request.h
 *		Write what a scan asks the API for.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_REQUEST_H
#define CRISP_REQUEST_H

#include "nodes/pg_list.h"

#include "options/options.h"
#include "request/time_range.h"

/* The fact that Crisp doesn't refuse what joins tell of the rows. */
#define FACT_LINK "conditions of joined rows"

/*
 * What proves that Crisp has understood a part of a query: a search for a value that a column has,
 * or criteria of a search filter.  A row whose field holds the value does; where criteria say what
 * a field lacks, one whose field is an empty array.
 */
typedef struct QueryProof
{
	const char *query_without; /* NULL where there is nothing to prove */
	const char *path;		   /* JSON path of the field */
	const char *value;		   /* UTF-8; NULL where the field is only to lack some */

	const CrispSearchFilter *criteria; /* NULL where a value is searched for */
	const char				*field;	   /* that criteria are about, by Crisp's name */
} QueryProof;

/*
 * A list, page by page.
 */
typedef struct ListRequest
{
	const CrispOptions *options;
	int					per_page;
	int					pages_wanted; /* that the query needs, at most; 0 where that's not known */
	int					pages_expected; /* a guess; 0 where there is none */

	TimeRange	dates; /* bounds of the column that the API's dates are about */
	const char *query; /* its conditions, as "a=b&c=d"; may be empty */
	QueryProof	proof; /* of a part of that */
	const char *inbox; /* that is asked for beside the query (text); NULL for none */

	bool newest_first; /* read by date, it comes in that order, one page after the other */
	bool expects_rows; /* that there are none is to be made sure of: a row that was seen is there */
	bool takes_empty;  /* that isn't made sure of in any case, as the caller does it another way */

	/* What is wanted of a scan by date, if not all; see exact_reader.h. */
	struct ExactErrand *errand;

	const CrispOrder  *order;	  /* that is relied on; NULL for none: then it's the list's own */
	bool			   streamed;  /* rows are given in that order as they come: see list_reader.h */
	bool			   any_order; /* which rows are on which page doesn't matter */
	const CrispColumn *stop_column; /* the order's column: the list is of no use ... */
	int64			   stop_before; /* ... from where it's below this, Unix milliseconds; */
	bool			   stops;		/* if this is set */

	/* Where keys can't be looked up: rows that have none of them at this path are of no use. */
	const char *keep_path;
	List	   *keep; /* char *, UTF-8 */
} ListRequest;

/*
 * Single rows, by their keys.
 */
typedef struct KeysRequest
{
	const CrispOptions *options;
	const CrispLookup  *lookup;
	List	   *keys; /* char *, UTF-8, each once; NIL where they can't be told before execution */
	int			needed; /* how many rows will be asked for in any case */
	const char *inbox;	/* in which the rows lie that are wanted (text); NULL for any */
} KeysRequest;

/*
 * The lists below rows of another resource.
 */
typedef struct ChildrenRequest
{
	const CrispOptions *options;
	const char		   *query;		 /* the conditions of each list, as "a=b&c=d"; may be empty */
	const char		   *link;		 /* what joins tell of the rows, likewise; NULL for nothing */
	TimeRange			dates;		 /* bounds of the column that the API's dates are about */
	TimeRange			times;		 /* bounds of the column that pages follow each other by */
	int					rows_wanted; /* that the query needs, at most; 0 where that's not known */

	/*
	 * The rows below which to ask: those that a request brings, or where that's NULL, those named
	 * by the arguments.
	 */
	struct CrispRequest *parent;	/* a list or keys */
	List				*arguments; /* char *, UTF-8, each once */

	/*
	 * The lists below each of these rows, by the second argument of their routes: char *, UTF-8,
	 * each once; NIL where there is one list, or where they can't be told before execution.
	 */
	List *words;
	bool  words_named; /* by a condition: Crisp may know no such word, nor then have any rows */
} ChildrenRequest;

typedef enum RequestKind
{
	REQUEST_LIST,
	REQUEST_KEYS,
	REQUEST_CHILDREN
} RequestKind;

/*
 * What a scan asks for.
 */
typedef struct CrispRequest
{
	RequestKind kind;
	union
	{
		ListRequest		list;
		KeysRequest		keys;
		ChildrenRequest children;
	} as;

	/* What full-text search was asked for, in the database's encoding; or NULL. */
	const char *search;
} CrispRequest;

/* Make the request for a resource's whole list, as far as the options show it. */
extern ListRequest request_whole_list(const CrispOptions *options);

/*
 * Make the same of a resource whose lists lie below rows of another; it's for the caller to say
 * below which.
 */
extern ChildrenRequest request_whole_children(const CrispOptions *options);

/*
 * Return the list that a request reads: itself, or that of the parent's rows; NULL where it reads
 * none.
 */
extern ListRequest *request_list(CrispRequest *request);

/* Say whether two requests of one scan ask for the same. */
extern bool request_equal(const CrispRequest *a, const CrispRequest *b);

/*
 * Return the order in which a list is asked for: the request's, or that in which the resource's
 * list is read.  NULL where there is none, and where Crisp doesn't document it and has refused it
 * in this session.
 */
extern const CrispOrder *request_list_order(const ListRequest *request);

/* Say whether Crisp may refuse that order, since it isn't documented. */
extern bool request_list_order_may_be_refused(const ListRequest *request);

/* Note that Crisp has refused that order, so that this session asks for it no more. */
extern void request_list_order_refused(const ListRequest *request);

/* Write the target of the list's page (1-based), relative to the base URL; palloc'd. */
extern char *request_list_target(const ListRequest *request, int page_number);

/* Write the target for one key (UTF-8), or for no key in particular where key is NULL; palloc'd. */
extern char *request_lookup_target(const KeysRequest *request, const char *key);

/* Write the same for a route of the options' resource. */
extern char *request_key_target(const CrispOptions *options, const char *route, const char *key);

/*
 * Write the target of a list below the parent's row with that argument, by that word (both UTF-8),
 * or of none in particular where they are NULL: its page (1-based), with query (may be NULL) added.
 * Palloc'd.
 */
extern char *request_child_target(const ChildrenRequest *request, const char *argument,
								  const char *word, int page_number, const char *query);

/* Say whether the lists are asked for by conditions, which Crisp may refuse. */
extern bool request_children_have_conditions(const ChildrenRequest *request);

/*
 * Fill the website into a route of the options' resource, or one of the server's where they have
 * none; palloc'd.
 */
extern char *request_route_target(const CrispOptions *options, const char *route);

#endif /* CRISP_REQUEST_H */
