/*-------------------------------------------------------------------------
 *
 * entry.h
 *		Define what an entry of the catalog is made of.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_ENTRY_H
#define CRISP_ENTRY_H

/*
 * What the API says of a field's type; option timestamp_type and array_type of IMPORT map it to
 * SQL.
 */
typedef enum CrispType
{
	CRISP_TEXT,
	CRISP_INTEGER,
	CRISP_NUMBER,
	CRISP_BOOLEAN,
	CRISP_TIME, /* Unix epoch, milliseconds */
	CRISP_TEXT_ARRAY,
	CRISP_JSON /* free-form objects, arrays of objects */
} CrispType;

/* Properties of a column. */
#define CRISP_KEY 0x01		  /* identifies the row within its website, or below its parent's row */
#define CRISP_REQUIRED 0x02	  /* Crisp always sends it: imported NOT NULL */
#define CRISP_ASKED 0x04	  /* no field of Crisp: reads what the request asked for */
#define CRISP_STRINGS 0x08	  /* shows strings only, and reads NULL for all else */
#define CRISP_STRUCTURES 0x10 /* shows objects and arrays only */
#define CRISP_WEBSITE 0x20	  /* reads the website that was asked, whether Crisp sends it or not */
#define CRISP_DETAIL 0x40	  /* elements of the list lack it: see detail_route */
#define CRISP_INHERITED 0x80  /* stands in the parent's row: see parent_path */
#define CRISP_SENT 0x100	  /* can be sent, and is not in what Crisp sends: reads NULL */
#define CRISP_NAME 0x200	  /* names the row in routes, and yet several may have it: no key */
#define CRISP_CHANGES 0x400	  /* of a list with a cursor: may become another while the row stays */
#define CRISP_WORD 0x800	  /* reads the word by which the list was asked for: see CrispWords */

typedef struct CrispColumn
{
	const char *path; /* JSON path in an element of the list */
	CrispType	type;
	const char *description; /* for users */
	int			flags;
	const char *lower_param; /* query parameter that bounds it from below, or NULL */
	const char *upper_param; /* … and from above */
	const char *name;		 /* in SQL; NULL: the path's, see crisp_column_name() */
	const char *parent_path; /* of an inherited one, in the parent's row; NULL: the same */
} CrispColumn;

/* What makes a query parameter right to send: it then leaves out no row that a condition wants. */
typedef enum CrispFilterTest
{
	CRISP_EQUALS, /* column = value: the parameter takes the value */
	CRISP_FINDS, /* column = value: the parameter searches the column for it, and may not find it */
	CRISP_IS,	 /* column = constant: the parameter is a flag */
	CRISP_IS_NOT,	/* column <> constant: a flag */
	CRISP_IS_NULL,	/* column IS NULL: a flag */
	CRISP_CONTAINS, /* column holds the value: a criterion of the search filter */
	CRISP_LACKS,	/* column, an array, does not hold the value: likewise */
	CRISP_SEARCHES	/* column = value: full-text search, and the column reads what was asked for */
} CrispFilterTest;

typedef struct CrispFilter
{
	const char	   *path; /* of the column */
	CrispFilterTest test;
	const char	   *param;	  /* query parameter, or criterion */
	const char	   *constant; /* for CRISP_IS and CRISP_IS_NOT, as text */
	double			share;	  /* of a list that it leaves, as a rule */
} CrispFilter;

/*
 * Where criteria go: a parameter that takes a JSON array of them, all of which must hold.
 */
typedef struct CrispSearchFilter
{
	const char *param;
	const char *model;	   /* that criteria are about */
	const char *before;	   /* query parameters that go before it, or NULL */
	const char *after;	   /* ... and after it */
	bool		is_shared; /* full-text search has the same parameter */
} CrispSearchFilter;

/*
 * A route that gives the one row with a value, {key}, in a column; of resources without a parent.
 */
typedef struct CrispLookup
{
	const char *path;
	const char *route;
	const char *key_holds; /* text that every key holds that the route understands; or NULL */
	bool		is_listed; /* the row is in the list, too, as the same object */
	const char *criterion; /* of the search filter, by which the list finds such rows; or NULL */
} CrispLookup;

/*
 * Another way to rows with a value in a column, for which the API has no filter: advice for who
 * writes the query, since it may leave out rows.
 */
typedef struct CrispDetour
{
	const char *path;
	const char *before;	  /* what to write instead, up to the name of a table, */
	const char *resource; /* that is of this resource; */
	const char *after;	  /* the rest, and what that leaves out */
} CrispDetour;

/*
 * An order by a time that the API gives a list on demand.  Where it is
 * documented, rows are taken as ordered until one is not.  Where it isn't,
 * opposite asks for the reverse, so that the two can be compared.
 */
typedef struct CrispOrder
{
	const char *path;
	const char *query;	  /* query parameters, as they are sent */
	const char *opposite; /* NULL: the order is documented */
	bool		rising;	  /* the earliest come first, as far as is known; else the latest */
	bool		filters;  /* it leaves out rows that lack the column */
} CrispOrder;

/* A route that says how many rows a list has. */
typedef struct CrispCount
{
	const char *route;
	const char *path;		  /* of the count, in the answer's data */
	const char *limited_path; /* of a flag: the count is cut off; or NULL */
} CrispCount;

/*
 * A second argument of the routes of lists below a row of the parent: a word, which stands in them
 * under the name of the CRISP_WORD column.  Below each row of the parent there is a list for each
 * word.
 */
typedef struct CrispWords
{
	const char *const *words; /* that are asked for where no condition names any; then NULL */
	bool			   open;  /* Crisp may know others, which conditions can name: a word of
							   * theirs that it refuses has no rows, one of these is an error */
} CrispWords;

