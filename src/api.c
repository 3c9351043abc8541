/*-------------------------------------------------------------------------
 *
 * api.c
 *		Crisp's requests, envelope and errors.
 *
 * http.c says how a transfer ended; here that becomes either the data of
 * Crisp's envelope {"error": …, "reason": …, "data": …} or an error on which a
 * user can act.  No message holds a credential: not even when a server sends
 * them back.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/base64.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "portability/instr_time.h"

#include "api.h"
#include "compat.h"
#include "http.h"

/* How much of an unexpected body is shown, bytes. */
#define EXCERPT_BYTES 120

/* How much of a credential makes a text secret, bytes. */
#define SECRET_BEGINNING 12

struct ApiCall
{
	const CrispOptions *options;
	const char		   *target;
	MemoryContext		owner;
	HttpTransfer	   *transfer;
};

/*----------
 * Requests
 *----------
 */

ApiCall *
api_start(const CrispOptions *options, const char *target, MemoryContext owner)
{
	ApiCall			 *call = MemoryContextAllocZero(owner, sizeof(ApiCall));
	char			 *url = psprintf("%s/%s", options->base_url, target);
	char			 *tier = psprintf("X-Crisp-Tier: %s", options->tier);
	const char *const headers[] = {"Accept: application/json", tier, NULL};
	HttpRequest		  request = {
			  .method = "GET",
			  .url = url,
			  .username = options->identifier,
			  .password = options->key,
			  .headers = headers,
			  .connect_timeout_ms = options->connect_timeout_ms,
			  .timeout_ms = options->request_timeout_ms,
			  .max_response_bytes = CRISP_MAX_RESPONSE_BYTES,
	  };

	call->options = options;
	call->target = target;
	call->owner = owner;

	ereport(DEBUG1, (errmsg_internal("crisp_fdw: GET %s", target)));
	options->counts->requests++;
	call->transfer = http_start(http_pool(options->server_id, options->user_mapping_id, owner),
								&request, owner);
	pfree(url);
	pfree(tier);
	return call;
}

/*----------
 * Text from the network, made fit for a message
 *----------
 */

/*
 * Whether text has the beginning of a secret in it, in whatever case.
 */
static bool
holds_beginning(const char *text, const char *secret)
{
	return strcasestr(text, pnstrdup(secret, SECRET_BEGINNING)) != NULL;
}

/*
 * Whether text has one of the credentials in it, as such or in the form in
 * which they are sent.  A server may have cut them, or changed their case.
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
 * The beginning of a text in UTF-8 as one line in the database's encoding;
 * palloc'd.  What isn't text becomes question marks.
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
		if (*c < ' ' || *c == 127)
			*c = ' ';
		else if (*c > 127 && !as_is)
			*c = '?';
	}
	return cut ? psprintf("%s...", result) : result;
}

/*
 * A string member of a JSON object; NULL when it has none of that name.
 */
static const char *
string_member(json_object *object, const char *name)
{
	json_object *member;

	if (!json_object_is_type(object, json_type_object) ||
		!json_object_object_get_ex(object, name, &member) ||
		!json_object_is_type(member, json_type_string))
		return NULL;
	return json_object_get_string(member);
}

/*----------
 * Errors
 *----------
 */

/*
 * Raise what a transfer without an answer means.
 */
