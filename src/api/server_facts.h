/*-------------------------------------------------------------------------
 *
 * server_facts.h
 *		Remember what a session has learnt of how a server behaves.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_SERVER_FACTS_H
#define CRISP_SERVER_FACTS_H

#include "options/options.h"

/* What is known of a fact. */
typedef enum FactState
{
	FACT_UNKNOWN,
	FACT_TRUE,
	FACT_FALSE
} FactState;

/*
 * Remember, and recall, whether something holds for the website and resource that options are
 * about, until the session ends.  name is any text that tells facts apart.  Another base URL,
 * website or resource has facts of its own.
 */
extern FactState server_fact_recall(const CrispOptions *options, const char *name);
extern void		 server_fact_remember(const CrispOptions *options, const char *name, bool holds);

/* Note what the server's clock said in an answer, Unix seconds, that has just come. */
extern void server_fact_note_clock(const CrispOptions *options, int64 unix_seconds);

/*
 * Return by how many milliseconds this machine's clock is surely ahead of the server's, as its last
 * answer told; 0 or less where it isn't, and where no answer has told.
 */
extern int64 server_fact_clock_lead(const CrispOptions *options);

#endif /* CRISP_SERVER_FACTS_H */
