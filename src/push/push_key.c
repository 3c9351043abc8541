/*-------------------------------------------------------------------------
 *
 * push_key.c
 *		Tell by which columns Crisp knows the rows of the target of a push.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "push/push_key.h"

/*
 * Add a column of the catalog, if the table has it.
 */
static int
add_key(const ChangeTable *table, PushKey *keys, int count, const char *catalog_name,
		const char *holds)
{
	AttrNumber attnum = change_attribute(table, catalog_name);

	if (attnum == InvalidAttrNumber)
		return count;
	keys[count].name = table->columns[attnum - 1].name;
	keys[count].catalog_name = catalog_name;
	keys[count].holds = holds;
	return count + 1;
}

int
push_keys(const ChangeTable *table, PushKey *keys)
{
	const CrispChanges	*changes = table->changes;
	const CrispOtherKey *other = changes->other_key;
	const CrispChange	*change = changes->updates ? changes->updates : changes->insert;
	const char			*place = change->route;
	char				*name = crisp_route_column(&place);
	int					 count = 0;

	if (name == NULL || crisp_route_column(&place) != NULL)
		return 0;
	count = add_key(table, keys, count, name, NULL);
	if (other != NULL && strcmp(other->column, name) == 0)
		count = add_key(table, keys, count, other->other, other->holds);
	return count;
}

const PushKey *
push_key_find(const ChangeTable *table, const char *name)
{
	PushKey *keys = palloc(sizeof(PushKey) * 2);
	int		 count = push_keys(table, keys);

	for (int i = 0; i < count; i++)
		if (strcmp(keys[i].name, name) == 0)
			return &keys[i];
	return NULL;
}
