/*-------------------------------------------------------------------------
 *
 * people_changes.h
 *		Describe in the catalog what can be written of people.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_PEOPLE_CHANGES_H
#define CRISP_PEOPLE_CHANGES_H

#include "resource/writable.h"

extern const CrispChanges crisp_people_profile_changes;
extern const CrispChanges crisp_people_data_changes;
extern const CrispChanges crisp_people_event_changes;
extern const CrispChanges crisp_people_subscription_changes;

#endif /* CRISP_PEOPLE_CHANGES_H */
