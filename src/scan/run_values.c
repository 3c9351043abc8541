/*-------------------------------------------------------------------------
 *
 * run_values.c
 *		Tell the runs of a scan apart by the values that they depend on.
 *
 * Which of the first rows in an order a run gives hangs on all its conditions, also on those of
 * which Crisp isn't asked.  So what is asked for doesn't tell such runs apart, and what it's asked
 * with does.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"

#include "scan/run_values.h"

/*
 * Append a parameter's value, as its bytes.  Values that are equal, and have other bytes, are taken
 * for different ones.
 */
static void
append_value(StringInfo text, int number, const ParamExecData *param, Oid type)
{
	int16 length;
	bool  by_value;
	char *bytes;
	char *end;

	get_typlenbyval(type, &length, &by_value);
	bytes = end = palloc(datumEstimateSpace(param->value, param->isnull, by_value, length));
	datumSerialize(param->value, param->isnull, by_value, length, &end);
	appendStringInfo(text, " %d:", number);
	for (const char *byte = bytes; byte < end; byte++)
		appendStringInfo(text, "%02x", (unsigned char) *byte);
	pfree(bytes);
}

bool
run_values_key(const ForeignScanState *node, TextKey *key)
{
	const EState  *estate = node->ss.ps.state;
	StringInfoData text;
	int			   number = -1;

	initStringInfo(&text);
	appendStringInfoString(&text, "values");
	while ((number = bms_next_member(node->ss.ps.plan->extParam, number)) >= 0)
	{
		const ParamExecData *param = &estate->es_param_exec_vals[number];
		Oid					 type = list_nth_oid(estate->es_plannedstmt->paramExecTypes, number);

		/* Some have no value: they only tell of rescans. */
		if (!OidIsValid(type))
			continue;
		if (param->execPlan != NULL)
		{
			pfree(text.data);
			return false;
		}
		append_value(&text, number, param, type);
	}
	*key = text_key(text.data);
	pfree(text.data);
	return true;
}