pg_noreturn static void
raise_no_answer(const ApiCall *call, const HttpResponse *response)
{
	const CrispOptions *options = call->options;
	int					code = ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION;
	const char		   *what = NULL;
	const char		   *hint = NULL;

	switch (response->outcome)
	{
		case HTTP_CANNOT_RESOLVE:
		case HTTP_CANNOT_CONNECT:
			what = "could not connect to Crisp";
			hint =
				"Check the server's option base_url, and that this machine can reach that address.";
			break;
		case HTTP_TLS_FAILED:
			what = "could not establish a secure connection to Crisp";
			hint =
				"Check the server's option base_url, and the certificate authorities that this machine trusts.";
			break;
		case HTTP_TIMED_OUT:
			code = ERRCODE_FDW_UNABLE_TO_CREATE_REPLY;
			what = "Crisp did not answer in time";
			hint = psprintf("The server's option request_timeout allows %d ms.",
							options->request_timeout_ms);
			break;
		case HTTP_TOO_LARGE:
			code = ERRCODE_PROGRAM_LIMIT_EXCEEDED;
			what = "answer of Crisp is too large";
			hint = psprintf("At most %zu bytes are read.", CRISP_MAX_RESPONSE_BYTES);
			break;
		case HTTP_BROKEN:
			code = ERRCODE_FDW_UNABLE_TO_CREATE_REPLY;
			what = "connection to Crisp broke off";
			hint = "Try again.";
			break;
		case HTTP_ANSWERED:
		case HTTP_FAILED:
			code = ERRCODE_FDW_ERROR;
			what = "request to Crisp failed";
			break;
	}

	ereport(ERROR, (errcode(code), errmsg("%s, server \"%s\"", what, options->server_name),
					errdetail("GET %s/%s: %s.", options->base_url, call->target, response->message),
					hint ? errhint("%s", hint) : 0));
}

/*
 * What the statuses of failed answers mean [doc: the reference's list of
 * errors].  The last entry takes all others.
 */
typedef struct StatusMeaning
{
	int			first;
	int			last;
	int			code;
	const char *what;
	const char *hint;
} StatusMeaning;

static const StatusMeaning status_meanings[] = {
	{300, 399, ERRCODE_FDW_ERROR, "Crisp redirects to another address",
	 "Redirects are not followed, since they would carry the credentials along. Check the server's option base_url."},
	{401, 401, ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION, "Crisp rejected the credentials",
	 "Check identifier, key and tier in the user mapping."},
	{402, 402, ERRCODE_FDW_ERROR, "the website's Crisp plan does not include this",
	 "The website needs a higher plan at Crisp."},
	{403, 403, ERRCODE_INSUFFICIENT_PRIVILEGE, "the Crisp token does not allow this",
	 "Check that the token in the user mapping has the scopes it needs, that it covers the website, and its tier."},
	{404, 404, ERRCODE_FDW_TABLE_NOT_FOUND, "Crisp does not know what was asked for",
	 "Check option website_id on the server and on the foreign table, and the server's option base_url."},
	{420, 420, ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
	 "Crisp's rate limit or request quota is reached",
	 "Wait before trying again; quotas are reset daily."},
	{429, 429, ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
	 "Crisp's rate limit or request quota is reached",
	 "Wait before trying again; quotas are reset daily."},
	{500, 599, ERRCODE_FDW_UNABLE_TO_CREATE_REPLY, "Crisp failed to answer", "Try again later."},
	{0, 999, ERRCODE_FDW_ERROR, "Crisp refused the request", NULL},
};

/*
 * Raise what a status other than success means.  envelope is the parsed body,
 * NULL when it isn't JSON.
 */
pg_noreturn static void
raise_status(const ApiCall *call, const HttpResponse *response, json_object *envelope)
{
	const CrispOptions	*options = call->options;
	const StatusMeaning *meaning = status_meanings;
	const char			*reason = string_member(envelope, "reason");
	const char			*message = NULL;
	json_object			*data;
	StringInfoData		 detail;

	while (response->status < meaning->first || response->status > meaning->last)
		meaning++;

	initStringInfo(&detail);
	appendStringInfo(&detail, "GET %s answered HTTP %d", call->target, response->status);
	if (reason != NULL)
		appendStringInfo(&detail, ", reason \"%s\"", excerpt(options, reason));
	if (json_object_is_type(envelope, json_type_object) &&
		json_object_object_get_ex(envelope, "data", &data))
		message = string_member(data, "message");
	if (message != NULL)
		appendStringInfo(&detail, ": %s", excerpt(options, message));
	if (response->retry_after != NULL)
		appendStringInfo(&detail, ", Retry-After: %s", excerpt(options, response->retry_after));

	ereport(ERROR,
			(errcode(meaning->code),
			 errmsg("%s, server \"%s\"", meaning->what, options->server_name),
			 errdetail("%s.", detail.data), meaning->hint ? errhint("%s", meaning->hint) : 0));
}

