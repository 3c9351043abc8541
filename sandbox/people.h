/*
 * people.h
 *		Tell what a profile is called, for the rows that refer to it.
 */
#ifndef SANDBOX_PEOPLE_H
#define SANDBOX_PEOPLE_H

#include "dataset.h"
#include "lexicon.h"

typedef struct Identity
{
	const Locale *locale;
	const char	 *nickname;
	char		  email[64]; /* "" for the few without one */
	char		  avatar[96];
	char		  people_id[UUID_SIZE];
} Identity;

/* Make the identity of a generated profile of the website, by its number. */
extern void people_identity(const Website *website, uint32_t number, Identity *identity);

/* Write the custom data of a profile, as one JSON object. */
extern void people_write_data(const Website *website, uint32_t number, JsonWriter *writer);

/* Say which of lexicon_custom_keys a generated profile has. */
extern uint32_t people_data_mask(const Website *website, uint32_t number);

/* Count the events of a profile, newest first, tell the text of one, and write one of them. */
extern uint32_t	   people_event_count(const Website *website, uint32_t number);
extern const char *people_event_text(const Website *website, uint32_t number, uint32_t event);
extern void		   people_write_event(const Website *website, uint32_t number, uint32_t event,
									  JsonWriter *writer);

/*
 * Return the row id of the profile with this e-mail address, case aside unless "exact"; or else
 * NO_ROW.
 */
extern uint32_t people_find_email(const Collection *people, const char *email, bool exact);

/* Write what a generated profile is subscribed to: an object, at times without what it's about. */
extern void people_write_subscription(const Website *website, uint32_t number, JsonWriter *writer);

#endif /* SANDBOX_PEOPLE_H */
