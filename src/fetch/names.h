/*-------------------------------------------------------------------------
 *
 * names.h
 *		Find which names several rows of a list have, as far as a statement has read lists.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_NAMES_H
#define CRISP_NAMES_H

#include "nodes/execnodes.h"

#include "json/json.h"
#include "resource/resource.h"

/*
 * What a statement knows of the names (see CRISP_NAME) in the lists that it has read as a whole.
 * Lists go by the target of their first page, of one server.
 */
typedef struct Names Names;

/* The names of one list that is being read. */
typedef struct NameList NameList;

/* Return what a statement knows; made at the first call.  Lives as long as the statement. */
extern Names *names_of_statement(EState *estate);

/*
 * Begin to note the names of a list of the resource, which must have them.  Lives in
 * CurrentMemoryContext, and in temporary files; names_drop_list() or names_keep_list() is to end
 * it.
 */
extern NameList *names_begin_list(const CrispResource *resource);

/* Note the name of a row. */
extern void names_add(NameList *list, const JsonNode *row);

/* Know from now on the names of the list with that target, all of whose rows were noted. */
extern void names_keep_list(Names *names, const char *server, const char *target, NameList *list);

/* Forget a list that wasn't read to its end. */
extern void names_drop_list(NameList *list);

/* Say whether a list was read. */
extern bool names_has_list(const Names *names, const char *server, const char *target);

/*
 * Return how many rows of a list that was read have a name, given as text in UTF-8; 0 where that's
 * one at most.  Names that are numbers are the same if they are equal as Crisp, written in
 * JavaScript, has them.
 */
extern int64 names_count(const Names *names, const char *server, const char *target,
						 const char *name);

#endif /* CRISP_NAMES_H */
