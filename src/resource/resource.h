/*-------------------------------------------------------------------------
 *
 * resource.h
 *		Hold every Crisp resource as data: the catalog.
 *
 * The only place that knows Crisp's routes, fields and query parameters.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_RESOURCE_H
#define CRISP_RESOURCE_H

#include "resource/entry.h"

/* All resources, in the order in which they are imported and shown. */
extern const CrispResource *const crisp_resources[];
extern const int				  crisp_nresources;

/* Find a resource by name; NULL when there is none. */
extern const CrispResource *crisp_resource_find(const char *name);

/* Return the names of all resources, for messages: "a, b, c"; palloc'd. */
extern char *crisp_resource_names(void);

/*
 * Return the SQL name of a column: its own, or its path without the resource's envelope, joined by
 * underscores; palloc'd.
 */
extern char *crisp_column_name(const CrispResource *resource, const CrispColumn *column);

/* Return the column of that SQL name, or at that JSON path; NULL when there is none. */
extern const CrispColumn *crisp_column_by_name(const CrispResource *resource, const char *name);
extern const CrispColumn *crisp_column_by_path(const CrispResource *resource, const char *path);

/* Return the column that is the resource's key; NULL when it has none. */
extern const CrispColumn *crisp_resource_key(const CrispResource *resource);

/*
 * Return the column by whose value routes name the resource's rows although it's no key: several
 * rows below one of the parent may have the same; NULL when it has none.
 */
extern const CrispColumn *crisp_resource_name(const CrispResource *resource);

/* Return what the API can do for the column at that path; each NULL when it can't. */
extern const CrispLookup *crisp_resource_lookup(const CrispResource *resource, const char *path);
extern const CrispOrder	 *crisp_resource_order(const CrispResource *resource, const char *path);

/* Return the column that the API's date parameters are about; NULL when there is none. */
extern const CrispColumn *crisp_resource_dates(const CrispResource *resource);

/* Return the time column that moves on whenever the row changes; NULL when there is none. */
extern const CrispColumn *crisp_resource_changed(const CrispResource *resource);

/*
 * Return the column that reads what Crisp was asked for, by a search say; NULL when there is none.
 */
extern const CrispColumn *crisp_resource_search(const CrispResource *resource);

/*
 * Return the column whose value is the argument of the resource's routes; NULL when there is no
 * parent.
 */
extern const CrispColumn *crisp_resource_argument(const CrispResource *resource);

/* Return the path at which an inherited column stands in the parent's row. */
extern const char *crisp_column_parent_path(const CrispColumn *column);

/*
 * Return the column that reads by which of CrispParent.words a list was asked for; NULL where there
 * are none.
 */
extern const CrispColumn *crisp_resource_word(const CrispResource *resource);

/* Return how many lists there are below a row of the parent. */
extern int crisp_resource_lists_below(const CrispResource *resource);

/*
 * Say whether rows can be found by the column's value since rows of the parent can: it's the
 * argument, or is inherited from a column that the parent is looked up by.
 */
extern bool crisp_resource_finds_parent(const CrispResource *resource, const CrispColumn *column);

/*
 * What depends on the tier of the token; NULL is a tier that isn't known, and
 * stands for all that have nothing of their own.
 */

/* Return the route of the list. */
extern const char *crisp_resource_route(const CrispResource *resource, const char *tier);

/* Say whether the answer of that route is one object, the only row, rather than an array. */
extern bool crisp_resource_is_one_row(const CrispResource *resource, const char *tier);

/* Say whether requests for the list name a website. */
extern bool crisp_resource_needs_website(const CrispResource *resource, const char *tier);

/* Say whether the list comes in pages. */
extern bool crisp_resource_is_paged(const CrispResource *resource, const char *tier);

/* Return the route of what elements of the list lack; NULL when they lack nothing. */
extern const char *crisp_resource_detail_route(const CrispResource *resource, const char *tier);

/*
 * Say whether elements of the list have whatever Crisp has at a JSON path, also where it's a list
 * that lacks other things.  What the catalog doesn't know, they may lack.
 */
extern bool crisp_resource_list_has(const CrispResource *resource, const char *path);

/* Say whether the catalog has a column at a JSON path, or above or below it. */
extern bool crisp_resource_knows(const CrispResource *resource, const char *path);

#endif /* CRISP_RESOURCE_H */
