/*
 * patch.h
 *		Change members of a row.
 */
#ifndef SANDBOX_PATCH_H
#define SANDBOX_PATCH_H

#include "collection.h"

/*
 * Set members of a row's text (an object of dotted path to value) and remove others (an array of
 * dotted paths); either may be NULL.  The row gets a text of its own, and its place in the lists by
 * what the text then says.  Returns what is wrong, or NULL.
 */
extern const char *patch_row(Collection *collection, uint32_t id, json_object *set,
							 json_object *unset);

/* Move the row's time of update, in its text too, unless that is verbatim. */
extern void touch_row(Collection *collection, uint32_t id, int64_t updated_at);

/*
 * Return a moment that is later than any in the list: by one millisecond than the newest update, of
 * a row that is gone or not.
 */
extern int64_t next_moment(const Collection *collection);

#endif /* SANDBOX_PATCH_H */
