/*-------------------------------------------------------------------------
 *
 * order.h
 *		Tell whether the API gives a list in the order that was asked for.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_ORDER_H
#define CRISP_ORDER_H

#include "json/json_path.h"
#include "request/request.h"

/*
 * Say whether a request's order may be relied on.  A documented one may until a row has disproved
 * it in this session.  Of another, the list's first page is asked for in this order and in the
 * opposite one, once a session: two requests.  Raises what requests raise.
 */
extern bool order_is_trusted(const ListRequest *request);

/*
 * Say whether that has shown nothing, as the list fits a page, so that it isn't trusted for now;
 * and note that the list doesn't, by which the order is to be proved once more.
 */
extern bool order_shows_nothing(const ListRequest *request);
extern void order_note_longer(const ListRequest *request);

/*
 * Say whether the list comes earliest first in an order: what rows have shown in this session, or
 * else what the catalog says.  Makes no request.
 */
extern bool order_rises(const CrispOptions *options, const CrispOrder *order);

/* Note from which end a list has come, where rows of different times have shown it. */
extern void order_note_direction(const CrispOptions *options, const CrispOrder *order, bool rising);

/* Say whether this session knows that a request's order can be relied on.  Makes no request. */
extern bool order_is_proved(const ListRequest *request);

/* Say whether this session knows that a request's order can't be relied on.  Makes no request. */
extern bool order_is_disproved(const ListRequest *request);

/* Note that a row out of order was seen: the order is trusted no more in this session. */
extern void order_disprove(const ListRequest *request);

/*
 * Do the same after a row that was out of order, if rows is a page that is itself not in the
 * request's order.  From page to page, a list that moves may well get out of order: what was put in
 * front of it since is later than what came before.
 */
extern void order_check_page(const ListRequest *request, const JsonNode *rows);

/*
 * Note that a statement of this session fails, as a list that is streamed in its order has brought
 * a row too late: one that moved meanwhile, or, unsorted, any other.  The second time that it's any
 * other, the order is trusted no more.
 */
extern void order_note_failure(const ListRequest *request, bool unsorted);

/* Say whether the latest stream in an order has failed; and note that a statement did without. */
extern bool order_has_failed(const CrispOptions *options, const CrispOrder *order);
extern void order_forget_failure(const CrispOptions *options, const CrispOrder *order);

/* What rows have shown of an order so far. */
typedef enum OrderVerdict
{
	ORDER_OPEN,		/* they all have one time: they may be from either end, or in no order */
	ORDER_KEPT,		/* they come as they are wanted */
	ORDER_REVERSED, /* they come from the other end, as an order may that rows alone tell of */
	ORDER_BROKEN	/* they come in no order */
} OrderVerdict;

/* Judges rows as they come.  Zeroed, but for the first two members, before the first row. */
typedef struct OrderJudge
{
	bool  rising;	   /* the earliest are wanted first */
	bool  either_end;  /* the list may come from the other end, too */
	bool  trusts_ties; /* rows of one time are in order */
	bool  goes_up;
	bool  goes_down;
	bool  broken;
	bool  has_row;
	bool  has_time; /* of the row before */
	int64 time;
} OrderJudge;

/*
 * Look at the next row, by whether it has a time, and which, in Unix milliseconds.  Rows without
 * one come last, whichever end is first.
 */
extern void order_judge_row(OrderJudge *judge, bool has_time, int64 time);

/* Return what the rows so far have shown. */
extern OrderVerdict order_judge_verdict(const OrderJudge *judge);

/* The times of a page's rows, of those that have one. */
typedef struct PageTimes
{
	int64 first;
	int64 last;
	int64 latest;
	int64 earliest;
	bool  falling; /* none is later than the one before */
	bool  rising;  /* none is earlier than the one before */
	int	  count;
} PageTimes;

/*
 * Look at the times at path (the text of a JSON path) of all rows of a page, in Unix milliseconds.
 */
extern PageTimes order_page_times(const JsonNode *rows, const char *path);

/* Sort times, the earliest first. */
extern void order_sort_times(int64 *times, size_t ntimes);

/* Get the time, in Unix milliseconds, at path of a row.  Returns false when it has none. */
extern bool order_row_time(const JsonNode *row, const JsonPath *path, int64 *unix_ms);

#endif /* CRISP_ORDER_H */
