/*-------------------------------------------------------------------------
 *
 * pending.h
 *		Keep rows that are to be changed, until they're sent together.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_PENDING_H
#define CRISP_PENDING_H

#include "write/change.h"

/* A row that is to be changed, by one request after the other. */
typedef struct PendingRow
{
	ChangeKeys keys;
	int		   nparts;	   /* its requests */
	int		   parts_done; /* how many of them were carried out */
	bool	   gone;	   /* Crisp doesn't have it */
} PendingRow;

/* Rows of which a request is the same, but for what names them. */
typedef struct PendingGroup
{
	const ChangeRequest *model; /* that of the first row */
	int					 part;	/* which of a row's requests, from 0 */
	int					 nrows;
	int					 room;
	int					*rows; /* places in Pending.rows */
	struct PendingGroup *next; /* in the same bucket */
} PendingGroup;

typedef struct Pending
{
	const ChangeTable *table;
	MemoryContext	   parent;
	MemoryContext	   context; /* of all that follows; NULL when nothing is pending */
	int				   nrows;
	int				   room;
	PendingRow		  *rows;   /* in the order in which they came */
	List			  *groups; /* likewise */
	struct HTAB		  *buckets;
	int				   nparts; /* the most that a row has */
	Size			   bytes;  /* about */
} Pending;

/* Prepare to keep rows of a table, palloc'd in CurrentMemoryContext, which must outlive it. */
extern Pending *pending_create(const ChangeTable *table);

/*
 * Add a row with the requests (ChangeRequest, at least one) that change it, all of which belong to
 * context.  Return whether context is kept, and the caller needs another for the next row; if not,
 * what is needed of it was copied.
 */
extern bool pending_add(Pending *pending, List *requests, const ChangeKeys *keys,
						MemoryContext context);

/* Say whether so much is pending that it should be sent: more than work_mem. */
extern bool pending_is_full(const Pending *pending);

/* Forget all rows. */
extern void pending_clear(Pending *pending);

#endif /* CRISP_PENDING_H */
