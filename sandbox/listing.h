/*
 * listing.h
 *		Select which rows of a collection a list answers with, in which order, and a page of them.
 */
#ifndef SANDBOX_LISTING_H
#define SANDBOX_LISTING_H

#include "collection.h"
#include "request.h"
#include "search.h"
#include "settings.h"

#define DEFAULT_PER_PAGE 20

typedef struct ListRequest
{
	uint64_t	page; /* from 1 */
	uint32_t	per_page;
	bool		include_empty;
	SortKey		sort;
	const char *sort_path; /* sort by this member instead; or NULL */
	bool		ascending;
	bool		shuffled; /* in an order of its own, whatever "sort" says */
	SortKey		bounded;  /* which time the bounds are about */
	bool		has_bounds;
	int64_t		start; /* epoch ms; both ends belong to it */
	int64_t		end;
	bool		unread;
	bool		resolved;
	bool		not_resolved;
	bool		mention;
	bool		unassigned;
	bool		waiting;	/* those that wait alone */
	bool		main_inbox; /* those without an inbox alone */
	const char *assigned;	/* user_id, or NULL */
	const char *inbox;		/* inbox_id, or NULL */
	Search	   *search;		/* or NULL */
} ListRequest;

/* Row ids in the order of the list; a part of an index, or of the cache. */
typedef struct Selection
{
	const uint32_t *ids;
	size_t			count;
	bool			backwards; /* to be read from the end */
} Selection;

/*
 * Selections that took a walk over the whole index, by what was asked for,
 * so that the next page does not walk again.  Zeroed at the start.
 */
#define LISTING_CACHE_SIZE 16

typedef struct CachedSelection
{
	char			 *key;
	const Collection *collection;
	uint64_t		  collection_version;
	uint32_t		 *ids;
	size_t			  count;
} CachedSelection;

typedef struct ListingCache
{
	CachedSelection entries[LISTING_CACHE_SIZE];
	uint32_t		next;	  /* which to give up for a new one */
	uint64_t		shuffles; /* so many lists were shuffled */
} ListingCache;

extern void listing_forget(ListingCache *cache);

/*
 * Select the rows that the request asks for.  "key" tells this request from others, its page aside.
 * The selection holds until the next change or call.
 */
extern Selection listing_select(ListingCache *cache, const Collection *collection,
								const ListRequest *request, const char *key);

/* Say whether a row is what the filters of the request ask for. */
extern bool listing_passes(const Collection *collection, const ListRequest *request, uint32_t id);

/* Return the id at a place of the selection, which must be below its count. */
extern uint32_t selection_at(const Selection *selection, size_t place);

/*
 * Answer with one page: 206 when more follow, else 200, or what the settings say for a last page
 * that is full, and for one past the end.
 */
extern void listing_reply(Reply *reply, const Settings *settings, const Collection *collection,
						  const Selection *selection, uint64_t page, uint32_t per_page);

/*
 * Select rows, and answer with the page that the request asks for.  "query" is the request's own
 * text: with the settings' version it tells one list from another.
 */
extern void listing_answer(ListingCache *cache, const Settings *settings,
						   const Collection *collection, const ListRequest *request,
						   const char *query, Reply *reply);

/* Answer with page "page" of "total" rows; "rows", the text of their JSON array, is freed. */
extern void reply_rows(Reply *reply, const Settings *settings, Buffer *rows, uint64_t total,
					   uint64_t page, uint32_t per_page);

/* Read filter_date_start and filter_date_end as bounds of the list's "bounded" time. */
extern void listing_read_bounds(const Request *request, const Settings *settings, ListRequest *list,
								const char **error);

/* Read search_operator: true for "or", false for "and" or none. */
extern bool listing_read_operator(const Request *request, const char **error);

/* Return the status of a page of "rows" rows that more rows follow, or not. */
extern unsigned listing_status(const Settings *settings, size_t rows, uint32_t per_page, bool more);

/* Give the list the order of one that was not asked for any. */
extern void listing_default_order(const Settings *settings, const Collection *collection,
								  ListRequest *list);

/* Return the order in which rows are told and counted for those who steer: newest update first. */
extern SortKey listing_true_order(const Collection *collection);

#endif /* SANDBOX_LISTING_H */
