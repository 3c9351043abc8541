/*
 * auth.c
 *		Find out who asks, and what he may.
 */
#include "auth.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fault.h"

/*
 * Return "identifier:key" of a Basic Authorization header, which the caller frees; NULL for
 * anything else.
 */
static char *
basic_credentials(const char *header)
{
	size_t len;

	if (header == NULL || strncasecmp(header, "Basic ", 6) != 0)
		return NULL;
	return base64_decode(header + 6, &len);
}

static bool
is_token(const Token *token, const char *credentials)
{
	size_t len = strlen(token->identifier);

	return strncmp(credentials, token->identifier, len) == 0 && credentials[len] == ':' &&
		   strcmp(credentials + len + 1, token->key) == 0;
}

static Access
check_credentials(const Dataset *dataset, const char *tier, const char *credentials)
{
	if (strcmp(tier, "plugin") == 0 && is_token(&dataset->plugin_token, credentials))
		return (Access){TIER_PLUGIN, NULL};
	if (strcmp(tier, "user") == 0 && is_token(&dataset->user_token, credentials))
		return (Access){TIER_USER, NULL};
	for (size_t i = 0; i < dataset->website_count && strcmp(tier, "website") == 0; i++)
		if (is_token(&dataset->websites[i].token, credentials))
			return (Access){TIER_WEBSITE, &dataset->websites[i]};
	return (Access){TIER_NONE, NULL};
}

Access
auth_check(const Dataset *dataset, const Request *request)
{
	char  *credentials = basic_credentials(request->authorization);
	Access access = {TIER_NONE, NULL};

	if (credentials != NULL && request->tier != NULL)
		access = check_credentials(dataset, request->tier, credentials);
	free(credentials);
	return access;
}

bool
auth_allows(const Access *access, const Website *website)
{
	switch (access->tier)
	{
		case TIER_WEBSITE:
			return access->website == website;
		case TIER_PLUGIN:
			return website->has_plugin;
		case TIER_USER:
			return true;
		case TIER_NONE:
			break;
	}
	return false;
}
