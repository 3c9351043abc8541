/*-------------------------------------------------------------------------
 *
 * websites.h
 *		Describe in the catalog what belongs to a website besides conversations and people.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_WEBSITES_H
#define CRISP_WEBSITES_H

#include "resource/entry.h"

extern const CrispResource crisp_visitors;
extern const CrispResource crisp_operators;
extern const CrispResource crisp_visitors_count;
extern const CrispResource crisp_inboxes;
extern const CrispResource crisp_teams;
extern const CrispResource crisp_visitors_blocked;
extern const CrispResource crisp_websites;

#endif /* CRISP_WEBSITES_H */
