/*
 * dataset.h
 *		Generate the websites and their rows from a seed.
 */
#ifndef SANDBOX_DATASET_H
#define SANDBOX_DATASET_H

#include "collection.h"
#include "options.h"

#define KEY_HEX_SIZE 65 /* 64 hexadecimal digits and the closing zero */

typedef enum Resource
{
	RESOURCE_CONVERSATIONS,
	RESOURCE_PEOPLE,
	RESOURCE_VISITORS,
	RESOURCE_OPERATORS,
	RESOURCE_CAMPAIGNS,
	RESOURCE_INBOXES,
	RESOURCE_SPAMS,
	RESOURCE_TEAMS,
	RESOURCE_TEMPLATES,
	RESOURCE_LOCALES,
	RESOURCE_PAGES,
	RESOURCE_FEEDBACK,
	RESOURCE_REDIRECTIONS,
	RESOURCE_BLOCKED,
	RESOURCE_SUBSCRIPTIONS,
	RESOURCE_COUNT
} Resource;

/* A token as Crisp gives them out: what Basic authentication carries. */
typedef struct Token
{
	char identifier[UUID_SIZE];
	char key[KEY_HEX_SIZE];
} Token;

/* A list below a row of another that was changed; the others are generated when asked for. */
typedef struct ChangedList
{
	uint32_t   owner; /* id of that row */
	Collection rows;
} ChangedList;

typedef struct Website
{
	const struct Dataset *dataset;
	uint32_t			  number;
	char				  id[UUID_SIZE];
	char				  name[48];
	char				  domain[48];
	Token				  token;
	bool				  has_plugin; /* the plugin token may come here */
	Collection			  lists[RESOURCE_COUNT];
	ChangedList			**changed;
	size_t				  changed_count;
	json_object			 *people_extra; /* see people_extra.h; NULL for nothing */
} Website;

typedef struct Dataset
{
	const Options *options;
	Token		   plugin_token;
	char		   plugin_id[UUID_SIZE];
	Token		   user_token;
	char		   user_id[UUID_SIZE];
	Website		  *websites;
	size_t		   website_count;
	bool		   untidy; /* with what is ugly in Crisp's data */
	bool		   dirty;  /* something was changed since it was built */
} Dataset;

extern const ResourceType conversation_type;
extern const ResourceType people_type;
extern const ResourceType visitor_type;
extern const ResourceType operator_type;
extern const ResourceType campaign_type;
extern const ResourceType inbox_type;
extern const ResourceType spam_type;
extern const ResourceType team_type;
extern const ResourceType template_type;
extern const ResourceType locale_type;
extern const ResourceType page_type;
extern const ResourceType feedback_type;
extern const ResourceType redirection_type;
extern const ResourceType blocked_type;
extern const ResourceType subscription_type;
extern const ResourceType message_type;

/* The number of an inbox that the list of inboxes doesn't have: the AI agent's. */
#define AGENT_INBOX INT16_MAX

/* Build everything; the options must live as long as the data. */
extern void dataset_init(Dataset *dataset, const Options *options, bool untidy);
extern void dataset_free(Dataset *dataset);

/* Return the website with this id, or NULL. */
extern Website *dataset_website(const Dataset *dataset, const char *id);

/* Return the list that a control request calls by this name, or NULL. */
extern Collection *website_list(Website *website, const char *name);

#endif /* SANDBOX_DATASET_H */
