/*-------------------------------------------------------------------------
 *
 * condition.c
 *		Tell what the values of conditions are, and whether Crisp can be asked for them.
 *
 * A condition is about what a column shows.  That is what Crisp has, except where the type cuts it,
 * where it is no string, and where the database can't keep it.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/lsyscache.h"

#include "json/json_parse.h"
#include "request/condition.h"
#include "base/server_text.h"

static bool
is_range_operator(ConditionOperator op)
{
	return op <= CONDITION_GREATER;
}

bool
condition_is_time(const Condition *condition)
{
	return condition->column->type == CRISP_TIME && is_range_operator(condition->op);
}

static char *
value_text(Oid type, Datum value)
{
	Oid	 output;
	bool is_varlena;

	getTypeOutputInfo(type, &output, &is_varlena);
	return OidOutputFunctionCall(output, value);
}

/*
 * Get the elements of an array as texts, without NULLs; *has_null tells of those.
 */
static List *
array_texts(Oid element_type, Datum array, bool *has_null)
{
	List  *texts = NIL;
	int16  length;
	bool   by_value;
	char   align;
	Datum *elements;
	bool  *nulls;
	int	   count;

	get_typlenbyvalalign(element_type, &length, &by_value, &align);
	deconstruct_array(DatumGetArrayTypeP(array), element_type, length, by_value, align, &elements,
					  &nulls, &count);
	*has_null = false;
	for (int i = 0; i < count; i++)
	{
		if (nulls[i])
			*has_null = true;
		else
			texts = lappend(texts, value_text(element_type, elements[i]));
	}
	return texts;
}

bool
condition_read_texts(Condition *condition)
{
	Datum value = condition->value->value;
	bool  has_null;

	if (condition->op == CONDITION_IS_NULL)
		return true;

	/* What is compared with an empty array doesn't matter. */
	if (condition->value->isnull)
		return condition->op == CONDITION_LACKS;
	if (condition_is_time(condition))
		return true;

	switch (condition->op)
	{
		case CONDITION_ANY:
			condition->texts = array_texts(condition->value_type, value, &has_null);
			return condition->texts != NIL;
		case CONDITION_OVERLAPS:
			condition->texts = array_texts(TEXTOID, value, &has_null);
			return condition->texts != NIL;
		case CONDITION_CONTAINS_ALL:
			condition->texts = array_texts(TEXTOID, value, &has_null);
			return !has_null;
		case CONDITION_LACKS_ALL:
			condition->texts = array_texts(TEXTOID, value, &has_null);
			return true;
		case CONDITION_LACKS_ONE:
			condition->texts = array_texts(TEXTOID, value, &has_null);
			if (has_null) /* no array holds that */
				condition->texts = NIL;
			else if (condition->texts == NIL) /* all of them do */
				return false;
			return true;
		default:
			condition->texts = list_make1(value_text(condition->value_type, value));
			return true;
	}
}

bool
value_fits_url(const char *value)
{
	return value[0] != '\0' && strlen(value) <= MAX_VALUE_BYTES;
}

/*
 * Say whether a text is the JSON text of anything but a string.
 */
static bool
is_json_text(const char *text)
{
	const JsonNode *value;
	const char	   *utf8;
	char		   *problem;

	/* Longer ones are asked for nowhere. */
	if (!value_fits_url(text) || strchr("{[-0123456789tf", text[0]) == NULL)
		return false;
	utf8 = pg_server_to_any(text, (int) strlen(text), PG_UTF8);
	return json_parse(CurrentMemoryContext, utf8, strlen(utf8), &value, &problem);
}

/*
 * Say whether a varchar(n) may show a text although Crisp has a longer one: it leaves out blanks at
 * the end.
 */
static bool
may_be_cut(const Condition *condition, const char *text)
{
	return condition->column_type == VARCHAROID && condition->typmod >= (int32) VARHDRSZ &&
		   pg_mbstrlen(text) >= condition->typmod - (int32) VARHDRSZ;
}

bool
condition_can_send(const Condition *condition, const char *value)
{
	return value_fits_url(value) && !may_be_cut(condition, value) &&
		   (condition->column->type == CRISP_INTEGER || !is_json_text(value));
}

bool
condition_implies(const Condition *condition, const char *constant, bool is)
{
	ListCell *lc;

	if (condition->op == CONDITION_NOT_EQUAL)
		return !is && strcmp(linitial(condition->texts), constant) == 0;
	if (is && may_be_cut(condition, constant))
		return false;
	foreach(lc, condition->texts)
		if ((strcmp(lfirst(lc), constant) == 0) != is)
			return false;
	return true;
}

const char *
condition_only_value(const Condition *condition)
{
	const char *value;
	ListCell   *lc;

	if (condition->op != CONDITION_EQUAL && condition->op != CONDITION_ANY)
		return NULL;
	value = linitial(condition->texts);
	foreach(lc, condition->texts)
		if (strcmp(lfirst(lc), value) != 0)
			return NULL;
	return value;
}

bool
condition_may_be_replaced(const CrispOptions *options, const Condition *condition)
{
	ListCell *lc;

	if (options->invalid_text != INVALID_TEXT_REPLACE)
		return false;
	foreach(lc, condition->texts)
		if (strstr(lfirst(lc), server_text_replacement()) != NULL)
			return true;
	return false;
}

bool
condition_may_differ(const Condition *condition)
{
	ListCell *lc;

	if (condition->column->flags & CRISP_KEY)
		return false;
	foreach(lc, condition->texts)
		if (may_be_cut(condition, lfirst(lc)) || is_json_text(lfirst(lc)))
			return true;
	return false;
}
