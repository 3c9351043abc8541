/*
 * below.h
 *		Find the lists that lie below rows of other lists.
 *
 * They are generated from the seed each time that they are asked for, until they are changed.
 */
#ifndef SANDBOX_BELOW_H
#define SANDBOX_BELOW_H

#include "dataset.h"

typedef struct BelowType
{
	const ResourceType *type;
	Resource			parent;
	const char		   *parent_member; /* by which control requests name the row above */
	const char		   *word;		   /* one list of several below a row; or NULL */

	/* How many rows are generated below the parent's row with that number. */
	uint32_t (*count)(const Website *website, uint32_t owner);
} BelowType;

/* What there is below conversations, campaigns and profiles, by the files that have it. */
extern const ResourceType conversation_event_type;
extern const ResourceType conversation_page_type;
extern const ResourceType conversation_file_type;
extern uint32_t			  conversation_event_count(const Website *website, uint32_t owner);
extern uint32_t			  conversation_page_count(const Website *website, uint32_t owner);
extern uint32_t			  conversation_file_count(const Website *website, uint32_t owner);

extern const ResourceType campaign_recipient_type;
extern const ResourceType campaign_opened_type;
extern const ResourceType campaign_clicked_type;
extern const ResourceType campaign_unsubscribed_type;
extern const ResourceType people_campaign_type;
extern uint32_t			  campaign_recipient_count(const Website *website, uint32_t owner);
extern uint32_t			  campaign_opened_count(const Website *website, uint32_t owner);
extern uint32_t			  campaign_clicked_count(const Website *website, uint32_t owner);
extern uint32_t			  campaign_unsubscribed_count(const Website *website, uint32_t owner);
extern uint32_t			  people_campaign_count(const Website *website, uint32_t owner);

/* Return the list of this name, by that word (NULL where it has none); NULL for an unknown one. */
extern const BelowType *below_find(const char *name, const char *word);

/* Return the member by which control requests name the row above lists of this name; or NULL. */
extern const char *below_parent_member(const char *name);

/*
 * Return the list below the parent's row with this id.  "scratch" is filled, and to be freed by the
 * caller, where it was never changed; with "scratch" NULL the result is kept, ready to be changed.
 */
extern Collection *website_below(Website *website, const BelowType *below, uint32_t owner,
								 Collection *scratch);

/*
 * Find the list of this name, by that word (or NULL), below the row with this key, for control
 * requests; "scratch" is as for website_below().  Without "open" only check what never changes.
 * Return what is wrong, or NULL.
 */
extern const char *below_named(Website *website, const char *name, const char *word,
							   const char *key, bool open, Collection *scratch, Collection **list);

#endif /* SANDBOX_BELOW_H */
