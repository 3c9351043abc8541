/*-------------------------------------------------------------------------
 *
 * complete.c
 *		Complete requests by what only Crisp knows, before they are sent.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/memutils.h"

#include "api/server_facts.h"
#include "base/compat.h"
#include "base/server_text.h"
#include "json/json_path.h"
#include "write/complete.h"

/*
 * Ask Crisp for an object, which belongs to owner, by a key; return NULL where it has none.
 */
static const JsonNode *
ask(const ChangeTable *table, const char *target, ApiKey key, MemoryContext owner)
{
	ApiAnswer answer;

	if (!api_finish_lookup(api_start(table->options, target, owner), API_OBJECT, key, &answer))
		return NULL;
	return answer.data;
}

/*
 * Find the key that a request's route names by what stands in for it.  Return false where Crisp has
 * no such row.
 */
static bool
complete_key(const ChangeTable *table, ChangeRequest *request, MemoryContext answers)
{
	const CrispOtherKey *other = table->changes->other_key;
	const CrispResource *resource = table->options->resource;
	const JsonNode		*object = ask(table, change_target(table, other->route, &request->keys),
									  API_KEY_GIVEN, answers);
	size_t				 length;
	const char *text = json_node_string(json_path_get(object, json_path_of(other->path)), &length);

	if (object == NULL)
		return false;
	if (text == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_PROTOCOL_VIOLATION),
				 errmsg("unexpected answer from Crisp, server \"%s\"", table->options->server_name),
				 errdetail("The answer to GET %s has no \"%s\".",
						   change_target(table, other->route, &request->keys), other->path)));
	text = server_text(text, &length, table->options->invalid_text);
	change_add_key(&request->keys, other->column, pnstrdup(text, length));
	change_know(request, crisp_column_by_name(resource, other->column)->path,
				encode_string(request->keys.values[request->keys.count - 1]));
	return true;
}

/*
 * Ask Crisp for the custom data of a request's row; return false where there is no such row.
 */
static bool
ask_data(const ChangeTable *table, const ChangeRequest *request, const JsonNode **data,
		 MemoryContext answers)
{
	const CrispResource *resource = table->options->resource;
	const char			*target = change_target(table, table->changes->read_route, &request->keys);
	const JsonNode		*object = ask(table, target, API_KEY_TOLD, answers);

	*data = data_object(json_path_get(object, json_path_of(resource->custom_data->path)));
	return object != NULL;
}

/*
 * Complete a request by the custom data that Crisp has now.
 */
static Completion
complete_data(const ChangeTable *table, ChangeRequest *request, MemoryContext answers)
{
	const CrispChange *change = request->change;
	const JsonNode	  *current;
	List			  *gone;

	if (!ask_data(table, request, &current, answers))
		return COMPLETION_GONE;
	if (change == table->changes->insert && json_node_first(current) != NULL)
		return COMPLETION_EXISTS;

	data_change_check_replaced(request->data, table, current);
	gone = data_change_gone(request->data, current);
	if (change->replace_method == NULL)
	{
		request->gone = gone;
		change_set_data(request, data_change_apply(request->data, current));
		return COMPLETION_READY;
	}
	if (gone == NIL && request->data->set == NIL && change != table->changes->insert)
		return COMPLETION_NEEDLESS;
	if (gone != NIL)
		request->api.method = change->replace_method;
	change_set_data(request, data_change_apply(request->data, gone != NIL ? current : NULL));
	return COMPLETION_READY;
}

/*
 * Name what a session learns of a server: that it replaces custom data by what it's sent.
 */
static char *
replacement_fact(const ChangeTable *table)
{
	return psprintf("replaces %s", table->options->resource->custom_data->path);
}

/*
 * Say whether that is known.
 */
static bool
knows_replacement(const ChangeTable *table)
{
	return server_fact_recall(table->options, replacement_fact(table)) == FACT_TRUE;
}

Completion
complete_request(const ChangeTable *table, ChangeRequest *request)
{
	MemoryContext answers = AllocSetContextCreate(CurrentMemoryContext, "crisp_fdw answers",
												  ALLOCSET_SMALL_SIZES);
	Completion	  completion = COMPLETION_READY;

	if (request->lacks_key && !complete_key(table, request, answers))
		completion = COMPLETION_GONE;
	else if (request->lacks_data)
		completion = complete_data(table, request, answers);
	if (completion == COMPLETION_READY)
		change_finish(table, request);
	MemoryContextDelete(answers);
	return completion;
}

int
complete_cost(const ChangeTable *table, const ChangeRequest *request)
{
	bool checks = request->gone != NIL ||
				  (request->lacks_data && request->change->replace_method == NULL);

	return (request->lacks_data ? 1 : 0) + (checks && !knows_replacement(table) ? 1 : 0);
}

void
complete_raise(const ChangeTable *table, const ChangeRequest *request, Completion completion)
{
	const CrispChanges *changes = table->changes;

	if (completion == COMPLETION_EXISTS)
		ereport(
			ERROR,
			(errcode(ERRCODE_UNIQUE_VIOLATION),
			 errmsg("a %s with this \"%s\" exists at Crisp already, server \"%s\"", changes->noun,
					change_column_name(table, changes->conflict), table->options->server_name),
			 errdetail("GET %s answers some. Nothing was sent.",
					   change_target(table, changes->read_route, &request->keys)),
			 errhint("Use UPDATE; or, to pass over rows that exist, INSERT ... ON CONFLICT DO "
					 "NOTHING.")));
	ereport(ERROR, (errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
					errmsg("there is no such %s at Crisp, server \"%s\"", changes->parent,
						   table->options->server_name),
					errdetail("The %s was not sent.", changes->noun)));
}

/*----------
 * Whether keys are gone
 *----------
 */

/*
 * Return those keys of a list that an object has, as text; NULL for none.
 */
static char *
keys_kept(const List *keys, const JsonNode *object)
{
	StringInfoData text;
	ListCell	  *lc;

	initStringInfo(&text);
	foreach(lc, keys)
	{
		const char *key = lfirst(lc);

		if (json_node_member(object, key) != NULL)
			appendStringInfo(&text, "%s\"%s\"", text.len > 0 ? ", " : "",
							 pg_any_to_server(key, (int) strlen(key), PG_UTF8));
	}
	return text.len > 0 ? text.data : NULL;
}

void
complete_check_gone(const ChangeTable *table, const ChangeRequest *request)
{
	const CrispOptions *options = table->options;
	char			   *target = change_target(table, table->changes->read_route, &request->keys);
	ApiAnswer			answer;
	ApiFailure			failure;
	const char		   *kept;

	if (request->gone == NIL || knows_replacement(table))
		return;
	if (!api_try_finish(api_start(options, target, CurrentMemoryContext), API_OBJECT, &answer,
						&failure))
	{
		ereport(WARNING,
				(errcode(failure.error.code),
				 errmsg("it is not known whether Crisp has removed keys of custom data, server "
						"\"%s\"",
						options->server_name),
				 errdetail("%s: %s", failure.error.message, failure.error.detail)));
		return;
	}
	kept = keys_kept(request->gone,
					 data_object(json_path_get(
						 answer.data, json_path_of(options->resource->custom_data->path))));
	if (kept != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_ERROR),
				 errmsg("Crisp has kept keys of custom data that were to go, server \"%s\"",
						options->server_name),
				 errdetail("%s %s was carried out, and GET %s still has: %s", request->api.method,
						   request->api.target, target, kept),
				 errhint("Crisp may merge what it is sent into what it has: write other values "
						 "instead.")));
	server_fact_remember(options, replacement_fact(table), true);
}
