/*-------------------------------------------------------------------------
 *
 * campaigns.h
 *		Describe campaigns in the catalog.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_CAMPAIGNS_H
#define CRISP_CAMPAIGNS_H

#include "resource/entry.h"

extern const CrispResource crisp_campaigns;
extern const CrispResource crisp_campaign_templates;

#endif /* CRISP_CAMPAIGNS_H */
