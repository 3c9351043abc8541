/*
 * message.h
 *		Tell other files of generated messages.
 */
#ifndef SANDBOX_MESSAGE_H
#define SANDBOX_MESSAGE_H

#include "dataset.h"

/* Return how many messages a generated conversation has; 0 for one that is empty. */
extern uint32_t message_count(const Collection *conversations, const Row *conversation);

/* Return how many messages are generated for the conversation with this id, as it is now. */
extern uint32_t conversation_message_count(const Website *website, uint32_t conversation);

/* Return the messages of a conversation, as website_below() does. */
extern Collection *website_messages(Website *website, uint32_t conversation, Collection *scratch);

/* Return the start of a generated message's content, as previews have it. */
extern const char *message_excerpt(const Collection *conversations, uint32_t conversation,
								   uint32_t number);

/* Return a fingerprint: up to 15 digits, unlike for all messages of one conversation. */
extern int64_t message_fingerprint(int64_t timestamp, uint32_t number);

/*
 * Return the fingerprint of a generated message.  In data that is untidy some conversations have
 * several with the same: negative ones of a trigger, and zeros of an integration.
 */
extern int64_t message_generated_fingerprint(const Website *website, uint32_t conversation,
											 uint32_t number, int64_t timestamp);

#endif /* SANDBOX_MESSAGE_H */
