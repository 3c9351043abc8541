/*-------------------------------------------------------------------------
 *
 * people.h
 *		Describe people in the catalog, as Crisp keeps them.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_PEOPLE_H
#define CRISP_PEOPLE_H

#include "resource/entry.h"

/*
 * Routes below profiles may know one by its e-mail address, too, or by an id in capitals; rows must
 * have the id that the profile has: it's made of these.
 */
#define PEOPLE_ID_CHARACTERS "0123456789abcdef-"

extern const CrispResource crisp_people_profiles;
extern const CrispResource crisp_people_data;
extern const CrispResource crisp_people_events;
extern const CrispResource crisp_people_conversations;
extern const CrispResource crisp_people_event_names;

#endif /* CRISP_PEOPLE_H */
