/*-------------------------------------------------------------------------
 *
 * list_rows.h
 *		Remember how many rows lists had that the session has read.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_LIST_ROWS_H
#define CRISP_LIST_ROWS_H

#include "datatype/timestamp.h"

#include "request/request.h"

/* What the session has seen of a list. */
typedef struct ListRows
{
	double		whole; /* rows of all of it; -1 where nobody has looked */
	double		since; /* rows of it with a date that ... */
	TimestampTz lower; /* ... is no earlier than this, ... */
	TimestampTz at;	   /* ... at that time; 0 where nobody has looked */
} ListRows;

/*
 * Remember for the session that what a request asks for had so many rows, all of which have come.
 * Lists with other conditions than a lower bound of the date are of no use, and left out.
 */
extern void list_rows_note(const ListRequest *request, double rows);

/* Remember how many rows the list that the options show has, as Crisp counts them. */
extern void list_rows_note_count(const CrispOptions *options, double rows);

/* Return what is remembered of the list that the options show; makes no request. */
extern ListRows list_rows_recall(const CrispOptions *options);

#endif /* CRISP_LIST_ROWS_H */
