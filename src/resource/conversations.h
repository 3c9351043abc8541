/*-------------------------------------------------------------------------
 *
 * conversations.h
 *		Describe conversations in the catalog.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_CONVERSATIONS_H
#define CRISP_CONVERSATIONS_H

#include "resource/entry.h"

extern const CrispResource crisp_conversations;

#endif /* CRISP_CONVERSATIONS_H */
