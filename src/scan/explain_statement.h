/*-------------------------------------------------------------------------
 *
 * explain_statement.h
 *		Show in EXPLAIN what all scans of a statement come to.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_EXPLAIN_STATEMENT_H
#define CRISP_EXPLAIN_STATEMENT_H

#include "nodes/execnodes.h"

struct ExplainState;

/*
 * Show the requests of the whole statement, expected and, with ANALYZE, made, where this node is
 * the first of several that ask Crisp; do nothing at any other.
 */
extern void explain_statement(const ForeignScanState *node, struct ExplainState *es);

#endif /* CRISP_EXPLAIN_STATEMENT_H */
