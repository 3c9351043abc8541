/*-------------------------------------------------------------------------
 *
 * writes.h
 *		Whether a statement writes to Crisp while it reads.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_WRITES_H
#define CRISP_WRITES_H

#include "nodes/execnodes.h"

/*
 * Whether the statement inserts into, updates or deletes from a foreign table of the same foreign data
 * wrapper as that with the given id, or rows may be routed to one.
 */
extern bool statement_writes(EState *estate, Oid relid);

#endif /* CRISP_WRITES_H */
