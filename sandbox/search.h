/*
 * search.h
 *		Search for what search_query, search_filter and search_text ask for.
 */
#ifndef SANDBOX_SEARCH_H
#define SANDBOX_SEARCH_H

#include "collection.h"
#include "settings.h"

typedef struct Search Search;

/* Search for rows in which one of the fields that people read holds the text, case aside. */
extern Search *search_for_text(const char *text);

/* Search for rows that are in the segment. */
extern Search *search_for_segment(const char *segment);

/*
 * Search for rows that fulfil a JSON array of {model, criterion, operator, query[]}, all or any of
 * them.  The model must be one of "models", which ends with NULL; "values" says what several values
 * mean.  NULL, and what is wrong in "error", for a malformed one.
 */
extern Search *search_for_filter(const char *json, bool any, const char *const *models,
								 FilterValues values, const char **error);

/* Say whether one of the conditions is on segments; make all such ones hold. */
extern bool search_has_segments(const Search *search);
extern void search_ignore_segments(Search *search);

/* Make a search for both; either may be NULL. */
extern Search *search_and(Search *first, Search *second);
extern void	   search_free(Search *search);
extern bool	   search_matches(const Search *search, const Collection *collection, uint32_t id);

/*
 * Return the value that a criterion or sort field names: a path of the row, or one below meta,
 * person or company.  The tree keeps it.
 */
extern json_object *search_value(json_object *tree, const char *criterion);

#endif /* SANDBOX_SEARCH_H */