/*
 * Raise that a body isn't what Crisp's API sends.
 */
pg_noreturn static void
raise_malformed(const ApiCall *call, const HttpResponse *response, const char *problem)
{
	const CrispOptions *options = call->options;

	ereport(ERROR,
			(errcode(ERRCODE_PROTOCOL_VIOLATION),
			 errmsg("unexpected answer from Crisp, server \"%s\"", options->server_name),
			 errdetail("GET %s answered HTTP %d, content type \"%s\": %s The body begins: %s",
					   call->target, response->status, excerpt(options, response->content_type),
					   problem, excerpt(options, response->body)),
			 errhint("Check the server's option base_url.")));
}

/*
 * Take an answer apart, or raise.
 */
static void
read_answer(ApiCall *call, const HttpResponse *response, ApiAnswer *answer)
{
	bool		 success = response->status == 200 || response->status == 206;
	json_object *envelope = NULL;
	json_object *error;
	char		*problem = NULL;
	bool		 is_json = json_parse(call->owner, response->body, response->body_length, &envelope,
									  &problem);

	if (!success)
		raise_status(call, response, envelope);
	if (!is_json)
		raise_malformed(call, response, psprintf("It is not JSON: %s.", problem));
	if (json_object_is_type(envelope, json_type_object) &&
		json_object_object_get_ex(envelope, "error", &error) && json_object_get_boolean(error))
		raise_status(call, response, envelope);
	if (!json_object_is_type(envelope, json_type_object) ||
		!json_object_object_get_ex(envelope, "data", &answer->data))
		raise_malformed(call, response, "It has no \"data\".");

	answer->more = response->status == 206;
}

/*
 * Wait for a call's end, and return its response, or raise.
 */
static const HttpResponse *
wait_for_response(ApiCall *call)
{
	ApiCounts		   *counts = call->options->counts;
	const HttpResponse *response;
	instr_time			start;
	instr_time			waited;

	INSTR_TIME_SET_CURRENT(start);
	http_wait(call->transfer);
	INSTR_TIME_SET_CURRENT(waited);
	INSTR_TIME_SUBTRACT(waited, start);
	counts->wait_ms += INSTR_TIME_GET_MILLISEC(waited);

	response = http_response(call->transfer);
	counts->bytes += response->wire_bytes;
	if (response->outcome != HTTP_ANSWERED)
		raise_no_answer(call, response);
	return response;
}

static void
release_call(ApiCall *call)
{
	http_end(call->transfer);
	pfree(call);
}

void
api_finish(ApiCall *call, ApiAnswer *answer)
{
	read_answer(call, wait_for_response(call), answer);
	release_call(call);
}

/*
 * Whether a failed lookup says that nothing has the key, and not that the
 * website is unknown.
 */
static bool
is_absent(const ApiCall *call, const HttpResponse *response)
{
	json_object *envelope;
	char		*problem;
	const char	*reason;

	if ((response->status != 404 && response->status != 400) ||
		!json_parse(call->owner, response->body, response->body_length, &envelope, &problem))
		return false;
	reason = string_member(envelope, "reason");
	return reason != NULL && strstr(reason, "website") == NULL;
}

bool
api_finish_lookup(ApiCall *call, ApiAnswer *answer)
{
	const HttpResponse *response = wait_for_response(call);
	bool				found = !is_absent(call, response);

	if (found)
		read_answer(call, response, answer);
	release_call(call);
	return found;
}
