/*-------------------------------------------------------------------------
 *
 * api_error.c
 *		Say what a request that failed means to a user.
 *
 * http.c says how a transfer ended, and Crisp's envelope why a request was
 * refused; here that becomes words on which a user can act.  None holds a
 * credential: not even when a server sends them back.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/base64.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"

#include "api/api_error.h"
#include "api/quota.h"
#include "base/sqlstate.h"

/* How much of an unexpected body is shown, bytes. */
#define EXCERPT_BYTES 120

/* How much of a credential makes a text secret, bytes. */
#define SECRET_BEGINNING 12

/*----------
 * Text from the network, made fit for a message
 *----------
 */

/*
 * Say whether text has the beginning of a secret in it, in whatever case.
 */
static bool
holds_beginning(const char *text, const char *secret)
{
	return strcasestr(text, pnstrdup(secret, SECRET_BEGINNING)) != NULL;
}

/*
 * Say whether text has one of the credentials in it, as such or in the form in which they are sent.
 * A server may have cut them, or changed their case.
 */
static bool
holds_credential(const CrispOptions *options, const char *text)
{
	char *sent = psprintf("%s:%s", options->identifier, options->key);
	int	  size = pg_b64_enc_len((int) strlen(sent)) + 1;
	char *encoded = palloc0(size);

	return pg_b64_encode((const void *) sent, (int) strlen(sent), encoded, size) < 0 ||
		   holds_beginning(text, encoded) || holds_beginning(text, options->key) ||
		   holds_beginning(text, options->identifier);
}

/*
 * Return the beginning of a text in UTF-8 as one line in the database's encoding; palloc'd.  What
 * isn't text becomes question marks.
 */
static char *
excerpt(const CrispOptions *options, const char *text)
{
	size_t length = strlen(text);
	bool   cut = length > EXCERPT_BYTES;
	bool   as_is;
	char  *result;

	if (holds_credential(options, text))
		return pstrdup("(not shown, for it holds credentials)");

	if (cut)
		length = pg_encoding_mbcliplen(PG_UTF8, text, length, EXCERPT_BYTES);
	as_is = GetDatabaseEncoding() == PG_UTF8 && pg_verify_mbstr(PG_UTF8, text, length, true);

	result = pnstrdup(text, length);
	for (unsigned char *c = (unsigned char *) result; *c != '\0'; c++)
	{
		if (as_is && c[0] == 0xC2 && c[1] < 0xA0) /* U+0080 to U+009F */
			c[0] = c[1] = ' ';
		else if (*c < ' ' || *c == 127)
			*c = ' ';
		else if (*c > 127 && !as_is)
			*c = '?';
	}
	return cut ? psprintf("%s...", result) : result;
}

/*
 * Return a string member of a JSON object; NULL when it has none of that name.
 */
static const char *
string_member(const JsonNode *object, const char *name)
{
	return json_node_string(json_node_member(object, name), NULL);
}

/*----------
 * Errors
 *----------
 */

/* What to look at when an answer is none of Crisp's, or not as Crisp has sent it. */
static const char unexpected_hint[] =
	"Check the server's option base_url, and what is between this machine and Crisp.";

/*
 * What a transfer without an answer means, how it counts, and what to look at.
 */
typedef struct OutcomeMeaning
{
	HttpOutcome	 outcome;
	UsageOutcome counts_as;
	int			 code;
	const char	*what;
	const char	*hint;
} OutcomeMeaning;

