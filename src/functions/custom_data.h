/*-------------------------------------------------------------------------
 *
 * custom_data.h
 *		Make columns for the keys of custom data, for IMPORT FOREIGN SCHEMA.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_CUSTOM_DATA_H
#define CRISP_CUSTOM_DATA_H

#include "options/options.h"

typedef struct CustomColumn
{
	const char *name; /* in the database's encoding, not quoted */
	const char *type; /* SQL */
	const char *path; /* for option json_path */
} CustomColumn;

/*
 * Return a column for each key of custom data that Crisp knows of the options' resource, which must
 * have some: a List of CustomColumn.  The names differ from one another and from those of the
 * catalog.  Asks Crisp which keys there are (a request for each page of that list), and for a
 * sample of their values (one page of rows); options must hold credentials.  Palloc'd.
 *
 * A key that can't be a column, and those beyond what a table can have, are left out with a NOTICE;
 * so is told when a key's name had to be changed.  Raises what api_finish() raises.
 */
extern List *custom_data_columns(const CrispOptions *options);

#endif /* CRISP_CUSTOM_DATA_H */
