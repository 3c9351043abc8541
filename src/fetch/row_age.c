/*-------------------------------------------------------------------------
 *
 * row_age.c
 *		Tell rows that were there when a scan began from those that were made since.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fetch/order.h"
#include "fetch/row_age.h"

bool
row_is_old(const RowAge *age, const JsonNode *row)
{
	int64 created;

	return age->created == NULL || !order_row_time(row, age->created, &created) ||
		   created < age->began || age->began == PG_INT64_MIN;
}
