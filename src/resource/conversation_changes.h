/*-------------------------------------------------------------------------
 *
 * conversation_changes.h
 *		Describe in the catalog what can be written of conversations.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_CONVERSATION_CHANGES_H
#define CRISP_CONVERSATION_CHANGES_H

#include "resource/writable.h"

extern const CrispChanges crisp_conversation_changes;

#endif /* CRISP_CONVERSATION_CHANGES_H */
