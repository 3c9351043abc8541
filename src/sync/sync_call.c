/*-------------------------------------------------------------------------
 *
 * sync_call.c
 *		Take the arguments of crisp_sync()'s functions of SQL, and keep what their errors say.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "base/extension_version.h"
#include "sync/sync_call.h"

PG_FUNCTION_INFO_V1(crisp_sync_context);
PG_FUNCTION_INFO_V1(crisp_sync_throw);

/* The CONTEXT of the latest error; NULL for none. */
static char *last_context = NULL;

/* Is a statement being prepared? */
static bool is_preparing = false;

/*
 * Raise an error where an argument is NULL that must not be.
 */
void
sync_call_check_given(FunctionCallInfo fcinfo, const int *numbers, int count)
{
	for (int i = 0; i < count; i++)
		if (PG_ARGISNULL(numbers[i]))
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg_internal("argument %d must not be null", numbers[i] + 1)));
}

/*
 * Return an argument of type text; NULL for NULL.
 */
char *
sync_call_text(FunctionCallInfo fcinfo, int number)
{
	return PG_ARGISNULL(number) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(number));
}

/*
 * Forget the CONTEXT of an earlier error.
 */
void
sync_call_begin(void)
{
	if (last_context != NULL)
		pfree(last_context);
	last_context = NULL;
	is_preparing = false;
}

/*
 * Keep the CONTEXT of the error that is being caught.
 */
void
sync_call_failed(MemoryContext context)
{
	MemoryContext old = MemoryContextSwitchTo(context);
	ErrorData	 *error = CopyErrorData();
	bool		  was_preparing = is_preparing;

	sync_call_begin();
	if (error->context != NULL && !was_preparing)
		last_context = MemoryContextStrdup(TopMemoryContext, error->context);
	FreeErrorData(error);
	MemoryContextSwitchTo(old);
}

/*
 * Tell whether a statement is being prepared.
 */
void
sync_call_prepares(bool prepares)
{
	is_preparing = prepares;
}

/*
 * Return the CONTEXT of the error that ended the latest of these, and forget it: another error,
 * which another role may see, isn't to have it.  NULL when it had none.
 *
 * SQL: crisp_sync_context().
 */
Datum
crisp_sync_context(PG_FUNCTION_ARGS)
{
	text *context;

	extension_version_check();
	if (last_context == NULL)
		PG_RETURN_NULL();
	context = cstring_to_text(last_context);
	sync_call_begin();
	PG_RETURN_TEXT_P(context);
}

/*
 * Raise an error that was caught, as it was.
 *
 * SQL: crisp_sync_throw(code, message, detail, hint, context).
 */
Datum
crisp_sync_throw(PG_FUNCTION_ARGS)
{
	const char *code;
	const char *message;
	const char *detail;
	const char *hint;
	const char *context;

	extension_version_check();
	code = sync_call_text(fcinfo, 0);
	message = sync_call_text(fcinfo, 1);
	detail = sync_call_text(fcinfo, 2);
	hint = sync_call_text(fcinfo, 3);
	context = sync_call_text(fcinfo, 4);
	if (code == NULL || strlen(code) != 5)
		elog(ERROR, "an SQLSTATE has five characters");
	/* Who called adds nothing to it. */
	error_context_stack = NULL;
	ereport(ERROR, (errcode(MAKE_SQLSTATE(code[0], code[1], code[2], code[3], code[4])),
					errmsg_internal("%s", message ? message : ""),
					detail && *detail ? errdetail_internal("%s", detail) : 0,
					hint && *hint ? errhint("%s", hint) : 0,
					context && *context ? errcontext("%s", context) : 0));
	PG_RETURN_VOID();
}
