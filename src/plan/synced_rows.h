/*-------------------------------------------------------------------------
 *
 * synced_rows.h
 *		Find how many rows a list has, by what jobs of crisp_sync() know.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_SYNCED_ROWS_H
#define CRISP_SYNCED_ROWS_H

/*
 * Return how many rows the list of a foreign table has, as far as a job that copies it knows; -1
 * where none does.  Makes no request, asks for no rights, and waits for no lock.
 */
extern double synced_rows(Oid relid);

#endif /* CRISP_SYNCED_ROWS_H */
