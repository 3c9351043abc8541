/*-------------------------------------------------------------------------
 *
 * accounts.c
 *		Describe in the catalog who is behind a token, and which website it opens.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "resource/accounts.h"
#include "resource/websites.h"

/* A website token has no account but its website. */
static const CrispAccount accounts[] = {
	{"website"},
	{"plugin", "plugin/connect/account", "plugin_id", NULL, &crisp_websites},
	{"user", "user/account", "user_id", "email"},
};

const CrispWebsite crisp_website = {&crisp_websites, "name", "domain"};

const CrispAccount *
crisp_account_of_tier(const char *tier)
{
	for (size_t i = 0; i < lengthof(accounts); i++)
		if (strcmp(accounts[i].tier, tier) == 0)
			return &accounts[i];
	elog(ERROR, "unexpected tier \"%s\"", tier);
}
