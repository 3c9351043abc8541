/*-------------------------------------------------------------------------
 *
 * entries.h
 *		The entries of the catalog, for resource.c alone.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_ENTRIES_H
#define CRISP_ENTRIES_H

#include "resource/resource.h"

/* campaigns.c */
extern const CrispResource crisp_campaigns;

/* conversations.c */
extern const CrispResource crisp_conversations;

/* messages.c */
extern const CrispResource crisp_messages;

/* people.c */
extern const CrispResource crisp_people_profiles;
extern const CrispResource crisp_people_data;
extern const CrispResource crisp_people_events;
extern const CrispResource crisp_people_conversations;

/* segments.c */
extern const CrispResource crisp_conversation_segments;
extern const CrispResource crisp_people_segments;

/* websites.c */
extern const CrispResource crisp_visitors;
extern const CrispResource crisp_operators;
extern const CrispResource crisp_visitors_count;
extern const CrispResource crisp_inboxes;
extern const CrispResource crisp_websites;

/* The column that each resource of a website has, where Crisp has no such field. */
#define CRISP_WEBSITE_COLUMN                                                               \
	{                                                                                      \
		"website_id", CRISP_TEXT, "website that was asked", CRISP_WEBSITE | CRISP_REQUIRED \
	}

/* writable.c */
extern const CrispChanges crisp_conversation_changes;
extern const CrispChanges crisp_message_changes;

/* For resources that have none. */
extern const CrispFilter crisp_no_filters[];
extern const CrispLookup crisp_no_lookups[];
extern const CrispOrder	 crisp_no_orders[];

#endif /* CRISP_ENTRIES_H */