static const OutcomeMeaning outcome_meanings[] = {
	{HTTP_CANNOT_RESOLVE, USAGE_UNREACHABLE, ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION,
	 "could not connect to Crisp",
	 "Check the server's option base_url, and that this machine can reach that address within "
	 "connect_timeout."},
	{HTTP_CANNOT_CONNECT, USAGE_UNREACHABLE, ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION,
	 "could not connect to Crisp",
	 "Check the server's option base_url, and that this machine can reach that address within "
	 "connect_timeout."},
	{HTTP_TLS_FAILED, USAGE_UNREACHABLE, ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION,
	 "could not establish a secure connection to Crisp",
	 "Check the server's options base_url and sslrootcert, and the certificate authorities that "
	 "this machine trusts."},
	{HTTP_TLS_UNTRUSTED, USAGE_UNREACHABLE, ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION,
	 "could not establish a secure connection to Crisp",
	 "Check the server's options base_url and sslrootcert, and the certificate authorities that "
	 "this machine trusts."},
	{HTTP_TIMED_OUT, USAGE_TIMED_OUT, ERRCODE_FDW_UNABLE_TO_CREATE_REPLY,
	 "Crisp did not answer in time", NULL},
	{HTTP_BROKEN, USAGE_BROKEN, ERRCODE_FDW_UNABLE_TO_CREATE_REPLY, "connection to Crisp broke off",
	 "Try again."},
	{HTTP_GARBLED, USAGE_UNUSABLE, ERRCODE_PROTOCOL_VIOLATION, "unexpected answer from Crisp",
	 unexpected_hint},
	{HTTP_TOO_LARGE, USAGE_UNUSABLE, ERRCODE_PROGRAM_LIMIT_EXCEEDED, "answer of Crisp is too large",
	 NULL},
	{HTTP_FAILED, USAGE_UNUSABLE, ERRCODE_FDW_ERROR, "request to Crisp failed", NULL},
};

/*
 * Say which options have limited the time of a request.
 */
static const char *
timeout_hint(const CrispOptions *options)
{
	if (options->low_speed_limit == 0)
		return psprintf("The server's option request_timeout allows %d ms.",
						options->request_timeout_ms);
	return psprintf(
		"The server's option request_timeout allows %d ms, and low_speed_time %d ms with "
		"less than %d bytes a second.",
		options->request_timeout_ms, options->low_speed_time_ms, options->low_speed_limit);
}

/*
 * Say which option has limited the size of an answer.
 */
static const char *
size_hint(const CrispOptions *options)
{
	return psprintf("The server's option max_response_size allows %d bytes.",
					options->max_response_bytes);
}

void
api_error_of_transfer(ApiError *error, const CrispOptions *options, const char *method,
					  const char *target, const HttpResponse *response)
{
	const OutcomeMeaning *meaning = outcome_meanings;

	Assert(response->outcome != HTTP_ANSWERED);
	while (meaning->outcome != response->outcome)
		meaning++;

	error->outcome = meaning->counts_as;
	error->code = meaning->code;
	error->message = meaning->what;
	error->detail = psprintf("%s %s/%s: %s.", method, options->base_url, target, response->message);
	error->hint = meaning->hint;
	if (response->outcome == HTTP_TIMED_OUT)
		error->hint = timeout_hint(options);
	else if (response->outcome == HTTP_TOO_LARGE)
		error->hint = size_hint(options);
}

/*
 * What the statuses of failed answers mean [doc: the reference's list of
 * errors].  The last entry takes all others.
 */
typedef struct StatusMeaning
{
	int			 first;
	int			 last;
	UsageOutcome counts_as;
	int			 code;
	const char	*what;
	const char	*hint;
} StatusMeaning;

