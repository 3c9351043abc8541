/*-------------------------------------------------------------------------
 *
 * sync_witness.h
 *		Find whether rows that a job of crisp_sync() has stored are still there.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_SYNC_WITNESS_H
#define CRISP_SYNC_WITNESS_H

#include "sync/sync_rows.h"
#include "sync/sync_target.h"

/* Keys of rows that a job has stored before, while it writes others. */
typedef struct SyncWitnesses
{
	Datum	  keys;		/* objects in an array of jsonb */
	bool	  has_keys; /* or else nothing is known */
	SyncRows *known;	/* they, shown to statements as known */
	Datum	  found;	/* those that are there, twenty at most; jsonb */
	bool	  are_lost; /* most of them are gone, and not by what was written here */
} SyncWitnesses;

/*
 * Show the witnesses to statements, as the owner of the target.  Where rows lie below parents,
 * those of the witnesses that lie below these may be deleted here: look whether they are there yet.
 */
extern void sync_witness_begin(SyncWitnesses *witnesses, const SyncTarget *target, Datum parents,
							   bool has_parents);

/* Append that a row of the target, t, is one of the witnesses that are shown. */
extern void sync_witness_append_is_known(StringInfo sql, const SyncTarget *target);

/*
 * Judge what has become of the witnesses, of which so many were gone, and came again with what was
 * written.  Show them no more.  What is found lies in the memory of the SPI connection.
 */
extern void sync_witness_end(SyncWitnesses *witnesses, const SyncTarget *target, int64 come_again,
							 Datum parents, bool has_parents);

#endif /* CRISP_SYNC_WITNESS_H */
