/*-------------------------------------------------------------------------
 *
 * names.c
 *		Find which names several rows of a list have, as far as a statement has read lists.
 *
 * Of most lists there's nothing to keep but that they were read: names that one row alone has are
 * forgotten at the list's end.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <math.h>

#include "lib/ilist.h"
#include "miscadmin.h"
#include "utils/memutils.h"

#include "json/json_path.h"
#include "fetch/names.h"
#include "options/options.h"
#include "base/key_set.h"
#include "base/text_key.h"
#include "base/compat.h"

/* A name that several rows have. */
typedef struct RepeatedName
{
	TextKey key;
	int64	count;
} RepeatedName;

/* A list that was read. */
typedef struct KnownList
{
	TextKey key;
	HTAB   *repeated; /* RepeatedNames; NULL for none */
} KnownList;

struct NameList
{
	JsonPath *path;
	KeySet	 *seen;
	HTAB	 *repeated;
};

struct Names
{
	dlist_node			  node;
	const EState		 *estate;
	MemoryContext		  context;
	MemoryContextCallback callback;
	HTAB				 *lists; /* KnownLists */
};

/* Those of all statements that are running. */
static dlist_head all = DLIST_STATIC_INIT(all);

/*
 * Return a name as it's compared; palloc'd.
 */
static char *
plain_name(const char *text)
{
	char  *end;
	double number;

	if (text[0] == '\0' || strspn(text, "0123456789+-.eE") != strlen(text))
		return pstrdup(text);
	number = strtod(text, &end);
	if (*end != '\0' || !isfinite(number))
		return pstrdup(text);
	return psprintf("%.17g", number == 0 ? 0.0 : number);
}

/*----------
 * A list that is being read
 *----------
 */

NameList *
names_begin_list(const CrispResource *resource)
{
	NameList *list = palloc0(sizeof(NameList));

	list->path = json_path_of(crisp_resource_name(resource)->path);
	list->seen = key_set_create((Size) work_mem * 1024 / CRISP_MAX_PREFETCH);
	return list;
}

void
names_add(NameList *list, const JsonNode *row)
{
	const JsonNode *node = json_path_get(row, list->path);
	const char	   *text = json_node_string(node, NULL);
	size_t			length;
	char		   *name;
	TextKey			key;
	RepeatedName   *repeated;
	bool			found;

	/* What has no name can't be asked for. */
	if (node == NULL || json_node_kind(node) == JSON_NODE_NULL)
		return;
	name = plain_name(text ? text : json_text(node, &length));
	if (!key_set_add(list->seen, name, strlen(name)))
	{
		if (list->repeated == NULL)
			list->repeated = text_key_table("crisp_fdw names", GetMemoryChunkContext(list),
											sizeof(RepeatedName));
		key = text_key(name);
		repeated = hash_search(list->repeated, &key, HASH_ENTER, &found);
		repeated->count = found ? repeated->count + 1 : 2;
	}
	pfree(name);
}

void
names_drop_list(NameList *list)
{
	key_set_free(list->seen);
	if (list->repeated != NULL)
		hash_destroy(list->repeated);
	pfree(list);
}

/*----------
 * Lists that were read
 *----------
 */

static void
forget(void *arg)
{
	dlist_delete(&((Names *) arg)->node);
}

Names *
names_of_statement(EState *estate)
{
	dlist_iter	  iter;
	MemoryContext context;
	Names		 *names;

	dlist_foreach(iter, &all)
	{
		names = dlist_container(Names, node, iter.cur);
		if (names->estate == estate)
			return names;
	}

	context = AllocSetContextCreate(estate->es_query_cxt, "crisp_fdw names",
									ALLOCSET_DEFAULT_SIZES);
	names = MemoryContextAllocZero(context, sizeof(Names));
	names->estate = estate;
	names->context = context;
	names->lists = text_key_table("crisp_fdw names", context, sizeof(KnownList));
	names->callback.func = forget;
	names->callback.arg = names;
	dlist_push_head(&all, &names->node);
	MemoryContextRegisterResetCallback(context, &names->callback);
	return names;
}

static TextKey
list_key(const char *server, const char *target)
{
	char   *text = psprintf("%s %s", server, target);
	TextKey key = text_key(text);

	pfree(text);
	return key;
}

void
names_keep_list(Names *names, const char *server, const char *target, NameList *list)
{
	TextKey			key = list_key(server, target);
	bool			found;
	KnownList	   *known = hash_search(names->lists, &key, HASH_ENTER, &found);
	HASH_SEQ_STATUS status;
	RepeatedName   *repeated;

	if (found && known->repeated != NULL)
		hash_destroy(known->repeated);
	known->repeated = NULL;
	if (list->repeated != NULL)
	{
		known->repeated = text_key_table("crisp_fdw names", names->context, sizeof(RepeatedName));
		hash_seq_init(&status, list->repeated);
		while ((repeated = hash_seq_search(&status)) != NULL)
			*(RepeatedName *) hash_search(known->repeated, &repeated->key, HASH_ENTER,
										  NULL) = *repeated;
	}
	names_drop_list(list);
}

bool
names_has_list(const Names *names, const char *server, const char *target)
{
	TextKey key = list_key(server, target);

	return hash_search(names->lists, &key, HASH_FIND, NULL) != NULL;
}

int64
names_count(const Names *names, const char *server, const char *target, const char *name)
{
	TextKey				key = list_key(server, target);
	const KnownList	   *known = hash_search(names->lists, &key, HASH_FIND, NULL);
	const RepeatedName *repeated;

	if (known == NULL || known->repeated == NULL)
		return 0;
	key = text_key(plain_name(name));
	repeated = hash_search(known->repeated, &key, HASH_FIND, NULL);
	return repeated ? repeated->count : 0;
}
