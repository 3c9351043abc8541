/*-------------------------------------------------------------------------
 *
 * spams.h
 *		Describe in the catalog what Crisp took for spam.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_SPAMS_H
#define CRISP_SPAMS_H

#include "resource/entry.h"

extern const CrispResource crisp_conversation_spams;

#endif /* CRISP_SPAMS_H */
