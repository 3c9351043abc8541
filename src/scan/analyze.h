/*-------------------------------------------------------------------------
 *
 * analyze.h
 *		Take a sample of a list for ANALYZE, and estimate how many rows it has.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_ANALYZE_H
#define CRISP_ANALYZE_H

#include "foreign/fdwapi.h"

/*
 * Get ready for ANALYZE (FdwRoutine callback).  Makes no request itself; the function that it hands
 * over makes as many as option analyze_pages allows, with the credentials of the table's owner, and
 * raises what reading the list raises.
 */
extern bool crispAnalyzeForeignTable(Relation relation, AcquireSampleRowsFunc *func,
									 BlockNumber *totalpages);

#endif /* CRISP_ANALYZE_H */
