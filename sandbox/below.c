/*
 * below.c
 *		Find the lists that lie below rows of other lists.
 */
#include "below.h"

#include <string.h>

#include "message.h"

static const BelowType below_types[] = {
	{&message_type, RESOURCE_CONVERSATIONS, "session_id", NULL, conversation_message_count},
	{&conversation_event_type, RESOURCE_CONVERSATIONS, "session_id", NULL,
	 conversation_event_count},
	{&conversation_page_type, RESOURCE_CONVERSATIONS, "session_id", NULL, conversation_page_count},
	{&conversation_file_type, RESOURCE_CONVERSATIONS, "session_id", NULL, conversation_file_count},
	{&campaign_recipient_type, RESOURCE_CAMPAIGNS, "campaign_id", NULL, campaign_recipient_count},
	{&campaign_opened_type, RESOURCE_CAMPAIGNS, "campaign_id", "opened", campaign_opened_count},
	{&campaign_clicked_type, RESOURCE_CAMPAIGNS, "campaign_id", "clicked", campaign_clicked_count},
	{&campaign_unsubscribed_type, RESOURCE_CAMPAIGNS, "campaign_id", "unsubscribed",
	 campaign_unsubscribed_count},
	{&people_campaign_type, RESOURCE_PEOPLE, "people_id", NULL, people_campaign_count},
};

#define BELOW_COUNT (sizeof(below_types) / sizeof(below_types[0]))

static bool
has_word(const BelowType *below, const char *word)
{
	if (below->word == NULL || word == NULL)
		return below->word == word;
	return strcmp(below->word, word) == 0;
}

const BelowType *
below_find(const char *name, const char *word)
{
	for (size_t i = 0; i < BELOW_COUNT; i++)
		if (strcmp(below_types[i].type->name, name) == 0 && has_word(&below_types[i], word))
			return &below_types[i];
	return NULL;
}

const char *
below_parent_member(const char *name)
{
	for (size_t i = 0; i < BELOW_COUNT; i++)
		if (strcmp(below_types[i].type->name, name) == 0)
			return below_types[i].parent_member;
	return NULL;
}

/* Return the list below a row if it was changed, or else NULL. */
static Collection *
find_changed(const Website *website, const ResourceType *type, uint32_t owner)
{
	for (size_t i = 0; i < website->changed_count; i++)
		if (website->changed[i]->owner == owner && website->changed[i]->rows.type == type)
			return &website->changed[i]->rows;
	return NULL;
}

/* Make room for a list that is to be changed. */
static Collection *
add_changed(Website *website, uint32_t owner)
{
	ChangedList *changed = xcalloc(1, sizeof(*changed));

	website->changed = xrealloc(website->changed,
								(website->changed_count + 1) * sizeof(ChangedList *));
	website->changed[website->changed_count++] = changed;
	changed->owner = owner;
	return &changed->rows;
}

Collection *
website_below(Website *website, const BelowType *below, uint32_t owner, Collection *scratch)
{
	const Collection *parent = &website->lists[below->parent];
	Collection		 *rows = find_changed(website, below->type, owner);
	uint64_t		  stream = (uint64_t) (below - below_types) + 1;

	if (rows != NULL)
		return rows;
	rows = scratch != NULL ? scratch : add_changed(website, owner);
	collection_init(rows, below->type, website, random_mix(parent->seed, stream << 40 | owner),
					owner, below->count(website, owner));
	return rows;
}

const char *
below_named(Website *website, const char *name, const char *word, const char *key, bool open,
			Collection *scratch, Collection **list)
{
	const BelowType *below = below_find(name, word);
	uint32_t		 owner;

	if (below == NULL)
		return "type must name one of the lists below the row, where there are several";
	if (key == NULL)
		return "the row that the list lies below must be named: session_id, people_id or "
			   "campaign_id";
	if (!open)
		return NULL;
	owner = collection_find(&website->lists[below->parent], key);
	if (owner == NO_ROW)
		return "there is no row of that id for the list to lie below";
	*list = website_below(website, below, owner, scratch);
	return NULL;
}
