/*-------------------------------------------------------------------------
 *
 * pager.h
 *		Read the rows of a list, page by page.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_PAGER_H
#define CRISP_PAGER_H

#include "api/api_answer.h"
#include "fetch/row_age.h"
#include "fetch/row_reader.h"
#include "json/json.h"
#include "json/json_path.h"
#include "request/request.h"
#include "base/key_set.h"
#include "fetch/page_slips.h"

typedef struct Pager Pager;

/*
 * Whether a first page without a row is asked for once more, whatever the scan mode is, since who
 * reads will delete what it lacks; but not where fewer than so many requests are left, of which
 * parts of a list must be found without rows, too.  Who sets it sets it back, also where an error
 * is raised.
 */
#define PAGER_SPARE 16
extern bool pager_makes_sure;

/*
 * Begin to read the list that a request asks for.  Makes no request yet.  The pager lives in a
 * child of CurrentMemoryContext; request must live as long.  Rows whose keys are in seen are
 * dropped, and those of others go in there; with NULL, the pager has a set of its own.  If the
 * request has a stop, the caller must trust the list's order.
 */
extern Pager *pager_begin(const ListRequest *request, KeySet *seen);

/*
 * Return the next row: a JSON object that stays valid until the next call, or NULL at the end of
 * the list.  A key is returned once, whatever the list does meanwhile.  Raises what api_finish()
 * raises, and 08P01 when a page isn't a list.
 */
extern const JsonNode *pager_next(Pager *pager);

/*
 * Fetch the page of a number, from 1, to read some pages of a list only; return how many elements
 * it has, which is 0 for a page beyond the list's end.  Its rows come from pager_next_on_page(), as
 * from pager_next(), but NULL follows the page's last one.  pager_on_last_page() tells whether the
 * list is known to end with that page, if not before.
 */
extern size_t		   pager_go_to(Pager *pager, int page_number);
extern const JsonNode *pager_next_on_page(Pager *pager);
extern bool			   pager_on_last_page(const Pager *pager);

/*
 * Do what pager_go_to() does in two steps: ask for the page, without waiting, while the page at
 * hand stays as it is; and take it.  In between, pager_has_answer() tells whether there is an
 * answer that is no failure, without doing anything for it to come; and pager_call() what to wait
 * for.
 */
extern void	  pager_ask(Pager *pager, int page_number);
extern size_t pager_take(Pager *pager);

/*
 * See, where there is no page of the number of the page at hand, or no row on it, that it's the end
 * of the list, and no page is missing in its middle: ask for the next one, where there may be such.
 * Raises HV00R where there is, and what waiting raises.
 */
extern void		pager_check_gap(Pager *pager);
extern bool		pager_has_answer(const Pager *pager);
extern ApiCall *pager_call(const Pager *pager);

/*
 * Have a pager look out for a list that grows as fast as it is read, so that the end comes no
 * nearer: where many pages in a row bring little that is new here and was there when the scan
 * began, pager_next() returns NULL, and pager_is_stalled() true.  age must live as long as the
 * pager.
 */
extern void pager_watch(Pager *pager, const RowAge *age);
extern bool pager_is_stalled(const Pager *pager);

/*
 * Have a stalled pager go on all the same.  If the end then comes no nearer, that's an error
 * (HV000), as it is where nobody watches.
 */
extern void pager_go_on(Pager *pager);

/*
 * Raise HV000 where page after page has rows without keys alone, before the page after the one at
 * hand is asked for: pager_next() does so, and who asks for pages one by one has to.
 */
extern void pager_check_keys(Pager *pager);

/* Say whether a row has a key, or its resource has none, so that it can be told from others. */
extern bool pager_has_key(const Pager *pager, const JsonNode *row);

/*
 * Have a pager ask anew for pages that it has asked for ahead of need, once a row comes twice.  The
 * list has moved then, and if a page was answered after the one behind it, a row has slipped from
 * the one onto the other.
 */
extern void pager_mind_slips(Pager *pager);

/* Have a pager note its pages, and the rows that come twice, in slips, which must live as long. */
extern void pager_note_slips(Pager *pager, PageSlips *slips);

/*
 * Return the next row as pager_next() does, but the list is over, and *keeps_dates false, after a
 * page that shows that Crisp ignores the dates that were asked for.  Where keeps_dates is NULL,
 * nobody looks.
 */
extern const JsonNode *pager_next_within_dates(Pager *pager, bool *keeps_dates);

/*
 * Return the page at hand: a JSON array (or the only row), NULL before the first; and its number.
 */
extern const JsonNode *pager_page(const Pager *pager);
extern int			   pager_page_number(const Pager *pager);

/* Return when Crisp answered with it, by its own clock: Unix seconds; 0 where that isn't told. */
extern int64 pager_page_date(const Pager *pager);

/* Say whether the page at hand has rows left, so that pager_next() is likely to need no request. */
extern bool pager_at_hand(const Pager *pager);

/* Say whether the page at hand has surely less rows than Crisp gives at once. */
extern bool pager_page_is_short(const Pager *pager);

/*
 * Say whether the list has ended, and all of its rows came with the first page, which tells what
 * there was at that moment: none has slipped by.
 */
extern bool pager_came_at_once(const Pager *pager);

/*
 * Say whether all pages of the list have been answered, as far as their statuses tell, and how many
 * pages that is.  Some may have yet to be read, and parsed: one that turns out to be cut is asked
 * for again.
 */
extern bool pager_has_all(const Pager *pager, int *npages);

/*
 * Say whether pager_next() can return without waiting for Crisp; if not, what it would wait for has
 * been asked.  Raises what api_start() raises.
 */
extern bool pager_get_ready(Pager *pager);

/*
 * Say whether what pager_get_ready() said to wait for has come since, as another pager's requests
 * were seen to.  Does nothing for it to come.
 */
extern bool pager_is_ready(const Pager *pager);

/* Return a descriptor that becomes readable when it's worth asking pager_get_ready() again. */
extern pgsocket pager_socket(const Pager *pager);

/* Return what a pager has received so far. */
extern ReaderCounts pager_counts(const Pager *pager);

/* Release everything; aborts what is under way. */
extern void pager_end(Pager *pager);

#endif /* CRISP_PAGER_H */
