/*
 * conversation.h
 *		Tell other files of generated conversations.
 */
#ifndef SANDBOX_CONVERSATION_H
#define SANDBOX_CONVERSATION_H

#include "dataset.h"

/* Say which of lexicon_custom_keys the meta.data of a generated conversation has. */
extern uint32_t conversation_data_mask(const Collection *conversations, uint32_t number);

#endif /* SANDBOX_CONVERSATION_H */
