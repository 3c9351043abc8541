/*-------------------------------------------------------------------------
 *
 * conversation_lists.h
 *		Describe events, pages and files of conversations in the catalog.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_CONVERSATION_LISTS_H
#define CRISP_CONVERSATION_LISTS_H

#include "resource/entry.h"

extern const CrispResource crisp_conversation_events;
extern const CrispResource crisp_conversation_pages;
extern const CrispResource crisp_conversation_files;

#endif /* CRISP_CONVERSATION_LISTS_H */
