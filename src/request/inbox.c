/*-------------------------------------------------------------------------
 *
 * inbox.c
 *		Tell which inbox's rows a table holds.
 *
 * A Crisp that doesn't know of all inboxes might take the word for one that nothing is in.  So an
 * empty list is believed only if the plain list is empty, too.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/memutils.h"

#include "api/api_answer.h"
#include "api/server_facts.h"
#include "request/inbox.h"

#define FACT_KNOWS_ALL "all inboxes"

/*
 * Say whether an option names the inbox that stands for all of them.
 */
static bool
means_all(const CrispInbox *inbox, const char *option)
{
	return strcmp(option, inbox->all) == 0;
}

bool
inbox_is_single(const CrispOptions *options, const CrispResource *resource)
{
	return resource->inbox != NULL && options->inbox != NULL &&
		   !means_all(resource->inbox, options->inbox);
}

bool
inbox_is_all(const ListRequest *request)
{
	return request->inbox != NULL && means_all(request->options->resource->inbox, request->inbox);
}

bool
inbox_admits(const CrispOptions *options, const char *inbox, const JsonNode *row)
{
	const char *value;

	if (inbox == NULL || means_all(options->resource->inbox, inbox))
		return true;
	value = json_node_string(json_node_member(row, options->resource->inbox->path), NULL);
	return value != NULL &&
		   strcmp(value, pg_server_to_any(inbox, (int) strlen(inbox), PG_UTF8)) == 0;
}

pg_noreturn static void
raise_unknown(const ListRequest *request, const char *detail)
{
	const CrispInbox *inbox = request->options->resource->inbox;

	server_fact_remember(request->options, FACT_KNOWS_ALL, false);
	ereport(
		ERROR,
		(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
		 errmsg("Crisp does not know inbox \"%s\", server \"%s\"", inbox->all,
				request->options->server_name),
		 errdetail("%s", detail),
		 errhint(
			 "Drop option \"inbox\" to read the list that Crisp gives without it, or set it to the "
			 "identifier of one inbox.")));
}

/*
 * Say whether the list has any row without conditions: that of all inboxes, or the plain one.
 */
static bool
has_rows(const CrispOptions *options, bool plain)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "crisp_fdw inbox",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(context);
	ListRequest	  whole = request_whole_list(options);
	ApiAnswer	  answer;
	bool		  result;

	whole.per_page = CRISP_MIN_PER_PAGE;
	if (plain)
		whole.inbox = NULL;
	api_finish(api_start(options, request_list_target(&whole, 1), context), API_LIST, &answer);
	result = json_node_length(answer.data) > 0;
	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(context);
	return result;
}

void
inbox_check_first_page(const ListRequest *request, bool given, size_t nrows)
{
	bool known;

	if (!given)
		raise_unknown(request, "It has refused to list its conversations.");
	if (server_fact_recall(request->options, FACT_KNOWS_ALL) == FACT_TRUE)
		return;
	known = nrows > 0 || has_rows(request->options, false);
	if (!known && has_rows(request->options, true))
		raise_unknown(request,
					  "It lists nothing for this inbox, and has conversations without it.");
	if (known)
		server_fact_remember(request->options, FACT_KNOWS_ALL, true);
}
