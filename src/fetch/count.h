/*-------------------------------------------------------------------------
 *
 * count.h
 *		Ask how many rows a list has, without reading it.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_COUNT_H
#define CRISP_COUNT_H

#include "json/json.h"
#include "options/options.h"

/*
 * Ask the count route of the options' resource, which must have one, how many rows its list has.
 * Makes one request; options must hold credentials.  Returns false, and leaves *rows alone, when
 * the answer is no exact number: Crisp says that it stopped counting, or sends something else than
 * a number.  Raises what api_finish() raises.
 */
extern bool count_ask(const CrispOptions *options, int64 *rows);

/*
 * Read the number out of the data of such an answer, and remember it for the session.  Returns
 * false, and leaves *rows alone, as count_ask() does.
 */
extern bool count_read(const CrispOptions *options, const JsonNode *data, int64 *rows);

/* Return the target that count_ask() asks for, relative to the base URL; palloc'd. */
extern char *count_target(const CrispOptions *options);

#endif /* CRISP_COUNT_H */
