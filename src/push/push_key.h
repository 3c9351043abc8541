/*-------------------------------------------------------------------------
 *
 * push_key.h
 *		Tell by which columns Crisp knows the rows of the target of a push.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_PUSH_KEY_H
#define CRISP_PUSH_KEY_H

#include "write/change.h"

/* A column that names a row in routes. */
typedef struct PushKey
{
	const char *name;		  /* in the table */
	const char *catalog_name; /* its SQL name in the catalog */
	const char *holds;		  /* text that each value holds; or NULL */
} PushKey;

/*
 * Find the columns that name a row in routes, each by itself: of the row that is changed, or, where
 * rows can't be changed, of the one that a new row belongs to.  Fill in keys, of which there is
 * room for two, and return how many the table has; 0 where a name takes several columns.
 */
extern int push_keys(const ChangeTable *table, PushKey *keys);

/* Find the key of that name among them; NULL when it's none.  Palloc'd. */
extern const PushKey *push_key_find(const ChangeTable *table, const char *name);

#endif /* CRISP_PUSH_KEY_H */
