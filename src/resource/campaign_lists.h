/*-------------------------------------------------------------------------
 *
 * campaign_lists.h
 *		Describe whom campaigns have reached in the catalog.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_CAMPAIGN_LISTS_H
#define CRISP_CAMPAIGN_LISTS_H

#include "resource/entry.h"

extern const CrispResource crisp_campaign_recipients;
extern const CrispResource crisp_campaign_statistics;

#endif /* CRISP_CAMPAIGN_LISTS_H */
