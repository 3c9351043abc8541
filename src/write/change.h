/*-------------------------------------------------------------------------
 *
 * change.h
 *		Make requests of rows that are to be written.
 *
 * No request is sent here.  The catalog alone says what can be written, and how.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_CHANGE_H
#define CRISP_CHANGE_H

#include "nodes/bitmapset.h"

#include "api/api_answer.h"
#include "write/change_keys.h"
#include "write/data_change.h"
#include "write/json_body.h"

typedef struct ChangeRequest
{
	ApiChange		   api; /* complete unless something is lacking, or it follows an insert */
	const CrispChange *change;
	const CrispField
			   *doubtful;	/* a field that is null in the body, and of which it's open where Crisp
								 * takes a null; NULL: none */
	const char *other_body; /* the same with that null where it may have to be instead */
	size_t		other_body_length;
	ChangeKeys	keys;	/* the row */
	List	   *nulls;	/* names, as the table has them, of columns that are sent as null */
	int			nknown; /* what is known of the row once it's there: paths of the list's elements */
	BodyMember *known;
	bool named; /* the sender has given the name (see CRISP_NAME), which other rows may have */

	/* What the body is made of. */
	int			nmembers;
	BodyMember *members;
	int			doubtful_member; /* of doubtful */
	int			data_member;	 /* of data */

	/* Rows that change alike, see batch.h. */
	const CrispBatch *batch; /* how they can travel together; NULL: not */
	int				  nrows; /* of a request for several, which has no keys; else 0 */
	const char		 *names; /* of such a one: its rows, in words */

	/* What it takes to ask Crisp, see complete.h. */
	bool		asks;		/* something, before or after it's sent */
	bool		lacks_key;	/* what its route names, which is known by something else */
	bool		lacks_data; /* custom data of the row as it is at Crisp */
	DataChange *data;		/* what changes in custom data; NULL: nothing */
	List	   *gone;		/* keys (C strings) that Crisp should no longer have afterwards */

	/* Requests for the same row. */
	List *followers; /* of an insert: ChangeRequests, of which only the keys are lacking */
	bool  follows;	 /* it's such a one */
	bool  needless;	 /* it wasn't sent, for Crisp had all of it already */
	const struct ChangeRequest *previous; /* that goes before it; or NULL */
} ChangeRequest;

/*
 * Make the request that inserts a row.  values and nulls have an element for each attribute.
 * Palloc'd in CurrentMemoryContext, as are the results of the functions that follow.
 *
 * Raises 23502 (not_null_violation) where Crisp needs a value and there is none, 22023
 * (invalid_parameter_value) for one that it doesn't take, 0A000 (feature_not_supported) for one
 * that can't be sent.
 */
extern ChangeRequest *change_insert(const ChangeTable *table, const Datum *values,
									const bool *nulls);

/*
 * Make the requests (ChangeRequest) that change a row's columns, a set of attribute numbers that
 * change_check_updated() has passed.  before is the custom data that the row had.  NIL where Crisp
 * has all of it already, as far as that's known.  Raises the same as change_insert().
 */
extern List *change_update(const ChangeTable *table, const Bitmapset *columns, const Datum *values,
						   const bool *nulls, const ChangeKeys *keys, DataBefore before);

/* Put the JSON text of an object in the place of a request's custom data; it isn't copied. */
extern void change_set_data(ChangeRequest *request, const char *json);

/*
 * Write target and body of a request, of which nothing is lacking any more.  Raises what
 * change_target() does.
 */
extern void change_finish(const ChangeTable *table, ChangeRequest *request);

extern ChangeRequest *change_remove(const ChangeTable *table, const ChangeKeys *keys);

/*
 * Add a value to what is known of a request's row, in place of what was known of the same path.
 * Neither path nor value is copied.
 */
extern void change_know(ChangeRequest *request, const char *path, EncodedValue value);

/*
 * Return a request that does to another row, with these keys, what one does to its own; for an
 * UPDATE or a DELETE.  It shares all but the keys' texts, which aren't copied, with the other.
 */
extern ChangeRequest *change_for_row(const ChangeTable *table, const ChangeRequest *request,
									 const ChangeKeys *keys);

/*
 * Fill website and keys into a route.  Returns a palloc'd target.  Raises 22023 for a key that
 * can't be one, such as an empty one.
 */
extern char *change_target(const ChangeTable *table, const char *route, const ChangeKeys *keys);

#endif /* CRISP_CHANGE_H */
