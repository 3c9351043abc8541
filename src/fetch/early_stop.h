/*-------------------------------------------------------------------------
 *
 * early_stop.h
 *		Find where a list that comes newest first is of no more use.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_EARLY_STOP_H
#define CRISP_EARLY_STOP_H

#include "json/json_path.h"
#include "request/request.h"

/* What is known of the order of a list's rows. */
typedef struct EarlyStop
{
	const ListRequest *request;
	bool			   stops; /* the order still holds, and ends the list early */
	const JsonPath	  *path;  /* of the order's column */
	int64			   last_time;
	bool			   has_last_time;
} EarlyStop;

/*
 * Get ready to look at the rows of a list, whose order the caller trusts if the request has a stop.
 * request must live as long; what is palloc'd goes into CurrentMemoryContext.
 */
extern void early_stop_init(EarlyStop *stop, const ListRequest *request);

/* Note that the list doesn't come in that order: all of it is to be read. */
extern void early_stop_give_up(EarlyStop *stop);

/* Say whether the list is of no more use from this row on. */
extern bool early_stop_is_past(const EarlyStop *stop, const JsonNode *row);

/*
 * Look at the order of a row, which is on that page (a JSON array): after one that is out of order,
 * all of the list is read.  To be called for new rows only: those that have been returned before
 * come again when others were put in front of them, and have nothing to do with the order.
 */
extern void early_stop_note_row(EarlyStop *stop, const JsonNode *row, const JsonNode *page);

#endif /* CRISP_EARLY_STOP_H */
