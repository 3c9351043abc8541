/*-------------------------------------------------------------------------
 *
 * http.h
 *		HTTP over libcurl: connections, waiting, limits, ownership.
 *
 * Knows nothing of Crisp and raises no error for what a server or network
 * does: it reports an outcome, and the caller knows what that means.
 *
 * Copyright (c) 2026, the crisp_fdw developers
 *
 *-------------------------------------------------------------------------
 */
#ifndef CRISP_HTTP_H
#define CRISP_HTTP_H

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
	size_t		body_length; /* in bytes */
	int64		wire_bytes;	 /* received, headers included, before decompression */
} HttpResponse;

typedef struct HttpPool		HttpPool;
typedef struct HttpTransfer HttpTransfer;

/*
 * The connections of a user mapping: kept by this backend across statements,
 * never shared with another mapping, dropped when the server or the mapping
 * changes (found by syscache invalidation).  credentials is a hash of what is sent over them:
 * other credentials of the same mapping, as of a scan that began before it
 * changed, have connections of their own.
 *
 * The pool stays valid until owner is reset or deleted, also when it was
 * dropped meanwhile: whoever holds it goes on with it, and the next call here
 * makes a new one.
 *
 * Raises HV000 (FDW_ERROR) when libcurl can't be initialized.
 */
extern HttpPool *http_pool(Oid server_id, Oid user_mapping_id, uint64 credentials,
						   MemoryContext owner);

/*
 * Drop the pools of a server, of all servers for InvalidOid.  Those that
 * nobody holds are closed at once, the others when the last holder or
 * transfer is gone.  Returns whether there were any.
 */
extern bool http_pool_close(Oid server_id);

/*
 * A descriptor that becomes readable when http_progress() has something to do, be it for a socket
 * or for a timer.  It belongs to the pool and stays the same as long as the pool has a transfer;
 * it's for waiting only, and asked for each time just before.  A duplicate of it is accounted for
 * by the transfer that is waited for.  Raises 53000 (INSUFFICIENT_RESOURCES) where there is none,
 * and the backend may open no more descriptors.
 */
extern pgsocket http_pool_socket(HttpPool *pool);

/*
 * An Append node is about to wait for the descriptors that it asks for next, or just looks whether
 * they are readable, or has waited (false): that time counts as spent in http_wait().  Raises no
 * error.
 */
extern void http_append_waits(bool waits);

/*
 * Start a request; returns at once, and http_progress() sends it.  The transfer and all that it
 * holds belong to owner, whose reset or deletion aborts and releases it.  What request points to is
 * copied.
 *
 * GET and HEAD may be sent once more by libcurl when a kept connection turns out to be dead.
 * Everything else goes over a connection of its own, and so is sent at most once.
 *
 * Where the backend may open no more descriptors, it first waits until other pools have what they
 * asked for, and closes their connections.  Raises what http_wait() and http_progress() do then.
 *
 * Raises HV001 for lack of memory, HV000 where libcurl won't, and 53000 (INSUFFICIENT_RESOURCES)
 * for lack of descriptors.
 */
extern HttpTransfer *http_start(HttpPool *pool, const HttpRequest *request, MemoryContext owner);

/*
 * Let all transfers of the pool go on as far as they can without waiting.
 * Raises what CHECK_FOR_INTERRUPTS() raises, and HV000 (FDW_ERROR) when
 * libcurl or the kernel won't go on; the pool is dropped then.
 */
extern void http_progress(HttpPool *pool);

/* Whether the transfer has ended, in whatever way. */
extern bool http_complete(const HttpTransfer *transfer);

/*
 * A clock that only goes forward, milliseconds since some moment in the past.
 */
extern int64 http_clock(void);

/*
 * Make http_pool_socket() readable at the latest when http_clock() says at_ms.
 * One such moment is kept, the earliest, until it has come: then whoever still
 * waits for another says so again.  Raises no error.
 */
extern void http_wake_at(HttpPool *pool, int64 at_ms);

/*
 * Wait until http_progress() has something to do, or the process latch is set.
 * idle tells what pg_stat_activity shows (17+): CrispRetry when the caller
 * waits for a moment to come, CrispHttp when it waits for an answer.
 * Raises what CHECK_FOR_INTERRUPTS() raises, at once.
 */
extern void http_wait(HttpPool *pool, bool idle);

/* The outcome of a transfer that has ended; owned by it. */
extern const HttpResponse *http_response(const HttpTransfer *transfer);

/*
 * Let the body of an answered transfer live as long as owner, which must outlive the
 * transfer.  http_response() still points to it.  Raises only for memory.
 */
extern void http_keep_body(HttpTransfer *transfer, MemoryContext owner);

/* Abort if need be, and release; the transfer and its response are gone then. */
extern void http_end(HttpTransfer *transfer);

#endif /* CRISP_HTTP_H */
