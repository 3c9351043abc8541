/*-------------------------------------------------------------------------
 *
 * row_source.h
 *		Say what fills the columns of a foreign table.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_ROW_SOURCE_H
#define CRISP_ROW_SOURCE_H

#include "utils/relcache.h"

#include "row/flatten.h"
#include "options/options.h"

/*
 * Say what fills an attribute of the foreign table relid, whose options these are: the value at its
 * JSON path, or, in the column that says which website was asked, the table's website.  Texts are
 * palloc'd, static, or belong to options.
 */
extern FlattenSource row_source_column(const CrispOptions *options, Oid relid,
									   const FormData_pg_attribute *attribute);

/*
 * Prepare the conversion of rows for the columns whose attribute numbers are in columns (an integer
 * List).  A column that reads what full-text search was asked for is left out, and *search_column
 * gets its number, which may be NULL; it's 0 where there is none.  Palloc'd in
 * CurrentMemoryContext.  Raises what flatten_begin() raises.
 */
extern Flattener *row_source_begin(const CrispOptions *options, Relation relation, List *columns,
								   AttrNumber *search_column);

/* Return the attribute numbers of all of a relation's columns: an integer List, palloc'd. */
extern List *row_source_all_columns(Relation relation);

#endif /* CRISP_ROW_SOURCE_H */
