/*-------------------------------------------------------------------------
 *
 * tuple_maker.h
 *		Make tuples of what Crisp has of rows.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_TUPLE_MAKER_H
#define CRISP_TUPLE_MAKER_H

#include "nodes/execnodes.h"

#include "fetch/row_reader.h"
#include "options/options.h"

typedef struct TupleMaker TupleMaker;

/*
 * Prepare to make tuples of a scan's rows, with the columns that its plan says.  lacking has those
 * of which a row's details tell, attribute numbers, NIL for none.  Lives in CurrentMemoryContext,
 * which must be the statement's; options must live as long.  Raises what row_source_begin() raises.
 */
extern TupleMaker *tuple_maker_create(ForeignScanState *node, const CrispOptions *options,
									  List *lacking);

/*
 * Set that the rows to come were searched for in the text of search (the database's encoding),
 * which a column may read; NULL where they weren't.  To be called in memory that lives as long as
 * they come.
 */
extern void tuple_maker_set_search(TupleMaker *maker, const char *search);

/*
 * Fill slot with the tuple of a row, in CurrentMemoryContext: nothing in it refers to what has
 * come.  Raises what flatten_row() raises.
 */
extern void tuple_maker_store(TupleMaker *maker, const FetchedRow *row, TupleTableSlot *slot);

#endif /* CRISP_TUPLE_MAKER_H */
