/*-------------------------------------------------------------------------
 *
 * early_stop.c
 *		Find where a list that comes newest first is of no more use.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fetch/early_stop.h"
#include "fetch/order.h"

void
early_stop_init(EarlyStop *stop, const ListRequest *request)
{
	memset(stop, 0, sizeof(EarlyStop));
	stop->request = request;
	stop->stops = request->stops;
	if (request->stop_column != NULL)
		stop->path = json_path_of(request->stop_column->path);
}

void
early_stop_give_up(EarlyStop *stop)
{
	stop->stops = false;
}

bool
early_stop_is_past(const EarlyStop *stop, const JsonNode *row)
{
	int64 time;

	return stop->stops && order_row_time(row, stop->path, &time) &&
		   time < stop->request->stop_before;
}

void
early_stop_note_row(EarlyStop *stop, const JsonNode *row, const JsonNode *page)
{
	int64 time;

	if (!stop->stops || !order_row_time(row, stop->path, &time))
		return;
	if (stop->has_last_time && time > stop->last_time)
	{
		if (stop->request->order != NULL)
			order_check_page(stop->request, page);
		stop->stops = false;
	}
	stop->has_last_time = true;
	stop->last_time = time;
}