/*
 * What a list lies below: a row of another resource, its parent.  The key of that row,
 * the argument, stands in the routes under the name of its column: {session_id}.
 */
typedef struct CrispParent
{
	const struct CrispResource *resource;

	const char *path; /* of the argument's column: the parent's key, and a column of the child */
	const char *sure; /* characters of arguments of which routes can't know another spelling */

	/*
	 * Time column of the child that is never later than the column that the
	 * parent's dates are about; or NULL.
	 */
	const char *bound_path;
	double		typical_rows; /* below one row of the parent, before ANALYZE */
	bool none_in_empty;		  /* what the option include_empty adds to the parent's list has none */

	const CrispWords *words; /* NULL: the routes have no second argument */
} CrispParent;

/*
 * A list without page numbers, newest first: a page has the newest rows from
 * before a time, or from after it.
 */
typedef struct CrispCursor
{
	const char *path;		  /* of the time */
	const char *before_param; /* query parameters: Unix milliseconds, not included */
	const char *after_param;
	const char *content_path; /* of what a row says: a string of which changes only where ... */
	const char *edited_path;  /* ... this flag is true */
} CrispCursor;

/*
 * Rows of another resource that rows of this one name by its key, and query parameters that the
 * lists of both take in the same sense: of this one, they leave out rows by what they name.
 */
typedef struct CrispLink
{
	const struct CrispResource *resource;
	const char				   *path;		/* of the column that names them */
	const char				   *other_path; /* of theirs that is named */
	const char *const		   *params;		/* as they are sent; the last is NULL */
} CrispLink;

/* Data with keys of the website's own. */
typedef struct CrispCustomData
{
	const char				   *path; /* of the column that holds it: an object, flat */
	const struct CrispResource *keys; /* the list of keys in use, which is not imported */
} CrispCustomData;

/* Rows that lie in inboxes, of which a list may show some alone. */
typedef struct CrispInbox
{
	const char *path;  /* of the column that tells the inbox; a member of the row */
	const char *param; /* query parameter that names one */
	const char *all;   /* what it takes for all of them, where Crisp knows that */
} CrispInbox;

/* What can be written: see writable.h. */
typedef struct CrispChanges CrispChanges;

typedef struct CrispResource
{
	const char *name; /* of the imported table */
	const char *description;

	/*
	 * Route of the list.  {website_id} and {page_number} stand for what their
	 * names say; a route without {page_number} gives all rows at once, unless
	 * there is a cursor.  What stands in brackets is left out where no website
	 * is set.
	 */
	const char *list_route;
	const char *per_page_param;		 /* NULL: the page size is the server's choice */
	const char *include_empty_param; /* NULL: option include_empty has no meaning */

	/* Whether the answer of list_route is an object, which is the only row; whether it may be. */
	bool one_row;
	bool maybe_one_row;

	/* The only tier whose tokens may ask for the list; NULL: all may. */
	const char *tier;

	/* The list for tokens of tier plugin, where they have one of their own; NULL elsewhere. */
	const char *plugin_route;

	/*
	 * Where elements of the list (with a plugin_route: of that list) lack
	 * fields: the route of the object that has them, by the row's key, {key}.
	 */
	const char *detail_route;

	const CrispCustomData *custom_data; /* NULL: none */

	/* The key of an object whose fields count as the element's own; or NULL. */
	const char *envelope;

	double typical_rows; /* for estimates before ANALYZE */

	const CrispParent *parent; /* NULL: the list is the website's */
	const CrispLink	  *link;   /* NULL: none */
	const CrispCursor *cursor; /* NULL: pages have numbers, or there is but one */

	/* Where elements are no objects: the column that each is the value of; or NULL. */
	const char *scalar_path;

	/* What the API can do beyond listing; arrays end with an element without path. */
	const CrispFilter *filters;
	const CrispLookup *lookups;
	const CrispOrder  *orders;
	const CrispCount  *count;

	/* Advice where the list has to be read as a whole; NULL for none. */
	const CrispDetour *detours;

	/*
	 * The order in which the list is read where nothing asks for another: in the server's own, a
	 * row that changes may move back, past rows that then move over the edge of a page, to where
	 * nobody looks any more.  One that leaves out nothing, by a column that no row lacks, and,
	 * where it isn't documented, that no change alters; NULL where there is none.
	 */
	const CrispOrder *list_order;

	/*
	 * The column that the API's date parameters are about, and whether it
	 * changes whenever the row does; NULL where there are none.
	 */
	const char *dates_path;
	bool		dates_follow_changes;

	/*
	 * The time column that tells when a row was made, which no change alters; NULL where there is
	 * none.
	 */
	const char *created_path;

	/*
	 * What the key names, where rows of several resources may have the same one; NULL: rows of this
	 * resource alone.  Whether rows of other websites may have the same, as names and languages do.
	 */
	const char *keys_name;
	bool		keys_recur;

	const CrispInbox		*inbox;			/* NULL: option inbox has no meaning */
	const CrispSearchFilter *search_filter; /* for CRISP_CONTAINS and CRISP_LACKS; or NULL */

	const CrispChanges *changes; /* NULL: nothing can be written */

	const CrispColumn *columns;
	int				   ncolumns;
} CrispResource;

/* The column that each resource of a website has, where Crisp has no such field. */
#define CRISP_WEBSITE_COLUMN                                                               \
	{                                                                                      \
		"website_id", CRISP_TEXT, "website that was asked", CRISP_WEBSITE | CRISP_REQUIRED \
	}

/* For resources that have none. */
extern const CrispFilter crisp_no_filters[];
extern const CrispLookup crisp_no_lookups[];
extern const CrispOrder	 crisp_no_orders[];

#endif /* CRISP_ENTRY_H */
