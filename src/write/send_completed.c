/*-------------------------------------------------------------------------
 *
 * send_completed.c
 *		Send a request, for which Crisp may have to be asked for something first.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "write/complete.h"
#include "write/send_completed.h"

bool
send_completed(Deliverer *deliverer, ChangeRequest *request, ApiAnswer *answer)
{
	const ChangeTable *table = deliverer_table(deliverer);
	Completion		   completion = COMPLETION_READY;

	if (request->lacks_key || request->lacks_data)
		completion = complete_request(table, request);
	request->needless = completion == COMPLETION_NEEDLESS;
	if (request->needless)
		return true;
	if (completion == COMPLETION_GONE && request->change != table->changes->insert)
		return false;
	if (completion == COMPLETION_EXISTS && deliverer_passes_over_conflicts(deliverer))
		return false;
	if (completion != COMPLETION_READY)
		complete_raise(table, request, completion);
	if (!deliverer_send(deliverer, request, answer))
		return false;
	if (request->gone != NIL && request->change->replace_method == NULL)
		complete_check_gone(table, request);
	return true;
}
