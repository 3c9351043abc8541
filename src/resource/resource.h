/*-------------------------------------------------------------------------
 *
 * resource.h
 *		The catalog: every Crisp resource as data.
 *
 * The only place that knows Crisp's routes, fields and query parameters.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_RESOURCE_H
#define CRISP_RESOURCE_H

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
#define CRISP_INHERITED 0x80  /* stands in the parent's row, at the same path */
#define CRISP_SENT 0x100	  /* can be sent, and is not in what Crisp sends: reads NULL */
#define CRISP_NAME 0x200	  /* names the row in routes, and yet several may have it: no key */
#define CRISP_CHANGES 0x400	  /* of a list with a cursor: may become another while the row stays */

typedef struct CrispColumn
{
	const char *path; /* JSON path in an element of the list */
	CrispType	type;
	const char *description; /* for users */
	int			flags;
	const char *lower_param; /* query parameter that bounds it from below, or NULL */
	const char *upper_param; /* … and from above */
	const char *name;		 /* in SQL; NULL: the path's, see crisp_column_name() */
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
	bool		is_listed; /* one row at most has the value, and in the list it's the same object */
} CrispLookup;

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
	 * there is a cursor.
	 */
	const char *list_route;
	const char *per_page_param;		 /* NULL: the page size is the server's choice */
	const char *include_empty_param; /* NULL: option include_empty has no meaning */

	/* Whether the answer of list_route is an object, which is the only row. */
	bool one_row;

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

	const CrispInbox		*inbox;			/* NULL: option inbox has no meaning */
	const CrispSearchFilter *search_filter; /* for CRISP_CONTAINS and CRISP_LACKS; or NULL */

	const CrispChanges *changes; /* NULL: nothing can be written */

	const CrispColumn *columns;
	int				   ncolumns;
} CrispResource;

/* All resources, in the order in which they are imported and shown. */
extern const CrispResource *const crisp_resources[];
extern const int				  crisp_nresources;

/* Find a resource by name; NULL when there is none. */
extern const CrispResource *crisp_resource_find(const char *name);

/* The names of all resources, for messages: "a, b, c"; palloc'd. */
extern char *crisp_resource_names(void);

/*
 * The SQL name of a column: its own, or its path without the resource's envelope, joined
 * by underscores; palloc'd.
 */
extern char *crisp_column_name(const CrispResource *resource, const CrispColumn *column);

/* The column of that SQL name, or at that JSON path; NULL when there is none. */
extern const CrispColumn *crisp_column_by_name(const CrispResource *resource, const char *name);
extern const CrispColumn *crisp_column_by_path(const CrispResource *resource, const char *path);

/* The column that is the resource's key; NULL when it has none. */
extern const CrispColumn *crisp_resource_key(const CrispResource *resource);

/*
 * The column by whose value routes name the resource's rows although it's no key: several rows
 * below one of the parent may have the same; NULL when it has none.
 */
extern const CrispColumn *crisp_resource_name(const CrispResource *resource);

/* What the API can do for the column at that path; each NULL when it can't. */
extern const CrispLookup *crisp_resource_lookup(const CrispResource *resource, const char *path);
extern const CrispOrder	 *crisp_resource_order(const CrispResource *resource, const char *path);

/* The column that the API's date parameters are about; NULL when there is none. */
extern const CrispColumn *crisp_resource_dates(const CrispResource *resource);

/* The time column that moves on whenever the row changes; NULL when there is none. */
extern const CrispColumn *crisp_resource_changed(const CrispResource *resource);

/* The column that reads what Crisp was asked for, by a search say; NULL when there is none. */
extern const CrispColumn *crisp_resource_search(const CrispResource *resource);

/* The column whose value is the argument of the resource's routes; NULL when there is no parent. */
extern const CrispColumn *crisp_resource_argument(const CrispResource *resource);

/*
 * Whether rows can be found by the column's value since rows of the parent can: it's the
 * argument, or is inherited from a column that the parent is looked up by.
 */
extern bool crisp_resource_finds_parent(const CrispResource *resource, const CrispColumn *column);

/*
 * What depends on the tier of the token; NULL is a tier that isn't known, and
 * stands for all that have nothing of their own.
 */

/* The route of the list. */
extern const char *crisp_resource_route(const CrispResource *resource, const char *tier);

/* Whether the answer of that route is one object, the only row, rather than an array. */
extern bool crisp_resource_is_one_row(const CrispResource *resource, const char *tier);

/* Whether requests for the list name a website. */
extern bool crisp_resource_needs_website(const CrispResource *resource, const char *tier);

/* Whether the list comes in pages. */
extern bool crisp_resource_is_paged(const CrispResource *resource, const char *tier);

/* The route of what elements of the list lack; NULL when they lack nothing. */
extern const char *crisp_resource_detail_route(const CrispResource *resource, const char *tier);

/*
 * Whether elements of the list have whatever Crisp has at a JSON path, also
 * where it's a list that lacks other things.  What the catalog doesn't know, they may lack.
 */
extern bool crisp_resource_list_has(const CrispResource *resource, const char *path);

/* Whether the catalog has a column at a JSON path, or above or below it. */
extern bool crisp_resource_knows(const CrispResource *resource, const char *path);

#endif /* CRISP_RESOURCE_H */
