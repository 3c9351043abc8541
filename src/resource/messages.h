/*-------------------------------------------------------------------------
 *
 * messages.h
 *		Describe messages of conversations in the catalog.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_MESSAGES_H
#define CRISP_MESSAGES_H

#include "resource/entry.h"

extern const CrispResource crisp_messages;

#endif /* CRISP_MESSAGES_H */
