/*-------------------------------------------------------------------------
 *
 * people_lists.h
 *		Describe campaigns and subscriptions of people in the catalog.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_PEOPLE_LISTS_H
#define CRISP_PEOPLE_LISTS_H

#include "resource/entry.h"

extern const CrispResource crisp_people_campaigns;
extern const CrispResource crisp_people_subscriptions;

#endif /* CRISP_PEOPLE_LISTS_H */
