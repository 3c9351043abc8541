/*-------------------------------------------------------------------------
 *
 * accounts.h
 *		Describe in the catalog who is behind a token, and which website it opens.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_ACCOUNTS_H
#define CRISP_ACCOUNTS_H

#include "resource/entry.h"

/* The account behind the tokens of a tier; paths are JSON paths in the answer's data, or NULL. */
typedef struct CrispAccount
{
	const char *tier;
	const char *route; /* NULL: a website's token has none */
	const char *id_path;
	const char *name_path;

	/* Whose list has all websites that the token opens; NULL when there is no such list. */
	const CrispResource *websites;
} CrispAccount;

/* What Crisp tells about a website, by the resource's own route. */
typedef struct CrispWebsite
{
	const CrispResource *resource;
	const char			*name_path;
	const char			*domain_path;
} CrispWebsite;

extern const CrispWebsite crisp_website;

/* Return what there is for a tier, which must be one that option tier takes; never NULL. */
extern const CrispAccount *crisp_account_of_tier(const char *tier);

#endif /* CRISP_ACCOUNTS_H */
