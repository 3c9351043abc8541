/*-------------------------------------------------------------------------
 *
 * partition.h
 *		Check partitions that stand for a website each.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_PARTITION_H
#define CRISP_PARTITION_H

#include "nodes/execnodes.h"

#include "options/options.h"

/*
 * Check that the website of a scan's table, where that is a partition, lies within the partition's
 * bounds as far as these are about the website: else PostgreSQL would look for it in another
 * partition.  Called when the scan begins.
 *
 * Raises HV024 (fdw_invalid_attribute_value) when it doesn't, and what the conversion to the
 * column's type raises.
 */
extern void partition_check(ForeignScanState *node, const CrispOptions *options);

#endif /* CRISP_PARTITION_H */
