/*-------------------------------------------------------------------------
 *
 * check.c
 *		Check whether the credentials for a server are good, and for what: crisp_fdw_check().
 *
 * Whatever a query would fail with becomes a row that says so, in the same
 * words, as the requests are made the way in which a query makes them: within a
 * subtransaction that catches the error.  What is no finding of a check goes through:
 * a cancelled statement, a server that shuts down, lack of memory.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "foreign/foreign.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "base/extension_version.h"
#include "api/api_answer.h"
#include "row/convert.h"
#include "json/json_path.h"
#include "options/options.h"
#include "fetch/pager.h"
#include "functions/check_columns.h"
#include "request/request.h"
#include "resource/accounts.h"
#include "base/compat.h"

/* Result columns of crisp_fdw_check(). */
enum
{
	CHECK_TIER,
	CHECK_WEBSITE_ID,
	CHECK_WEBSITE_NAME,
	CHECK_WEBSITE_DOMAIN,
	CHECK_ACCOUNT_ID,
	CHECK_ACCOUNT_NAME,
	CHECK_LATENCY,
	CHECK_REQUESTS,
	CHECK_STATUS,
	CHECK_DETAIL,
	CHECK_HINT,
	CHECK_COUNT
};

/* A check that runs; all in the memory context in which it was begun. */
typedef struct Check
{
	CrispOptions *options;
	MemoryContext context;
	instr_time	  asked_at; /* when the latest request was made ... */
	int64		  bytes;	/* ... and what had been received of earlier ones */
	Oid			  table;	/* whose columns are looked at */
	bool		  outside;	/* the token does not open the server's website */
	const char	 *taken;	/* what of an answer is being taken, or could not be; or NULL */
	Datum		  values[CHECK_COUNT];
	bool		  nulls[CHECK_COUNT];
} Check;

PG_FUNCTION_INFO_V1(crisp_fdw_check);

extern Datum crisp_fdw_handler(PG_FUNCTION_ARGS);

/*
 * Set a column of the result; NULL leaves it NULL.
 */
static void
set_text(Check *check, int column, const char *text)
{
	MemoryContext old_context = MemoryContextSwitchTo(check->context);

	if (text != NULL)
	{
		check->values[column] = CStringGetTextDatum(text);
		check->nulls[column] = false;
	}
	MemoryContextSwitchTo(old_context);
}

/*
 * Set a column to what stands at a path of an answer, as text.
 */
static void
set_member(Check *check, int column, const JsonNode *data, const char *path)
{
	MemoryContext	   old_context = MemoryContextSwitchTo(check->context);
	ConversionProgress progress = {.element = -1};

	check->taken = path;
	if (path != NULL)
	{
		bool  isnull;
		Datum value = conversion_run(conversion_create(TEXTOID, -1, check->options->invalid_text),
									 json_path_get(data, json_path_of(path)), &progress, &isnull);

		/* Both together, and only now: it may not be text that the database can hold. */
		check->values[column] = value;
		check->nulls[column] = isnull;
	}
	check->taken = NULL;
	MemoryContextSwitchTo(old_context);
}

/*
 * Take how long the latest request has taken to be answered, be it with a refusal.
 */
static void
take_latency(Check *check)
{
	instr_time elapsed;

	if (check->options->counts->bytes == check->bytes)
		return;
	INSTR_TIME_SET_CURRENT(elapsed);
	INSTR_TIME_SUBTRACT(elapsed, check->asked_at);
	check->values[CHECK_LATENCY] = Float8GetDatum(INSTR_TIME_GET_MILLISEC(elapsed));
	check->nulls[CHECK_LATENCY] = false;
	check->bytes = check->options->counts->bytes;
}

/*
 * Make a request.  Return the data of the answer.
 */
static const JsonNode *
ask(Check *check, const char *route)
{
	ApiAnswer answer;

	INSTR_TIME_SET_CURRENT(check->asked_at);
	api_finish(api_start(check->options, request_route_target(check->options, route),
						 CurrentMemoryContext),
			   API_ANYTHING, &answer);
	take_latency(check);
	return answer.data;
}

/*
 * Ask who is behind the token.
 */
