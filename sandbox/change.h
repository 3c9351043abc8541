/*
 * change.h
 *		Change the data, at once or when a certain request comes: POST /_data.
 */
#ifndef SANDBOX_CHANGE_H
#define SANDBOX_CHANGE_H

#include <json-c/json.h>

#include "request.h"

struct Sandbox;
typedef struct Change Change;

/* Those that wait for their request. */
typedef struct ChangeList
{
	Change *first;
} ChangeList;

/*
 * Carry out a JSON array of operations, or keep those with "at_request".  Returns what is wrong,
 * and in "place" with which operation, counted from 0; if one is malformed, nothing was done.
 * Otherwise returns NULL, and "keys" holds the keys of the rows that were changed, as JSON strings
 * with commas between.
 */
extern const char *changes_request(struct Sandbox *sandbox, json_object *operation_list,
								   Buffer *keys, size_t *place);
extern void		   changes_clear(ChangeList *list);

/* Carry out what is due before, and after, the answer to a request is made. */
extern void changes_before(struct Sandbox *sandbox, const Request *request);
extern void changes_after(struct Sandbox *sandbox);

#endif /* SANDBOX_CHANGE_H */