static const StatusMeaning status_meanings[] = {
	{200, 299, USAGE_UNUSABLE, ERRCODE_FDW_ERROR, "Crisp refused the request", NULL},
	{300, 399, USAGE_REFUSED, ERRCODE_FDW_ERROR, "Crisp redirects to another address",
	 "Redirects are not followed, since they would carry the credentials along. Check the server's "
	 "option base_url."},
	{401, 401, USAGE_REFUSED, ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION,
	 "Crisp rejected the credentials", "Check identifier, key and tier in the user mapping."},
	{402, 402, USAGE_REFUSED, ERRCODE_FDW_ERROR, "the website's Crisp plan does not include this",
	 "The website needs a higher plan at Crisp."},
	{403, 403, USAGE_REFUSED, ERRCODE_INSUFFICIENT_PRIVILEGE, "the Crisp token does not allow this",
	 "Check that the token in the user mapping has the scopes it needs, that it covers the "
	 "website, and its tier."},
	{404, 404, USAGE_REFUSED, ERRCODE_FDW_TABLE_NOT_FOUND, "Crisp does not know what was asked for",
	 "Check option website_id on the server and on the foreign table, and the server's option "
	 "base_url."},
	{408, 408, USAGE_TIMED_OUT, ERRCODE_FDW_UNABLE_TO_CREATE_REPLY,
	 "Crisp did not wait for the request", "Try again."},
	{420, 420, USAGE_RATE_LIMITED, ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
	 "Crisp's rate limit or request quota is reached",
	 "Wait before trying again; quotas are reset daily."},
	{422, 422, USAGE_RATE_LIMITED, ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
	 "Crisp's rate limit or request quota is reached",
	 "Wait before trying again; quotas are reset daily. If it stays like this, Crisp may not take "
	 "what was sent: see its reason."},
	{423, 423, USAGE_RATE_LIMITED, ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
	 "Crisp's request quota is spent", "Wait before trying again; quotas are reset daily."},
	{429, 429, USAGE_RATE_LIMITED, ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
	 "Crisp's rate limit or request quota is reached",
	 "Wait before trying again; quotas are reset daily."},
	{500, 599, USAGE_SERVER_ERROR, ERRCODE_FDW_UNABLE_TO_CREATE_REPLY, "Crisp failed to answer",
	 "Try again later."},
	{0, 999, USAGE_REFUSED, ERRCODE_FDW_ERROR, "Crisp refused the request", NULL},
};

/*
 * Say whether only tokens of another tier may ask for the table's resource.
 */
static bool
is_of_other_tier(const CrispOptions *options)
{
	const char *tier = options->resource ? options->resource->tier : NULL;

	return tier != NULL && options->tier != NULL && strcmp(tier, options->tier) != 0;
}

static const char *
other_tier_hint(const CrispOptions *options)
{
	return psprintf(
		"Crisp gives \"%s\" to tokens of tier %s alone, and the user mapping has one of "
		"tier %s.",
		options->resource->name, options->resource->tier, options->tier);
}

/*
 * Say whether a target is one that a route makes: segments in braces stand for any.
 */
static bool
is_of_route(const char *target, const char *route)
{
	while (*route != '\0' && *target != '\0')
	{
		if (*route == '{')
		{
			route += strcspn(route, "/");
			target += strcspn(target, "/?");
		}
		else if (*route++ != *target++)
			return false;
	}
	return *route == '\0' && (*target == '\0' || *target == '?');
}

/*
 * Say what to do while Crisp fails to answer; of a request for what a list lacks of a row, also
 * what needs none.
 */
static const char *
failing_hint(const CrispOptions *options, const char *target, const char *hint)
{
	const CrispResource *resource = options->resource;
	const char *route = resource ? crisp_resource_detail_route(resource, options->tier) : NULL;

	if (route == NULL || !is_of_route(target, route))
		return hint;
	for (int i = 0; i < resource->ncolumns; i++)
		if (resource->columns[i].flags & CRISP_DETAIL)
			return psprintf("%s If this row fails each time, use none of the columns that take a "
							"request for each row, such as \"%s\".",
							hint, crisp_column_name(resource, &resource->columns[i]));
	return hint;
}

