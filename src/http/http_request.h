/*-------------------------------------------------------------------------
 *
 * http_request.h
 *		Define an HTTP request, and what became of it.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_HTTP_REQUEST_H
#define CRISP_HTTP_REQUEST_H

/*
 * How a transfer ended.  With those that say so, nothing of the request has
 * been sent, so that it may be made again whatever its method.
 */
typedef enum HttpOutcome
{
	HTTP_ANSWERED,		 /* a whole answer came, whatever its status */
	HTTP_CANNOT_RESOLVE, /* the host has no address, or none in time; nothing was sent */
	HTTP_CANNOT_CONNECT, /* nobody there, or not within connect_timeout_ms; nothing was sent */
	HTTP_TLS_FAILED,	 /* the handshake broke off; nothing was sent */
	HTTP_TLS_UNTRUSTED,	 /* certificate, or our own set-up of TLS; nothing was sent */
	HTTP_TIMED_OUT,		 /* connected, but no whole answer within timeout_ms, or too slow */
	HTTP_BROKEN,		 /* the connection ended before the answer did */
	HTTP_GARBLED, /* no HTTP, a head without end, or the body isn't in the encoding that it names */
	HTTP_TOO_LARGE, /* the body grew over max_response_bytes */
	HTTP_FAILED		/* anything else; see message */
} HttpOutcome;

/*
 * timeout_ms and the low speed count the time in which somebody waits for the pool, and not that in
 * which the rows of an earlier answer are being used: what has come meanwhile isn't late.
 */
typedef struct HttpRequest
{
	const char		  *method;	 /* "GET", "POST", ... */
	const char		  *url;		 /* whole, escaped; sent as it is, "." and ".." included */
	const char		  *username; /* Basic authentication, or NULL */
	const char		  *password;
	const char *const *headers; /* "Name: value", NULL-terminated; or NULL */
	const char		  *ca_file; /* certificate authorities to trust, PEM; NULL for libcurl's own */
	const char		  *body;	/* to send, or NULL */
	size_t			   body_length;
	bool			   repeatable;		   /* it may reach the server twice without harm */
	int				   connect_timeout_ms; /* name, connection and TLS; 0 for 300 s */
	int				   timeout_ms;		   /* for the whole transfer, 0 for none */
	int				   low_speed_limit;	   /* bytes of the body a second; slower than that ... */
	int				   low_speed_time_ms;  /* ... for so long is given up; 0 for never */
	size_t			   max_response_bytes; /* of the decoded body, 0 for no limit */
} HttpRequest;

/*
 * Texts are printable ASCII (what else a server sends shows up as "?"), but
 * for the body, which is as it came.
 */
typedef struct HttpResponse
{
	HttpOutcome outcome;
	char		message[256];  /* libcurl's own words, without a period, empty if HTTP_ANSWERED;
							   * holds no credential */
	int			status;		   /* 0 when none came */
	const char *content_type;  /* never NULL */
	const char *retry_after;   /* as it came; NULL when absent */
	int64		retry_after_s; /* what it says, as http_head_retry_after() */
	int64		date;	  /* by the server's clock, Unix seconds; 0 when absent or not understood */
	const char *location; /* of a redirect (never followed), NULL when absent */
	const char *body;	  /* ends in a NUL that body_length doesn't count; empty
								* unless HTTP_ANSWERED */
	size_t		body_length;  /* in bytes */
	int64		wire_bytes;	  /* received, headers included, before decompression */
	bool		was_repeated; /* the answer isn't to the first that libcurl has sent: a kept
							   * connection broke off, as far as it tells, from 7.80.0 on */
} HttpResponse;
/* A request that was started; see http.h. */
typedef struct HttpTransfer HttpTransfer;

#endif /* CRISP_HTTP_REQUEST_H */
