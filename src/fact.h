/*-------------------------------------------------------------------------
 *
 * fact.h
 *		What a session has learnt of how a server behaves.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_FACT_H
#define CRISP_FACT_H

#include "option.h"

/* What is known of a fact. */
typedef enum FactState
{
	FACT_UNKNOWN,
	FACT_TRUE,
	FACT_FALSE
} FactState;

/*
 * Remember, and recall, whether something holds for the website and resource
 * that options are about, until the session ends.  name is any text that tells
 * facts apart.  Another base URL, website or resource has facts of its own.
 */
extern FactState fact_recall(const CrispOptions *options, const char *name);
extern void		 fact_remember(const CrispOptions *options, const char *name, bool holds);

#endif /* CRISP_FACT_H */