void
api_error_of_status(ApiError *error, const CrispOptions *options, const char *method,
					const char *target, const HttpResponse *response, const JsonNode *envelope)
{
	const StatusMeaning *meaning = status_meanings;
	const char			*reason = string_member(envelope, "reason");
	const char			*message = string_member(json_node_member(envelope, "data"), "message");
	StringInfoData		 detail;

	while (response->status < meaning->first || response->status > meaning->last)
		meaning++;

	initStringInfo(&detail);
	appendStringInfo(&detail, "%s %s answered HTTP %d", method, target, response->status);
	if (reason != NULL)
		appendStringInfo(&detail, ", reason \"%s\"", excerpt(options, reason));
	else if (response->status / 100 == 2)
		appendStringInfoString(&detail, ", \"error\" other than false");
	if (message != NULL)
		appendStringInfo(&detail, ": %s", excerpt(options, message));
	if (response->retry_after != NULL)
		appendStringInfo(&detail, ", Retry-After: %s", excerpt(options, response->retry_after));
	if (response->location != NULL)
		appendStringInfo(&detail, ", Location: %s", excerpt(options, response->location));
	appendStringInfoChar(&detail, '.');

	error->outcome = meaning->counts_as;
	error->code = meaning->code;
	error->message = meaning->what;
	error->detail = detail.data;
	error->hint = meaning->hint;
	if (meaning->code == ERRCODE_INSUFFICIENT_PRIVILEGE && is_of_other_tier(options))
		error->hint = other_tier_hint(options);
	else if (meaning->counts_as == USAGE_SERVER_ERROR)
		error->hint = failing_hint(options, target, meaning->hint);
}

void
api_error_of_body(ApiError *error, const CrispOptions *options, const char *method,
				  const char *target, const HttpResponse *response, const char *problem)
{
	const char *answer = psprintf("%s %s answered HTTP %d, content type \"%s\": ", method, target,
								  response->status, excerpt(options, response->content_type));

	error->outcome = USAGE_UNUSABLE;
	error->code = ERRCODE_PROTOCOL_VIOLATION;
	error->message = "unexpected answer from Crisp";
	if (response->body_length > 0)
		error->detail = psprintf("%s%s The body begins: %s", answer, problem,
								 excerpt(options, response->body));
	else
		error->detail = psprintf("%sIt is empty.", answer);
	error->hint = unexpected_hint;
}

void
api_error_of_size(ApiError *error, const CrispOptions *options, const char *method,
				  const char *target, const char *problem)
{
	error->outcome = USAGE_UNUSABLE;
	error->code = ERRCODE_PROGRAM_LIMIT_EXCEEDED;
	error->message = "answer of Crisp is too large";
	error->detail = psprintf("%s %s/%s: %s.", method, options->base_url, target, problem);
	error->hint = psprintf("%s Values may take twice as much, once they are told apart.",
						   size_hint(options));
}

void
api_error_of_limit(ApiError *error, const char *method, const char *target, int attempt, int limit)
{
	error->code = ERRCODE_CRISP_REQUEST_LIMIT;
	error->message = psprintf("statement needs more than %d request%s to Crisp", limit,
							  limit == 1 ? "" : "s");
	error->detail = psprintf("The next one would be %s %s, attempt %d.", method, target, attempt);
	error->hint = "Ask for less, or raise the setting crisp_fdw.max_requests.";
}

void
api_error_of_day(ApiError *error, const CrispOptions *options, const char *method,
				 const char *target)
{
	int allowed = quota_allowed(options);

	error->code = ERRCODE_CRISP_REQUEST_LIMIT;
	error->message = psprintf("the %d request%s of the day %s spent", allowed,
							  allowed == 1 ? "" : "s", allowed == 1 ? "is" : "are");
	error->detail = psprintf("The next one would be %s %s.", method, target);
	error->hint = "The next day begins at midnight, UTC. crisp_fdw_quota shows what was spent; the "
				  "limit is option daily_requests of the server.";
	if (allowed == 0)
	{
		/* CREATE and ALTER SERVER refuse such options. */
		error->message = "all requests of the day are reserved for syncs and pushes";
		error->detail = psprintf("%s Option daily_requests is %d, and reserved_requests %d.",
								 error->detail, options->daily_requests,
								 options->reserved_requests);
		error->hint = "Set option reserved_requests of the server to less than daily_requests.";
	}
	else if (allowed < options->daily_requests)
		error->detail = psprintf("%s Another %d %s reserved for syncs and pushes.", error->detail,
								 options->daily_requests - allowed,
								 options->daily_requests - allowed == 1 ? "is" : "are");
}

