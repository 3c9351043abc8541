/*-------------------------------------------------------------------------
 *
 * message_changes.h
 *		Describe in the catalog what can be written of messages.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_MESSAGE_CHANGES_H
#define CRISP_MESSAGE_CHANGES_H

#include "resource/writable.h"

extern const CrispChanges crisp_message_changes;

#endif /* CRISP_MESSAGE_CHANGES_H */
