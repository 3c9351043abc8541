/*-------------------------------------------------------------------------
 *
 * whole_list.h
 *		Read the list that serves the keys of a scan, once these have cost as much.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_WHOLE_LIST_H
#define CRISP_WHOLE_LIST_H

#include "request/request.h"

/*
 * What a scan that looks rows up, over all its rescans, has spent on that; and the list in which
 * it finds others once that has come to what the list costs.  All functions but the first take
 * NULL for one that is never read.
 */
typedef struct WholeList WholeList;

/* What is known of a scan before it begins. */
typedef struct WholeListPlan
{
	int	   pages;	/* of the list, at some time; 0 where nothing tells */
	double lookups; /* that the planner expects */
	bool   repeats; /* other keys may follow those of a request */
} WholeListPlan;

/*
 * Create it with nothing spent, in a child of parent, which must be the statement's memory.
 * options must hold credentials and live as long.  Temporary files will belong to the resource
 * owner of now.
 */
extern WholeList *whole_list_create(MemoryContext parent, const CrispOptions *options,
									WholeListPlan plan);

/*
 * Note that a key was asked for by itself; that a request was made for several; and that the first
 * was answered, with a row or without.
 */
extern void whole_list_note_asked(WholeList *list);
extern void whole_list_note_search(WholeList *list);
extern void whole_list_note_answer(WholeList *list, bool found);

/*
 * Return how many different keys of a lookup are worth knowing of before they are looked up, where
 * so many were counted so far; 0 where none is.  May ask Crisp for the number of rows.  Raises what
 * waiting raises.
 */
extern int whole_list_foresight(WholeList *list, const CrispLookup *lookup, int counted);

/* Note that so many keys, at least, will be looked up, or with all, exactly.  list isn't NULL. */
extern void whole_list_foresee(WholeList *list, int keys, bool all);

/*
 * Read the list if it's time to, or find out how long it is.  request is the lookup that is about
 * to ask for keys_left more keys.  What Crisp refuses or gives wrong is taken for a list that isn't
 * to be had: keys go on being looked up.  Raises what waiting raises, and what keyed_rows_add()
 * does.
 */
extern void whole_list_consider(WholeList *list, const KeysRequest *request, int keys_left);

/* Say whether the list was read and has the row with that key (UTF-8). */
extern bool whole_list_has(WholeList *list, const char *key);

/*
 * Say whether the list was read and shows that Crisp has no row with that key.  Asks Crisp, once,
 * how many rows there are, where that isn't known.
 */
extern bool whole_list_lacks(WholeList *list, const char *key);

/*
 * Say whether the list tells of all keys of a lookup, which may be such as Crisp can't be asked
 * for.  It's read for that where it can be so that it lacks no row, unless requests are limited:
 * nothing but a list tells of such keys, and this one serves others, too.  Raises what
 * whole_list_consider() raises.
 */
extern bool whole_list_tells_of(WholeList *list, const KeysRequest *request);

/* Note that this has spared a lookup. */
extern void whole_list_note_absent(WholeList *list);

/* Return that row, which must be there; its tree belongs to owner. */
extern const JsonNode *whole_list_get(WholeList *list, const char *key, MemoryContext owner);

/* What a list has come to. */
typedef struct WholeListCounts
{
	bool  is_read;
	int64 lookups;	/* keys that were asked for by themselves */
	int64 served;	/* keys that were found in the list */
	int64 absent;	/* keys that it has shown not to be there */
	int64 probes;	/* requests to find out how long it is */
	int64 pages;	/* of the list */
	int64 past_end; /* requests for pages that there were none of */
	int64 rows;		/* of the list */
} WholeListCounts;

extern WholeListCounts whole_list_counts(const WholeList *list);

/* Release everything. */
extern void whole_list_end(WholeList *list);

#endif /* CRISP_WHOLE_LIST_H */
