/*-------------------------------------------------------------------------
 *
 * entry.c
 *		Define what entries of the catalog share.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "resource/entry.h"

const CrispFilter crisp_no_filters[] = {{NULL}};
const CrispLookup crisp_no_lookups[] = {{NULL}};
const CrispOrder  crisp_no_orders[] = {{NULL}};
