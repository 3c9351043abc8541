/*-------------------------------------------------------------------------
 *
 * returning.h
 *		Give a statement what it wants to know of the rows that it inserts.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_RETURNING_H
#define CRISP_RETURNING_H

#include "executor/tuptable.h"
#include "nodes/execnodes.h"

#include "write/json_body.h"
#include "json/json.h"
#include "options/options.h"

typedef struct Returning Returning;

/*
 * Find out which columns the relation's RETURNING, triggers and check options look at.  Palloc'd in
 * CurrentMemoryContext, which must outlive it.
 */
extern Returning *returning_create(const CrispOptions *options, const ResultRelInfo *rinfo);

/* Say whether there is anything to be known of the rows after they were sent. */
extern bool returning_wants_any(const Returning *returned);

/*
 * Say whether there are columns to be known that these members, by the paths of a row, don't tell.
 */
extern bool returning_wants_more(const Returning *returned, const BodyMember *known, int nknown);

/*
 * Put what is known of a row into its slot: what Crisp says of it (row, may be NULL), else what it
 * was sent and has answered (known), else NULL.  Columns that nobody looks at, and generated ones,
 * stay as they are.
 */
extern void returning_store(const Returning *returned, TupleTableSlot *slot,
							const BodyMember *known, int nknown, const JsonNode *row);

#endif /* CRISP_RETURNING_H */
