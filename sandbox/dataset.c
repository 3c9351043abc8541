/*
 * dataset.c
 *		Generate the websites and their rows from a seed.
 */
#include "dataset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "helpdesk.h"

#define FIRST_WEBSITE_ID "8c842203-7ed8-4e29-a608-7cf78a7d2fcc"

/* Tokens do not depend on the seed: they are documented. */
#define TOKEN_SEED UINT64_C(0x637269737021)

static const ResourceType *const resource_types[RESOURCE_COUNT] = {
	[RESOURCE_CONVERSATIONS] = &conversation_type,
	[RESOURCE_PEOPLE] = &people_type,
	[RESOURCE_VISITORS] = &visitor_type,
	[RESOURCE_OPERATORS] = &operator_type,
	[RESOURCE_CAMPAIGNS] = &campaign_type,
	[RESOURCE_INBOXES] = &inbox_type,
	[RESOURCE_SPAMS] = &spam_type,
	[RESOURCE_TEAMS] = &team_type,
	[RESOURCE_TEMPLATES] = &template_type,
	[RESOURCE_LOCALES] = &locale_type,
	[RESOURCE_PAGES] = &page_type,
	[RESOURCE_FEEDBACK] = &feedback_type,
	[RESOURCE_REDIRECTIONS] = &redirection_type,
	[RESOURCE_BLOCKED] = &blocked_type,
	[RESOURCE_SUBSCRIPTIONS] = &subscription_type,
};

static void
make_token(Token *token, uint32_t number)
{
	random_uuid(TOKEN_SEED, number, token->identifier);
	random_hex_key(random_mix(TOKEN_SEED, number), token->key);
}

/*
 * Return how many rows a website has: a further one has a tenth of the first one's, but never just
 * one or two.
 */
static size_t
row_count(const Website *website, uint32_t option)
{
	if (website->number == 0)
		return option;
	if (option < 30)
		return option < 3 ? option : 3;
	return option / 10;
}

static void
init_website(Website *website, const Dataset *dataset, uint32_t number)
{
	static const char *const names[] = {"Acme Support", "Bäckerei Krümel", "Ромашка"};
	const Options			*options = dataset->options;
	size_t					 counts[RESOURCE_COUNT];

	website->dataset = dataset;
	website->number = number;
	if (number == 0)
		strcpy(website->id, FIRST_WEBSITE_ID);
	else
		random_uuid(options->seed ^ UINT64_C(0x77656273), number, website->id);
	if (number < 3)
		snprintf(website->name, sizeof(website->name), "%s", names[number]);
	else
		snprintf(website->name, sizeof(website->name), "Shop %u", number + 1);
	snprintf(website->domain, sizeof(website->domain), "site%u.example.com", number + 1);
	make_token(&website->token, 100 + number);
	website->has_plugin = number + 1 < options->websites || options->websites == 1;

	counts[RESOURCE_CONVERSATIONS] = row_count(website, options->conversations);
	counts[RESOURCE_PEOPLE] = row_count(website, options->people);
	counts[RESOURCE_VISITORS] = row_count(website, options->visitors);
	counts[RESOURCE_OPERATORS] = row_count(website, options->operators);
	counts[RESOURCE_CAMPAIGNS] = row_count(website, options->campaigns);
	counts[RESOURCE_INBOXES] = number == 0 ? 4 : 2;
	counts[RESOURCE_SPAMS] = row_count(website, 70);
	counts[RESOURCE_TEAMS] = row_count(website, 25);
	counts[RESOURCE_TEMPLATES] = row_count(website, 45);
	counts[RESOURCE_LOCALES] = HELPDESK_LOCALES;
	counts[RESOURCE_PAGES] = row_count(website, HELPDESK_PAGES);
	counts[RESOURCE_FEEDBACK] = row_count(website, HELPDESK_FEEDBACK);
	counts[RESOURCE_REDIRECTIONS] = row_count(website, 42);
	counts[RESOURCE_BLOCKED] = row_count(website, 8);
	counts[RESOURCE_SUBSCRIPTIONS] = number == 0 ? 6 : 4;

	/* Rows refer to other lists by number: those must know their size first. */
	for (int i = RESOURCE_COUNT; i-- > 0;)
		collection_init(&website->lists[i], resource_types[i], website,
						random_mix(options->seed, number * 64 + (uint32_t) i), 0, counts[i]);
}

void
dataset_init(Dataset *dataset, const Options *options, bool untidy)
{
	memset(dataset, 0, sizeof(*dataset));
	dataset->untidy = untidy;
	dataset->options = options;
	make_token(&dataset->plugin_token, 1);
	make_token(&dataset->user_token, 2);
	random_uuid(TOKEN_SEED, 3, dataset->plugin_id);
	random_uuid(TOKEN_SEED, 4, dataset->user_id);
	dataset->website_count = options->websites;
	dataset->websites = xcalloc(options->websites, sizeof(Website));
	for (uint32_t i = 0; i < options->websites; i++)
		init_website(&dataset->websites[i], dataset, i);
}

void
dataset_free(Dataset *dataset)
{
	for (size_t i = 0; i < dataset->website_count; i++)
	{
		Website *website = &dataset->websites[i];

		for (int list = 0; list < RESOURCE_COUNT; list++)
			collection_free(&website->lists[list]);
		for (size_t j = 0; j < website->changed_count; j++)
		{
			collection_free(&website->changed[j]->rows);
			free(website->changed[j]);
		}
		free(website->changed);
		json_object_put(website->people_extra);
	}
	free(dataset->websites);
	memset(dataset, 0, sizeof(*dataset));
}

Website *
dataset_website(const Dataset *dataset, const char *id)
{
	for (size_t i = 0; i < dataset->website_count; i++)
		if (strcmp(dataset->websites[i].id, id) == 0)
			return &dataset->websites[i];
	return NULL;
}

Collection *
website_list(Website *website, const char *name)
{
	for (int i = 0; i < RESOURCE_COUNT; i++)
		if (strcmp(resource_types[i]->name, name) == 0)
			return &website->lists[i];
	return NULL;
}
