/*-------------------------------------------------------------------------
 *
 * namesake.c
 *		Check that a row that is to be changed is the only one with its name.
 *
 * Where the scan that has found the row has read the whole list, its names are known.  Where it
 * hasn't, since it was bounded by time, say, the list is read for this.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/memutils.h"

#include "fetch/child_reader.h"
#include "write/namesake.h"
#include "http/url.h"

/*
 * Return the value of a key in UTF-8, by its column in the catalog; NULL when there is none.
 */
static char *
key_text(const ChangeKeys *keys, const char *column)
{
	for (int i = 0; i < keys->count; i++)
		if (strcmp(keys->columns[i], column) == 0)
			return pg_server_to_any(keys->values[i], (int) strlen(keys->values[i]), PG_UTF8);
	return NULL;
}

/*
 * Read a list for its names.
 */
static void
read_list(const ChildrenRequest *request, Names *names, const char *argument)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "crisp_fdw namesakes",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(context);
	ChildReader	 *child = child_begin(request, argument, NULL, NULL, NULL, names);

	do
	{
		child_ask(child);
		child_take(child);
		while (child_next(child) != NULL)
			continue;
	} while (!child_at_end(child));
	child_end(child);
	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(context);
}

void
namesake_check(const ChangeTable *table, Names *names, const ChangeKeys *keys, CmdType operation)
{
	const CrispOptions	*options = table->options;
	const CrispResource *resource = options->resource;
	ChildrenRequest		 request = request_whole_children(options);
	const char			*name_column = crisp_column_name(resource, crisp_resource_name(resource));
	const char *argument_column = crisp_column_name(resource, crisp_resource_argument(resource));
	char	   *name = key_text(keys, name_column);
	char	   *argument = key_text(keys, argument_column);
	char	   *target;
	int64		count;

	/* What is missing, or can be none, is found when the request is made. */
	if (name == NULL || argument == NULL || !url_can_be_segment(argument))
		return;
	target = request_child_target(&request, argument, NULL, 1, NULL);
	if (!names_has_list(names, options->server_name, target))
		read_list(&request, names, argument);
	count = names_count(names, options->server_name, target, name);
	if (count > 1)
		ereport(
			ERROR,
			(errcode(ERRCODE_CARDINALITY_VIOLATION),
			 operation == CMD_UPDATE
				 ? errmsg("cannot update one of " INT64_FORMAT
						  " %ss that have the same \"%s\" in foreign table \"%s\"",
						  count, table->changes->noun, change_column_name(table, name_column),
						  table->name)
				 : errmsg("cannot delete one of " INT64_FORMAT
						  " %ss that have the same \"%s\" in foreign table \"%s\"",
						  count, table->changes->noun, change_column_name(table, name_column),
						  table->name),
			 errdetail("Crisp is told which %s is meant by \"%s\", which is %s, and \"%s\", which "
					   "is %s. Nothing was sent for it.",
					   table->changes->noun, argument_column, argument, name_column, name)));
}
