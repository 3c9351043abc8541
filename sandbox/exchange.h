/*
 * exchange.h
 *		Take one request and its answer through the server.
 */
#ifndef SANDBOX_EXCHANGE_H
#define SANDBOX_EXCHANGE_H

#include <microhttpd.h>

#include "sandbox.h"

#define NEVER INT64_MAX

/* Those that wait: for their delay, for the next drop of a body, or for ever. */
typedef struct WaitingList
{
	struct Exchange *first;
} WaitingList;

typedef struct Exchange
{
	Sandbox				  *sandbox;
	WaitingList			  *waiting;
	struct MHD_Connection *connection;
	int					   socket;
	uint64_t			   connection_number;
	Request				   request;
	Delivery			   delivery;
	LogReference		   logged;
	bool				   begun;	  /* the request's head was seen */
	bool				   answered;  /* the delivery is ready */
	bool				   delayed;	  /* its delay is over, or under way */
	bool				   abandoned; /* to be closed without an answer */
	bool				   for_quiet; /* it waits until no request has come for a while */
	int64_t				   wake_ms;	  /* while it waits: monotonic, or NEVER */
	bool				   is_waiting;
	int64_t				   drip_due_ms; /* when the next drop may go out; 0: the first */
	struct Exchange		  *next;		/* in the waiting list */
	struct Exchange		  *previous;
} Exchange;

/*
 * Begin an exchange.  "socket" and "connection_number" are those of the connection; "target" is
 * path and query.
 */
extern Exchange *exchange_new(Sandbox *sandbox, WaitingList *waiting, const char *target,
							  struct MHD_Connection *connection, int socket,
							  uint64_t connection_number);
extern void		 exchange_free(Exchange *exchange);

/* Make the answer to a request that is complete. */
extern void exchange_answer(Exchange *exchange);

/* Send the answer, or suspend the connection until it is time; MHD_NO closes it. */
extern enum MHD_Result exchange_deliver(Exchange *exchange);

/* Let a connection that waits go on. */
extern void exchange_wake(Exchange *exchange);

/* Let those that would wait for ever go, without an answer. */
extern void waiting_release(WaitingList *waiting);

#endif /* SANDBOX_EXCHANGE_H */