static void
check_account(Check *check)
{
	const CrispAccount *account;
	const JsonNode	   *data;
	MemoryContext		old_context;

	/* They are needed for longer than this step. */
	old_context = MemoryContextSwitchTo(check->context);
	option_add_credentials(check->options, GetUserId());
	MemoryContextSwitchTo(old_context);

	account = crisp_account_of_tier(check->options->tier);
	if (account->route == NULL)
		return;
	data = ask(check, account->route);
	set_member(check, CHECK_ACCOUNT_ID, data, account->id_path);
	set_member(check, CHECK_ACCOUNT_NAME, data, account->name_path);
}

/*
 * Ask for the server's website.  Without one, only a token that has an account can be checked.
 */
static void
check_website(Check *check)
{
	const JsonNode *data;

	if (check->options->website_id == NULL)
	{
		if (crisp_account_of_tier(check->options->tier)->route != NULL)
			return;
		ereport(ERROR, (errcode(ERRCODE_FDW_DYNAMIC_PARAMETER_VALUE_NEEDED),
						errmsg("option \"website_id\" is not set on server \"%s\"",
							   check->options->server_name),
						errdetail("A token of tier \"%s\" can only be checked with its website.",
								  check->options->tier),
						errhint("Set it on the server.")));
	}
	data = ask(check, crisp_website.resource->list_route);
	set_member(check, CHECK_WEBSITE_NAME, data, crisp_website.name_path);
	set_member(check, CHECK_WEBSITE_DOMAIN, data, crisp_website.domain_path);
}

/*
 * Find out whether a website that was refused is one of those that the token opens.  Only a list
 * that was read to its end says that it is not.
 */
static void
check_membership(Check *check)
{
	CrispOptions   *options = palloc(sizeof(CrispOptions));
	const JsonPath *path;
	ListRequest		list;
	Pager		   *pager;
	const JsonNode *row;

	/* Of another resource; whatever may end this, the check's own options stay as they are. */
	*options = *check->options;
	options->resource = crisp_account_of_tier(options->tier)->websites;
	path = json_path_of(crisp_resource_key(options->resource)->path);
	list = request_whole_list(options);
	pager = pager_begin(&list, NULL);
	while ((row = pager_next(pager)) != NULL)
	{
		const char *website_id = json_node_string(json_path_get(row, path), NULL);

		if (website_id != NULL && strcmp(website_id, options->website_id) == 0)
			return;
	}
	check->outside = true;
}

/*
 * Say whether an error is no finding, but must stop the statement.
 */
static bool
must_stop(int sqlerrcode)
{
	return ERRCODE_TO_CATEGORY(sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION ||
		   ERRCODE_TO_CATEGORY(sqlerrcode) == ERRCODE_INTERNAL_ERROR ||
		   sqlerrcode == ERRCODE_OUT_OF_MEMORY;
}

/*
 * Make a step of the check in a subtransaction.  Return NULL when it went well, or else its error,
 * in the check's context.
 */
static ErrorData *
run_step(Check *check, void (*step)(Check *check))
{
	MemoryContext old_context = CurrentMemoryContext;
	ResourceOwner old_owner = CurrentResourceOwner;
	MemoryContext context = AllocSetContextCreate(check->context, "crisp_fdw check",
												  ALLOCSET_DEFAULT_SIZES);
	ErrorData	 *problem = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		step(check);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(check->context);
		problem = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old_context);
	CurrentResourceOwner = old_owner;

	if (problem != NULL && must_stop(problem->sqlerrcode))
		ReThrowError(problem);
	if (problem != NULL)
		take_latency(check);

	/* Whatever was under way ends with it. */
	MemoryContextDelete(context);
	return problem;
}

/*
 * Say whether a problem with the website may be that the token doesn't open it.
 */
static bool
may_be_outside(const Check *check, const ErrorData *problem)
{
	return crisp_account_of_tier(check->options->tier)->websites != NULL &&
		   (problem->sqlerrcode == ERRCODE_INSUFFICIENT_PRIVILEGE ||
			problem->sqlerrcode == ERRCODE_FDW_TABLE_NOT_FOUND);
}

