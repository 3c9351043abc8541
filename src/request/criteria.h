/*-------------------------------------------------------------------------
 *
 * criteria.h
 *		Write the search filter, and find out whether Crisp keeps to its criteria.
 *
 * Where criteria share their parameter with full-text search, a server that doesn't know them may
 * refuse them, or search for their text and find nothing.  So a list that they left without any row
 * that proves them right is read again without them.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_CRITERIA_H
#define CRISP_CRITERIA_H

#include "json/json.h"
#include "json/json_writer.h"
#include "request/request.h"

/*
 * Append a criterion to criteria, an array, while there is room: the field of that name holds value
 * (in the database's encoding), or doesn't.  Returns whether there was room.
 */
extern bool criteria_add(JsonWriter *criteria, const CrispSearchFilter *filter, const char *field,
						 bool holds, const char *value);

/* Write criteria, an array that this finishes, as query parameters; palloc'd. */
extern char *criteria_query(const CrispSearchFilter *filter, JsonWriter *criteria);

/*
 * Write one criterion as query parameters: the field of that name holds one of some values (UTF-8).
 * Whether Crisp understands several so isn't documented.  Palloc'd.
 */
extern char *criteria_query_any(const CrispSearchFilter *filter, const char *field,
								const char *const *values, int nvalues);

/*
 * Say whether Crisp may be asked for criteria, as far as the session knows.  With proved, only if
 * they have been proved right: that is for a scan that may end before its list does.
 */
extern bool criteria_can_be_asked(const CrispOptions *options, bool holds, bool proved);

/* Say whether a row proves that Crisp understood the criteria of the request that brought it. */
extern bool criteria_are_proved_by(const ListRequest *request, const JsonNode *row);

/* Remember that Crisp has refused the request's criteria. */
extern void criteria_refused(const ListRequest *request);

/*
 * Say, after the end of a request's list, whether it had all rows that meet the criteria.  proved
 * tells whether any of its rows has proved that.  What was learnt is remembered for the session.
 * May make a request, and raises what that does.
 */
extern bool criteria_were_kept(const ListRequest *request, bool proved);

#endif /* CRISP_CRITERIA_H */
