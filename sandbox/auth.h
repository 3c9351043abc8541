/*
 * auth.h
 *		Find out who asks, and what he may.
 */
#ifndef SANDBOX_AUTH_H
#define SANDBOX_AUTH_H

#include "dataset.h"
#include "request.h"

typedef enum Tier
{
	TIER_NONE, /* not authenticated */
	TIER_WEBSITE,
	TIER_PLUGIN,
	TIER_USER
} Tier;

typedef struct Access
{
	Tier		   tier;
	const Website *website; /* the token's own, with TIER_WEBSITE */
} Access;

/* Read the headers Authorization and X-Crisp-Tier. */
extern Access auth_check(const Dataset *dataset, const Request *request);

/*
 * Say whether the token opens this website: its own, where the plugin is installed, or any of the
 * user's.
 */
extern bool auth_allows(const Access *access, const Website *website);

#endif /* SANDBOX_AUTH_H */