/*
 * Look for columns of a table that show nothing.
 */
static void
check_table(Check *check)
{
	check_columns(check->table, check->options);
}

/*
 * Look at the tables of the server.  One that can't be read is no finding about the credentials:
 * its own queries tell.
 */
static void
check_tables(Check *check)
{
	List	   *tables = check_columns_tables(check->options->server_id);
	const Datum latency = check->values[CHECK_LATENCY];
	ListCell   *lc;

	foreach(lc, tables)
	{
		check->table = lfirst_oid(lc);
		(void) run_step(check, check_table);
	}

	/* That is about the requests before these. */
	check->values[CHECK_LATENCY] = latency;
}

/*
 * Find out what there is to say of the server's credentials.
 */
static void
run_check(Check *check)
{
	CrispOptions *options = check->options;
	ErrorData	 *problem = run_step(check, check_account);

	if (problem == NULL)
	{
		problem = run_step(check, check_website);
		if (problem != NULL && may_be_outside(check, problem))
			(void) run_step(check, check_membership);
	}

	set_text(check, CHECK_TIER, options->tier);
	set_text(check, CHECK_WEBSITE_ID, options->website_id);
	set_text(check, CHECK_STATUS, problem ? problem->message : "ok");
	if (problem != NULL)
	{
		set_text(check, CHECK_DETAIL, problem->detail);
		set_text(check, CHECK_HINT, problem->hint);
		if (check->taken != NULL)
			set_text(check, CHECK_DETAIL,
					 psprintf("Crisp has taken the credentials. What it gives for \"%s\" is not "
							  "a text that this database can hold.",
							  check->taken));
	}
	if (check->outside)
	{
		set_text(check, CHECK_STATUS,
				 psprintf("the %s is not installed on the website, server \"%s\"", options->tier,
						  options->server_name));
		set_text(check, CHECK_HINT,
				 "Install it there, or set the server's option website_id to one of its websites.");
	}
	if (problem == NULL && !check->outside)
		check_tables(check);
	check->values[CHECK_REQUESTS] = Int64GetDatum(options->counts->requests);
	check->nulls[CHECK_REQUESTS] = false;
}

/*
 * Say whether this is the library that handles a foreign data wrapper.
 */
static bool
is_our_wrapper(Oid wrapper_id)
{
	ForeignDataWrapper *wrapper = GetForeignDataWrapper(wrapper_id);
	FmgrInfo			handler;

	if (!OidIsValid(wrapper->fdwhandler))
		return false;
	fmgr_info(wrapper->fdwhandler, &handler);
	return handler.fn_addr == crisp_fdw_handler;
}

/*
 * Find a server that the current user may use, and that is one of Crisp's.
 */
static ForeignServer *
find_server(FunctionCallInfo fcinfo)
{
	ForeignServer *server;
	AclResult	   allowed;

	if (PG_ARGISNULL(0))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
						errmsg("name of the server must not be null")));

	server = GetForeignServerByName(NameStr(*PG_GETARG_NAME(0)), false);
	allowed = compat_server_usage(server->serverid, GetUserId());
	if (allowed != ACLCHECK_OK)
		aclcheck_error(allowed, OBJECT_FOREIGN_SERVER, server->servername);

	if (!is_our_wrapper(server->fdwid))
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
						errmsg("server \"%s\" does not belong to crisp_fdw", server->servername)));
	return server;
}

/*
 * Return one row that says whether the credentials that the current user has for a server are good,
 * and for what; or what is wrong.
 *
 * SQL: crisp_fdw_check(server).
 */
Datum
crisp_fdw_check(PG_FUNCTION_ARGS)
{
	ForeignServer *server;
	TupleDesc	   tupdesc;
	Check		   check = {.context = CurrentMemoryContext};

	extension_version_check();
	server = find_server(fcinfo);
	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");

	memset(check.nulls, true, sizeof(check.nulls));
	check.options = options_of_server(server->serverid);

	/* What fails now is worth knowing, even if it would pass. */
	check.options->max_retries = 0;
	check.options->prefetch = 1;
	run_check(&check);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc), check.values, check.nulls));
}
