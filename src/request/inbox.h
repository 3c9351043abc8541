/*-------------------------------------------------------------------------
 *
 * inbox.h
 *		Tell which inbox's rows a table holds.
 *
 * The option inbox says it: unset, the table holds what Crisp's plain list does, and whatever is
 * looked up by its key; "all", the rows of all inboxes; otherwise those of one, however they are
 * asked for.  A condition that names an inbox goes before the option.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_INBOX_H
#define CRISP_INBOX_H

#include "json/json.h"
#include "request/request.h"

/*
 * Say whether options leave the rows of one inbox of a resource, so that each row has to be looked
 * at.
 */
extern bool inbox_is_single(const CrispOptions *options, const CrispResource *resource);

/*
 * Say whether a row that a list or a lookup has brought lies in the inbox that was asked for (NULL
 * for none).
 */
extern bool inbox_admits(const CrispOptions *options, const char *inbox, const JsonNode *row);

/* Say whether a list is asked for all inboxes, which Crisp may not know how to give. */
extern bool inbox_is_all(const ListRequest *request);

/*
 * Look at the first page of a list for which inbox_is_all(): whether Crisp has given one, and how
 * many rows are on it.  Raises HV024 where Crisp doesn't know of all inboxes; where it has none,
 * that takes up to two requests, and raises what they do.
 */
extern void inbox_check_first_page(const ListRequest *request, bool given, size_t nrows);

#endif /* CRISP_INBOX_H */
