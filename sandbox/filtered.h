/*
 * filtered.h
 *		Answer with the rows of a list that a handler's own filters leave, page by page.
 */
#ifndef SANDBOX_FILTERED_H
#define SANDBOX_FILTERED_H

#include "route.h"

/* Say whether a row belongs to what was asked for; "tree" is its JSON. */
typedef bool (*RowTest)(const Collection *collection, const Row *row, json_object *tree,
						const void *filter);

/*
 * Answer with a page of the rows that pass, in the order of a list that is asked for in none.
 * "page" is its number as the path has it; with an "error" already found, or a wrong number, the
 * answer is 400.
 */
extern void answer_filtered(Call *call, Resource resource, const char *page, const char *error,
							RowTest passes, const void *filter);

/* Answer with a list without parameters of its own, in pages of "per_page", or whole. */
extern void answer_plainly(Call *call, Resource resource, uint32_t per_page);
extern void answer_whole(Call *call, Resource resource);

/* Answer with one row, found by its key; with 404 and "missing" where there is none. */
extern void answer_row(Call *call, Resource resource, const char *key, const char *missing);

#endif /* SANDBOX_FILTERED_H */
