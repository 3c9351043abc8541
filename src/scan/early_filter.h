/*-------------------------------------------------------------------------
 *
 * early_filter.h
 *		Check conditions before a row's details are asked for.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_EARLY_FILTER_H
#define CRISP_EARLY_FILTER_H

#include "nodes/execnodes.h"

#include "scan/tuple_maker.h"

typedef struct EarlyFilter EarlyFilter;

/*
 * Prepare those of a scan's conditions that need none of the columns which its details tell of,
 * lacking.  keeps_rows tells that the scan may be run again, with other parameters, from the rows
 * that it has had.  Lives in CurrentMemoryContext, which must be the statement's, as must maker.
 */
extern EarlyFilter *early_filter_create(ForeignScanState *node, List *lacking, TupleMaker *maker,
										bool keeps_rows);

/*
 * Say whether a row that has come without its details satisfies them (a DetailsFilter; arg is an
 * EarlyFilter).  Raises what evaluating the conditions raises.
 */
extern bool early_filter_passes(void *arg, const FetchedRow *row);

#endif /* CRISP_EARLY_FILTER_H */
