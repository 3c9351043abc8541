/*-------------------------------------------------------------------------
 *
 * column_map.h
 *		Find what a column of a foreign table shows of Crisp's rows.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_COLUMN_MAP_H
#define CRISP_COLUMN_MAP_H

#include "options/options.h"

typedef struct MappedColumn
{
	/* Its name at Crisp, by the flattening rule: its column_name option, else its own. */
	const char *name;

	/*
	 * The JSON path (text) that fills it: its json_path option, else that of the catalog's column
	 * of the name.  NULL where the flattening rule finds its value by the name.
	 */
	const char *path;

	/*
	 * The catalog's column of the name, or where option json_path says what it shows, the one at
	 * that path; NULL for none.  Of two at a path, it's the one for JSON if that is the column's
	 * type.
	 */
	const CrispColumn *column;

	bool has_own_path; /* option json_path says what it shows */
} MappedColumn;

/*
 * Look up what an attribute of a foreign table shows; options are the table's.  The texts are
 * palloc'd, or static.  Raises an error where the table has no such attribute.
 */
extern MappedColumn column_map(const CrispOptions *options, Oid relid, AttrNumber attnum);

/* Return the column that column_map() gives: the catalog's, NULL for none. */
extern const CrispColumn *column_map_catalog(const CrispOptions *options, Oid relid,
											 AttrNumber attnum);

#endif /* CRISP_COLUMN_MAP_H */