void
api_error_add_attempts(ApiError *error, int attempts, int64 elapsed_ms)
{
	if (attempts > 1)
		error->detail = psprintf("%s\nGave up after %d attempts in %.1f s.", error->detail,
								 attempts, (double) elapsed_ms / 1000);
}

void
api_error_raise(const ApiError *error, const CrispOptions *options)
{
	ereport(ERROR, (errcode(error->code),
					errmsg("%s, server \"%s\"", error->message, options->server_name),
					errdetail("%s", error->detail), error->hint ? errhint("%s", error->hint) : 0));
}

bool
api_error_is_admitted(const JsonNode *envelope)
{
	const JsonNode *flag = json_node_member(envelope, "error");

	return flag != NULL && (json_node_kind(flag) != JSON_NODE_BOOLEAN || json_node_boolean(flag));
}

const char *
api_error_in_data(const JsonNode *envelope, ApiData wanted)
{
	JsonNodeKind kind = json_node_kind(json_node_member(envelope, "data"));

	if (wanted == API_NOTHING && !json_node_has_member(envelope, "error"))
		return "It has no \"error\".";
	if (wanted != API_NOTHING && !json_node_has_member(envelope, "data"))
		return "It has no \"data\".";
	if (wanted == API_LIST && kind != JSON_NODE_ARRAY)
		return "Its \"data\" is not an array.";
	if (wanted == API_OBJECT && kind != JSON_NODE_OBJECT)
		return "Its \"data\" is not an object.";
	if (wanted == API_ROWS && kind != JSON_NODE_ARRAY && kind != JSON_NODE_OBJECT)
		return "Its \"data\" is neither an array nor an object.";
	return NULL;
}

bool
api_error_is_absence(const HttpResponse *response, const JsonNode *envelope)
{
	const char *reason = string_member(envelope, "reason");
	const char *message = string_member(json_node_member(envelope, "data"), "message");

	if (response->outcome != HTTP_ANSWERED || reason == NULL)
		return false;
	if (response->status == 400)
		return strncmp(reason, "invalid_", strlen("invalid_")) == 0;

	/* Of a wrong base_url, Crisp says "not_found", "the route does not exist" [seen]. */
	return response->status == 404 && strstr(reason, "website") == NULL &&
		   strstr(reason, "route") == NULL && (message == NULL || strstr(message, "route") == NULL);
}

bool
api_error_is_past_end(const HttpResponse *response, const JsonNode *envelope)
{
	const char *reason = string_member(envelope, "reason");

	return response->outcome == HTTP_ANSWERED && response->status == 404 && reason != NULL &&
		   strstr(reason, "website") == NULL;
}

bool
api_error_is_crisps(int sqlerrcode)
{
	switch (sqlerrcode)
	{
		case ERRCODE_FDW_OUT_OF_MEMORY:
			return false;
		case ERRCODE_CONFIGURATION_LIMIT_EXCEEDED:
		case ERRCODE_INSUFFICIENT_PRIVILEGE:
		case ERRCODE_PROGRAM_LIMIT_EXCEEDED:
			return true;
		default:
			break;
	}
	switch (ERRCODE_TO_CATEGORY(sqlerrcode))
	{
		case ERRCODE_FDW_ERROR:
		case ERRCODE_CONNECTION_EXCEPTION:
		case ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION:
			return true;
		default:
			return ERRCODE_TO_CATEGORY(sqlerrcode) == ERRCODE_TO_CATEGORY(ERRCODE_CRISP_NOT_EXACT);
	}
}
