/*-------------------------------------------------------------------------
 *
 * run_values.h
 *		Tell the runs of a scan apart by the values that they depend on.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_RUN_VALUES_H
#define CRISP_RUN_VALUES_H

#include "nodes/execnodes.h"

#include "base/text_key.h"

/*
 * Set *key to what tells the run that is about to begin from those with other values of the
 * parameters that the node, and its conditions, depend on.  Returns false where one of them isn't
 * known yet.
 */
extern bool run_values_key(const ForeignScanState *node, TextKey *key);

#endif /* CRISP_RUN_VALUES_H */
